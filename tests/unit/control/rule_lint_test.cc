// SPDX-License-Identifier: Apache-2.0
#include "control/rule_lint.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <sstream>

namespace narthex {
namespace {

// "host=a.test path$/x user_agent*~curl": fields with exact values (=), suffixes ($), globs (~).
RuleConfig RuleOf(const std::string& name, const std::string& conditions) {
  RuleConfig rule;
  rule.name = name;
  std::istringstream words(conditions);
  for (std::string word; words >> word;) {
    const size_t at = word.find_first_of("=$~");
    for (size_t field = 0; field < kRuleFields.size(); ++field)
      if (kRuleFields[field] == word.substr(0, at))
        rule.fields[field].texts[std::string("=$~").find(word[at])].push_back(word.substr(at + 1));
  }
  return rule;
}

TEST(LintRules, NamesRulesThatAnEarlierOneCovers) {
  struct Row {
    const char* wide;
    const char* narrow;
    bool covered;
  };
  const Row rows[] = {
      {"", "host=a.test", true},
      {"", "", true},
      {"host=a.test", "", false},
      {"host=a.test", "host=a.test", true},
      {"host=a.test", "host=a.test path=/x", true},
      {"host=a.test path=/x", "host=a.test", false},
      {"host$a.test", "host=b.a.test path=/x", true},
      {"host$a.test", "host=a.test", true},
      {"host$a.test", "host$b.a.test", true},
      {"host$a.test", "host=ba.test", false},
      {"host=a.test", "host$a.test", false},
      {"host=a.test host=b.test", "host=b.test", true},
      {"host=a.test", "host=a.test host=b.test", false},
      {"host=a.test host$b.test", "host=a.test host=x.b.test", true},
      {"path$.png", "host=a.test path=/x.png", true},
      {"path$.png", "path=/x.jpg", false},
      {"path$.png", "path~*.png", false},
      {"host~*.test", "host~*.test path=/x", true},
      {"host~*.test", "host=a.test", false},
      {"path=/x user_agent~*curl*", "host=a.test path=/x user_agent~*curl*", true},
      {"path=/x user_agent~*curl*", "host=a.test path=/x", false},
  };
  for (const Row& row : rows) {
    Config config;
    config.rules = {RuleOf("other", "host=other.test path=/x"), RuleOf("wide", row.wide),
                    RuleOf("narrow", row.narrow)};
    const auto warnings = LintRules(config);
    ASSERT_EQ(warnings.size(), row.covered ? 1u : 0u) << row.wide << " | " << row.narrow;
    if (!row.covered) continue;
    EXPECT_NE(warnings[0].find("rule 'narrow' is never reached: rule 'wide'"), std::string::npos)
        << warnings[0];
  }
}

// Whatever a rule hangs on, one that covers another is found: each pair is asked for by itself.
TEST(LintRules, MissesNoneOfMany) {
  std::mt19937 random(7);
  auto pick = [&](std::initializer_list<const char*> choices) {
    return std::string(choices.begin()[random() % choices.size()]);
  };
  for (int round = 0; round < 300; ++round) {
    Config config;
    for (int i = 0; i < 12; ++i) {
      std::string text = pick({"", " host=a.test", " host=b.a.test", " host$a.test", " host~*a*"});
      text += pick({"", " path=/x", " path=/y.png", " path$.png", " path$/x path$png"});
      text += pick({"", "", " method=GET", " method=GET method=PUT", " language$de"});
      config.rules.push_back(RuleOf(std::to_string(i), text.empty() ? " method=X" : text));
    }
    size_t covered = 0;
    for (size_t narrow = 1; narrow < config.rules.size(); ++narrow)
      for (size_t wide = 0; wide < narrow; ++wide) {
        Config pair;
        pair.rules = {config.rules[wide], config.rules[narrow]};
        if (LintRules(pair).empty()) continue;
        ++covered;
        break;
      }
    EXPECT_EQ(LintRules(config).size(), covered) << round;
  }
}

// Comparing each with each other took more than half a minute.
TEST(LintRules, TakesManyRulesOfOneHost) {
  Config config;
  for (int i = 0; i < 60000; ++i)
    config.rules.push_back(RuleOf(std::to_string(i), fmt::format("host=a.test path=/{}", i)));
  for (int i = 0; i < 60000; ++i)
    config.rules.push_back(
        RuleOf(std::to_string(i), fmt::format("host=a.test path=/x user_agent=a{}", i)));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(LintRules(config).empty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

}  // namespace
}  // namespace narthex
