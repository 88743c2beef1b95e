// SPDX-License-Identifier: Apache-2.0
#include "control/session_map.h"

#include <gtest/gtest.h>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

constexpr uint32_t kPools = 256 + 4;

class SessionMapTest : public testing::Test {
 protected:
  void Reconcile(std::vector<WantedEntry> wanted) {
    auto done = map.Reconcile(wanted);
    ASSERT_TRUE(done) << done.error().message;
    report = *done;
    result = wanted;
  }
  static WantedEntry Wanted(const char* address, int64_t expires_ns, uint16_t zone = 1) {
    WantedEntry entry;
    entry.zone = zone;
    entry.key = *ParseKey(address);
    entry.expires_ns = expires_ns;
    return entry;
  }
  uint32_t Begin(const char* text, int64_t expires_ns) {
    Key key = *ParseKey(text);
    uint32_t slot = *map.Reserve(key);
    EXPECT_TRUE(map.Begin(slot, {1, key, {}, 0, expires_ns, 5 * kSecondNs, {}}));
    return slot;
  }

  Config config = TwoZones(3);
  Layout layout{config};
  FakeTable table{layout};
  SessionMap map{layout, table};
  ReconcileReport report;
  std::vector<WantedEntry> result;
};

TEST_F(SessionMapTest, IndexesPoolsDirectly) {
  Reconcile({});
  EXPECT_EQ(Begin("10.51.1.2", 9), 2u);
  EXPECT_EQ(table.entries[2].expires_ns, 9u);
  EXPECT_EQ(table.entries[2].begun, 5u);
  EXPECT_NE(nx_begun(1 << 16), 0) << "0 is long ago";
  EXPECT_EQ(*map.Reserve(*ParseKey("10.52.0.3")), 259u);
  EXPECT_TRUE(table.keys.empty());
}

// The old program counts on between the reading of its accounts and the switch to the new one,
// which counts beside narthexd when it catches up.
TEST_F(SessionMapTest, CatchesUpWithWhatReplacedMapsCountedUntilTheSwitch) {
  table.Replace(4);
  table.replaced[1].expires_ns = table.replaced[2].expires_ns = 9;
  table.replaced_up[1] = nx_traffic(0xfffffe, 100);
  table.replaced_accounts[1].first_seen_s = table.replaced_accounts[1].last_seen_s = 3;
  std::vector<WantedEntry> wanted = {Wanted("10.51.1.2", 9), Wanted("10.51.1.3", 9)};
  wanted[0].old_slot = 1;
  wanted[1].old_slot = 2;
  Reconcile(wanted);
  table.replaced_up[1] = nx_traffic(0xffffff, 150);
  table.replaced_down[1] = nx_traffic(1, 70);
  table.replaced_down[2] = nx_traffic(1, 60);
  table.replaced_notes = {{.session = 1, .packets = 4, .bytes = 400},
                          {.session = 1 | NX_LEDGER_DOWN, .packets = 2, .bytes = 200},
                          {.session = 1, .packets = 1, .bytes = 30},
                          {.session = 3, .packets = 9, .bytes = 900}};
  table.up[2] += nx_traffic(1, 1000);  // by the new program
  map.CatchUp();
  constexpr int64_t kNow = 8 * kSecondNs;
  const SessionCounters first = map.Read(2, kNow), second = map.Read(3, kNow);
  EXPECT_EQ(first.packets_up, 0xfffffeull + 1 + 1 + 5);
  EXPECT_EQ(first.bytes_up, 100u + 50 + 1000 + 430);
  EXPECT_EQ(first.packets_down, 1u + 2);
  EXPECT_EQ(first.bytes_down, 70u + 200);
  EXPECT_EQ(first.first_seen_ns, 3 * kSecondNs);
  EXPECT_EQ(first.last_seen_ns, 8 * kSecondNs);
  EXPECT_EQ(second.packets_down, 1u);
  EXPECT_EQ(second.last_seen_ns, 0u);
  EXPECT_TRUE(table.replaced.empty()) << "let go";
  map.CatchUp();
  EXPECT_EQ(map.Read(2, kNow).packets_up, first.packets_up) << "once";
}

TEST_F(SessionMapTest, LeavesMatchingEntriesAndTheirCountersAlone) {
  Reconcile({});
  Begin("10.51.1.2", 9);
  uint32_t v6 = Begin("2001:db8:51:1::2", 9);
  table.up[2] = nx_traffic(5, 0);
  table.up[v6] = nx_traffic(6, 0);

  SessionMap next(layout, table);
  std::vector<WantedEntry> wanted = {Wanted("10.51.1.2", 9), Wanted("2001:db8:51:1::2", 12)};
  wanted[0].counters.packets_up = 1;  // older, from the store
  wanted[1].old_slot = v6;
  auto done = next.Reconcile(wanted);
  EXPECT_EQ(done->kept, 2u);
  EXPECT_EQ(done->added + done->removed, 0u);
  EXPECT_EQ(table.CountedAt(2).packets_up, 5u);
  EXPECT_EQ(table.CountedAt(v6).packets_up, 6u);
  EXPECT_EQ(table.entries[v6].expires_ns, 12u);
  EXPECT_EQ(wanted[1].slot, v6);
}

// A direction is one word; what goes beyond it is in `rounds`.
TEST_F(SessionMapTest, KnowsTrafficBeyondTheWordsOfAnAccount) {
  constexpr uint64_t kBytes = uint64_t{1} << 40, kPackets = uint64_t{1} << 24;
  Reconcile({});
  const struct {
    uint64_t packets, bytes;
    uint64_t word;
    uint32_t rounds;
  } rows[] = {
      {5, 6, nx_traffic(5, 6), 0},
      {kPackets + 5, 6, nx_traffic(5, 6), 1 << NX_ROUNDS_BYTES},
      // A round of the bytes counts as a packet, too.
      {5, kBytes + 6, nx_traffic(6, 6), 1},
      {kPackets - 1, kBytes, 0, 1 | 1 << NX_ROUNDS_BYTES},
      {3 * kPackets, 0xfff * kBytes + 9, nx_traffic(0xfff, 9), 0xfff | 3 << NX_ROUNDS_BYTES},
  };
  for (const auto& row : rows) {
    WantedEntry wanted = Wanted("10.51.1.3", 9);
    wanted.counters = {.packets_up = row.packets,
                       .bytes_up = row.bytes,
                       .packets_down = row.packets + 1,
                       .bytes_down = row.bytes + 1};
    ASSERT_TRUE(map.Begin(3, wanted));
    EXPECT_EQ(table.up[3], row.word);
    EXPECT_EQ(table.accounts[3].rounds_up, row.rounds);
    EXPECT_EQ(map.Read(3, 0), wanted.counters) << row.packets << " packets, " << row.bytes;
  }
}

// What the replaced maps counted since is added beside a program that counts there, too.
TEST_F(SessionMapTest, AddsWhatWasMissedBeyondTheWordsOfAnAccount) {
  constexpr uint64_t kBytes = uint64_t{1} << 40, kPackets = uint64_t{1} << 24;
  const struct {
    const char* description;
    uint64_t then;
    uint32_t rounds_then;
    uint64_t packets, bytes;
  } rows[] = {
      {"the sum goes round", nx_traffic(kPackets - 1, kBytes - 1), 0, kPackets, kBytes + 99},
      {"what was missed goes round", nx_traffic(7, 3), 5 | 9 << NX_ROUNDS_BYTES,
       9 * kPackets + 7 - 5 + 1, 5 * kBytes + 3 + 100},
  };
  for (const auto& row : rows) {
    table.Replace(4);
    table.replaced[1].expires_ns = 9;
    table.replaced_up[1] = nx_traffic(kPackets - 2, kBytes - 20);
    std::vector<WantedEntry> wanted = {Wanted("10.51.1.2", 9)};
    wanted[0].old_slot = 1;
    SessionMap next(layout, table);
    ASSERT_TRUE(next.Reconcile(wanted));
    table.replaced_up[1] = row.then;
    table.replaced_accounts[1].rounds_up = row.rounds_then;
    table.replaced_notes = {{.session = 1, .packets = 1, .bytes = 100}};
    next.CatchUp();
    EXPECT_EQ(next.Read(2, 0).packets_up, row.packets) << row.description;
    EXPECT_EQ(next.Read(2, 0).bytes_up, row.bytes) << row.description;
    table.entries[2].expires_ns = 0;
  }
}

// The classifier keeps no time: a client was seen when there is more from it than at the last look.
TEST_F(SessionMapTest, SeesAClientWhenMoreHasComeFromIt) {
  Reconcile({});
  const uint32_t slots[] = {Begin("10.51.1.2", 9), Begin("2001:db8:51:1::2", 9)};
  auto look = [&](int64_t now_s, SessionMap& at) {
    for (uint32_t from = 0; from < layout.entries();) at.NoteSeen(&from, 64, now_s * kSecondNs);
  };
  auto seen = [&](uint32_t slot) {
    return std::pair(table.accounts[slot].first_seen_s, table.accounts[slot].last_seen_s);
  };
  look(10, map);
  for (uint32_t slot : slots) {
    EXPECT_EQ(seen(slot), std::pair(0u, 0u)) << "nothing came";
    table.down[slot] = nx_traffic(1, 60);
  }
  look(20, map);
  for (uint32_t slot : slots) {
    EXPECT_EQ(seen(slot), std::pair(0u, 0u)) << "receiving is no sign of life";
    table.up[slot] = nx_traffic(1, 60);
  }
  look(30, map);
  look(40, map);
  for (uint32_t slot : slots) {
    EXPECT_EQ(seen(slot), std::pair(30u, 30u));
    table.up[slot] += nx_traffic(1, 60);
    EXPECT_EQ(map.Read(slot, 50 * kSecondNs).last_seen_ns, 50 * kSecondNs)
        << "who reads looks, too";
    EXPECT_EQ(map.Read(slot, 60 * kSecondNs).first_seen_ns, 30 * kSecondNs);
    EXPECT_EQ(map.Read(slot, 60 * kSecondNs).last_seen_ns, 50 * kSecondNs) << "nothing more came";
  }
  table.up[slots[0]] += nx_traffic(1, 60);

  // Another narthexd finds more than the store has from the one, and no more from the other.
  SessionMap next(layout, table);
  std::vector<WantedEntry> wanted = {Wanted("10.51.1.2", 9), Wanted("2001:db8:51:1::2", 9)};
  wanted[1].old_slot = slots[1];
  for (WantedEntry& entry : wanted) entry.counters = {.packets_up = 2, .bytes_up = 120};
  ASSERT_TRUE(next.Reconcile(wanted));
  look(70, next);
  EXPECT_EQ(seen(slots[0]), std::pair(30u, 70u));
  EXPECT_EQ(seen(slots[1]), std::pair(30u, 50u));
}

TEST_F(SessionMapTest, RemovesWhatTheStoreDoesNotHaveAndAddsWhatItHas) {
  Reconcile({});
  Begin("10.51.1.2", 9);
  Begin("2001:db8:51:1::2", 9);
  SessionMap next(layout, table);
  std::vector<WantedEntry> wanted = {Wanted("10.51.1.3", 7), Wanted("2001:db8:51:1::3", 8)};
  wanted[0].counters.bytes_up = 100;
  auto done = next.Reconcile(wanted);
  EXPECT_EQ(done->removed, 2u);
  EXPECT_EQ(done->added, 2u);
  EXPECT_EQ(table.ExpiryOf(layout, 1, "10.51.1.2"), 0u);
  EXPECT_EQ(table.ExpiryOf(layout, 1, "2001:db8:51:1::2"), 0u);
  EXPECT_EQ(table.ExpiryOf(layout, 1, "10.51.1.3"), 7u);
  EXPECT_EQ(table.ExpiryOf(layout, 1, "2001:db8:51:1::3"), 8u);
  EXPECT_EQ(table.CountedAt(3).bytes_up, 100u);
}

TEST_F(SessionMapTest, EndsEntriesThatNoKeyLeadsTo) {
  table.entries[kPools + 1].expires_ns = 9;
  Reconcile({});
  EXPECT_EQ(table.entries[kPools + 1].expires_ns, 0u);
}

TEST_F(SessionMapTest, DistrustsKeysThatShareAnEntryOrLeadOutside) {
  Key a = *ParseKey("2001:db8:51:1::a"), b = *ParseKey("2001:db8:51:1::b");
  Key c = *ParseKey("2001:db8:51:1::c");
  table.keys[a.InZone(1)] = kPools;
  table.keys[b.InZone(1)] = kPools;
  table.keys[c.InZone(1)] = 1 << 20;
  Reconcile({Wanted("2001:db8:51:1::a", 5), Wanted("2001:db8:51:1::b", 6),
             Wanted("2001:db8:51:1::c", 7)});
  EXPECT_EQ(table.ExpiryOf(layout, 1, "2001:db8:51:1::a"), 5u);
  EXPECT_EQ(table.ExpiryOf(layout, 1, "2001:db8:51:1::b"), 6u);
  EXPECT_EQ(table.ExpiryOf(layout, 1, "2001:db8:51:1::c"), 7u);
}

TEST_F(SessionMapTest, ReusesTheEntryThatWasFreedFirst) {
  Reconcile({});
  uint32_t a = Begin("2001:db8:51:1::a", 9), b = Begin("2001:db8:51:1::b", 9);
  uint32_t c = Begin("2001:db8:51:1::c", 9);
  table.up[b] = nx_traffic(4, 0);
  EXPECT_EQ(map.End(1, *ParseKey("2001:db8:51:1::b"), b, 0).packets_up, 4u);
  map.End(1, *ParseKey("2001:db8:51:1::a"), a, 0);
  EXPECT_EQ(Begin("2001:db8:51:1::d", 9), b);
  EXPECT_EQ(table.CountedAt(b).packets_up, 0u);
  EXPECT_EQ(Begin("2001:db8:51:1::e", 9), a);
  EXPECT_EQ(table.entries[c].expires_ns, 9u);
}

TEST_F(SessionMapTest, RefusesWhenFullAndEvictsNobody) {
  Reconcile({});
  for (const char* address : {"2001:db8:51:1::a", "2001:db8:51:1::b", "2001:db8:51:1::c"})
    Begin(address, 9);
  auto refused = map.Reserve(*ParseKey("2001:db8:51:1::d"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kExhausted);
  EXPECT_NE(refused.error().message.find("sessions.capacity"), std::string::npos);
  EXPECT_EQ(table.keys.size(), 3u);
  EXPECT_TRUE(map.Reserve(*ParseKey("10.51.1.9")));  // pools have room of their own
}

TEST_F(SessionMapTest, KeyIsGoneAndEntryEndedAfterEnd) {
  Reconcile({});
  uint32_t slot = Begin("2001:db8:51:1::a", 9);
  map.End(1, *ParseKey("2001:db8:51:1::a"), slot, 0);
  EXPECT_TRUE(table.keys.empty());
  EXPECT_EQ(table.entries[slot].expires_ns, 0u);
}

// The classifier trusts a fast bit without looking at the entry, so whoever changes the entry's
// end clears the bit after it.
TEST_F(SessionMapTest, EveryChangeOfTheEndClearsTheFastBit) {
  Reconcile({});
  uint32_t slot = Begin("10.51.1.70", 9);
  ASSERT_EQ(slot, 70u);
  auto set_all = [&] { table.fast.assign(table.fast.size(), ~uint64_t{0}); };
  const uint64_t others = ~(uint64_t{1} << 6);
  set_all();
  map.SetExpiry(slot, 20);
  EXPECT_EQ(table.fast[1], others);
  set_all();
  map.Revoke(slot);
  EXPECT_EQ(table.fast[1], others);
  set_all();
  map.End(1, *ParseKey("10.51.1.70"), slot, 0);
  EXPECT_EQ(table.fast[1], others);
  set_all();
  Begin("10.51.1.70", 9);
  EXPECT_EQ(table.fast[1], others);
  EXPECT_EQ(table.fast[0], ~uint64_t{0}) << "nobody else is judged anew";
}

TEST_F(SessionMapTest, NobodyIsFastAfterReconciliation) {
  Reconcile({});
  Begin("10.51.1.70", 9);
  table.fast[1] = ~uint64_t{0};
  SessionMap next(layout, table);
  std::vector<WantedEntry> none;
  ASSERT_TRUE(next.Reconcile(none));
  EXPECT_EQ(table.fast[1], 0u) << "a crash may have come between an end and its fast bit";
}

TEST_F(SessionMapTest, EntriesBehindThePoolsHaveNoFastBit) {
  Reconcile({});
  table.fast.assign(table.fast.size(), ~uint64_t{0});
  Begin("2001:db8:51:1::a", 9);
  for (uint64_t word : table.fast) EXPECT_EQ(word, ~uint64_t{0});
}

}  // namespace
}  // namespace narthex
