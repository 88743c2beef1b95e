// SPDX-License-Identifier: Apache-2.0
// Sessions that share a row of the store: found, changed and deleted one by one.
#include "control/session_blocks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "control/session_store.h"
#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

constexpr int64_t kFirst = 1000;

class SessionBlocksTest : public testing::Test {
 protected:
  void Open() {
    store.reset();
    auto opened = SessionStore::Open(path, clock);
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
  }
  Session Make(int64_t number) {
    Session session;
    session.id = SessionId(number);
    session.zone = number % 3 == 0 ? "lobby" : "stands";
    session.creator = fmt::format("uid:{}", number);
    session.created_wall_ns = number;
    session.expires_boot_ns =
        clock.boot_ns + number % 1'000'000 * kSecondNs;  // random ids are large
    session.policy = number % 2 == 0 ? "gold" : "";
    session.limits = number % 2 == 0 ? static_cast<uint32_t>(number) : 0;
    if (number % 2 == 0) session.usage = {1, static_cast<uint64_t>(number), 3};
    session.keys = {{KeyOf(number), static_cast<uint32_t>(number), {}, {}}};
    return session;
  }
  static Key KeyOf(int64_t number) { return *ParseKey(fmt::format("2001:db8::{:x}", number)); }
  // In one call.
  void Insert(int64_t first, int64_t count) {
    std::vector<Session> sessions;
    for (int64_t i = 0; i < count; ++i) sessions.push_back(Make(first + i));
    ASSERT_TRUE(store->InsertAll(sessions, {}));
    for (int64_t i = 0; i < count; ++i) numbers.insert(first + i);
  }
  void Delete(const std::vector<int64_t>& gone) {
    std::vector<Session> sessions;
    for (int64_t number : gone) sessions.push_back(Make(number));
    ASSERT_TRUE(store->DeleteAll(sessions));
    for (int64_t number : gone) numbers.erase(number);
  }
  int64_t Rows() {
    auto database = Database::Open(path);
    auto count = (*database)->Prepare("SELECT count(*) FROM session");
    Query query(**database, count->get());
    return *query.Step() ? query.Integer(0) : -1;
  }
  // The store has `numbers`, each as Make makes it but for `changed`, by every way to look.
  void ExpectAll(const std::set<int64_t>& changed = {}) {
    std::vector<int64_t> listed;
    for (std::string after;;) {
      auto page = store->List(after, 0, 7);
      ASSERT_TRUE(page) << page.error().message;
      for (const Session& session : *page) listed.push_back(SessionNumber(session.id));
      if (page->size() < 7) break;
      after = page->back().id;
    }
    EXPECT_EQ(listed, std::vector<int64_t>(numbers.begin(), numbers.end()));
    std::set<int64_t> visited;
    ASSERT_TRUE(store->ForEachKey(0, [&](const StoredKey& key) { visited.insert(key.session); }));
    EXPECT_EQ(visited, numbers);
    EXPECT_EQ(store->Count(0), numbers.size());
    for (int64_t number = kFirst - 2; number < kFirst + 400; ++number) {
      auto found = store->FindById(SessionId(number));
      ASSERT_TRUE(found) << found.error().message;
      ASSERT_EQ(found->has_value(), numbers.contains(number)) << number;
      if (*found && !changed.contains(number)) ExpectMade(**found, number);
    }
  }
  void ExpectMade(const Session& found, int64_t number) {
    const Session made = Make(number);
    EXPECT_EQ(found.id, made.id);
    EXPECT_EQ(found.zone, made.zone);
    EXPECT_EQ(found.creator, made.creator);
    EXPECT_EQ(found.created_wall_ns, made.created_wall_ns);
    EXPECT_EQ(found.expires_boot_ns, made.expires_boot_ns);
    EXPECT_EQ(found.policy, made.policy);
    EXPECT_EQ(found.limits, made.limits);
    EXPECT_EQ(found.usage, made.usage);
    ASSERT_EQ(found.keys.size(), 1u);
    EXPECT_EQ(found.keys[0].key, made.keys[0].key);
    EXPECT_EQ(found.keys[0].slot, made.keys[0].slot);
    auto by_key = store->FindByKey(made.zone, made.keys[0].key);
    ASSERT_TRUE(by_key && *by_key);
    EXPECT_EQ((*by_key)->id, made.id);
  }

  TemporaryDirectory directory;
  std::string path = directory.path() + "/sessions.db";
  FakeClock clock;
  std::unique_ptr<SessionStore> store;
  std::set<int64_t> numbers;
};

TEST_F(SessionBlocksTest, ThoseOfOneCallShareRowsAndOneThatComesAloneHasItsOwn) {
  Open();
  Insert(kFirst, 200);
  Insert(kFirst + 200, 1);
  Insert(kFirst + 201, 1);
  ExpectAll();
  store.reset();
  const int64_t rows = Rows();
  EXPECT_GE(rows, 4 + 2);
  EXPECT_LE(rows, 6 + 2);
  Open();
  ExpectAll();
  EXPECT_EQ(store->LastNumber(), kFirst + 201);
}

TEST_F(SessionBlocksTest, DeletesFirstMiddleLastAndWholeRows) {
  Open();
  Insert(kFirst, 200);
  Delete({kFirst, kFirst + 60, kFirst + 199});
  ExpectAll();
  Delete({kFirst + 150, kFirst + 2, kFirst + 90, kFirst + 1});  // in no order
  ExpectAll();
  std::vector<int64_t> half;
  for (int64_t number = kFirst + 3; number < kFirst + 150; ++number)
    if (numbers.contains(number)) half.push_back(number);
  Delete(half);
  ExpectAll();
  Open();
  ExpectAll();
  Insert(kFirst + 300, 60);
  Delete({numbers.begin(), numbers.end()});
  ExpectAll();
  store.reset();
  EXPECT_EQ(Rows(), 0);
}

TEST_F(SessionBlocksTest, AChangeOfOneLeavesItsNeighbours) {
  Open();
  Insert(kFirst, 120);
  Session changed = Make(kFirst + 61);
  changed.expires_boot_ns += 7;
  changed.policy = "a-policy-with-a-longer-name";
  changed.limits = 9;
  changed.usage = {4, 5, 6};
  const SessionKey added{*ParseKey("2001:db8:1::1"), 77, {}, *ParseMac("02:00:00:00:00:07")};
  const SessionStore::SessionUpdate update{&changed, {&added, 1}};
  ASSERT_TRUE(store->UpdateAll({&update, 1}, {}));
  SessionStore::UsageUpdate used[] = {{kFirst + 3, 5, {11, 12, 13}},
                                      {kFirst + 5, 7, {21, 22, 23}},
                                      {kFirst + 4, 0, {}},
                                      {kFirst + 6, 8, {31, 32, 33}},
                                      {kFirst + 119, 6, {1, 1, 1}}};
  SessionStore::SlotUpdate moved{kFirst + 4, KeyOf(kFirst + 4), 5};
  ASSERT_TRUE(store->Save({{}, used, {&moved, 1}, {}}));
  const std::set<int64_t> all = {kFirst + 3, kFirst + 4,  kFirst + 5,
                                 kFirst + 6, kFirst + 61, kFirst + 119};
  for (int start = 0; start < 2; ++start) {
    ExpectAll(all);
    auto session = *store->FindByKey(changed.zone, added.key);
    ASSERT_TRUE(session);
    EXPECT_EQ(session->creator, fmt::format("uid:{}", kFirst + 61));
    EXPECT_EQ(session->expires_boot_ns, changed.expires_boot_ns);
    EXPECT_EQ(session->policy, changed.policy);
    EXPECT_EQ(session->usage, changed.usage);
    ASSERT_EQ(session->keys.size(), 2u);
    EXPECT_EQ(session->keys[1].bound, added.bound);
    for (const auto& [number, limits, usage] : used) {
      EXPECT_EQ((*store->FindById(SessionId(number)))->usage, usage) << number;
      EXPECT_EQ((*store->FindById(SessionId(number)))->limits, limits) << number;
    }
    EXPECT_EQ((*store->FindById(SessionId(kFirst + 4)))->keys[0].slot, 5u);
    Open();
  }
}

TEST_F(SessionBlocksTest, CarriesAllOverAReboot) {
  Open();
  Insert(kFirst, 120);
  clock.boot_id = "boot-2";
  clock.boot_ns = 20 * kSecondNs;  // Make's ends are from now on
  Open();
  for (int64_t number : {kFirst, kFirst + 70, kFirst + 119}) {
    auto found = *store->FindById(SessionId(number));
    EXPECT_EQ(found->expires_boot_ns, Make(number).expires_boot_ns);
    EXPECT_EQ(found->usage.last_seen_s, 0u);
    EXPECT_EQ(found->usage.bytes_down, Make(number).usage.bytes_down);
  }
  EXPECT_EQ(store->NextExpiry(), Make(kFirst).expires_boot_ns);
}

TEST_F(SessionBlocksTest, RefusesNumbersThatDoNotAscend) {
  Open();
  Insert(kFirst, 60);
  for (int64_t number : {kFirst - 1, kFirst + 59}) {
    Session session = Make(number);
    session.keys[0].key = *ParseKey("2001:db8:2::1");
    EXPECT_FALSE(store->Insert(session, nullptr)) << number;
  }
  const Session backwards[] = {Make(kFirst + 101), Make(kFirst + 100)};
  EXPECT_FALSE(store->InsertAll(backwards, {}));
  ExpectAll();
  Insert(kFirst + 100, 2);
  ExpectAll();
}

TEST_F(SessionBlocksTest, BringsTheThirdVersionAlong) {
  constexpr int64_t kRandom = kLargestNumber + 5;  // ids of the first narthexd
  {
    auto database = *Database::Open(path);
    ASSERT_TRUE(database->Execute(R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE request (id TEXT PRIMARY KEY, digest TEXT NOT NULL, session_id TEXT NOT NULL,
  made_boot_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE session (id INTEGER PRIMARY KEY, zone TEXT NOT NULL, creator TEXT NOT NULL,
  created_wall_ns INTEGER NOT NULL, expires_boot_ns INTEGER NOT NULL, policy TEXT NOT NULL,
  limits INTEGER NOT NULL, used_up INTEGER NOT NULL, used_down INTEGER NOT NULL,
  used_seen_s INTEGER NOT NULL, keys BLOB NOT NULL);
CREATE TABLE account (zone TEXT NOT NULL, key BLOB NOT NULL, packets_up INTEGER NOT NULL,
  bytes_up INTEGER NOT NULL, packets_down INTEGER NOT NULL, bytes_down INTEGER NOT NULL,
  first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
  PRIMARY KEY (zone, key)) WITHOUT ROWID;
INSERT INTO account VALUES
  ('lobby', x'018020010db80000000000000000000003ea', 3, 4, 5, 6, 7, 8);
PRAGMA user_version=3;
)sql"));
    auto insert = *database->Prepare("INSERT INTO session VALUES (?,?,?,?,?,?,?,?,?,?,?)");
    for (int64_t i = 0; i < 203; ++i) {
      const int64_t number = i < 200 ? kFirst + i : kRandom + i;
      const Session session = Make(i < 200 ? number : i);
      Query query(*database, insert.get());
      query.Bind(number).Bind(session.zone).Bind(session.creator).Bind(session.created_wall_ns);
      query.Bind(session.expires_boot_ns).Bind(session.policy).Bind(int64_t{session.limits});
      query.Bind(static_cast<int64_t>(session.usage.bytes_up));
      query.Bind(static_cast<int64_t>(session.usage.bytes_down));
      query.Bind(int64_t{session.usage.last_seen_s});
      const std::string keys = EncodeKeys(session.keys);
      ASSERT_TRUE(query.BindBlob(keys.data(), keys.size()).Run());
      numbers.insert(number);
    }
  }
  Open();
  ExpectAll();
  EXPECT_EQ((*store->FindById(SessionId(kFirst + 2)))->keys[0].counters,
            (SessionCounters{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(store->LastNumber(), kFirst + 199);
  // Logins go on below the random numbers.
  Insert(kFirst + 200, 100);
  Delete({kRandom + 201});
  ExpectAll();
  Open();
  ExpectAll();
  EXPECT_EQ((*store->FindById(SessionId(kRandom + 202)))->creator, "uid:202");
}

// Each shorter piece of a row is damaged, whatever is behind it in memory.
TEST(StoredSessionTest, IsTakenWholeOrNotAtAll) {
  const std::string keys = EncodeKeys(std::vector<SessionKey>{
      {*ParseKey("10.51.1.2"), 3, {}, {}}, {*ParseKey("2001:db8::/64"), 4, {}, {}}});
  const StoredSession cases[] = {{1, 2, 3, 4, {5, 6, 7}, "lobby", "uid:0", "gold", keys},
                                 {-1, -2, -3, 0, {}, "", "", "", ""}};
  for (const StoredSession& session : cases) {
    std::string block;
    AppendSession(session, block);
    for (size_t size = 0; size < block.size(); ++size) {
      const std::unique_ptr<char[]> exact(new char[size]);  // for the address sanitizer
      std::copy_n(block.data(), size, exact.get());
      std::string_view piece(exact.get(), size);
      EXPECT_FALSE(TakeSession(piece)) << size;
    }
    AppendSession(session, block);
    std::string_view rest = block;
    for (int i = 0; i < 2; ++i) {
      auto taken = TakeSession(rest);
      ASSERT_TRUE(taken);
      EXPECT_EQ(taken->number, session.number);
      EXPECT_EQ(taken->created_wall_ns, session.created_wall_ns);
      EXPECT_EQ(taken->expires_boot_ns, session.expires_boot_ns);
      EXPECT_EQ(taken->limits, session.limits);
      EXPECT_EQ(taken->usage, session.usage);
      EXPECT_EQ(taken->zone, session.zone);
      EXPECT_EQ(taken->creator, session.creator);
      EXPECT_EQ(taken->policy, session.policy);
      EXPECT_EQ(taken->keys, session.keys);
    }
    EXPECT_TRUE(rest.empty());
  }
}

}  // namespace
}  // namespace narthex
