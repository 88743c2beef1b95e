// SPDX-License-Identifier: Apache-2.0
// Sessions with policies, with keys of all kinds, and bound to a MAC address.
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <sstream>

#include "control/sessions.h"
#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

using std::chrono::seconds;

Config Configured() {
  Config config = TwoZones(4);
  PolicyConfig gold, silver;
  gold.name = "gold";
  gold.rate_up = 8'000'000;
  gold.quota_total = 1000;
  silver.name = "silver";
  silver.idle = seconds(30);
  config.policies = {gold, silver};
  config.zones[0].mac_sessions = config.zones[0].line_sessions = true;
  config.zones[0].ipv6_session_lengths = {128, 64};
  config.zones[1].bind_mac = true;
  return config;
}

class SessionLimitsTest : public testing::Test {
 protected:
  SessionLimitsTest() { EXPECT_TRUE(Restart()); }

  // narthexd ends and starts again; store and maps stay.
  Outcome Restart() {
    sessions.reset();
    store.reset();
    store = std::move(*SessionStore::Open(directory.path() + "/s.db", clock));
    map = std::make_unique<SessionMap>(layout, table);
    limits = std::make_unique<LimitMap>(table);
    policies = std::make_unique<PolicyTable>(*store, table);
    sessions = std::make_unique<Sessions>(Sessions::Parts{
        *store, *map, *limits, *policies, layout, clock, neighbours, std::chrono::hours(24)});
    auto started = sessions->Start(config.policies);
    if (!started) return Fail(started.error());
    report = *started;
    return sessions->SaveStart();
  }
  // The machine starts again: the store is all that is left.
  void Reboot(int64_t off_s) {
    table = FakeTable(layout);
    clock.boot_id = "boot-2";
    clock.boot_ns = 5 * kSecondNs;
    clock.wall_ns += off_s * kSecondNs;
    ASSERT_TRUE(Restart());
  }
  Result<Session> Authorise(std::vector<std::string> keys, const std::string& policy = "",
                            const std::string& mac = "", bool extend = true) {
    return sessions->Authorise({keys, "", seconds(600), extend, "", "t", policy, mac});
  }
  nx_session& Entry(const std::string& key) { return *table.Find(layout, 1, key); }
  nx_limits& Row(const std::string& key) { return table.limits[Entry(key).limits]; }
  std::string PolicyNamed(const std::string& key) { return Find(key).policy; }
  Session Find(const std::string& key) {
    auto session = sessions->Find("sessions/" + key);
    EXPECT_TRUE(session) << session.error().message;
    return session ? *session : Session();
  }

  TemporaryDirectory directory;
  FakeClock clock;
  FakeNeighbours neighbours;
  Config config = Configured();
  Layout layout{config};
  FakeTable table{layout};
  std::unique_ptr<SessionStore> store;
  std::unique_ptr<SessionMap> map;
  std::unique_ptr<LimitMap> limits;
  std::unique_ptr<PolicyTable> policies;
  std::unique_ptr<Sessions> sessions;
  ReconcileReport report;
};

// ---- keys ----------------------------------------------------------------------------------

TEST_F(SessionLimitsTest, KeysOfEveryKindLeadToOneSession) {
  const std::vector<std::string> keys = {"10.51.1.2", "2001:db8:51:1::/64", "02:00:00:00:00:01",
                                         "line:100.7"};
  auto session = Authorise(keys);
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ(table.keys.size(), 3u);
  for (const std::string& key : keys) {
    EXPECT_EQ(Find(key).id, session->id);
    EXPECT_GT(Entry(key).expires_ns, 0u);
  }
  ASSERT_TRUE(Restart());
  EXPECT_EQ(report.kept, 4u);
  ASSERT_TRUE(sessions->Terminate("sessions/line:100.7", "t"));
  EXPECT_TRUE(table.keys.empty());
  EXPECT_EQ(table.entries[2].expires_ns, 0u);
}

TEST_F(SessionLimitsTest, RefusesKeysThatTheZoneDoesNotHave) {
  struct Case {
    std::vector<std::string> keys;
    std::string zone;
    ErrorKind kind;
    std::string message;  // a part of it
  };
  const Case cases[] = {
      {{"02:00:00:00:00:01"}, "stands", ErrorKind::kPrecondition, "add identities = [\"mac\"]"},
      {{"line:9"}, "stands", ErrorKind::kPrecondition, "add identities = [\"line\"]"},
      {{"10.52.0.1", "line:9"}, "", ErrorKind::kPrecondition, "zone 'stands' has no sessions of"},
      {{"2001:db8:52::/64"},
       "",
       ErrorKind::kPrecondition,
       "add it to ipv6_session_lengths = [128]"},
      {{"2001:db8:51:1::/80"}, "", ErrorKind::kPrecondition, "no sessions of length 80"},
      {{"2001:db8::/64"}, "", ErrorKind::kInvalid, "2001:db8::/64 is in no zone"},
      {{"10.51.1.2"}, "roof", ErrorKind::kInvalid, "there is no zone of this name"},
  };
  for (const Case& each : cases) {
    auto session = sessions->Authorise({each.keys, each.zone, seconds(60), true, "", "t", "", ""});
    ASSERT_FALSE(session) << each.message;
    EXPECT_EQ(session.error().kind, each.kind) << session.error().message;
    EXPECT_NE(session.error().message.find(each.message), std::string::npos)
        << session.error().message;
  }
}

TEST_F(SessionLimitsTest, AskForTheZoneOfAMacAddressThatTwoZonesMayHave) {
  config.zones[1].mac_sessions = true;
  layout = Layout(config);
  auto unclear = Authorise({"02:00:00:00:00:01"});
  ASSERT_FALSE(unclear);
  EXPECT_NE(unclear.error().message.find("name the zone"), std::string::npos);
  for (const char* zone : {"lobby", "stands"})
    ASSERT_TRUE(
        sessions->Authorise({{"02:00:00:00:00:01"}, zone, seconds(60), true, "", "t", "", ""}));
  auto found = sessions->Find("sessions/02:00:00:00:00:01");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("in zone 'lobby' and one in 'stands'"), std::string::npos);
}

TEST_F(SessionLimitsTest, FindsTheSessionOfAnAddressByItsPrefixAndByItsMacAddress) {
  std::string prefix = Authorise({"2001:db8:51:1::/64"})->id;
  EXPECT_EQ((*sessions->FindByAddress(*ParseAddress("2001:db8:51:1::99")))->id, prefix);
  std::string mac = Authorise({"02:00:00:00:00:01"})->id;
  Key address = *ParseKey("10.51.1.9");
  EXPECT_FALSE(*sessions->FindByAddress(address.address()));
  uint32_t slot = table.keys.at(ParseKey("02:00:00:00:00:01")->InZone(1));
  table.via[address.InZone(1)] = {slot, 1000};
  EXPECT_EQ((*sessions->FindByAddress(address.address()))->id, mac);
}

// A row of `via` that leads to the entry of somebody else would let strangers be reached.
TEST_F(SessionLimitsTest, AnEntryOfAMacSessionIsNotUsedAgainBeforeViaForgetsIt) {
  ASSERT_TRUE(Authorise({"02:00:00:00:00:01"}));
  uint32_t slot = table.keys.begin()->second;
  const nx_key address = ParseKey("10.51.1.9")->InZone(1);
  table.via[address] = {slot, 1000};
  ASSERT_TRUE(sessions->Terminate("sessions/02:00:00:00:00:01", "t"));
  for (const char* mac : {"02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04"}) {
    ASSERT_TRUE(Authorise({mac}));
    EXPECT_NE(table.keys.at(ParseKey(mac)->InZone(1)), slot);
  }
  EXPECT_TRUE(table.via.contains(address));
  ASSERT_TRUE(Authorise({"02:00:00:00:00:05"})) << "the last entry, after a sweep";
  EXPECT_EQ(table.keys.at(ParseKey("02:00:00:00:00:05")->InZone(1)), slot);
  EXPECT_FALSE(table.via.contains(address));
}

TEST_F(SessionLimitsTest, SavingForgetsUnusedAddressesAndCountsTheOthers) {
  ASSERT_TRUE(Authorise({"02:00:00:00:00:01"}));
  uint32_t slot = table.keys.begin()->second;
  clock.boot_ns = 10'000 * kSecondNs;
  table.via[ParseKey("10.51.1.9")->InZone(1)] = {slot, 10'000 - 3599};
  table.via[ParseKey("10.51.1.8")->InZone(1)] = {slot, 10'000 - 3600};
  table.via[ParseKey("10.51.1.7")->InZone(1)] = {slot + 1, 10'000};
  table.entries[slot].addresses = 9;
  ASSERT_TRUE(sessions->SaveCounters());
  EXPECT_EQ(table.via.size(), 1u);
  EXPECT_EQ(table.entries[slot].addresses, 1);
}

// No row leads to a session whose addresses all went to others: it may use new ones still.
TEST_F(SessionLimitsTest, SavingForgetsTheAddressesOfWhoLostThemAll) {
  ASSERT_TRUE(Authorise({"02:00:00:00:00:01"}));
  uint32_t slot = table.keys.begin()->second;
  table.entries[slot].addresses = NX_MAX_VIA;
  ASSERT_TRUE(sessions->SaveCounters());
  EXPECT_EQ(table.entries[slot].addresses, 0);
}

// ---- policies ------------------------------------------------------------------------------

TEST(PolicyRow, IsAVirtualSchedule) {
  PolicyConfig policy;
  policy.rate_up = 8'000'000;  // 1,000 ns a byte
  policy.rate_down = 80'000;   // 100 us a byte: the burst is 15,000 bytes
  policy.throttle_up = 800'000;
  nx_policy row = PolicyRow(policy);
  EXPECT_EQ(row.up.cost, 1000u << NX_RATE_SHIFT);
  EXPECT_EQ(row.up.burst_ns, 250'000'000u);
  EXPECT_EQ(row.down.burst_ns, 1'500'000'000u);
  EXPECT_EQ(row.throttled_up.cost, 10'000ull << NX_RATE_SHIFT);
  EXPECT_EQ(row.throttled_down.cost, row.down.cost) << "not throttled: as before";
  EXPECT_EQ(PolicyRow({}).up.cost, 0u);
}

TEST_F(SessionLimitsTest, KeysShareARowThatIsFilledBeforeTheyNameIt) {
  ASSERT_TRUE(Authorise({"10.51.1.2", "2001:db8:51:1::2"}, "gold"));
  EXPECT_NE(Entry("10.51.1.2").limits, 0u);
  EXPECT_EQ(Entry("10.51.1.2").limits, Entry("2001:db8:51:1::2").limits);
  EXPECT_EQ(table.policies[Row("10.51.1.2").policy].quota_total, 1000u);
  EXPECT_EQ(Row("10.51.1.2").last_seen_s, 1000u) << "idle time begins with the login";
  ASSERT_TRUE(Authorise({"10.51.1.3"}));
  EXPECT_EQ(Entry("10.51.1.3").limits, 0u);
}

TEST_F(SessionLimitsTest, ARestartLeavesRowsAloneAndARebootBringsThemBack) {
  ASSERT_TRUE(Authorise({"10.51.1.2", "2001:db8:51:1::2"}, "gold"));
  ASSERT_TRUE(Authorise({"10.51.1.3"}, "silver"));
  Row("10.51.1.2").used_up = 400;
  Row("10.51.1.2").paid_up_ns = 77;
  uint32_t row = Entry("10.51.1.2").limits;
  ASSERT_TRUE(Restart());
  EXPECT_EQ(report.kept, 3u);
  EXPECT_EQ(Entry("10.51.1.2").limits, row);
  EXPECT_EQ(Row("10.51.1.2").paid_up_ns, 77u);
  EXPECT_EQ(Find("10.51.1.2").usage.bytes_up, 400u);
  ASSERT_TRUE(Authorise({"10.51.1.4"}, "gold"));
  EXPECT_NE(Entry("10.51.1.4").limits, row) << "a row in use was handed out";
  EXPECT_NE(Entry("10.51.1.4").limits, Entry("10.51.1.3").limits);

  ASSERT_TRUE(sessions->SaveCounters());
  Reboot(10);
  EXPECT_EQ(report.added, 4u);
  EXPECT_EQ(Entry("10.51.1.2").limits, Entry("2001:db8:51:1::2").limits);
  EXPECT_EQ(Row("10.51.1.2").used_up, 400u);
  EXPECT_EQ(Row("10.51.1.2").last_seen_s, 5u) << "idle time begins with the start";
  EXPECT_EQ(PolicyNamed("10.51.1.3"), "silver");
}

TEST_F(SessionLimitsTest, ReplacedMapsHandOverWhatWasUsed) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "gold"));
  Row("10.51.1.2").used_down = 300;
  Entry("10.51.1.2").packets_up = 9;
  FakeTable next(layout);
  next.replaced = table.entries;
  next.replaced_limits = table.limits;
  table = next;
  ASSERT_TRUE(Restart());
  EXPECT_EQ(report.added, 1u);
  EXPECT_EQ(Row("10.51.1.2").used_down, 300u);
  EXPECT_EQ(Entry("10.51.1.2").packets_up, 9u);
}

TEST_F(SessionLimitsTest, AnotherPolicyIsInForceAtOnceAndTheFastBitIsCleared) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}));
  uint64_t end_ns = Entry("10.51.1.2").expires_ns;
  table.fast.assign(table.fast.size(), ~uint64_t{0});
  ASSERT_TRUE(sessions->SetPolicy("sessions/10.51.1.2", "gold", "t"));
  EXPECT_NE(Entry("10.51.1.2").limits, 0u);
  EXPECT_EQ(table.fast[0], ~(uint64_t{1} << 2));
  EXPECT_EQ(Entry("10.51.1.2").expires_ns, end_ns) << "a policy moves no session's end";
  Row("10.51.1.2").used_up = 5;
  uint32_t gold = Row("10.51.1.2").policy;
  ASSERT_TRUE(sessions->SetPolicy("sessions/10.51.1.2", "silver", "t"));
  EXPECT_NE(Row("10.51.1.2").policy, gold);
  EXPECT_EQ(Row("10.51.1.2").used_up, 5u);
  ASSERT_TRUE(sessions->SetPolicy("sessions/10.51.1.2", "", "t"));
  EXPECT_EQ(Entry("10.51.1.2").limits, 0u);
  EXPECT_FALSE(sessions->SetPolicy("sessions/10.51.1.2", "bronze", "t"));
  ASSERT_TRUE(Restart());
  EXPECT_EQ(PolicyNamed("10.51.1.2"), "");
  EXPECT_EQ(report.kept, 1u);
}

TEST_F(SessionLimitsTest, ExtendingKeepsThePolicyUnlessAnotherIsNamed) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "gold"));
  Row("10.51.1.2").used_up = 5;
  clock.Advance(20);
  ASSERT_TRUE(Authorise({"10.51.1.2", "2001:db8:51:1::2"}));
  EXPECT_EQ(PolicyNamed("10.51.1.2"), "gold");
  EXPECT_EQ(Entry("2001:db8:51:1::2").limits, Entry("10.51.1.2").limits);
  EXPECT_EQ(Row("10.51.1.2").used_up, 5u);
  EXPECT_EQ(Row("10.51.1.2").last_seen_s, 1020u);
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "silver"));
  EXPECT_EQ(PolicyNamed("10.51.1.2"), "silver");
  EXPECT_EQ(Row("10.51.1.2").policy, *policies->RowOf("silver"));
}

TEST_F(SessionLimitsTest, EndsWhatIsIdleAndWhatHasUsedUpItsQuota) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "gold"));
  ASSERT_TRUE(Authorise({"10.51.1.3"}, "silver"));
  ASSERT_TRUE(Authorise({"10.51.1.4"}));
  Row("10.51.1.2").used_up = 999;
  clock.Advance(29);
  ASSERT_TRUE(sessions->EndSpent());
  EXPECT_EQ(*sessions->Count(), 3u);
  Row("10.51.1.2").used_down = 1;
  ASSERT_TRUE(sessions->EndSpent());
  EXPECT_FALSE(sessions->Find("sessions/10.51.1.2"));
  EXPECT_EQ(table.entries[2].expires_ns, 0u);
  EXPECT_EQ(*sessions->Count(), 2u);
  clock.Advance(1);
  ASSERT_TRUE(sessions->EndSpent());
  EXPECT_FALSE(sessions->Find("sessions/10.51.1.3"));
  EXPECT_EQ(*sessions->Count(), 1u);
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "gold"));
  EXPECT_EQ(Row("10.51.1.2").used_up, 0u) << "a new login has a new quota";
}

TEST_F(SessionLimitsTest, OnlyThePortalEndsASessionAtItsQuota) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "gold"));
  Row("10.51.1.2").used_up = 2000;
  for (nx_at_quota at_quota : {NX_AT_QUOTA_THROTTLE, NX_AT_QUOTA_BLOCK}) {
    config.policies[0].at_quota = at_quota;
    ASSERT_TRUE(sessions->ApplyPolicies(config.policies));
    ASSERT_TRUE(sessions->EndSpent());
    EXPECT_EQ(*sessions->Count(), 1u);
  }
}

TEST_F(SessionLimitsTest, APolicyKeepsItsRowAndCannotGoWhileItIsUsed) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "silver"));
  uint32_t row = *policies->RowOf("silver");
  config.policies.erase(config.policies.begin());  // gold
  ASSERT_TRUE(sessions->ApplyPolicies(config.policies));
  EXPECT_EQ(*policies->RowOf("silver"), row);
  PolicyConfig bronze;
  bronze.name = "bronze";
  config.policies.insert(config.policies.begin(), bronze);
  ASSERT_TRUE(Restart());
  EXPECT_EQ(*policies->RowOf("silver"), row);
  EXPECT_NE(*policies->RowOf("bronze"), row);
  config.policies.pop_back();
  auto refused = sessions->ApplyPolicies(config.policies);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kPrecondition);
  EXPECT_NE(refused.error().message.find("policy 'silver' is gone, but 1 session uses it"),
            std::string::npos);
  EXPECT_EQ(*policies->RowOf("silver"), row) << "and nothing has changed";
  EXPECT_FALSE(Restart());
}

// The store may still name a row that is somebody else's by now.
TEST_F(SessionLimitsTest, ASessionWithoutAPlaceHasNoPartInTheRowsOfOthers) {
  ASSERT_TRUE(Authorise({"2001:db8:51:1::/64"}, "gold"));
  config.zones[0].ipv6_session_lengths = {128};
  layout = Layout(config);
  ASSERT_TRUE(Restart());
  clock.Advance(300);
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "gold"));
  clock.Advance(301);
  ASSERT_TRUE(sessions->EndExpired());
  ASSERT_TRUE(sessions->Find("sessions/10.51.1.2"));
  Row("10.51.1.2").used_up = 1000;
  ASSERT_TRUE(sessions->EndSpent());
  EXPECT_FALSE(sessions->Find("sessions/10.51.1.2")) << "its quota is used up";
}

// ---- many at once --------------------------------------------------------------------------

TEST_F(SessionLimitsTest, ABatchAnswersForEachAndStopsForNone) {
  auto wish = [](const char* key, bool extend = false) {
    return AuthoriseRequest{{key}, "", seconds(60), extend, "", "t", "", ""};
  };
  const AuthoriseRequest requests[] = {wish("10.51.1.2"),        wish("10.9.9.9"),
                                       wish("10.51.1.2"),        wish("10.51.1.2", true),
                                       wish("2001:db8:51:1::2"), wish("nobody")};
  auto results = sessions->AuthoriseAll(requests);
  ASSERT_EQ(results.size(), 6u);
  ASSERT_TRUE(results[0]);
  EXPECT_EQ(results[1].error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(results[2].error().kind, ErrorKind::kExists);
  ASSERT_TRUE(results[3]);
  EXPECT_EQ(results[3]->id, results[0]->id);
  EXPECT_TRUE(results[4]);
  EXPECT_FALSE(results[5]);
  EXPECT_EQ(*sessions->Count(), 2u);
  ASSERT_TRUE(Restart());
  EXPECT_EQ(report.kept, 2u);
}

TEST_F(SessionLimitsTest, ABatchThatDoesNotFitIsInForceAsFarAsItDoes) {
  std::vector<AuthoriseRequest> requests;
  for (int i = 1; i <= 6; ++i)
    requests.push_back(
        {{"2001:db8:51:1::" + std::to_string(i)}, "", seconds(60), false, "", "t", "", ""});
  auto results = sessions->AuthoriseAll(requests);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(results[i].has_value(), i < 4);
  EXPECT_EQ(results[5].error().kind, ErrorKind::kExhausted);
  EXPECT_EQ(*sessions->Count(), 4u);
}

TEST_F(SessionLimitsTest, ABatchKnowsItsOwnRequestIds) {
  auto wish = [](const char* key, const char* id) {
    return AuthoriseRequest{{key}, "", seconds(60), false, id, "t", "", ""};
  };
  const AuthoriseRequest requests[] = {wish("10.51.1.2", "a"), wish("10.51.1.3", "b"),
                                       wish("10.51.1.4", "b"), wish("10.51.1.2", "a")};
  auto results = sessions->AuthoriseAll(requests);
  ASSERT_TRUE(results[0]);
  ASSERT_TRUE(results[1]);
  ASSERT_FALSE(results[2]);
  EXPECT_EQ(results[2].error().message, "request_id: was used for another request");
  ASSERT_TRUE(results[3]);
  EXPECT_EQ(results[3]->id, results[0]->id);
}

// By another key, too: the second wish must see what the first has changed.
TEST_F(SessionLimitsTest, ABatchMayExtendOneSessionTwice) {
  auto wish = [](std::vector<std::string> keys, int64_t for_s, const char* policy) {
    return AuthoriseRequest{keys, "", seconds(for_s), true, "", "t", policy, ""};
  };
  std::string id = Authorise({"10.51.1.2", "2001:db8:51:1::2"})->id;
  std::string other = Authorise({"10.51.1.9"})->id;
  const AuthoriseRequest requests[] = {wish({"10.51.1.2", "02:00:00:00:00:01"}, 700, "gold"),
                                       wish({"2001:db8:51:1::2"}, 800, "silver"),
                                       wish({"02:00:00:00:00:01"}, 900, ""),
                                       wish({"10.51.1.9"}, 900, "")};
  auto results = sessions->AuthoriseAll(requests);
  for (const auto& result : results) ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(results[2]->id, id);
  EXPECT_EQ(results[3]->id, other);
  for (int round = 0; round < 2; ++round) {
    Session session = Find("10.51.1.2");
    EXPECT_EQ(session.keys.size(), 3u);
    EXPECT_EQ(session.policy, "silver");
    EXPECT_EQ((session.expires_boot_ns - clock.boot_ns) / kSecondNs, 900);
    EXPECT_EQ(Entry("02:00:00:00:00:01").expires_ns, Entry("10.51.1.2").expires_ns);
    EXPECT_EQ(Row("10.51.1.2").policy, *policies->RowOf("silver"));
    EXPECT_EQ(Entry("02:00:00:00:00:01").limits, Entry("10.51.1.2").limits);
    ASSERT_TRUE(Restart());
    EXPECT_EQ(report.kept, 4u);
  }
}

TEST_F(SessionLimitsTest, ABatchTakesBackOnlyTheExtensionThatTheMapRefuses) {
  for (const char* key : {"10.51.1.2", "10.51.1.3"}) ASSERT_TRUE(Authorise({key}));
  table.refuse_keys = true;
  const AuthoriseRequest requests[] = {
      {{"10.51.1.2", "2001:db8:51:1::2"}, "", seconds(900), true, "a", "t", "gold", ""},
      {{"10.51.1.3"}, "", seconds(900), true, "b", "t", "gold", ""}};
  auto results = sessions->AuthoriseAll(requests);
  EXPECT_FALSE(results[0]);
  ASSERT_TRUE(results[1]);
  EXPECT_EQ(Find("10.51.1.2").policy, "");
  EXPECT_EQ(Find("10.51.1.2").keys.size(), 1u);
  EXPECT_EQ(Find("10.51.1.3").policy, "gold");
  table.refuse_keys = false;
  EXPECT_TRUE(sessions->AuthoriseAll(requests)[0]) << "with the same id";
  EXPECT_EQ(Find("2001:db8:51:1::2").policy, "gold");
}

TEST_F(SessionLimitsTest, EachSessionOfABatchIsAudited) {
  std::ostringstream log;
  auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("t", std::make_shared<spdlog::sinks::ostream_sink_st>(log)));
  std::vector<AuthoriseRequest> requests;
  for (const char* key : {"10.51.1.2", "10.51.1.3", "10.51.1.2", "10.51.1.4"})
    requests.push_back({{key}, "", seconds(60), false, "", "uid:7", "", ""});
  auto results = sessions->AuthoriseAll(requests);
  spdlog::set_default_logger(before);
  for (int i : {0, 1, 3}) {
    ASSERT_TRUE(results[i]);
    EXPECT_NE(log.str().find("audit: created session " + results[i]->id + " of " +
                             requests[i].keys[0] + " in zone 'lobby', 60 s left, by uid:7"),
              std::string::npos)
        << log.str();
  }
  const std::string text = log.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
}

// ---- accounts ------------------------------------------------------------------------------

TEST_F(SessionLimitsTest, SavesInBoundedStepsAndOnlyWhatMoved) {
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(Authorise({"10.51.1." + std::to_string(i)}, ""));
  for (int i = 1; i <= 5; ++i) table.entries[i].packets_up = i;
  auto stored = [&] {
    int count = 0;
    for (int i = 1; i <= 5; ++i)
      count += (*store->FindByKey("lobby", *ParseKey("10.51.1." + std::to_string(i))))
                   ->keys[0]
                   .counters.packets_up == static_cast<uint64_t>(i);
    return count;
  };
  ASSERT_TRUE(sessions->SaveCounters(2));
  EXPECT_EQ(stored(), 2);
  ASSERT_TRUE(sessions->SaveCounters(2));
  EXPECT_EQ(stored(), 4) << "each round goes on where the last one ended";
  ASSERT_TRUE(sessions->SaveCounters(2));
  EXPECT_EQ(stored(), 5);
}

// ---- binding -------------------------------------------------------------------------------

class BindingTest : public SessionLimitsTest {
 protected:
  std::string Bound(const std::string& key) {
    uint32_t slot = *layout.PoolSlot(*ParseAddress(key));
    Mac mac;
    std::memcpy(mac.bytes.data(), table.places[slot].mac, 6);
    return mac.ToString();
  }
};

TEST_F(BindingTest, TakesTheMacAddressThatIsNamedOrTheKernels) {
  auto refused = Authorise({"10.52.0.1"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kPrecondition);
  EXPECT_NE(refused.error().message.find("--mac"), std::string::npos);
  EXPECT_NE(refused.error().message.find("talk to the gateway first"), std::string::npos);
  neighbours.known[{"lan1", *ParseAddress("10.52.0.1")}] = *ParseMac("02:00:00:00:00:07");
  ASSERT_TRUE(Authorise({"10.52.0.1"}));
  EXPECT_EQ(Bound("10.52.0.1"), "02:00:00:00:00:07");
  ASSERT_TRUE(Authorise({"10.52.0.2"}, "", "02:00:00:00:00:08"));
  EXPECT_EQ(Bound("10.52.0.2"), "02:00:00:00:00:08");
  EXPECT_FALSE(Authorise({"10.52.0.3"}, "", "ff:ff:ff:ff:ff:ff"));
}

TEST_F(BindingTest, OutlivesARestartAndAReboot) {
  ASSERT_TRUE(Authorise({"10.52.0.1"}, "", "02:00:00:00:00:08"));
  uint32_t slot = *layout.PoolSlot(*ParseAddress("10.52.0.1"));
  table.places[slot].where = NX_WHERE(2, 5, 0);
  ASSERT_TRUE(Restart());
  EXPECT_EQ(table.places[slot].where, NX_WHERE(2, 5, 0)) << "what the classifier has learned stays";
  Reboot(10);
  EXPECT_EQ(Bound("10.52.0.1"), "02:00:00:00:00:08");
}

TEST_F(BindingTest, ALoginFromAnotherMacAddressBindsAnew) {
  ASSERT_TRUE(Authorise({"10.52.0.1"}, "", "02:00:00:00:00:08"));
  ASSERT_TRUE(Authorise({"10.52.0.1"}, "", "02:00:00:00:00:09"));
  EXPECT_EQ(Bound("10.52.0.1"), "02:00:00:00:00:09");
  Reboot(10);
  EXPECT_EQ(Bound("10.52.0.1"), "02:00:00:00:00:09");
}

TEST_F(BindingTest, ZonesThatDoNotBindDoNotAsk) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}));
  EXPECT_TRUE(Find("10.51.1.2").keys[0].bound.IsNone());
}

}  // namespace
}  // namespace narthex
