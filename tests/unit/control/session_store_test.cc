// SPDX-License-Identifier: Apache-2.0
#include "control/session_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

class SessionStoreTest : public testing::Test {
 protected:
  std::unique_ptr<SessionStore> Open() {
    auto store = SessionStore::Open(path, clock);
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  Session Make(const std::string& id, const std::string& address, int64_t seconds) {
    Session session;
    session.id = id;
    session.zone = "lobby";
    session.creator = "uid:0";
    session.created_wall_ns = clock.wall_ns;
    session.expires_boot_ns = clock.boot_ns + seconds * kSecondNs;
    session.keys = {{*ParseKey(address), 2, {.packets_up = 3, .last_seen_ns = 77}, {}}};
    return session;
  }
  int64_t LeftSeconds(SessionStore& store, const std::string& id) {
    return ((*store.FindById(id))->expires_boot_ns - clock.boot_ns) / kSecondNs;
  }

  TemporaryDirectory directory;
  std::string path = directory.path() + "/sessions.db";
  FakeClock clock;
};

TEST_F(SessionStoreTest, KeepsASessionOverAReopen) {
  Session session = Make("0000000000000001", "2001:db8:51:1::2", 60);
  RequestRecord record{"r1", "digest", session.id};
  ASSERT_TRUE(Open()->Insert(session, &record));
  auto store = Open();
  auto found = store->FindByKey("lobby", session.keys[0].key);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->id, session.id);
  EXPECT_EQ((*found)->expires_boot_ns, session.expires_boot_ns);
  EXPECT_EQ((*found)->creator, "uid:0");
  EXPECT_EQ((*found)->keys[0].counters, session.keys[0].counters);
  EXPECT_EQ((*store->FindRequest("r1"))->digest, "digest");
  EXPECT_FALSE(*store->FindByKey("stands", session.keys[0].key));
}

TEST_F(SessionStoreTest, InsertsAllOrNothing) {
  auto store = Open();
  ASSERT_TRUE(store->Insert(Make("0000000000000001", "10.51.1.2", 60), nullptr));
  Session second = Make("0000000000000002", "10.51.1.3", 60);
  second.keys.push_back({*ParseKey("10.51.1.2"), 9, {}, {}});  // taken
  EXPECT_FALSE(store->Insert(second, nullptr));
  EXPECT_FALSE(*store->FindById(second.id));
  EXPECT_FALSE(*store->FindByKey("lobby", *ParseKey("10.51.1.3")));
  EXPECT_TRUE(store->Insert(Make("0000000000000003", "10.51.1.3", 60), nullptr));
}

TEST_F(SessionStoreTest, DeletesASessionWithItsAddresses) {
  auto store = Open();
  ASSERT_TRUE(store->Insert(Make("0000000000000001", "10.51.1.2", 60), nullptr));
  ASSERT_TRUE(store->Retract("0000000000000001", ""));
  EXPECT_FALSE(*store->FindByKey("lobby", *ParseKey("10.51.1.2")));
}

TEST_F(SessionStoreTest, CarriesTheTimeLeftOverAReboot) {
  ASSERT_TRUE(Open()->Insert(Make("0000000000000001", "10.51.1.2", 600), nullptr));
  clock.boot_id = "boot-2";
  clock.boot_ns = 20 * kSecondNs;
  clock.wall_ns += 100 * kSecondNs;  // it was off for 100 s
  auto store = Open();
  EXPECT_EQ(LeftSeconds(*store, "0000000000000001"), 500);
  EXPECT_EQ((*store->FindById("0000000000000001"))->keys[0].counters.last_seen_ns, 0u);
  EXPECT_EQ((*store->FindById("0000000000000001"))->keys[0].counters.packets_up, 3u);
  clock.Advance(10);
  EXPECT_EQ(LeftSeconds(*Open(), "0000000000000001"), 490);  // once only
}

TEST_F(SessionStoreTest, LengthensNothingWhenTheWallClockIsWrongAfterAReboot) {
  ASSERT_TRUE(Open()->Insert(Make("0000000000000001", "10.51.1.2", 600), nullptr));
  clock.boot_id = "boot-2";
  clock.boot_ns = 20 * kSecondNs;
  clock.wall_ns = 0;  // 1970
  EXPECT_EQ(LeftSeconds(*Open(), "0000000000000001"), 600);
}

TEST_F(SessionStoreTest, ASteppedWallClockMovesNoEnd) {
  auto store = Open();
  ASSERT_TRUE(store->Insert(Make("0000000000000001", "10.51.1.2", 600), nullptr));
  clock.wall_ns += 86400 * kSecondNs;
  EXPECT_EQ(LeftSeconds(*Open(), "0000000000000001"), 600);
}

TEST_F(SessionStoreTest, RefusesWhatIsNoDatabase) {
  std::ofstream(path) << std::string(4096, 'x');
  auto store = SessionStore::Open(path, clock);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().message.find("session store " + path + ": file is not a database; make"),
            0u)
      << store.error().message;
}

TEST_F(SessionStoreTest, RefusesADamagedDatabase) {
  {
    auto store = Open();
    for (int i = 0; i < 200; ++i)
      ASSERT_TRUE(store->Insert(
          Make("00000000000" + std::to_string(10000 + i), "10.51.1." + std::to_string(i), 60),
          nullptr));
    ASSERT_TRUE(store->Checkpoint());
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(8192, '\x5a');
  file.close();
  EXPECT_FALSE(SessionStore::Open(path, clock));
}

TEST_F(SessionStoreTest, RefusesADirectoryInItsPlace) {
  std::filesystem::create_directory(path);
  EXPECT_FALSE(SessionStore::Open(path, clock));
}

TEST_F(SessionStoreTest, RefusesASchemaOfTheFuture) {
  {
    auto database = Database::Open(path);
    ASSERT_TRUE((*database)->Execute("PRAGMA user_version=9"));
  }
  auto store = SessionStore::Open(path, clock);
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("its schema is version 9"), std::string::npos);
}

// As the first narthexd made it.
constexpr char kVersion1[] = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE session (id TEXT PRIMARY KEY, zone TEXT NOT NULL, creator TEXT NOT NULL,
  created_wall_ns INTEGER NOT NULL, expires_boot_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX session_by_expiry ON session (expires_boot_ns);
CREATE TABLE address (zone TEXT NOT NULL, address BLOB NOT NULL,
  session_id TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE, slot INTEGER NOT NULL,
  packets_up INTEGER NOT NULL, bytes_up INTEGER NOT NULL, packets_down INTEGER NOT NULL,
  bytes_down INTEGER NOT NULL, first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
  PRIMARY KEY (zone, address)) WITHOUT ROWID;
CREATE INDEX address_by_session ON address (session_id);
CREATE TABLE request (id TEXT PRIMARY KEY, digest TEXT NOT NULL, session_id TEXT NOT NULL,
  made_boot_ns INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO session VALUES ('fedcba9876543210', 'lobby', 'uid:7', 11, 2000000000000),
                           ('0000000000000001', 'lobby', 'uid:8', 12, 3000000000000);
INSERT INTO address VALUES
  ('lobby', x'00000000000000000000ffff0a330102', 'fedcba9876543210', 2, 3, 4, 5, 6, 7, 8),
  ('lobby', x'20010db8005100010000000000000002', 'fedcba9876543210', 260, 1, 1, 1, 1, 1, 1),
  ('lobby', x'00000000000000000000ffff0a330103', '0000000000000001', 3, 0, 0, 0, 0, 0, 0);
INSERT INTO request VALUES ('r1', 'digest', '0000000000000001', 900000000000);
INSERT INTO meta VALUES ('policy_version', '7'), ('boot_id', 'boot-1');
PRAGMA user_version=1;
)sql";

TEST_F(SessionStoreTest, BringsAnOlderStoreAlongWithAllItsSessions) {
  {
    auto database = Database::Open(path);
    ASSERT_TRUE((*database)->Execute(kVersion1));
  }
  for (int start = 0; start < 2; ++start) {
    auto store = Open();
    ASSERT_TRUE(store);
    auto session = *store->FindByKey("lobby", *ParseKey("2001:db8:51:1::2"));
    ASSERT_TRUE(session);
    EXPECT_EQ(session->id, "fedcba9876543210");
    EXPECT_EQ(session->creator, "uid:7");
    EXPECT_EQ(session->expires_boot_ns, 2000 * kSecondNs);
    EXPECT_EQ(session->policy, "");
    ASSERT_EQ(session->keys.size(), 2u);
    EXPECT_EQ(session->keys[0].key, *ParseKey("10.51.1.2"));
    EXPECT_EQ(session->keys[0].slot, 2u);
    EXPECT_EQ(session->keys[0].counters, (SessionCounters{3, 4, 5, 6, 7, 8}));
    EXPECT_TRUE(session->keys[0].bound.IsNone());
    EXPECT_EQ((*store->FindById("0000000000000001"))->keys[0].key, *ParseKey("10.51.1.3"));
    EXPECT_EQ((*store->FindRequest("r1"))->session_id, "0000000000000001");
    EXPECT_EQ(*store->Meta("policy_version"), "7");
    auto all = store->List("", 0, 10);
    ASSERT_EQ(all->size(), 2u);
    EXPECT_EQ(store->List((*all)[0].id, 0, 10)->front().id, (*all)[1].id);
  }
}

constexpr char kVersion2[] = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE session (id INTEGER PRIMARY KEY, zone TEXT NOT NULL, creator TEXT NOT NULL,
  created_wall_ns INTEGER NOT NULL, expires_boot_ns INTEGER NOT NULL, policy TEXT NOT NULL,
  limits INTEGER NOT NULL, used_up INTEGER NOT NULL, used_down INTEGER NOT NULL,
  used_seen_s INTEGER NOT NULL);
CREATE INDEX session_by_expiry ON session (expires_boot_ns);
CREATE TABLE session_key (zone TEXT NOT NULL, key BLOB NOT NULL, session_id INTEGER NOT NULL,
  slot INTEGER NOT NULL, bound BLOB NOT NULL, packets_up INTEGER NOT NULL,
  bytes_up INTEGER NOT NULL, packets_down INTEGER NOT NULL, bytes_down INTEGER NOT NULL,
  first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
  PRIMARY KEY (zone, key)) WITHOUT ROWID;
CREATE INDEX key_by_session ON session_key (session_id);
CREATE TABLE request (id TEXT PRIMARY KEY, digest TEXT NOT NULL, session_id TEXT NOT NULL,
  made_boot_ns INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO session VALUES (7, 'lobby', 'uid:7', 11, 2000000000000, 'gold', 5, 10, 20, 30),
                           (8, 'stands', 'uid:8', 12, 3000000000000, '', 0, 0, 0, 0);
INSERT INTO session_key VALUES
  ('lobby', x'018000000000000000000000ffff0a330102', 7, 2, x'020000000007', 3, 4, 5, 6, 7, 8),
  ('stands', x'018000000000000000000000ffff0a330103', 8, 300, x'', 0, 0, 0, 0, 0, 0);
INSERT INTO request VALUES ('r1', 'digest', '0000000000000007', 900000000000);
INSERT INTO meta VALUES ('policy_version', '7'), ('boot_id', 'boot-1');
PRAGMA user_version=2;
)sql";

TEST_F(SessionStoreTest, BringsTheSecondVersionAlongWithPoliciesSlotsAndCounters) {
  {
    auto database = Database::Open(path);
    ASSERT_TRUE((*database)->Execute(kVersion2));
  }
  for (int start = 0; start < 2; ++start) {
    auto store = Open();
    ASSERT_TRUE(store);
    auto session = *store->FindByKey("lobby", *ParseKey("10.51.1.2"));
    ASSERT_TRUE(session);
    EXPECT_EQ(session->id, SessionId(7));
    EXPECT_EQ(session->policy, "gold");
    EXPECT_EQ(session->limits, 5u);
    EXPECT_EQ(session->usage, (Usage{10, 20, 30}));
    ASSERT_EQ(session->keys.size(), 1u);
    EXPECT_EQ(session->keys[0].slot, 2u);
    EXPECT_EQ(session->keys[0].bound, *ParseMac("02:00:00:00:00:07"));
    EXPECT_EQ(session->keys[0].counters, (SessionCounters{3, 4, 5, 6, 7, 8}));
    EXPECT_EQ((*store->FindByKey("stands", *ParseKey("10.51.1.3")))->keys[0].slot, 300u);
    EXPECT_EQ(store->NextExpiry(), 2000 * kSecondNs);
    EXPECT_EQ((*store->FindRequest("r1"))->session_id, SessionId(7));
    EXPECT_EQ(*store->Meta("policy_version"), "7");
  }
}

TEST_F(SessionStoreTest, KeepsSlotsAndCountersApartFromLogins) {
  Session session = Make(SessionId(1), "10.51.1.2", 60);
  session.keys.push_back({*ParseKey("2001:db8:51:1::2"), 260, {}, *ParseMac("02:00:00:00:00:07")});
  auto store = Open();
  ASSERT_TRUE(store->Insert(session, nullptr));
  session.keys[1].counters = {9, 8, 7, 6, 5, 4};
  SessionStore::KeyUpdate counted{"lobby", &session.keys[1]};
  SessionStore::SlotUpdate moved{1, session.keys[1].key, 300};
  ASSERT_TRUE(store->Save({{&counted, 1}, {}, {&moved, 1}}));
  store.reset();
  store = Open();
  auto found = *store->FindById(session.id);
  ASSERT_EQ(found->keys.size(), 2u);
  EXPECT_EQ(found->keys[0].slot, 2u);
  EXPECT_EQ(found->keys[0].counters, session.keys[0].counters);
  EXPECT_EQ(found->keys[1].slot, 300u);
  EXPECT_EQ(found->keys[1].counters, session.keys[1].counters);
  EXPECT_EQ(found->keys[1].bound, session.keys[1].bound);
  size_t keys = 0;
  ASSERT_TRUE(store->ForEachKey(clock.boot_ns, [&](const StoredKey& stored) {
    EXPECT_EQ(stored.key.counters, session.keys[keys].counters);
    EXPECT_EQ(stored.zone, "lobby");
    ++keys;
  }));
  EXPECT_EQ(keys, 2u);
  // The next session of this address begins with none of these.
  ASSERT_TRUE(store->DeleteAll({&session, 1}));
  ASSERT_TRUE(store->Insert(Make(SessionId(2), "10.51.1.9", 60), nullptr));
  Session next = Make(SessionId(3), "2001:db8:51:1::2", 60);
  next.keys[0].counters = {};
  ASSERT_TRUE(store->Insert(next, nullptr));
  EXPECT_EQ((*store->FindById(next.id))->keys[0].counters, SessionCounters{});
}

TEST_F(SessionStoreTest, AnUpdateThatFailsChangesNeitherKeysNorEnds) {
  auto store = Open();
  Session first = Make(SessionId(1), "10.51.1.2", 60), second = Make(SessionId(2), "10.51.1.3", 90);
  ASSERT_TRUE(store->Insert(first, nullptr));
  ASSERT_TRUE(store->Insert(second, nullptr));
  const int64_t first_end_ns = first.expires_boot_ns;
  const SessionKey fresh{*ParseKey("10.51.1.4"), 4, {}, {}};
  first.expires_boot_ns += 60 * kSecondNs;
  const SessionStore::SessionUpdate updates[] = {{&first, {&fresh, 1}},
                                                 {&second, {&first.keys[0], 1}}};  // taken
  EXPECT_FALSE(store->UpdateAll(updates, {}));
  EXPECT_FALSE(*store->FindByKey("lobby", fresh.key));
  EXPECT_EQ((*store->FindByKey("lobby", first.keys[0].key))->id, first.id);
  EXPECT_EQ(store->NextExpiry(), first_end_ns);
  ASSERT_TRUE(store->UpdateAll({&updates[0], 1}, {}));
  EXPECT_EQ((*store->FindByKey("lobby", fresh.key))->id, first.id);
  EXPECT_EQ(store->NextExpiry(), second.expires_boot_ns);
}

TEST_F(SessionStoreTest, CountsAndFindsWhatIsOverInTheOrderOfEnds) {
  auto store = Open();
  int64_t number = 0;
  for (int64_t seconds : {90, 30, 60})
    ASSERT_TRUE(store->Insert(
        Make(SessionId(++number), fmt::format("10.51.1.{}", seconds), seconds), nullptr));
  EXPECT_EQ(store->Count(clock.boot_ns), 3u);
  clock.Advance(60);
  EXPECT_EQ(store->Count(clock.boot_ns), 1u);
  auto expired = store->Expired(clock.boot_ns, 10);
  ASSERT_EQ(expired->size(), 2u);
  EXPECT_EQ((*expired)[0].id, SessionId(2));
  EXPECT_EQ((*expired)[1].id, SessionId(3));
  ASSERT_TRUE(store->DeleteAll(*expired));
  EXPECT_TRUE(store->Expired(clock.boot_ns, 10)->empty());
  EXPECT_EQ(Open()->Count(clock.boot_ns), 1u);
}

TEST_F(SessionStoreTest, KeepsPolicyUsageAndBinding) {
  Session session = Make("0000000000000001", "10.51.1.2", 60);
  session.policy = "gold";
  session.limits = 5;
  session.usage = {10, 20, 30};
  session.keys[0].bound = *ParseMac("02:00:00:00:00:07");
  ASSERT_TRUE(Open()->Insert(session, nullptr));
  auto store = Open();
  auto found = *store->FindById(session.id);
  EXPECT_EQ(found->policy, "gold");
  EXPECT_EQ(found->limits, 5u);
  EXPECT_EQ(found->usage, session.usage);
  EXPECT_EQ(found->keys[0].bound, session.keys[0].bound);
  SessionStore::UsageUpdate update{1, 6, {11, 22, 33}};
  ASSERT_TRUE(store->Save({{}, {&update, 1}, {}}));
  EXPECT_EQ((*store->FindById(session.id))->usage, update.usage);
  using Uses = std::vector<std::pair<std::string, uint64_t>>;
  EXPECT_EQ(*store->PolicyUses(clock.boot_ns), (Uses{{"gold", 1}}));
  EXPECT_EQ(*store->PolicyUses(clock.boot_ns + 60 * kSecondNs), Uses{});
}

TEST_F(SessionStoreTest, RefusesADirectoryThatCannotBeWritten) {
  auto store = SessionStore::Open("/proc/sessions.db", clock);  // not even by root
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().message.find("session store /proc/sessions.db: unable to open"), 0u);
}

}  // namespace
}  // namespace narthex
