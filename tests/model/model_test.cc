// SPDX-License-Identifier: Apache-2.0
// Random logins, extensions, ends, policies, restarts and packets: narthexd's own sessions, store
// and map on the real classifier, against a model (model.h). A failure names its seed and step.
#include "tests/model/model.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <map>
#include <memory>
#include <random>

#include "control/sessions.h"
#include "tests/bpf/classifier_fixture.h"
#include "tests/model/kernel_table.h"
#include "tests/unit/control/fakes.h"

namespace narthex::test {
namespace {

constexpr int64_t kLong_s = 600;
// How long a session may outlive its end: the clock ticks every 10 ms, the fast bits are swept
// twice a second.
constexpr int64_t kSweepNs = 700'000'000, kTickNs = 30'000'000;

// Boot time, which a login may see earlier: its session then ends so much earlier.
class ShiftedClock : public SystemClock {
 public:
  int64_t BootNs() const override { return SystemClock::BootNs() + shift_ns; }
  int64_t shift_ns = 0;
};

const std::vector<std::string> kMacs = {"02:00:00:00:00:02", "02:00:00:00:00:99"};
const std::vector<std::string> kAddresses = {"10.51.1.2",        "10.51.1.3",
                                             "10.51.1.70",       "2001:db8:51:1::2",
                                             "2001:db8:51:1::3", "2001:db8:51:1::7"};
const std::string kPrefix = "2001:db8:51:1::/64";

class ModelTest : public ClassifierFixture {
 protected:
  void SetUp() override {
    Load({.kinds = NX_KIND_MAC});
    if (!skeleton_) return;
    table_ = std::make_unique<KernelTable>(*skeleton_, [this] { Settle(); });
    SetQuotas();
    Restart();
  }
  void TearDown() override {
    table_.reset();
    ClassifierFixture::TearDown();
  }

  // The zone of the fixture is the third: two before it have no IPv4 clients.
  static Config MakeConfig() {
    Config config = TwoZones(63);
    ZoneConfig zone = config.zones[0];
    for (uint16_t i = 0; i < 2; i++) {
      config.zones[i].pools.clear();
      config.zones[i].ipv6_prefixes = {P("2001:db8:" + std::to_string(90 + i) + "::/64")};
      config.zones[i].name = "other" + std::to_string(i);
      config.zones[i].interface = "other" + std::to_string(i);
    }
    zone.id = kZone;
    zone.mac_sessions = true;
    zone.ipv6_session_lengths = {128, 64};
    config.zones.push_back(zone);
    config.policies.resize(2);
    config.policies[0].name = "portal";
    config.policies[1].name = "block";
    config.policies[1].at_quota = NX_AT_QUOTA_BLOCK;
    return config;
  }
  size_t Any(size_t below) { return random_() % below; }
  template <class T>
  const T& One(const std::vector<T>& of) {
    return of[Any(of.size())];
  }

  void SetQuotas() {
    for (PolicyConfig& policy : config_.policies) {
      policy.quota_up = Any(3) ? 2000 + Any(8000) : 0;
      policy.quota_down = Any(3) ? 2000 + Any(8000) : 0;
      policy.quota_total = Any(2) ? 3000 + Any(9000) : 0;
    }
    model_.SetPolicies(config_.policies);
  }

  // narthexd ends and starts again; store and maps stay.
  void Restart() {
    sessions_.reset();
    store_.reset();
    store_ = std::move(*SessionStore::Open(directory_.path() + "/s.db", clock_, &layout_));
    map_ = std::make_unique<SessionMap>(layout_, *table_);
    limits_ = std::make_unique<LimitMap>(*table_);
    policies_ = std::make_unique<PolicyTable>(*store_, *table_);
    sessions_ =
        std::make_unique<Sessions>(Sessions::Parts{*store_, *map_, *limits_, *policies_, layout_,
                                                   clock_, neighbours_, std::chrono::hours(24)});
    auto started = sessions_->Start(config_.policies);
    ASSERT_TRUE(started) << started.error().message;
    ASSERT_TRUE(sessions_->SaveStart());
  }

  std::vector<std::string> SomeKeys() {
    std::vector<std::string> all = kAddresses;
    all.push_back(kPrefix);
    all.insert(all.end(), kMacs.begin(), kMacs.end());
    std::shuffle(all.begin(), all.end(), random_);
    all.resize(1 + Any(3));
    return all;
  }

  void Login() {
    const std::vector<std::string> keys = SomeKeys();
    const bool extend = Any(2) == 0;
    const std::string policy = One<std::string>({"", "", "portal", "block"});
    const bool brief = Any(4) == 0;
    const int64_t duration_s = brief ? 1 : kLong_s;
    ASSERT_TRUE(!brief || sessions_->EndExpired());  // none must come back to life
    model_.EndExpired(clock_.BootNs());              // a login over an ended session ends that
    if (brief) clock_.shift_ns = -kSecondNs + 60'000'000;  // ends in 60 ms
    const int64_t before_ns = clock_.BootNs();
    auto session = sessions_->Authorise(
        {keys, "", std::chrono::seconds(duration_s), extend, "", "t", policy, ""});
    const int64_t after_ns = clock_.BootNs();  // a busy disk may hold up a commit
    clock_.shift_ns = 0;
    auto holders = model_.Holders(keys);
    const bool fits = holders.empty() || (extend && holders.size() == 1);
    ASSERT_EQ(session.has_value(), fits) << (session ? "" : session.error().message);
    if (!session) return;
    auto expected = holders.empty() ? std::make_shared<ModelSession>() : holders[0];
    if (holders.empty()) model_.Add(expected);
    for (const std::string& key : keys) expected->bytes.try_emplace(key);
    if (expected->policy.empty() && !policy.empty()) expected->used_up = expected->used_down = 0;
    if (holders.empty() || !policy.empty()) expected->policy = policy;
    expected->expires_ns = session->expires_boot_ns;
    EXPECT_GE(session->expires_boot_ns, before_ns + duration_s * kSecondNs);
    EXPECT_LE(session->expires_boot_ns, after_ns + duration_s * kSecondNs);
    if (Any(2) == 0)  // as if the login were long ago: the fast path is free
      for (const SessionKey& key : session->keys) table_->Entries()[key.slot].begun = 0;
  }

  void Terminate() {
    const std::string key = SomeKeys()[0];
    model_.EndExpired(clock_.BootNs());
    auto ended = sessions_->Terminate("sessions/" + key, "t");
    auto holders = model_.Holders({key});
    ASSERT_EQ(ended.has_value(), !holders.empty()) << key;
    if (!ended) return;
    ExpectAccounts(*ended, *holders[0]);
    model_.Remove(holders[0]);
  }

  void ChangePolicyOfOne() {
    const std::string key = SomeKeys()[0], policy = One<std::string>({"", "portal", "block"});
    model_.EndExpired(clock_.BootNs());
    auto changed = sessions_->SetPolicy("sessions/" + key, policy, "t");
    auto holders = model_.Holders({key});
    ASSERT_EQ(changed.has_value(), !holders.empty()) << key;
    if (!changed) return;
    if (holders[0]->policy.empty() || policy.empty())
      holders[0]->used_up = holders[0]->used_down = 0;
    holders[0]->policy = policy;
    holders[0]->expires_ns = changed->expires_boot_ns;
  }

  void ChangePolicies() {
    SetQuotas();
    auto applied = sessions_->ApplyPolicies(config_.policies);
    ASSERT_TRUE(applied) << applied.error().message;
  }

  void EndWhatIsOver() {
    ASSERT_TRUE(sessions_->EndExpired());
    model_.EndExpired(clock_.BootNs());
    ASSERT_TRUE(sessions_->EndSpent());
    model_.EndSpent();
    ASSERT_TRUE(sessions_->SaveCounters());
  }

  void ExpectAccounts(const narthex::Session& session, const ModelSession& expected) {
    ASSERT_EQ(session.keys.size(), expected.bytes.size());
    for (const SessionKey& key : session.keys) {
      auto bytes = expected.bytes.at(key.key.ToString());
      EXPECT_EQ(key.counters.bytes_up, bytes.first) << key.key.ToString();
      EXPECT_EQ(key.counters.bytes_down, bytes.second) << key.key.ToString();
    }
    if (expected.policy.empty()) return;
    EXPECT_EQ(session.usage.bytes_up, expected.used_up);
    EXPECT_EQ(session.usage.bytes_down, expected.used_down);
  }

  void Look() {
    model_.EndExpired(clock_.BootNs());
    if (model_.sessions().empty()) return;
    const auto& expected = One(model_.sessions());
    auto session = sessions_->Find("sessions/" + expected->bytes.begin()->first);
    ASSERT_TRUE(session) << session.error().message;
    ExpectAccounts(*session, *expected);
  }

  // The keys of a session name its row, and no other session's do.
  void ExpectRowsApart() {
    std::map<uint32_t, std::string> owners;
    for (const auto& expected : model_.sessions()) {
      auto session = sessions_->Find("sessions/" + expected->bytes.begin()->first);
      if (!session) continue;  // over
      for (const SessionKey& key : session->keys)
        EXPECT_EQ(table_->Entries()[key.slot].limits, session->limits) << key.key.ToString();
      if (session->limits == 0) continue;
      EXPECT_TRUE(owners.emplace(session->limits, session->id).second) << session->id;
    }
  }

  // A session that ends about now may pass or not: such a packet is not sent.
  bool NothingEndsNow() {
    const int64_t now_ns = clock_.BootNs();
    for (const auto& session : model_.sessions())
      if (now_ns > session->expires_ns - kTickNs && now_ns < session->expires_ns + kSweepNs)
        return false;
    return true;
  }

  void Send() {
    const std::string address = One(kAddresses);
    const bool ipv6 = address.find(':') != std::string::npos, down = Any(3) == 0;
    const size_t mac = Any(kMacs.size());
    Mac source = kClientMac;
    source[5] = mac ? 0x99 : 0x02;
    std::copy_n(std::array<uint8_t, 5>{2, 0, 0, 0, 0}.begin(), 5, source.begin());
    const Payload payload{std::string(Any(900), 'x')};
    const std::string far = ipv6 ? "2001:db8:100::10" : "198.51.100.10";
    Bytes frame;
    const std::string from = down ? far : address, to = down ? address : far;
    if (ipv6)
      frame = Ethernet{.src = source} / Ipv6{.src = from, .dst = to} / Udp{.dport = 443} / payload;
    else
      frame = Ethernet{.src = source} / Ipv4{.src = from, .dst = to} / Udp{.dport = 443} / payload;
    while (!NothingEndsNow()) {
    }
    const int action = RunQuickly(ProgramOf(down), frame);
    const Fate fate = model_.Pass({address, kMacs[mac], down, frame.size()}, clock_.BootNs());
    EXPECT_EQ(action == XDP_PASS, fate == Fate::kPasses)
        << (down ? "to " : "from ") << address << " by " << kMacs[mac] << ", fate "
        << static_cast<int>(fate);
  }

  void Step() {
    const size_t dice = Any(100);
    if (dice < 70) return Send();
    if (dice < 82) return Login();
    if (dice < 86) return Terminate();
    if (dice < 89) return ChangePolicyOfOne();
    if (dice < 92) return ChangePolicies();
    if (dice < 95) return Look();
    if (dice < 98) return EndWhatIsOver();
    Restart();
    EndWhatIsOver();  // as narthexd does at once
  }

  std::mt19937 random_;
  TemporaryDirectory directory_;
  ShiftedClock clock_;
  FakeNeighbours neighbours_;
  Config config_ = MakeConfig();
  Layout layout_{config_};
  Model model_;
  std::unique_ptr<KernelTable> table_;
  std::unique_ptr<SessionStore> store_;
  std::unique_ptr<SessionMap> map_;
  std::unique_ptr<LimitMap> limits_;
  std::unique_ptr<PolicyTable> policies_;
  std::unique_ptr<Sessions> sessions_;
};

// Issue: authorise, extend, terminate, expire, policy change and traffic; no disagreement.
TEST_F(ModelTest, AgreesWithTheClassifierAtEveryStep) {
  const char* given = std::getenv("NARTHEX_MODEL_SEED");
  const unsigned seed = given ? static_cast<unsigned>(std::atoi(given)) : 511;
  const char* steps = std::getenv("NARTHEX_MODEL_STEPS");
  random_.seed(seed);
  for (int step = 0; step < (steps ? std::atoi(steps) : 3000); step++) {
    Step();
    if (step % 16 == 0) ExpectRowsApart();
    ASSERT_FALSE(HasFailure()) << "seed " << seed << ", step " << step;
  }
}

}  // namespace
}  // namespace narthex::test
