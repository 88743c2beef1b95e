// SPDX-License-Identifier: Apache-2.0
// A rule that chooses the response to a request (dataplane/decide/rules.h), as plain values.
#ifndef NARTHEX_CONTROL_RULE_H
#define NARTHEX_CONTROL_RULE_H

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace narthex {

// A page of the operator's own.
struct TemplateConfig {
  std::string file;
  std::string text;
  bool operator==(const TemplateConfig&) const = default;
};

inline constexpr std::array<std::string_view, 6> kRuleFields = {"host",       "path",     "method",
                                                                "user_agent", "language", "zone"};
inline constexpr size_t kHostField = 0, kZoneField = 5;
inline constexpr std::array<std::string_view, 4> kPatternKinds = {"exact", "suffix", "glob",
                                                                  "regex"};
inline constexpr size_t kExactKind = 0, kSuffixKind = 1, kGlobKind = 2, kRegexKind = 3;

// What a rule asks of one field: any of these, by kind. Empty: it asks nothing.
struct RulePatterns {
  std::array<std::vector<std::string>, kPatternKinds.size()> texts;
  bool empty() const {
    for (const auto& each : texts)
      if (!each.empty()) return false;
    return true;
  }
  bool operator==(const RulePatterns&) const = default;
};

struct RuleConfig {
  std::string name;
  std::string place;  // file:line:column
  std::string source;
  std::array<RulePatterns, kRuleFields.size()> fields;
  std::string respond = "511";
  std::string location;  // of a redirect; empty: the zone's portal_url
  std::optional<TemplateConfig> page;
  std::optional<TemplateConfig> compact_page;
  std::vector<std::string> tags;
  bool operator==(const RuleConfig&) const = default;
};
inline constexpr size_t kMaxRules = 131072;  // of a configuration

}  // namespace narthex

#endif  // NARTHEX_CONTROL_RULE_H
