// SPDX-License-Identifier: Apache-2.0
#include "match/host_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "tests/harness/guard_page.h"

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

// Of hosts of every length, in memory that ends with them: the domains that begin at their dots,
// each with the digest that it has as a host by itself.
TEST(HostChain, HasTheDomainsThatTheDotsBegin) {
  std::mt19937 random(1);
  test::GuardPage guard;
  for (size_t bytes = 1; bytes <= 255; bytes++) {
    std::string text(bytes, ' ');
    for (char& c : text) c = "aZ-.9"[random() % 5];
    const HostChain chain(guard.AtEnd(text));
    std::string lower = text;
    for (char& c : lower) c = c == 'Z' ? 'z' : c;
    ASSERT_EQ(chain.Host(), lower);
    std::set<size_t> begins;
    for (size_t domain = 0; domain < chain.Domains(); domain++) {
      const size_t begin = chain.Begin(domain);
      ASSERT_TRUE(begin == 0 || text[begin - 1] == '.') << text << " " << begin;
      ASSERT_TRUE(begins.insert(begin).second) << text;
      if (begin == bytes) continue;
      const HostChain alone(guard.AtEnd(std::string_view(text).substr(begin)));
      ASSERT_EQ(chain.Digest(domain), alone.Digest(alone.Domains() - 1)) << text;
    }
    ASSERT_EQ(begins.size(), 1u + static_cast<size_t>(std::count(text.begin(), text.end(), '.')));
  }
}

}  // namespace
}  // namespace narthex
