// SPDX-License-Identifier: Apache-2.0
#include "control/policy_snapshot.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

TEST(PolicyWriter, RaisesItsVersionOnlyWithAChange) {
  TemporaryDirectory directory;
  FakeClock clock;
  Config config = TwoZones(4);
  config.run_dir = directory.path();
  auto write = [&] {
    auto store = SessionStore::Open(directory.path() + "/s.db", clock);  // a new run each time
    Layout layout(config);
    FakeTable table(layout);
    SessionMap map(layout, table);
    LimitMap limits(table);
    PolicyTable policies(**store, table);
    FakeNeighbours neighbours;
    Sessions sessions(
        {**store, map, limits, policies, layout, clock, neighbours, std::chrono::hours(1)});
    PolicyWriter writer(sessions);
    EXPECT_TRUE(writer.Write(config));
    return writer.version();
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

TEST(PolicyText, CarriesTextsAndTemplates) {
  Config config = TwoZones(4);
  config.zones[0].api_url = "https://192.0.2.1/api";
  config.zones[0].default_media_type = "text";
  config.zones[0].languages = {{.tag = "en"},
                               {.tag = "de",
                                .title = "t",
                                .message = "m",
                                .link_text = "l",
                                .page = TemplateConfig{"/p.html", "a\nb\xff"}}};
  auto zones = nlohmann::json::parse(PolicyText(config, 7))["zones"];
  EXPECT_EQ(zones[0]["api_url"], "https://192.0.2.1/api");
  EXPECT_EQ(zones[0]["default_media_type"], "text");
  EXPECT_EQ(zones[0]["languages"][0], nlohmann::json({{"tag", "en"}}));
  EXPECT_EQ(zones[0]["languages"][1]["link_text"], "l");
  EXPECT_EQ(zones[0]["languages"][1]["template"]["file"], "/p.html");
  // What is no UTF-8 is marked, for the dataplane to refuse.
  EXPECT_EQ(zones[0]["languages"][1]["template"]["text"], "a\nb\xef\xbf\xbd");
  EXPECT_FALSE(zones[1].contains("api_url"));
}

}  // namespace
}  // namespace narthex
