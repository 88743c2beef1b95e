// SPDX-License-Identifier: Apache-2.0
#include "decide/rules.h"

#include <algorithm>
#include <map>

#include "decide/language.h"

namespace narthex {
namespace {

std::string_view HostName(std::string_view host) {
  size_t end = host.size();
  while (end && host[end - 1] >= '0' && host[end - 1] <= '9') end--;
  if (end && host[end - 1] == ':') host.remove_suffix(host.size() - end + 1);
  if (host.size() > 1 && host.ends_with('.')) host.remove_suffix(1);
  return host;
}

std::string Label(const Rule& rule) {
  return (rule.place.empty() ? "" : rule.place + ": ") + "rule '" + rule.name + "'";
}

}  // namespace

Values ValuesOf(const HttpRequest& request) {
  return {HostName(request.host), request.path, request.method_name, request.user_agent,
          PreferredLanguage(request.accept_language)};
}

// ---- compiling -----------------------------------------------------------------------------

std::unique_ptr<const RuleSet> RuleSet::Compile(std::vector<Rule> rules, std::string& error,
                                                Purpose purpose) {
  std::unique_ptr<RuleSet> set(new RuleSet());
  set->rules_ = std::move(rules);
  if (set->rules_.size() > kMaxRules) {
    error = std::to_string(set->rules_.size()) + " rules, at most " + std::to_string(kMaxRules) +
            " are possible";
    return nullptr;
  }
  if (!set->CompileConditions(error, purpose) || !set->HangRules(error)) return nullptr;
  set->condition_patterns_.clear();
  return set;
}

// Each pattern and each set of patterns once.
bool RuleSet::CompileConditions(std::string& error, Purpose purpose) {
  std::map<Pattern, uint32_t> known_patterns;
  std::map<std::vector<uint32_t>, uint32_t> known_conditions;
  std::vector<Pattern> patterns;
  std::vector<size_t> owner;  // by pattern: the first rule that has it
  for (size_t r = 0; r < rules_.size(); r++) {
    Range range{static_cast<uint32_t>(rule_conditions_.size()), 0};
    for (const RuleCondition& condition : rules_[r].conditions) {
      std::vector<uint32_t> any;
      for (const Pattern& pattern : condition.any) {
        const auto [at, added] =
            known_patterns.try_emplace(pattern, static_cast<uint32_t>(patterns.size()));
        if (added) {
          patterns.push_back(pattern);
          owner.push_back(r);
        }
        any.push_back(at->second);
      }
      std::sort(any.begin(), any.end());
      any.erase(std::unique(any.begin(), any.end()), any.end());
      const auto [at, added] =
          known_conditions.try_emplace(any, static_cast<uint32_t>(condition_patterns_.size()));
      if (added) condition_patterns_.push_back(std::move(any));
      rule_conditions_.push_back(at->second);
    }
    range.end = static_cast<uint32_t>(rule_conditions_.size());
    rule_range_.push_back(range);
  }
  size_t bad = 0;
  database_ = Database::Compile(patterns, bad, error, purpose);
  if (!database_) {
    if (bad < patterns.size()) {
      const Pattern& pattern = patterns[bad];
      error = Label(rules_[owner[bad]]) + ": " +
              std::string(kFieldNames[static_cast<size_t>(pattern.field)]) + "." +
              std::string(kKindNames[static_cast<size_t>(pattern.kind)]) + " '" +
              pattern.text.substr(0, 80) + "': " + error;
    }
    return false;
  }
  std::vector<std::vector<uint32_t>> in(patterns.size());
  for (uint32_t c = 0; c < condition_patterns_.size(); c++) {
    for (uint32_t pattern : condition_patterns_[c]) in[pattern].push_back(c);
  }
  for (size_t p = 0; p < in.size(); p++) {
    if (in[p].size() > kMaxSharing) {
      error = Label(rules_[owner[p]]) + ": '" + patterns[p].text.substr(0, 80) + "' stands in " +
              std::to_string(in[p].size()) + " different conditions, at most " +
              std::to_string(kMaxSharing) + " are possible";
      return false;
    }
    pattern_use_.push_back({static_cast<uint32_t>(pattern_conditions_.size()),
                            static_cast<uint32_t>(pattern_conditions_.size() + in[p].size()),
                            kNone});
    pattern_conditions_.insert(pattern_conditions_.end(), in[p].begin(), in[p].end());
  }
  for (const auto& any : condition_patterns_) {
    condition_by_name_.push_back(std::all_of(any.begin(), any.end(), [&](uint32_t pattern) {
      return HostTable::Takes(patterns[pattern]);
    }));
  }
  condition_range_.resize(condition_patterns_.size());
  return true;
}

// Every rule on its rarest condition.
bool RuleSet::HangRules(std::string& error) {
  std::vector<uint32_t> users(condition_range_.size());
  for (uint32_t condition : rule_conditions_) users[condition]++;
  std::vector<std::vector<uint32_t>> hung(users.size());
  by_name_ = true;
  for (uint32_t r = 0; r < rules_.size(); r++) {
    const auto begin = rule_conditions_.begin() + rule_range_[r].begin;
    const auto end = rule_conditions_.begin() + rule_range_[r].end;
    if (begin == end) {
      unconditional_.push_back(r);
      continue;
    }
    // Names of hosts before anything else: most requests then need no scan.
    const uint32_t key = *std::min_element(begin, end, [&](uint32_t a, uint32_t b) {
      const bool name_a = condition_by_name_[a], name_b = condition_by_name_[b];
      return name_a != name_b && users[name_a ? a : b] <= kMaxSharing ? name_a
                                                                      : users[a] < users[b];
    });
    if (!condition_by_name_[key]) by_name_ = false;
    hung[key].push_back(r);
    if (hung[key].size() > kMaxSharing) {
      error = Label(rules_[r]) + ": more than " + std::to_string(kMaxSharing) +
              " rules have no condition of their own: they share each of theirs with so many";
      return false;
    }
  }
  for (PatternUse& use : pattern_use_) {
    if (use.end - use.begin != 1) continue;
    const uint32_t condition = pattern_conditions_[use.begin];
    if (users[condition] != 1 || hung[condition].size() != 1) continue;
    const uint32_t rule = hung[condition][0];
    if (rule_range_[rule].end - rule_range_[rule].begin == 1) use.rule = rule;
  }
  for (const Rule& rule : rules_) outcomes_.push_back({rule.zones, rule.variant, rule.respond});
  for (size_t c = 0; c < hung.size(); c++) {
    condition_range_[c] = {static_cast<uint32_t>(condition_rules_.size()),
                           static_cast<uint32_t>(condition_rules_.size() + hung[c].size())};
    condition_rules_.insert(condition_rules_.end(), hung[c].begin(), hung[c].end());
  }
  return true;
}

RuleState RuleSet::NewState() const {
  return {.scratch = database_->NewScratch(),
          .stamps = std::vector<uint32_t>(condition_range_.size()),
          .stamped = std::vector<uint32_t>(condition_range_.size()),
          .stamp = 0,
          .hits = std::make_unique<std::atomic<uint64_t>[]>(rules_.size())};
}

// ---- deciding ------------------------------------------------------------------------------

uint32_t RuleSet::Find(const HttpRequest& request, uint32_t zone, RuleState& state) const {
  if (rules_.empty()) return kNone;
  uint32_t first = kNone;
  for (uint32_t rule : unconditional_) {
    if (outcomes_[rule].zones >> zone & 1) {
      first = rule;
      break;
    }
  }
  auto found = database_->FindHosts(HostChain(HostName(request.host)), state.scratch);
  if (by_name_ && found.count_ == 0) return first;
  if (database_->NeedsScan()) found = database_->Scan(ValuesOf(request), state.scratch);
  return found.count_ ? std::min(first, Evaluate(found, zone, state)) : first;
}

uint32_t RuleSet::Evaluate(Database::Found found, uint32_t zone, RuleState& state) const {
  uint32_t first = kNone;
  if (++state.stamp == 0) {  // once in four thousand million requests
    std::fill(state.stamps.begin(), state.stamps.end(), 0);
    state.stamp = 1;
  }
  uint32_t stamped = 0;
  for (uint32_t pattern : found) {
    const PatternUse use = pattern_use_[pattern];
    if (use.Alone()) {
      if (use.rule < first && outcomes_[use.rule].zones >> zone & 1) first = use.rule;
      continue;
    }
    for (uint32_t i = use.begin; i < use.end; i++) {
      const uint32_t condition = pattern_conditions_[i];
      if (state.stamps[condition] == state.stamp) continue;
      state.stamps[condition] = state.stamp;
      state.stamped[stamped++] = condition;
    }
  }
  for (uint32_t i = 0; i < stamped; i++) {
    const Range range = condition_range_[state.stamped[i]];
    for (uint32_t at = range.begin; at < range.end && condition_rules_[at] < first; at++) {
      if (Holds(condition_rules_[at], zone, state)) first = condition_rules_[at];
    }
  }
  return first;
}

bool RuleSet::Holds(uint32_t rule, uint32_t zone, const RuleState& state) const {
  if (!(outcomes_[rule].zones >> zone & 1)) return false;
  for (uint32_t i = rule_range_[rule].begin; i < rule_range_[rule].end; i++) {
    if (state.stamps[rule_conditions_[i]] != state.stamp) return false;
  }
  return true;
}

}  // namespace narthex
