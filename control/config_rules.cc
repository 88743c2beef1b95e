// SPDX-License-Identifier: Apache-2.0
#include "control/config_rules.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "control/config_values.h"
#include "control/config_zone.h"

namespace narthex {
namespace {

constexpr size_t kMaxFiles = 64;
constexpr size_t kMaxTexts = 262144;  // of one condition
constexpr size_t kMaxTextBytes = 2048;
constexpr size_t kMaxRuleName = 64;

Outcome CheckRuleName(std::string_view text) {
  bool good = !text.empty() && text.size() <= kMaxRuleName &&
              std::all_of(text.begin(), text.end(), [](unsigned char c) {
                return std::isalnum(c) || c == '-' || c == '_' || c == '.';
              });
  if (good) return {};
  return Fail(ErrorKind::kInvalid,
              fmt::format("'{}' is no rule name: wanted 1 to {} letters, digits, '-', '_' and '.'",
                          text, kMaxRuleName));
}

// What a pattern that is compared as it stands can be; the others are the dataplane's to judge.
Outcome CheckPlain(size_t field, size_t kind, std::string_view text) {
  auto wrong = [&](std::string why) { return Fail(ErrorKind::kInvalid, std::move(why)); };
  if (text.empty()) return wrong("an empty pattern matches nothing");
  if (text.size() > kMaxTextBytes)
    return wrong(fmt::format("{} bytes, at most {} are possible", text.size(), kMaxTextBytes));
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return wrong("control characters are in no request");
  if (kind > kSuffixKind) return {};
  if (field == kHostField) {
    if (text.starts_with('.'))
      return wrong(
          fmt::format("write '{}': a suffix is a domain and all below it", text.substr(1)));
    if (text.find_first_of("/:@ ") != text.npos && !text.starts_with('['))
      return wrong(fmt::format("'{}' is no host name; it has neither scheme nor port", text));
    if (text.ends_with('.'))
      return wrong(fmt::format("write '{}': hosts are compared without their last dot",
                               text.substr(0, text.size() - 1)));
    if (text.find_first_of("*?") != text.npos)
      return wrong(fmt::format("'{}' is no host name; for wildcards write {{ glob = [\"{}\"] }}",
                               text, text));
  }
  if (kRuleFields[field] == "path" && kind == kExactKind && !text.starts_with('/'))
    return wrong(fmt::format("path '{}' does not begin with '/'", text));
  return {};
}

std::vector<std::string> ReadTexts(const Value& value, size_t field, size_t kind) {
  std::vector<std::string> texts;
  auto check = [&](std::string_view text) { return CheckPlain(field, kind, text); };
  for (const Value& text : value.List(kMaxTexts)) texts.push_back(text.Checked(check));
  if (texts.empty()) value.Refuse("an empty list matches nothing: leave the key out");
  return texts;
}

// "text" and ["text", …] are exact; { suffix = […], glob = […] } are what they say.
RulePatterns ReadPatterns(const Value& value, size_t field) {
  RulePatterns patterns;
  if (value.Is<toml::table>()) {
    std::vector<std::pair<std::string_view, Setter>> setters;
    for (size_t kind = 0; kind < kPatternKinds.size(); ++kind)
      setters.emplace_back(kPatternKinds[kind], [&, kind](const Value& v) {
        patterns.texts[kind] = ReadTexts(v, field, kind);
      });
    ReadTable(value.Table(), fmt::format("rule.{}", kRuleFields[field]), setters);
    if (patterns.empty()) value.Refuse("it asks nothing: name exact, suffix, glob or regex");
  } else if (value.Is<toml::array>()) {
    patterns.texts[kExactKind] = ReadTexts(value, field, kExactKind);
  } else {
    patterns.texts[kExactKind] = {
        value.Checked([&](std::string_view text) { return CheckPlain(field, kExactKind, text); })};
  }
  return patterns;
}

// A response that does not use a key must not have it.
void CheckResponse(const RuleConfig& rule, const toml::table& table) {
  auto refuse = [&](const char* key, const char* why) {
    if (const toml::node* node = table.get(key))
      Value(*node, fmt::format("rule.{}", key)).Refuse(why);
  };
  if (rule.respond != "redirect") refuse("location", "only respond = \"redirect\" has a location");
  if (rule.respond != "511")
    for (const char* key : {"template", "template_compact"})
      refuse(key, "only respond = \"511\" has a page");
}

RuleConfig ReadRule(const Value& value, const std::string& file_name) {
  RuleConfig rule;
  const toml::table& table = value.Table();
  for (std::string_view key : {"name", "respond"}) RequireKey(table, "rule", key);
  std::vector<std::pair<std::string_view, Setter>> setters = {
      {"name", [&](const Value& v) { rule.name = v.Checked(CheckRuleName); }},
      {"source", [&](const Value& v) { rule.source = v.String(); }},
      {"respond",
       [&](const Value& v) {
         rule.respond = v.OneOf({"511", "redirect", "reset", "silent"});
       }},
      {"location",
       [&](const Value& v) {
         v.Parsed(ParsePortalUrl);
         rule.location = v.String();
       }},
      {"template", [&](const Value& v) { rule.page = ReadTemplate(v); }},
      {"template_compact", [&](const Value& v) { rule.compact_page = ReadTemplate(v); }},
      {"tags", [&](const Value& v) {
         for (const Value& tag : v.List(16)) rule.tags.push_back(tag.Checked(CheckRuleName));
       }}};
  for (size_t field = 0; field < kRuleFields.size(); ++field)
    setters.emplace_back(kRuleFields[field], [&, field](const Value& v) {
      rule.fields[field] = ReadPatterns(v, field);
    });
  ReadTable(table, "rule", setters);
  CheckResponse(rule, table);
  auto begin = table.source().begin;
  rule.place = fmt::format("{}:{}:{}", file_name, begin.line, begin.column);
  return rule;
}

void Append(Config& config, Result<std::vector<RuleConfig>> rules) {
  if (!rules) throw rules.error();
  config.rules.insert(config.rules.end(), std::make_move_iterator(rules->begin()),
                      std::make_move_iterator(rules->end()));
}

// A name stands for one rule: hits are counted by it.
void CheckNames(const Config& config) {
  std::set<std::string_view> names;
  if (config.rules.size() > kMaxRules)
    throw Error{ErrorKind::kInvalid,
                fmt::format("{} rules, at most {} are possible", config.rules.size(), kMaxRules)};
  for (const RuleConfig& rule : config.rules)
    if (!names.insert(rule.name).second)
      throw Error{ErrorKind::kInvalid,
                  fmt::format("{}: key 'rule.name': '{}' is taken already", rule.place, rule.name)};
}

}  // namespace

Result<std::vector<RuleConfig>> ParseRules(std::string_view text, const std::string& file_name) {
  auto fail = [&](const toml::source_region& where, const std::string& why) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}:{}:{}: {}", file_name, where.begin.line, where.begin.column, why));
  };
  try {
    std::vector<RuleConfig> rules;
    toml::table root = toml::parse(text);
    ReadTable(root, "",
              {{"version", [](const Value& v) { v.Integer(1, 1); }},
               {"rule", [&](const Value& v) {
                  for (const Value& rule : v.List(kMaxRules))
                    rules.push_back(ReadRule(rule, file_name));
                }}});
    return rules;
  } catch (const toml::parse_error& error) {
    return fail(error.source(), fmt::format("not TOML: {}", error.description()));
  } catch (const Refusal& refusal) {
    return fail(refusal.where, fmt::format("key '{}': {}", refusal.key, refusal.why));
  }
}

Result<std::vector<RuleConfig>> LoadRules(const std::string& path) {
  std::error_code error;
  std::ifstream file(path);
  std::ostringstream text;
  if (file && !std::filesystem::is_directory(path, error)) text << file.rdbuf();
  if (!file || file.bad() || std::filesystem::is_directory(path, error))
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}: cannot be read: {}", path, std::strerror(errno ? errno : EISDIR)));
  return ParseRules(text.str(), path);
}

void ReadRules(Config& config, const Value& value) {
  std::string profile = "compatible";
  ReadTable(value.Table(), "rules",
            {{"profile",
              [&](const Value& v) {
                profile = v.OneOf({"compatible", "strict-511"});
              }},
             {"files", [&](const Value& v) {
                for (const Value& path : v.List(kMaxFiles))
                  Append(config, LoadRules(path.Checked(CheckAbsolutePath)));
              }}});
  if (profile == "compatible") Append(config, ParseRules(ProbeRules(), kProbeRulesName));
  CheckNames(config);
}

void AddDefaultRules(Config& config) { Append(config, ParseRules(ProbeRules(), kProbeRulesName)); }

void CheckRuleZones(const Config& config) {
  for (const RuleConfig& rule : config.rules)
    for (const std::string& name : rule.fields[kZoneField].texts[kExactKind])
      if (std::none_of(config.zones.begin(), config.zones.end(),
                       [&](const ZoneConfig& zone) { return zone.name == name; }))
        throw Error{ErrorKind::kInvalid,
                    fmt::format("{}: key 'rule.zone': there is no zone '{}'", rule.place, name)};
}

}  // namespace narthex
