// SPDX-License-Identifier: Apache-2.0
// Sessions under policies: their rows, what ends them, what survives.
#include <gtest/gtest.h>

#include "tests/unit/control/configured_sessions.h"

namespace narthex {
namespace {

using SessionPoliciesTest = ConfiguredSessions;

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

TEST_F(SessionPoliciesTest, KeysShareARowThatIsFilledBeforeTheyNameIt) {
  ASSERT_TRUE(Authorise({"10.51.1.2", "2001:db8:51:1::2"}, "gold"));
  EXPECT_NE(Entry("10.51.1.2").limits, 0u);
  EXPECT_EQ(Entry("10.51.1.2").limits, Entry("2001:db8:51:1::2").limits);
  EXPECT_EQ(table.policies[Row("10.51.1.2").policy].quota_total, 1000u);
  EXPECT_EQ(Row("10.51.1.2").last_seen_s, 1000u) << "idle time begins with the login";
  ASSERT_TRUE(Authorise({"10.51.1.3"}));
  EXPECT_EQ(Entry("10.51.1.3").limits, 0u);
}

TEST_F(SessionPoliciesTest, ARestartLeavesRowsAloneAndARebootBringsThemBack) {
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

TEST_F(SessionPoliciesTest, ReplacedMapsHandOverWhatWasUsed) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "gold"));
  Row("10.51.1.2").used_down = 300;
  table.up[Slot("10.51.1.2")] = nx_traffic(9, 0);
  FakeTable next(layout);
  next.replaced = table.entries;
  next.replaced_up = table.up;
  next.replaced_down = table.down;
  next.replaced_accounts = table.accounts;
  next.replaced_limits = table.limits;
  table = next;
  ASSERT_TRUE(Restart());
  EXPECT_EQ(report.added, 1u);
  EXPECT_EQ(Row("10.51.1.2").used_down, 300u);
  EXPECT_EQ(table.CountedAt(Slot("10.51.1.2")).packets_up, 9u);
}

TEST_F(SessionPoliciesTest, AnotherPolicyIsInForceAtOnceAndTheFastBitIsCleared) {
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

TEST_F(SessionPoliciesTest, ExtendingKeepsThePolicyUnlessAnotherIsNamed) {
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

TEST_F(SessionPoliciesTest, EndsWhatIsIdleAndWhatHasUsedUpItsQuota) {
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

TEST_F(SessionPoliciesTest, OnlyThePortalEndsASessionAtItsQuota) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}, "gold"));
  Row("10.51.1.2").used_up = 2000;
  for (nx_at_quota at_quota : {NX_AT_QUOTA_THROTTLE, NX_AT_QUOTA_BLOCK}) {
    config.policies[0].at_quota = at_quota;
    ASSERT_TRUE(sessions->ApplyPolicies(config.policies));
    ASSERT_TRUE(sessions->EndSpent());
    EXPECT_EQ(*sessions->Count(), 1u);
  }
}

TEST_F(SessionPoliciesTest, APolicyKeepsItsRowAndCannotGoWhileItIsUsed) {
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
TEST_F(SessionPoliciesTest, ASessionWithoutAPlaceHasNoPartInTheRowsOfOthers) {
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

}  // namespace
}  // namespace narthex
