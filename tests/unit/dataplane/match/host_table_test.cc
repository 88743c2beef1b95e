// SPDX-License-Identifier: Apache-2.0
#include "match/host_table.h"

#include <gtest/gtest.h>

namespace narthex {
namespace {

std::vector<uint32_t> Find(const HostTable& table, const std::string& host) {
  std::vector<uint32_t> found;
  table.Find(HostChain(host), [&](uint32_t pattern) { found.push_back(pattern); });
  return found;
}

TEST(HostTable, FindsWholeNamesAndDomainsAlone) {
  HostTable table;
  EXPECT_TRUE(Find(table, "example.com").empty());  // nothing is in it yet
  table.Build({{Field::kPath, Kind::kExact, "example.com"},
               {Field::kHost, Kind::kGlob, "*.example.com"},
               {Field::kHost, Kind::kExact, "WWW.example.com"},
               {Field::kHost, Kind::kSuffix, "example.com"},
               {Field::kHost, Kind::kExact, "example.com"},
               {Field::kHost, Kind::kExact, std::string(300, 'a')}});
  const struct {
    const char* host;
    std::vector<uint32_t> found;  // shorter domains first
  } cases[] = {
      {"example.com", {3, 4}},    {"www.Example.com", {3, 2}},
      {"a.www.example.com", {3}}, {"badexample.com", {}},
      {"example.com.de", {}},     {"com", {}},
      {"xample.com", {}},         {"", {}},
      {".example.com", {3}},
  };
  for (const auto& [host, found] : cases) EXPECT_EQ(Find(table, host), found) << host;
  EXPECT_TRUE(Find(table, std::string(300, 'a')).empty());
}

// However full the table is, and wherever a search begins, it ends.
TEST(HostTable, HoldsAnyNumberOfNames) {
  for (uint32_t count = 1; count <= 300; count++) {
    std::vector<Pattern> patterns;
    for (uint32_t i = 0; i < count; i++) {
      patterns.push_back({Field::kHost, Kind::kExact, "host-" + std::to_string(i) + ".example"});
    }
    HostTable table;
    table.Build(patterns);
    for (uint32_t i = 0; i < count; i++) {
      ASSERT_EQ(Find(table, patterns[i].text), std::vector<uint32_t>{i}) << count;
      ASSERT_TRUE(Find(table, "other-" + std::to_string(i) + ".example").empty()) << count;
    }
  }
}

}  // namespace
}  // namespace narthex
