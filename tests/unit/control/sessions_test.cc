// SPDX-License-Identifier: Apache-2.0
#include "control/sessions.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

using std::chrono::seconds;

class SessionsTest : public testing::Test {
 protected:
  SessionsTest() { Restart(); }

  // narthexd ends and starts again; store and maps stay.
  void Restart() {
    sessions.reset();
    policies.reset();
    limits.reset();
    map.reset();
    store.reset();
    store = std::move(*SessionStore::Open(directory.path() + "/s.db", clock, &layout));
    map = std::make_unique<SessionMap>(layout, table);
    limits = std::make_unique<LimitMap>(table);
    policies = std::make_unique<PolicyTable>(*store, table);
    sessions = std::make_unique<Sessions>(Sessions::Parts{
        *store, *map, *limits, *policies, layout, clock, neighbours, std::chrono::hours(24)});
    auto started = sessions->Start(config.policies);
    ASSERT_TRUE(started) << started.error().message;
    report = *started;
    ASSERT_TRUE(sessions->SaveStart());
  }
  Result<Session> Authorise(std::vector<std::string> addresses, int64_t for_s, bool extend = false,
                            std::string request_id = "") {
    return sessions->Authorise(
        {addresses, "", seconds(for_s), extend, request_id, "uid:0", "", ""});
  }
  // Seconds until the classifier stops passing the address; 0: it does not pass it.
  int64_t Passes(const std::string& address, uint16_t zone = 1) {
    auto expires_ns = static_cast<int64_t>(table.ExpiryOf(layout, zone, address));
    return std::max<int64_t>(0, (expires_ns - clock.boot_ns) / kSecondNs);
  }
  ErrorKind KindOf(const Result<Session>& result) {
    EXPECT_FALSE(result);
    return result ? ErrorKind::kFailed : result.error().kind;
  }

  TemporaryDirectory directory;
  FakeClock clock;
  Config config = TwoZones(3);
  Layout layout{config};
  FakeTable table{layout};
  std::unique_ptr<SessionStore> store;
  std::unique_ptr<SessionMap> map;
  std::unique_ptr<LimitMap> limits;
  std::unique_ptr<PolicyTable> policies;
  FakeNeighbours neighbours;
  std::unique_ptr<Sessions> sessions;
  ReconcileReport report;
};

TEST_F(SessionsTest, AuthorisesInStoreAndMap) {
  auto session = Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 60);
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ(Passes("10.51.1.2"), 60);
  EXPECT_EQ(Passes("2001:db8:51:1::2"), 60);
  EXPECT_EQ(session->zone, "lobby");
  EXPECT_EQ(sessions->Find("sessions/" + session->id)->keys.size(), 2u);
  EXPECT_EQ(sessions->Find("sessions/2001:DB8:51:1:0::2")->id, session->id);
  EXPECT_EQ(*sessions->Count(), 1u);
}

TEST_F(SessionsTest, RefusesBadRequests) {
  struct Case {
    std::vector<std::string> addresses;
    std::string zone;
    int64_t for_s;
    std::string message;
  };
  const Case cases[] = {
      {{}, "", 60, "keys: at least one is wanted"},
      {{"10.51.1.300"},
       "",
       60,
       "'10.51.1.300' is not an IPv4 or IPv6 address, nor an IPv6 prefix (2001:db8::/64), a MAC "
       "address (02:00:00:00:00:01) or a line (line:100.7)"},
      {{"10.9.9.9"}, "", 60, "10.9.9.9 is in no zone of this gateway"},
      {{"2001:db8:99::1"}, "", 60, "2001:db8:99::1 is in no zone of this gateway"},
      {{"10.51.1.2"}, "stands", 60, "10.51.1.2 is in zone 'lobby', not in 'stands'"},
      {{"10.51.1.2"}, "roof", 60, "zone: there is no zone of this name"},
      {{"10.51.1.2", "10.52.0.1"},
       "",
       60,
       "addresses of two zones, 'lobby' and 'stands', cannot be one session"},
      {{"10.51.1.2"}, "", 0, "duration: wanted 1 s to 86400 s (sessions.max_duration)"},
      {{"10.51.1.2"}, "", 86401, "duration: wanted 1 s to 86400 s (sessions.max_duration)"},
  };
  for (const Case& each : cases) {
    auto result =
        sessions->Authorise({each.addresses, each.zone, seconds(each.for_s), true, "", "", "", ""});
    ASSERT_FALSE(result) << each.message;
    EXPECT_EQ(result.error().message, each.message);
    EXPECT_EQ(result.error().kind, ErrorKind::kInvalid);
  }
  EXPECT_EQ(*sessions->Count(), 0u);
}

TEST_F(SessionsTest, FailsIfItExistsUnlessToldToExtend) {
  std::string id = Authorise({"10.51.1.2"}, 60)->id;
  EXPECT_EQ(KindOf(Authorise({"10.51.1.2"}, 90)), ErrorKind::kExists);
  EXPECT_EQ(Passes("10.51.1.2"), 60);
  table.up[2] = nx_traffic(9, 0);
  auto extended = Authorise({"10.51.1.2"}, 90, true);
  ASSERT_TRUE(extended);
  EXPECT_EQ(extended->id, id);
  EXPECT_EQ(extended->keys[0].counters.packets_up, 9u);
  EXPECT_EQ(extended->keys[0].counters.last_seen_ns, uint64_t{1000} * kSecondNs);
  EXPECT_EQ(Passes("10.51.1.2"), 90);
  EXPECT_EQ(table.CountedAt(2).packets_up, 9u);
}

TEST_F(SessionsTest, AddsAnAddressToASessionThatIsExtended) {
  std::string id = Authorise({"10.51.1.2"}, 60)->id;
  auto extended = Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 90, true);
  ASSERT_TRUE(extended);
  EXPECT_EQ(extended->id, id);
  EXPECT_EQ(Passes("2001:db8:51:1::2"), 90);
  EXPECT_EQ(sessions->Find("sessions/2001:db8:51:1::2")->id, id);
}

TEST_F(SessionsTest, RefusesToJoinTwoSessions) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, 60));
  ASSERT_TRUE(Authorise({"10.51.1.3"}, 60));
  EXPECT_EQ(KindOf(Authorise({"10.51.1.2", "10.51.1.3"}, 90, true)), ErrorKind::kExists);
}

TEST_F(SessionsTest, AnswersARepeatedRequestAlike) {
  auto first = Authorise({"10.51.1.2"}, 60, true, "r1");
  clock.Advance(10);
  auto again = Authorise({"10.51.1.2"}, 60, true, "r1");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(Passes("10.51.1.2"), 50);  // not extended a second time
  EXPECT_EQ(KindOf(Authorise({"10.51.1.3"}, 60, true, "r1")), ErrorKind::kInvalid);
  ASSERT_TRUE(sessions->Terminate("sessions/10.51.1.2", "t"));
  EXPECT_EQ(KindOf(Authorise({"10.51.1.2"}, 60, true, "r1")), ErrorKind::kPrecondition);
  EXPECT_EQ(Passes("10.51.1.2"), 0);
}

TEST_F(SessionsTest, TerminatesInMapAndStore) {
  std::string id = Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 60)->id;
  table.up[2] = nx_traffic(4, 0);
  auto ended = sessions->Terminate("sessions/" + id, "t");
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->keys[0].counters.packets_up, 4u);
  EXPECT_EQ(Passes("10.51.1.2"), 0);
  EXPECT_EQ(Passes("2001:db8:51:1::2"), 0);
  EXPECT_EQ(KindOf(sessions->Terminate("sessions/" + id, "t")), ErrorKind::kNotFound);
  Restart();
  EXPECT_EQ(report.added + report.kept, 0u);
}

TEST_F(SessionsTest, RollsBackWhenTheMapRefuses) {
  table.refuse_keys = true;
  EXPECT_EQ(KindOf(Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 60)), ErrorKind::kExhausted);
  EXPECT_EQ(Passes("10.51.1.2"), 0);
  EXPECT_EQ(*sessions->Count(), 0u);
  ASSERT_TRUE(Authorise({"10.51.1.2"}, 60));
  EXPECT_EQ(KindOf(Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 90, true)), ErrorKind::kExhausted);
  EXPECT_EQ(Passes("10.51.1.2"), 60);
  EXPECT_EQ(sessions->Find("sessions/10.51.1.2")->keys.size(), 1u);
  EXPECT_EQ((sessions->Find("sessions/10.51.1.2")->expires_boot_ns - clock.boot_ns) / kSecondNs,
            60);
  table.refuse_keys = false;
  for (const char* address : {"2001:db8:51:1::2", "2001:db8:51:1::3", "2001:db8:51:1::4"})
    EXPECT_TRUE(Authorise({address}, 60)) << "an entry was lost";
}

// The portal that asks again with the same id must not be told of a login that is not in force.
TEST_F(SessionsTest, ARequestThatTheMapRefusedWasNeverMade) {
  for (bool extend : {false, true}) {
    if (extend) {
      ASSERT_TRUE(Authorise({"10.51.1.2"}, 60));
    }
    table.refuse_keys = true;
    EXPECT_EQ(KindOf(Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 90, true, "r1")),
              ErrorKind::kExhausted);
    table.refuse_keys = false;
    auto again = Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 90, true, "r1");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(Passes("2001:db8:51:1::2"), 90);
    ASSERT_TRUE(sessions->Terminate("sessions/10.51.1.2", "t"));
    clock.Advance(2 * 86400);  // ids are forgotten
    ASSERT_TRUE(sessions->SaveCounters());
  }
}

TEST_F(SessionsTest, RefusesWhenFullAndTouchesNoOldSession) {
  for (const char* address : {"2001:db8:51:1::2", "2001:db8:51:1::3", "2001:db8:51:1::4"})
    ASSERT_TRUE(Authorise({address}, 60));
  EXPECT_EQ(KindOf(Authorise({"2001:db8:51:1::5"}, 60)), ErrorKind::kExhausted);
  EXPECT_EQ(*sessions->Count(), 3u);
  EXPECT_EQ(Passes("2001:db8:51:1::2"), 60);
  ASSERT_TRUE(sessions->Terminate("sessions/2001:db8:51:1::2", "t"));
  EXPECT_TRUE(Authorise({"2001:db8:51:1::5"}, 60));
}

TEST_F(SessionsTest, EndsWhatIsOverAndSaysWhatIsNext) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, 60));
  ASSERT_TRUE(Authorise({"10.51.1.3"}, 90));
  EXPECT_EQ(**sessions->EndExpired(), clock.boot_ns + 60 * kSecondNs);
  clock.Advance(60);
  EXPECT_EQ(KindOf(sessions->Find("sessions/10.51.1.2")), ErrorKind::kNotFound);
  EXPECT_EQ(sessions->List(0, "")->sessions.size(), 1u);
  EXPECT_EQ(**sessions->EndExpired(), clock.boot_ns + 30 * kSecondNs);
  EXPECT_EQ(table.entries[2].expires_ns, 0u);
  clock.Advance(30);
  EXPECT_FALSE(*sessions->EndExpired());
  EXPECT_EQ(*sessions->Count(), 0u);
}

TEST_F(SessionsTest, SettlesTheAccountsBeforeItReadsThem) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, 60));
  ASSERT_TRUE(Authorise({"10.51.1.3"}, 60));
  auto times = [&](auto action) {
    int before = table.settled;
    action();
    return table.settled - before;
  };
  EXPECT_EQ(times([&] { (void)sessions->Find("sessions/10.51.1.2"); }), 1);
  EXPECT_EQ(times([&] { (void)sessions->List(0, ""); }), 1) << "once for the page";
  EXPECT_EQ(times([&] { (void)sessions->SaveCounters(); }), 1);
  clock.Advance(60);
  EXPECT_EQ(times([&] { (void)sessions->EndExpired(); }), 1) << "once for the batch";
}

TEST_F(SessionsTest, AnExpiredSessionMakesRoomForItsSuccessor) {
  std::string id = Authorise({"10.51.1.2"}, 60)->id;
  clock.Advance(61);
  auto next = Authorise({"10.51.1.2"}, 60);
  ASSERT_TRUE(next);
  EXPECT_NE(next->id, id);
  EXPECT_EQ(Passes("10.51.1.2"), 60);
}

TEST_F(SessionsTest, ASteppedWallClockEndsNobody) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, 60));
  clock.wall_ns += 10 * 86400 * kSecondNs;
  ASSERT_TRUE(sessions->EndExpired());
  EXPECT_EQ(Passes("10.51.1.2"), 60);
  Restart();
  EXPECT_EQ(report.kept, 1u);
  EXPECT_EQ(Passes("10.51.1.2"), 60);
}

TEST_F(SessionsTest, ARestartTouchesNothingThatAgrees) {
  ASSERT_TRUE(Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 60));
  table.up[2] = nx_traffic(4, 0);
  auto before = table.keys;
  Restart();
  EXPECT_EQ(report.kept, 2u);
  EXPECT_EQ(report.added + report.removed, 0u);
  EXPECT_EQ(table.keys.size(), before.size());
  EXPECT_EQ(sessions->Find("sessions/10.51.1.2")->keys[0].counters.packets_up, 4u);
}

// Its entry belongs to whoever comes next, although the store still names it.
TEST_F(SessionsTest, WhatExpiredWhileNothingRanHasNoPartInWhatFollows) {
  ASSERT_TRUE(Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 60));
  clock.Advance(61);
  Restart();
  EXPECT_TRUE(Authorise({"10.51.1.2"}, 60)) << "before anybody has cleared up";
  const char* addresses[] = {"2001:db8:51:1::3", "2001:db8:51:1::4", "2001:db8:51:1::5"};
  ASSERT_TRUE(Authorise({addresses[0]}, 60));
  ASSERT_TRUE(sessions->EndExpired());
  ASSERT_TRUE(Authorise({addresses[1]}, 60));
  ASSERT_TRUE(Authorise({addresses[2]}, 60));
  EXPECT_EQ(KindOf(Authorise({"2001:db8:51:1::6"}, 60)), ErrorKind::kExhausted);
  std::set<nx_session*> entries;
  for (const char* address : addresses) {
    EXPECT_EQ(Passes(address), 60);
    entries.insert(table.Find(layout, 1, address));
  }
  EXPECT_EQ(entries.size(), 3u) << "an entry for each";
}

// The maps with the counters stay in force then, and the next start finds its way in them.
// Fails closed: nobody passes who was to be cut off, and the caller hears what is left to do.
TEST_F(SessionsTest, TerminateCutsOffWhenTheStoreFails) {
  auto session = Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 3600);
  ASSERT_TRUE(session);
  auto other = std::move(*Database::Open(directory.path() + "/s.db"));
  ASSERT_TRUE(other->Execute(
      "CREATE TRIGGER broken BEFORE DELETE ON session BEGIN SELECT RAISE(ABORT, 'no disk'); END"));
  auto refused = sessions->Terminate("sessions/10.51.1.2", "uid:0");
  EXPECT_EQ(KindOf(refused), ErrorKind::kUnavailable);
  for (const char* words : {"no disk", "is cut off, but would come back with the next start"})
    EXPECT_NE(refused.error().message.find(words), std::string::npos) << refused.error().message;
  EXPECT_EQ(Passes("10.51.1.2"), 0);
  EXPECT_EQ(Passes("2001:db8:51:1::2"), 0);

  ASSERT_TRUE(other->Execute("DROP TRIGGER broken"));
  EXPECT_TRUE(sessions->Terminate("sessions/10.51.1.2", "uid:0")) << "again, and done";
  EXPECT_EQ(KindOf(sessions->Find("sessions/10.51.1.2")), ErrorKind::kNotFound);
  EXPECT_TRUE(Authorise({"10.51.1.2"}, 60));
  EXPECT_EQ(Passes("10.51.1.2"), 60);
}

TEST_F(SessionsTest, AStartThatFailsLeavesTheStoreAsItWas) {
  ASSERT_TRUE(Authorise({"2001:db8:51:1::3"}, 60));
  ASSERT_TRUE(Authorise({"2001:db8:51:1::2"}, 60));
  ASSERT_TRUE(sessions->Terminate("sessions/2001:db8:51:1::3", "t"));
  table.up[table.SlotOf(layout, 1, "2001:db8:51:1::2")] = nx_traffic(4, 0);
  {
    Config wider = TwoZones(9);
    wider.zones[1].pools = {P("10.52.0.0/24")};
    Layout other_layout{wider};
    FakeTable other{other_layout};
    SessionMap other_map(other_layout, other);
    LimitMap other_limits(other);
    PolicyTable other_policies(*store, other);
    Sessions failing({*store, other_map, other_limits, other_policies, other_layout, clock,
                      neighbours, std::chrono::hours(24)});
    ASSERT_TRUE(failing.Start(wider.policies));
  }
  Restart();
  EXPECT_EQ(report.kept, 1u);
  EXPECT_EQ(report.removed, 0u);
  EXPECT_EQ(sessions->Find("sessions/2001:db8:51:1::2")->keys[0].counters.packets_up, 4u);
}

TEST_F(SessionsTest, ARebootBringsSessionsAndCountersBack) {
  ASSERT_TRUE(Authorise({"10.51.1.2", "2001:db8:51:1::2"}, 600));
  table.up[2] = nx_traffic(4, 0);
  ASSERT_TRUE(sessions->SaveCounters());
  table = FakeTable(layout);
  clock.boot_id = "boot-2";
  clock.boot_ns = 5 * kSecondNs;
  clock.wall_ns += 100 * kSecondNs;
  Restart();
  EXPECT_EQ(report.added, 2u);
  EXPECT_EQ(Passes("10.51.1.2"), 500);
  EXPECT_EQ(Passes("2001:db8:51:1::2"), 500);
  EXPECT_EQ(table.CountedAt(2).packets_up, 4u);
}

TEST_F(SessionsTest, ListsInPagesEachSessionOnce) {
  std::set<std::string> names;
  for (int i = 1; i <= 25; ++i) {
    ASSERT_TRUE(Authorise({"10.51.1." + std::to_string(i)}, 60));
  }
  std::string token;
  int pages = 0;
  do {
    auto page = sessions->List(10, token);
    ASSERT_TRUE(page);
    for (const Session& session : page->sessions) EXPECT_TRUE(names.insert(session.id).second);
    token = page->next_page_token;
    ++pages;
  } while (!token.empty());
  EXPECT_EQ(names.size(), 25u);
  EXPECT_EQ(pages, 3);
  EXPECT_FALSE(sessions->List(1001, ""));
  EXPECT_FALSE(sessions->List(-1, ""));
  EXPECT_FALSE(sessions->List(0, "'; DROP TABLE session"));
}

}  // namespace
}  // namespace narthex
