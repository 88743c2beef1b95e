// SPDX-License-Identifier: Apache-2.0
#include "control/rule_lint.h"

#include <fmt/format.h>

#include <algorithm>
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

// Earlier rules that can cover a rule: by a host that both name, or without any.
class Earlier {
 public:
  void Add(const RuleConfig& rule) {
    const RulePatterns& host = rule.fields[kHostField];
    if (!host.texts[kGlobKind].empty() || !host.texts[kRegexKind].empty() || host.empty()) {
      // Each rule is compared with all of them.
      if (anywhere_.size() < 1000) anywhere_.push_back(&rule);
      return;
    }
    for (size_t kind : {kExactKind, kSuffixKind})
      for (const std::string& text : host.texts[kind]) by_host_[text].push_back(&rule);
  }
  const RuleConfig* Covering(const RuleConfig& rule) const {
    for (const RuleConfig* one : anywhere_)
      if (Covers(*one, rule)) return one;
    const RulePatterns& host = rule.fields[kHostField];
    for (size_t kind : {kExactKind, kSuffixKind})
      if (!host.texts[kind].empty()) return CoveringHost(rule, host.texts[kind][0]);
    return nullptr;
  }

 private:
  const RuleConfig* CoveringHost(const RuleConfig& rule, std::string_view host) const {
    for (;;) {
      if (auto found = by_host_.find(std::string(host)); found != by_host_.end())
        for (const RuleConfig* one : found->second)
          if (Covers(*one, rule)) return one;
      size_t dot = host.find('.');
      if (dot == host.npos) return nullptr;
      host.remove_prefix(dot + 1);
    }
  }
  std::vector<const RuleConfig*> anywhere_;
  std::unordered_map<std::string, std::vector<const RuleConfig*>> by_host_;
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
