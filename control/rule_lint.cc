// SPDX-License-Identifier: Apache-2.0
#include "control/rule_lint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "control/config_values.h"
#include "control/garden_covers.h"

namespace narthex {
namespace {

constexpr size_t kMostWarnings = 100;

bool Has(const std::vector<std::string>& texts, std::string_view text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

// Whether a suffix of a host covers it: itself, and all below.
bool UnderDomain(std::string_view host, std::string_view domain) {
  return host == domain || (host.size() > domain.size() && host.ends_with(domain) &&
                            host[host.size() - domain.size() - 1] == '.');
}

bool CoversText(const RulePatterns& wide, size_t field, size_t kind, const std::string& text) {
  if (Has(wide.texts[kind], text)) return true;
  if (kind > kSuffixKind) return false;
  return std::any_of(wide.texts[kSuffixKind].begin(), wide.texts[kSuffixKind].end(),
                     [&](const std::string& suffix) {
                       return field == kHostField ? UnderDomain(text, suffix)
                                                  : text.ends_with(suffix);
                     });
}

bool Covers(const RuleConfig& wide, const RuleConfig& narrow) {
  for (size_t field = 0; field < kRuleFields.size(); ++field) {
    if (wide.fields[field].empty()) continue;
    if (narrow.fields[field].empty()) return false;
    for (size_t kind = 0; kind < kPatternKinds.size(); ++kind)
      for (const std::string& text : narrow.fields[field].texts[kind])
        if (!CoversText(wide.fields[field], field, kind, text)) return false;
  }
  return true;
}

// Earlier rules that can cover a rule. Each hangs on the texts of one of its fields, that whose
// texts the fewest rules hang on yet; a rule that it covers has a text there, which leads to it.
class Earlier {
 public:
  void Add(const RuleConfig& rule) {
    size_t best = kRuleFields.size(), fewest = 0;
    for (size_t field = 0; field < kRuleFields.size(); ++field) {
      if (rule.fields[field].empty()) continue;
      const size_t most = LongestList(rule, field);
      if (best != kRuleFields.size() && most >= fewest) continue;
      best = field;
      fewest = most;
    }
    if (best == kRuleFields.size()) {
      if (all_ == nullptr) all_ = &rule;
      return;
    }
    ForEachText(rule, best, [&](size_t kind, const std::string& text) {
      lists_[Name(best, kind, text)].push_back(&rule);
      if (kind == kSuffixKind) suffix_lengths_[best].insert(text.size());
    });
  }

  const RuleConfig* Covering(const RuleConfig& rule) const {
    if (all_ != nullptr) return all_;
    for (size_t field = 0; field < kRuleFields.size(); ++field)
      for (size_t kind = 0; kind < kPatternKinds.size(); ++kind) {
        const auto& texts = rule.fields[field].texts[kind];
        if (texts.empty()) continue;
        // What covers the rule covers each of its texts: one of the field is enough.
        if (const RuleConfig* wide = CoveringAt(rule, field, kind, texts.front())) return wide;
        break;
      }
    return nullptr;
  }

 private:
  static std::string Name(size_t field, size_t kind, std::string_view text) {
    return fmt::format("{}{}{}", field, kind, text);
  }
  template <typename Visit>
  static void ForEachText(const RuleConfig& rule, size_t field, Visit visit) {
    for (size_t kind = 0; kind < kPatternKinds.size(); ++kind)
      for (const std::string& text : rule.fields[field].texts[kind]) visit(kind, text);
  }
  size_t LongestList(const RuleConfig& rule, size_t field) const {
    size_t most = 0;
    ForEachText(rule, field, [&](size_t kind, const std::string& text) {
      auto found = lists_.find(Name(field, kind, text));
      if (found != lists_.end()) most = std::max(most, found->second.size());
    });
    return most;
  }
  const RuleConfig* CoveringAt(const RuleConfig& rule, size_t field, size_t kind,
                               std::string_view text) const {
    if (const RuleConfig* wide = InList(rule, Name(field, kind, text))) return wide;
    if (kind > kSuffixKind) return nullptr;
    for (size_t length : suffix_lengths_[field]) {
      if (length > text.size()) break;
      const std::string_view end = text.substr(text.size() - length);
      if (const RuleConfig* wide = InList(rule, Name(field, kSuffixKind, end))) return wide;
    }
    return nullptr;
  }
  const RuleConfig* InList(const RuleConfig& rule, const std::string& name) const {
    auto found = lists_.find(name);
    if (found == lists_.end()) return nullptr;
    for (const RuleConfig* one : found->second)
      if (Covers(*one, rule)) return one;
    return nullptr;
  }

  const RuleConfig* all_ = nullptr;  // asks nothing
  std::unordered_map<std::string, std::vector<const RuleConfig*>> lists_;
  std::array<std::set<size_t>, kRuleFields.size()> suffix_lengths_;
};

void LintProbes(const Config& config, std::vector<std::string>& warnings) {
  for (const RuleConfig& rule : config.rules) {
    if (!Has(rule.tags, "probe")) continue;
    for (size_t kind : {kExactKind, kSuffixKind})
      for (const std::string& host : rule.fields[kHostField].texts[kind])
        for (const ZoneConfig& zone : config.zones)
          if (GardenCoversHost(zone, host))
            warnings.push_back(fmt::format(
                "zone '{}': its garden covers {}, which rule '{}' ({}) needs: no login sheet opens",
                zone.name, host, rule.name, rule.place));
  }
}

void LintLocations(const Config& config, std::vector<std::string>& warnings) {
  auto covered = [](const ZoneConfig& zone, const std::string& url) {
    auto parsed = ParsePortalUrl(url);
    return !parsed || GardenCoversHost(zone, parsed->host);
  };
  for (const ZoneConfig& zone : config.zones)
    if (!covered(zone, zone.portal_url))
      warnings.push_back(
          fmt::format("zone '{}': its garden does not name the host of portal_url {}", zone.name,
                      zone.portal_url));
  for (const RuleConfig& rule : config.rules)
    if (!rule.location.empty() &&
        std::none_of(config.zones.begin(), config.zones.end(),
                     [&](const ZoneConfig& zone) { return covered(zone, rule.location); }))
      warnings.push_back(fmt::format("{}: rule '{}': no garden covers its location {}", rule.place,
                                     rule.name, rule.location));
}

}  // namespace

std::vector<std::string> LintRules(const Config& config) {
  std::vector<std::string> warnings;
  LintProbes(config, warnings);
  LintLocations(config, warnings);
  Earlier earlier;
  for (const RuleConfig& rule : config.rules) {
    if (const RuleConfig* wide = earlier.Covering(rule))
      warnings.push_back(fmt::format("{}: rule '{}' is never reached: rule '{}' ({}) covers it",
                                     rule.place, rule.name, wide->name, wide->place));
    earlier.Add(rule);
    if (warnings.size() > kMostWarnings) break;
  }
  return warnings;
}

}  // namespace narthex
