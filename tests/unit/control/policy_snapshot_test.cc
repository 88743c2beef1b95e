// SPDX-License-Identifier: Apache-2.0
#include "control/policy_snapshot.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

TEST(WritePolicySnapshot, RaisesItsVersionOnlyWithAChange) {
  TemporaryDirectory directory;
  FakeClock clock;
  Config config = TwoZones(4);
  config.run_dir = directory.path();
  auto write = [&] {
    auto store = SessionStore::Open(directory.path() + "/s.db", clock);  // a new run each time
    return *WritePolicySnapshot(config, **store);
  };
  EXPECT_EQ(write(), 1u);
  EXPECT_EQ(write(), 1u);
  config.zones[0].portal_url = "http://192.0.2.1/";
  EXPECT_EQ(write(), 2u);
  EXPECT_EQ(write(), 2u);

  std::ifstream file(PolicyPath(config));
  auto policy = nlohmann::json::parse(file);
  EXPECT_EQ(policy["version"], 2);
  EXPECT_EQ(policy["zones"][1]["worker_base"], 64);
  EXPECT_EQ(policy["zones"][0]["portal_url"], "http://192.0.2.1/");
  EXPECT_FALSE(std::filesystem::exists(PolicyPath(config) + ".new"));
}

}  // namespace
}  // namespace narthex
