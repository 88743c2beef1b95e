// SPDX-License-Identifier: Apache-2.0
// The map `held`: the classifier looks at no pool entry whose bit is clear, so a session must never
// be without it, wherever narthexd is killed. Each step that writes the map is stopped right there,
// in a process of its own, and the entries are looked at as the classifier would find them.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <random>

#include "control/session_map.h"
#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

// Whole pages that a child process shares.
template <class T>
class SharedPages {
 public:
  explicit SharedPages(size_t count) : count_(count) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (count * sizeof(T) + page - 1) / page * page;
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  }
  ~SharedPages() { munmap(memory_, bytes_); }
  std::span<T> all() { return {static_cast<T*>(memory_), count_}; }
  void Forbid() { mprotect(memory_, bytes_, PROT_READ); }

 private:
  size_t count_, bytes_;
  void* memory_;
};

class SharedTable : public FakeTable {
 public:
  explicit SharedTable(const Layout& layout)
      : FakeTable(layout), shared_entries(layout.entries()), shared_held(layout.fast_words()) {}
  std::span<nx_session> Entries() override { return shared_entries.all(); }
  std::span<uint64_t> HeldWords() override { return shared_held.all(); }

  SharedPages<nx_session> shared_entries;
  SharedPages<uint64_t> shared_held;
};

constexpr int kStopped = 77;

class SessionHeldTest : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<WantedEntry> none;
    ASSERT_TRUE(map.Reconcile(none));
  }
  // Whether the action is killed at its first write to `held`.
  bool StopsAtHeld(const std::function<void()>& action) {
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGSEGV, [](int) { _exit(kStopped); });
      table.shared_held.Forbid();
      action();
      _exit(0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    return WEXITSTATUS(status) == kStopped;
  }
  MapEntry Wanted(const char* text, int64_t expires_ns) {
    return {1, *ParseKey(text), {}, 0, expires_ns, 0, {}};
  }
  uint32_t Begin(const char* text, int64_t expires_ns) {
    const MapEntry entry = Wanted(text, expires_ns);
    const uint32_t slot = *map.Reserve(entry.key);
    EXPECT_TRUE(map.Begin(slot, entry));
    return slot;
  }
  bool Held(uint32_t slot) {
    return table.HeldWords()[slot / NX_FAST_BITS] >> slot % NX_FAST_BITS & 1;
  }
  uint64_t ExpiryOf(uint32_t slot) { return table.Entries()[slot].expires_ns; }
  // No session without its bit, no bit without a session.
  void ExpectExact(const char* when) {
    for (uint32_t slot = 0; slot < layout.pool_entries(); ++slot)
      EXPECT_EQ(Held(slot), ExpiryOf(slot) != 0) << "entry " << slot << " " << when;
  }
  WantedEntry InStore(const char* text, int64_t expires_ns) {
    WantedEntry entry;
    static_cast<MapEntry&>(entry) = Wanted(text, expires_ns);
    return entry;
  }

  Config config = TwoZones(3);
  Layout layout{config};
  SharedTable table{layout};
  SessionMap map{layout, table};
};

TEST_F(SessionHeldTest, ABitIsSetBeforeItsSessionBegins) {
  const MapEntry entry = Wanted("10.51.1.70", 9);
  ASSERT_TRUE(StopsAtHeld([&] { (void)map.Begin(70, entry); }));
  EXPECT_EQ(ExpiryOf(70), 0u) << "a session that the classifier would not look at";
  ASSERT_TRUE(map.Begin(70, entry));
  EXPECT_EQ(ExpiryOf(70), 9u);
  ExpectExact("after a login");
}

TEST_F(SessionHeldTest, ABitIsClearedAfterItsSessionHasEnded) {
  const struct {
    const char* description;
    std::function<void()> end;
  } rows[] = {{"ended", [&] { map.End(1, *ParseKey("10.51.1.70"), 70, 0); }},
              {"revoked", [&] { map.Revoke(70); }}};
  for (const auto& row : rows) {
    Begin("10.51.1.70", 9);
    Begin("10.51.1.71", 9);
    ASSERT_TRUE(StopsAtHeld(row.end)) << row.description;
    EXPECT_EQ(ExpiryOf(70), 0u) << row.description;
    row.end();
    EXPECT_FALSE(Held(70)) << row.description;
    EXPECT_TRUE(Held(71)) << row.description << ": its neighbour stays";
  }
}

TEST_F(SessionHeldTest, ChangesOfASessionLeaveItsBitAlone) {
  Begin("10.51.1.70", 9);
  EXPECT_FALSE(StopsAtHeld([&] { map.SetExpiry(70, 20); }));
  EXPECT_FALSE(StopsAtHeld([&] { map.SetLimits(70, 1, 30); }));
  EXPECT_EQ(ExpiryOf(70), 30u);
  EXPECT_TRUE(Held(70));
}

// The classifier may be in force with these maps while narthexd starts again.
TEST_F(SessionHeldTest, RestartsDoNotTouchTheBitsOfSessionsInForce) {
  std::vector<WantedEntry> wanted;
  for (int i = 2; i < 200; i++)
    wanted.push_back(InStore(("10.51.1." + std::to_string(i)).c_str(), 9));
  SessionMap before(layout, table);
  ASSERT_TRUE(before.Reconcile(wanted));
  for (WantedEntry& entry : wanted) entry.expires_ns = 12;  // what the store says differs
  EXPECT_FALSE(StopsAtHeld([&] {
    SessionMap next(layout, table);
    auto again = wanted;
    (void)next.Reconcile(again);
  }));
  EXPECT_EQ(ExpiryOf(70), 12u);
}

TEST_F(SessionHeldTest, RestartsMakeTheBitsExact) {
  const struct {
    const char* description;
    uint64_t found;  // in each word
  } rows[] = {{"a new map", 0}, {"after a crash", ~uint64_t{0}}, {"another's", 0x5555555555555555}};
  for (const auto& row : rows) {
    Begin("10.51.1.70", 9);
    Begin("10.51.1.130", 9);
    for (uint64_t& word : table.HeldWords()) word = row.found;
    std::vector<WantedEntry> wanted = {InStore("10.51.1.70", 9), InStore("10.51.1.71", 9),
                                       InStore("10.52.0.3", 9)};
    SessionMap next(layout, table);
    ASSERT_TRUE(next.Reconcile(wanted)) << row.description;
    EXPECT_EQ(ExpiryOf(130), 0u);
    ExpectExact(row.description);
    std::vector<WantedEntry> none;
    ASSERT_TRUE(map.Reconcile(none));
  }
}

TEST_F(SessionHeldTest, BitsAreExactWhateverHappens) {
  std::mt19937 random(511);
  for (int i = 0; i < 2000; i++) {
    const std::string address = "10.51.1." + std::to_string(2 + random() % 130);
    const Key key = *ParseKey(address);
    const uint32_t slot = *map.Reserve(key);
    switch (random() % 4) {
      case 0:
        map.End(1, key, slot, 0);
        break;
      case 1:
        map.Revoke(slot);
        break;
      case 2:
        if (ExpiryOf(slot) != 0) map.SetLimits(slot, random() % 2, 1 + random() % 9);
        break;
      default:
        Begin(address.c_str(), 1 + random() % 9);
    }
    if (i % 100 == 0) ExpectExact("in the middle");
  }
  ExpectExact("in the end");
}

TEST_F(SessionHeldTest, EntriesBehindThePoolsHaveNone) {
  EXPECT_FALSE(StopsAtHeld([&] { Begin("2001:db8:51:1::a", 9); }));
}

}  // namespace
}  // namespace narthex
