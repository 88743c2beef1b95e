// SPDX-License-Identifier: Apache-2.0
#include "control/config_rules.h"

#include <gtest/gtest.h>

#include <fstream>

#include "control/policy_snapshot.h"
#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

TEST(ParseRules, ReadsEachKey) {
  auto rules = ParseRules(
      "version = 1\n"
      "[[rule]]\nname = \"a\"\nsource = \"s\"\nhost = \"a.test\"\npath = [\"/x\", \"/y\"]\n"
      "method = { exact = [\"PUT\"] }\nuser_agent = { glob = [\"*curl*\"] }\n"
      "language = { suffix = [\"de\"] }\nzone = { regex = [\"l.*\"] }\n"
      "respond = \"redirect\"\nlocation = \"https://l.test/\"\ntags = [\"t\", \"u\"]\n"
      "  [[rule]]\nname = \"b\"\nrespond = \"silent\"\n",
      "f");
  ASSERT_TRUE(rules) << rules.error().message;
  ASSERT_EQ(rules->size(), 2u);
  const RuleConfig& rule = (*rules)[0];
  EXPECT_EQ(rule.place, "f:2:1");
  EXPECT_EQ(rule.source, "s");
  EXPECT_EQ(rule.fields[0].texts[kExactKind], std::vector<std::string>{"a.test"});
  EXPECT_EQ(rule.fields[1].texts[kExactKind].size(), 2u);
  EXPECT_EQ(rule.fields[2].texts[kExactKind], std::vector<std::string>{"PUT"});
  EXPECT_EQ(rule.fields[3].texts[kGlobKind], std::vector<std::string>{"*curl*"});
  EXPECT_EQ(rule.fields[4].texts[kSuffixKind], std::vector<std::string>{"de"});
  EXPECT_EQ(rule.fields[5].texts[kRegexKind], std::vector<std::string>{"l.*"});
  EXPECT_EQ(rule.location, "https://l.test/");
  EXPECT_EQ(rule.tags.size(), 2u);
  EXPECT_EQ((*rules)[1].respond, "silent");
}

TEST(ParseRules, RefusesWithPlaceAndKey) {
  const std::string start = "[[rule]]\nname = \"a\"\nrespond = \"redirect\"\n";
  const std::pair<std::string, const char*> cases[] = {
      {"[[rule]]\nx = \n", "f:2:5: not TOML: "},
      {"version = 2\n", "f:1:11: key 'version': 2 is not between 1 and 1"},
      {"rules = []\n", "f:1:1: key 'rules': unknown key"},
      {"[[rule]]\nname = \"a\"\n", "f:1:1: key 'rule.respond': is missing"},
      {"[[rule]]\nrespond = \"511\"\n", "f:1:1: key 'rule.name': is missing"},
      {"[[rule]]\nname = \"a b\"\nrespond = \"511\"\n", "f:2:8: key 'rule.name': 'a b' is no rule"},
      {"[[rule]]\nname = \"a\"\nrespond = \"204\"\n", "f:3:11: key 'rule.respond': '204' is none"},
      {start + "hots = \"x\"\n", "f:4:1: key 'rule.hots': unknown key"},
      {start + "host = 7\n", "f:4:8: key 'rule.host': wanted a string"},
      {start + "host = []\n", "f:4:8: key 'rule.host': an empty list"},
      {start + "host = {}\n", "f:4:8: key 'rule.host': it asks nothing"},
      {start + "host = { like = [\"a\"] }\n", "f:4:10: key 'rule.host.like': unknown key"},
      {start + "host = \"http://a/\"\n", "f:4:8: key 'rule.host': 'http://a/' is no host name"},
      {start + "host = \"*.a.test\"\n", "f:4:8: key 'rule.host': '*.a.test' is no host name; for"},
      {start + "host = { suffix = [\".a.test\"] }\n", "f:4:20: key 'rule.host.suffix': write 'a.t"},
      {start + "host = \"a.test.\"\n", "f:4:8: key 'rule.host': write 'a.test': hosts are"},
      {start + "path = \"x\"\n", "f:4:8: key 'rule.path': path 'x' does not begin"},
      {start + "path = { glob = [\"a\\u0001\"] }\n", "f:4:18: key 'rule.path.glob': control"},
      {start + "location = \"/x\"\n", "f:4:12: key 'rule.location': "},
      {start + "template = \"/x\"\n", "f:4:12: key 'rule.template': "},
      {"[[rule]]\nname = \"a\"\nrespond = \"reset\"\nlocation = \"http://a/\"\n",
       "f:4:12: key 'rule.location': only respond = \"redirect\""},
  };
  for (const auto& [text, message] : cases) {
    auto rules = ParseRules(text, "f");
    ASSERT_FALSE(rules) << text;
    EXPECT_EQ(rules.error().message.find(message), 0u) << rules.error().message;
  }
}

const std::string kZone =
    "[[zone]]\nname = \"lobby\"\ninterface = \"lan0\"\npools = [\"10.51.1.0/24\"]\n"
    "network_name = \"N\"\nportal_url = \"http://login.example/\"\n";

class RuleFiles : public testing::Test {
 protected:
  Result<Config> Read(const std::string& rules, const std::string& keys = "") {
    std::ofstream(path) << rules;
    return ParseConfig("[rules]\nfiles = [\"" + path + "\"]\n" + keys + kZone, "f");
  }
  TemporaryDirectory directory;
  std::string path = directory.path() + "/rules.toml";
};

TEST_F(RuleFiles, ComeBeforeTheProbePack) {
  const size_t probes = ParseRules(ProbeRules(), "p")->size();
  EXPECT_EQ(ParseConfig(kZone, "f")->rules.size(), probes);
  auto config = Read("[[rule]]\nname = \"a\"\nrespond = \"511\"\n");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->rules.size(), 1 + probes);
  EXPECT_EQ(config->rules[0].name, "a");
  EXPECT_EQ(config->rules[1].place, "built-in probes.toml:9:1");
  auto strict = Read("[[rule]]\nname = \"a\"\nrespond = \"511\"\n", "profile = \"strict-511\"\n");
  EXPECT_EQ(strict->rules.size(), 1u);
}

TEST_F(RuleFiles, AreNamedInErrors) {
  auto message = [&](const std::string& text) { return Read(text).error().message; };
  EXPECT_EQ(message("[[rule]]\nname = 7\n").find(path + ":1:1: key 'rule.respond': is mi"), 0u);
  EXPECT_EQ(message("[[rule]]\nname = \"probe-apple\"\nrespond = \"511\"\n")
                .find("built-in probes.toml:"),
            0u);
  EXPECT_EQ(message("[[rule]]\nname = \"a\"\nrespond = \"511\"\nzone = \"stand\"\n"),
            path + ":1:1: key 'rule.zone': there is no zone 'stand'");
  auto missing = ParseConfig("[rules]\nfiles = [\"/nowhere/x\"]\n" + kZone, "f");
  EXPECT_EQ(missing.error().message, "/nowhere/x: cannot be read: No such file or directory");
}

TEST(ProbePack, NamesHostAndPathAndSourceOfEach) {
  auto rules = ParseRules(ProbeRules(), kProbeRulesName);
  ASSERT_TRUE(rules) << rules.error().message;
  for (const RuleConfig& rule : *rules) {
    EXPECT_FALSE(rule.source.empty()) << rule.name;
    EXPECT_FALSE(rule.fields[0].empty()) << rule.name;
    EXPECT_FALSE(rule.fields[1].empty()) << rule.name;
    EXPECT_EQ(rule.respond, "redirect") << rule.name;
    EXPECT_EQ(rule.location, "") << rule.name;
  }
}

TEST_F(RuleFiles, GoIntoTheSnapshot) {
  auto config = Read(
      "[[rule]]\nname = \"a\"\nrespond = \"redirect\"\nhost = \"a.test\"\n"
      "path = { glob = [\"/x*\"] }\nlocation = \"http://l.test/\"\n");
  ASSERT_TRUE(config) << config.error().message;
  const std::string text = PolicyText(*config, 3);
  EXPECT_NE(text.find("{\"name\":\"a\",\"respond\":\"redirect\",\"host\":{\"exact\":[\"a.test\"]},"
                      "\"path\":{\"glob\":[\"/x*\"]},\"place\":\"" +
                      path + ":1:1\",\"location\":\"http://l.test/\"}"),
            text.npos)
      << text;
}

}  // namespace
}  // namespace narthex
