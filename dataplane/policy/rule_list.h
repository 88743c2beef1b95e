// SPDX-License-Identifier: Apache-2.0
// The rules of a policy snapshot.
#pragma once

#include <string>
#include <vector>

#include "decide/rules.h"
#include "policy/members.h"
#include "reply/network.h"

namespace narthex {

// Rules, and what they ask every zone to have rendered.
struct RuleList {
  std::vector<Rule> rules;
  std::vector<RulePage> pages;         // Rule::variant 1, 2, … of a 511
  std::vector<std::string> redirects;  // Rule::variant 1, 2, … of a redirect
};

inline constexpr size_t kMaxRulePages = 16;
inline constexpr size_t kMaxRedirects = 256;

// Throws BadSnapshot, which names the rule. `zones`: the names of the snapshot's zones in order.
RuleList ReadRules(const json& root, const std::vector<std::string>& zones);

}  // namespace narthex
