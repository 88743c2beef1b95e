// SPDX-License-Identifier: Apache-2.0
// Sessions of a configuration with policies, keys of all kinds and a zone that binds; nothing of it
// needs a kernel. The tests of sessions by subject: session_keys, _policies, _batch, _binding.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "control/sessions.h"
#include "tests/unit/control/fakes.h"

namespace narthex {

inline Config WithPoliciesAndKeys() {
  Config config = TwoZones(4);
  PolicyConfig gold, silver;
  gold.name = "gold";
  gold.rate_up = 8'000'000;
  gold.quota_total = 1000;
  silver.name = "silver";
  silver.idle = std::chrono::seconds(30);
  config.policies = {gold, silver};
  config.zones[0].mac_sessions = config.zones[0].line_sessions = true;
  config.zones[0].ipv6_session_lengths = {128, 64};
  config.zones[1].bind_mac = true;
  return config;
}

class ConfiguredSessions : public testing::Test {
 protected:
  ConfiguredSessions() { EXPECT_TRUE(Restart()); }

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
    return sessions->Authorise({keys, "", std::chrono::seconds(600), extend, "", "t", policy, mac});
  }
  nx_session& Entry(const std::string& key) { return *table.Find(layout, 1, key); }
  uint32_t Slot(const std::string& key) { return table.SlotOf(layout, 1, key); }
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
  Config config = WithPoliciesAndKeys();
  Layout layout{config};
  FakeTable table{layout};
  std::unique_ptr<SessionStore> store;
  std::unique_ptr<SessionMap> map;
  std::unique_ptr<LimitMap> limits;
  std::unique_ptr<PolicyTable> policies;
  std::unique_ptr<Sessions> sessions;
  ReconcileReport report;
};

}  // namespace narthex
