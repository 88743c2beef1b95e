// SPDX-License-Identifier: Apache-2.0
// Policies: quotas, idle time and rates of a session, shared by its keys.
#include <linux/bpf.h>

#include <utility>

#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

class Allowance : public ClassifierFixture {
 protected:
  static constexpr uint32_t kRow = 5, kPolicy = 3;

  void SetUp() override { Load({.kinds = NX_KIND_MAC}); }
  // A session of the address with a row of limits under the policy.
  void Begin(const nx_policy& policy, const nx_limits& limits = {}) {
    SetPolicy(kPolicy, policy);
    nx_limits row = limits;
    row.policy = kPolicy;
    if (row.last_seen_s == 0) row.last_seen_s = static_cast<uint32_t>(BootNow() / kSecond);
    SetLimits(kRow, row);
    nx_session session = {};
    session.expires_ns = BootNow() + 600 * kSecond;
    session.limits = kRow;
    SetEntry(2, session);
    ClearFast("10.51.1.2");
  }
  static nx_rate BytesPerSecond(uint64_t bytes, uint64_t burst_ns) {
    return {.cost = (kSecond << NX_RATE_SHIFT) / bytes, .burst_ns = burst_ns};
  }
};

const Bytes kUp = Ethernet{} / Ipv4{} / Udp{.dport = 443} / Payload{std::string(958, 'x')};
const Bytes kDown = Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.2"} /
                    Udp{.sport = 443} / Payload{std::string(958, 'x')};
constexpr uint64_t kFrame = 1000;

TEST_F(Allowance, OfQuotasEndsWhereThePolicySays) {
  ASSERT_EQ(kUp.size(), kFrame);
  ASSERT_EQ(kDown.size(), kFrame);
  struct {
    const char* description;
    nx_policy policy;
    int up, down;  // frames that pass before the limit
    const char* then_up;
    const char* then_down;
  } const rows[] = {
      {"up, back to the portal",
       {.quota_up = 3 * kFrame, .at_quota = NX_AT_QUOTA_PORTAL},
       3,
       0,
       "UDP_REFUSED",
       "UNSOLICITED"},
      {"down, back to the portal",
       {.quota_down = 3 * kFrame, .at_quota = NX_AT_QUOTA_PORTAL},
       2,
       3,
       "UDP_REFUSED",
       "UNSOLICITED"},
      {"total, back to the portal",
       {.quota_total = 5 * kFrame, .at_quota = NX_AT_QUOTA_PORTAL},
       3,
       2,
       "UDP_REFUSED",
       "UNSOLICITED"},
      {"a byte less counts as used up",
       {.quota_up = 3 * kFrame - 1, .at_quota = NX_AT_QUOTA_PORTAL},
       3,
       0,
       "UDP_REFUSED",
       "UNSOLICITED"},
      {"total, blocked",
       {.quota_total = 5 * kFrame, .at_quota = NX_AT_QUOTA_BLOCK},
       3,
       2,
       "QUOTA_BLOCKED",
       "DOWNLINK_QUOTA_BLOCKED"},
      {"throttled to nothing",
       {.throttled_up = BytesPerSecond(1, 0),
        .throttled_down = BytesPerSecond(1, 0),
        .quota_total = 4 * kFrame,
        .at_quota = NX_AT_QUOTA_THROTTLE},
       3,
       2,
       "RATE_LIMITED",
       "DOWNLINK_RATE_LIMITED"},
  };
  for (const auto& row : rows) {
    Begin(row.policy);
    for (int i = 0; i < row.up; i++)
      EXPECT_STREQ(ReasonName(Run(kUp).reason), "AUTHORISED") << row.description << ' ' << i;
    for (int i = 0; i < row.down; i++)
      EXPECT_STREQ(ReasonName(RunDownlink(kDown).reason), "DOWNLINK_AUTHORISED")
          << row.description << ' ' << i;
    if (row.policy.at_quota == NX_AT_QUOTA_THROTTLE) Run(kUp);  // the first one is on credit
    EXPECT_STREQ(ReasonName(Run(kUp).reason), row.then_up) << row.description;
    EXPECT_STREQ(ReasonName(RunDownlink(kDown).reason), row.then_down) << row.description;
  }
}

TEST_F(Allowance, CountsWhatPassedOnly) {
  Begin({.quota_up = 2 * kFrame, .at_quota = NX_AT_QUOTA_BLOCK});
  for (int i = 0; i < 5; i++) Run(kUp);
  EXPECT_EQ(Limits(kRow).used_up, 2 * kFrame);
  EXPECT_EQ(Account("10.51.1.2").bytes_up, 2 * kFrame);
  EXPECT_EQ(Account("10.51.1.2").packets_up, 2u);
  EXPECT_EQ(Count(NX_REASON_QUOTA_BLOCKED), 3u);
}

TEST_F(Allowance, IsSharedByTheKeysOfASession) {
  Begin({.quota_total = 4 * kFrame, .at_quota = NX_AT_QUOTA_BLOCK});
  uint32_t slot = AuthoriseKey(MacKey(kClientMac), BootNow() + 600 * kSecond, kRow);
  const Bytes other =
      Ethernet{} / Ipv4{.src = "10.51.1.7"} / Udp{.dport = 443} / Payload{std::string(958, 'x')};
  for (int i = 0; i < 2; i++) {
    EXPECT_STREQ(ReasonName(Run(kUp).reason), "AUTHORISED");
    EXPECT_STREQ(ReasonName(Run(other).reason), "AUTHORISED");
  }
  EXPECT_STREQ(ReasonName(Run(kUp).reason), "QUOTA_BLOCKED");
  EXPECT_STREQ(ReasonName(Run(other).reason), "QUOTA_BLOCKED");
  EXPECT_EQ(Account(2).bytes_up, 2 * kFrame) << "the accounts are the keys' own";
  EXPECT_EQ(Account(slot).bytes_up, 2 * kFrame);
}

// A session that has used up its quota is over; what then authorises the packet pays for it.
TEST_F(Allowance, ThatIsOverIsNotChargedForAnotherSession) {
  Begin({.up = BytesPerSecond(1, 0),
         .throttled_up = BytesPerSecond(1, 0),
         .quota_up = kFrame,
         .at_quota = NX_AT_QUOTA_PORTAL},
        {.used_up = kFrame});
  uint32_t slot = AuthoriseKey(MacKey(kClientMac), BootNow() + 600 * kSecond);
  for (int i = 0; i < 3; i++) EXPECT_STREQ(ReasonName(Run(kUp).reason), "AUTHORISED") << i;
  EXPECT_EQ(Account(slot).bytes_up, 3 * kFrame);
  EXPECT_EQ(Limits(kRow).used_up, kFrame);
}

TEST_F(Allowance, StopsNothingInAZoneThatDoesNotEnforce) {
  for (nx_mode mode : {NX_MODE_MONITOR, NX_MODE_BYPASS}) {
    Load({.mode = mode});
    Begin({.quota_total = 1, .at_quota = NX_AT_QUOTA_BLOCK}, {.used_up = 1});
    EXPECT_EQ(Run(kUp).action, XDP_PASS) << mode;
    Outcome down = RunDownlink(kDown);
    EXPECT_EQ(down.action, XDP_PASS) << mode;
    EXPECT_STREQ(ReasonName(down.reason), "DOWNLINK_MODE") << mode;
  }
}

TEST_F(Allowance, OfIdleTimeEndsWithoutPacketsFromTheClient) {
  const auto now_s = static_cast<uint32_t>(BootNow() / kSecond);
  struct {
    const char* description;
    uint32_t idle_s, last_seen_s;
    const char* want;
  } const rows[] = {
      {"seen just now", 10, now_s, "AUTHORISED"},
      {"the clock lags behind the login", 10, now_s + 1, "AUTHORISED"},
      {"almost idle", 10, now_s - 5, "AUTHORISED"},
      {"idle", 10, now_s - 11, "UDP_REFUSED"},
      {"no idle time", 0, now_s - 15, "AUTHORISED"},
  };
  ASSERT_GT(now_s, 15u) << "the machine is too young for this test";
  for (const auto& row : rows) {
    Begin({.idle_s = row.idle_s}, {.last_seen_s = row.last_seen_s});
    RunDownlink(kDown);  // what the client is sent is no sign of life
    EXPECT_STREQ(ReasonName(Run(kUp).reason), row.want) << row.description;
    bool alive = std::string(row.want) == "AUTHORISED";
    EXPECT_EQ(Limits(kRow).last_seen_s + 1 >= now_s, alive) << row.description;
  }
}

TEST_F(Allowance, OfAPolicyChangesWithTheNextPacket) {
  Begin({.quota_up = kFrame, .at_quota = NX_AT_QUOTA_BLOCK});
  Run(kUp);
  EXPECT_STREQ(ReasonName(Run(kUp).reason), "QUOTA_BLOCKED");
  SetPolicy(kPolicy, {.quota_up = 10 * kFrame, .at_quota = NX_AT_QUOTA_BLOCK});
  EXPECT_STREQ(ReasonName(Run(kUp).reason), "AUTHORISED");
  SetPolicy(kPolicy, {.quota_up = 1, .at_quota = NX_AT_QUOTA_PORTAL});
  EXPECT_STREQ(ReasonName(Run(kUp).reason), "UDP_REFUSED");
  SetPolicy(kPolicy, {});
  EXPECT_STREQ(ReasonName(Run(kUp).reason), "AUTHORISED");
}

TEST_F(Allowance, OfARowThatIsNotThereIsNone) {
  nx_session session = {};
  session.expires_ns = BootNow() + 600 * kSecond;
  session.limits = 4711;
  SetEntry(2, session);
  EXPECT_STREQ(ReasonName(Run(kUp).reason), "UDP_REFUSED");
}

// 1 MB/s of IP packets for a second and a half, sent as fast as the classifier takes them.
TEST_F(Allowance, OfRatesIsAccurate) {
  constexpr uint64_t kRate = 1000000, kBurst = kSecond / 50;
  for (bool down : {false, true}) {
    nx_rate rate = BytesPerSecond(kRate, kBurst);
    Begin(down ? nx_policy{.down = rate} : nx_policy{.up = rate});
    RunDownlink(kDown);
    uint64_t before = down ? Limits(kRow).used_down : Limits(kRow).used_up;
    int program = ProgramOf(down);
    // On a busy machine the test may stand still for longer than the burst: that is lost, as it
    // should be.
    uint64_t begun = BootNow(), now = begun, lost = 0;
    while (now - begun < 3 * kSecond / 2) {
      RunQuickly(program, down ? kDown : kUp);
      uint64_t then = std::exchange(now, BootNow());
      if (now - then > kBurst) lost += now - then - kBurst;
    }
    uint64_t used = (down ? Limits(kRow).used_down : Limits(kRow).used_up) - before;
    double ip_bytes = static_cast<double>(used) * (kFrame - 14) / kFrame;
    auto allowed = [&](uint64_t ns) { return kRate * static_cast<double>(ns + kBurst) / kSecond; };
    EXPECT_LT(ip_bytes, 1.02 * allowed(now - begun)) << (down ? "down" : "up");
    EXPECT_GT(ip_bytes, 0.98 * allowed(now - begun - lost)) << (down ? "down" : "up");
  }
}

// A debt at a slow rate does not keep a client waiting when its policy becomes a fast one.
TEST_F(Allowance, OfAFasterPolicyForgivesTheDebt) {
  Begin({.up = BytesPerSecond(10, 0)});
  Run(kUp);
  EXPECT_STREQ(ReasonName(Run(kUp).reason), "RATE_LIMITED");
  SetPolicy(kPolicy, {.up = BytesPerSecond(100000000, kSecond / 20)});
  EXPECT_STREQ(ReasonName(Run(kUp).reason), "AUTHORISED");
}

}  // namespace narthex::test
