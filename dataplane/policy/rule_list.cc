// SPDX-License-Identifier: Apache-2.0
#include "policy/rule_list.h"

#include <algorithm>
#include <map>

#include "policy/network.h"

namespace narthex {
namespace {

constexpr size_t kMaxRuleNameBytes = 64;
// Of the values that a request brings; the zone is the gateway's own to know.
constexpr std::string_view kZoneField = "zone";

std::vector<Pattern> ReadPatterns(const json& condition, Field field) {
  std::vector<Pattern> patterns;
  if (!condition.is_object()) throw BadSnapshot("a condition is no object");
  for (const auto& [kind_name, texts] : condition.items()) {
    const auto kind = std::find(kKindNames.begin(), kKindNames.end(), kind_name);
    if (kind == kKindNames.end() || !texts.is_array()) {
      throw BadSnapshot("a condition is no list of exact, suffix, glob or regex");
    }
    for (const json& text : texts) {
      if (!text.is_string()) throw BadSnapshot("a pattern is no string");
      patterns.push_back(
          {field, static_cast<Kind>(kind - kKindNames.begin()), text.get<std::string>()});
    }
  }
  if (patterns.empty()) throw BadSnapshot("a condition has no pattern");
  return patterns;
}

// Zones are known when a policy is loaded: their names are matched then, as paths are.
uint32_t ZonesOf(const json& rule, const std::vector<std::string>& zones) {
  if (!rule.contains(kZoneField)) return UINT32_MAX;
  const auto patterns = ReadPatterns(Member(rule, "zone"), Field::kPath);
  size_t bad = 0;
  std::string error;
  const auto database = Database::Compile(patterns, bad, error);
  if (!database) throw BadSnapshot("zone: " + error);
  MatchScratch scratch = database->NewScratch();
  uint32_t mask = 0;
  for (size_t i = 0; i < zones.size(); i++) {
    Values values{};
    values[static_cast<size_t>(Field::kPath)] = zones[i];
    if (database->Match(values, scratch).count_) mask |= uint32_t{1} << i;
  }
  return mask;
}

template <typename T, typename Key>
uint16_t IndexOf(std::map<Key, uint16_t>& known, std::vector<T>& list, const Key& key, T value,
                 size_t most, const char* what) {
  const auto [at, added] = known.try_emplace(key, static_cast<uint16_t>(list.size() + 1));
  if (!added) return at->second;
  if (list.size() == most) {
    throw BadSnapshot("more than " + std::to_string(most) + " different " + what);
  }
  list.push_back(std::move(value));
  return at->second;
}

class Reader {
 public:
  explicit Reader(const std::vector<std::string>& zones) : zones_(zones) {}

  void Read(const json& rule) {
    Rule read;
    read.name = Text(rule, "name", kMaxRuleNameBytes);
    if (rule.contains("place")) read.place = Text(rule, "place");
    for (size_t f = 0; f < kFields; f++) {
      const auto found = rule.find(kFieldNames[f]);
      if (found == rule.end()) continue;
      const auto field = static_cast<Field>(f);
      read.conditions.push_back({field, ReadPatterns(*found, field)});
    }
    read.zones = ZonesOf(rule, zones_);
    ReadResponse(rule, read);
    list_.rules.push_back(std::move(read));
  }

  RuleList Take() { return std::move(list_); }

 private:
  void ReadResponse(const json& rule, Rule& read) {
    const std::string respond = Text(rule, "respond");
    if (respond == "redirect") {
      read.respond = Respond::kRedirect;
      if (!rule.contains("location")) return;  // to the zone's login
      const std::string url = ReadUrl(rule, "location", false);
      read.variant = IndexOf(redirects_, list_.redirects, url, url, kMaxRedirects, "redirects");
    } else if (respond == "reset") {
      read.respond = Respond::kReset;
    } else if (respond == "silent") {
      read.respond = Respond::kSilent;
    } else if (respond != "511") {
      throw BadSnapshot("\"respond\" is none of 511, redirect, reset, silent");
    } else if (rule.contains("template") || rule.contains("template_compact")) {
      RulePage page{ReadTemplate(rule, "template"), ReadTemplate(rule, "template_compact")};
      auto key = [](const std::optional<PageTemplate>& one) {
        return one ? one->file + '\n' + one->text : std::string();
      };
      const std::string both = key(page.page) + '\n' + key(page.compact_page);
      read.variant = IndexOf(pages_, list_.pages, both, std::move(page), kMaxRulePages, "pages");
    }
  }

  const std::vector<std::string>& zones_;
  RuleList list_;
  std::map<std::string, uint16_t> redirects_;
  std::map<std::string, uint16_t> pages_;
};

}  // namespace

RuleList ReadRules(const json& root, const std::vector<std::string>& zones) {
  if (!root.contains("rules")) return {};
  const json& rules = Member(root, "rules");
  if (!rules.is_array() || rules.size() > kMaxRules) {
    throw BadSnapshot("\"rules\" is no list of at most " + std::to_string(kMaxRules) + " rules");
  }
  Reader reader(zones);
  for (size_t i = 0; i < rules.size(); i++) {
    try {
      if (!rules[i].is_object()) throw BadSnapshot("it is no object");
      reader.Read(rules[i]);
    } catch (const BadSnapshot& bad) {
      std::string label = "rule " + std::to_string(i + 1);
      if (rules[i].is_object() && rules[i].contains("name") && rules[i]["name"].is_string()) {
        label = "rule '" + rules[i]["name"].get<std::string>().substr(0, kMaxRuleNameBytes) + "'";
      }
      throw BadSnapshot(label + ": " + bad.what());
    }
  }
  return reader.Take();
}

}  // namespace narthex
