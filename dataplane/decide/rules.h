// SPDX-License-Identifier: Apache-2.0
// The operator's rules and the probe pack: ordered; the first whose conditions all hold decides.
//
// A request costs the same however many rules there are. A look into a table and one scan say which
// patterns match; each condition that one of them satisfies is stamped; and each rule hangs on that
// condition of its own which the fewest rules share, so only few rules are looked at. If every rule
// hangs on names of hosts, and the table has no name of this one, there is no scan.
//
// Threads: a RuleSet is immutable; a RuleState belongs to one worker.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "match/database.h"
#include "parse/http_request.h"

namespace narthex {

inline constexpr size_t kMaxRules = 131072;
// Rules that hang on one condition, and conditions in which one pattern stands.
inline constexpr size_t kMaxSharing = 4096;

enum class Respond : uint8_t { kNetworkAuthenticationRequired, kRedirect, kReset, kSilent };

struct RuleCondition {
  Field field;
  std::vector<Pattern> any;  // of this field
};

struct Rule {
  std::string name;
  std::string place;  // of its text, for messages; may be empty
  std::vector<RuleCondition> conditions;
  uint32_t zones = UINT32_MAX;  // bit i: it holds in the zone of index i
  Respond respond = Respond::kNetworkAuthenticationRequired;
  uint16_t variant = 0;  // which page, which redirect (reply/network.h)
};

// What one worker writes: its scratch memory and how often each rule decided.
struct RuleState {
  MatchScratch scratch;
  std::vector<uint32_t> stamps;  // by condition
  std::vector<uint32_t> stamped;
  uint32_t stamp = 0;
  std::unique_ptr<std::atomic<uint64_t>[]> hits;  // by rule; one writer
};

class RuleSet {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Null and one line in `error`, which names the rule, if a rule cannot be used.
  static std::unique_ptr<const RuleSet> Compile(std::vector<Rule> rules, std::string& error,
                                                Purpose purpose = Purpose::kUse);

  RuleState NewState() const;

  // The index of the first rule that holds, or kNone. Counts nothing.
  uint32_t Find(const HttpRequest& request, uint32_t zone, RuleState& state) const;

  // What a rule says, apart from its texts: eight bytes, where a Rule has several cache lines.
  struct Outcome {
    uint32_t zones;
    uint16_t variant;
    Respond respond;
  };
  const Outcome& OutcomeOf(uint32_t rule) const { return outcomes_[rule]; }

  const std::vector<Rule>& Rules() const { return rules_; }
  size_t DatabaseBytes() const { return database_->Bytes(); }

 private:
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  // What a pattern means: a rule that asks for nothing else, or conditions.
  struct PatternUse {
    uint32_t begin;  // in pattern_conditions_
    uint32_t end;
    uint32_t rule;
    bool Alone() const { return rule != kNone; }
  };
  RuleSet() = default;
  bool CompileConditions(std::string& error, Purpose purpose);
  bool HangRules(std::string& error);
  uint32_t Evaluate(Database::Found found, uint32_t zone, RuleState& state) const;
  bool Holds(uint32_t rule, uint32_t zone, const RuleState& state) const;

  std::vector<Rule> rules_;
  std::vector<Outcome> outcomes_;  // by rule
  std::unique_ptr<const Database> database_;
  std::vector<std::vector<uint32_t>> condition_patterns_;  // only while compiling
  std::vector<PatternUse> pattern_use_;
  std::vector<uint32_t> pattern_conditions_;
  std::vector<Range> condition_range_;     // by condition: in condition_rules_
  std::vector<uint32_t> condition_rules_;  // that hang on it, in order
  std::vector<Range> rule_range_;          // by rule: its conditions, in rule_conditions_
  std::vector<uint32_t> rule_conditions_;
  std::vector<uint32_t> unconditional_;  // rules without conditions, in order
  std::vector<bool> condition_by_name_;  // all its patterns are whole names of hosts
  bool by_name_ = false;                 // every rule hangs on such a condition
};

// The request's fields as rules see them: the host without port and last dot, the language that
// the client prefers.
Values ValuesOf(const HttpRequest& request);

}  // namespace narthex
