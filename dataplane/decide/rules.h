// SPDX-License-Identifier: Apache-2.0
// The operator's rules and the probe pack: ordered; the first whose conditions all hold decides.
//
// A request costs the same however many rules there are. One scan says which patterns match; each
// condition that one of them satisfies is stamped; and each rule hangs on that condition of its
// own which the fewest rules share, so only few rules are looked at. Before the scan a filter over
// the digests of the host's domains says whether any rule can hold at all; for most requests none
// can.
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
  void BuildFilter(const std::vector<Pattern>& patterns);
  bool MayHold(const HostChain& host) const;
  uint32_t Evaluate(Database::Found found, uint32_t zone, RuleState& state) const;
  bool Holds(uint32_t rule, uint32_t zone, const RuleState& state) const;

  std::vector<Rule> rules_;
  std::vector<uint32_t> zones_;  // by rule
  std::unique_ptr<const Database> database_;
  std::vector<std::vector<uint32_t>> condition_patterns_;  // only while compiling
  std::vector<PatternUse> pattern_use_;
  std::vector<uint32_t> pattern_conditions_;
  std::vector<Range> condition_range_;     // by condition: in condition_rules_
  std::vector<uint32_t> condition_rules_;  // that hang on it, in order
  std::vector<Range> rule_range_;          // by rule: its conditions, in rule_conditions_
  std::vector<uint32_t> rule_conditions_;
  std::vector<uint32_t> unconditional_;   // rules without conditions, in order
  std::vector<bool> condition_in_chain_;  // all its patterns are in the filter
  bool filtered_ = false;                 // every rule hangs on such a condition
  std::vector<uint64_t> filter_;          // bits
  uint32_t filter_shift_ = 0;
};

// The request's fields as rules see them: the host without port and last dot, the language that
// the client prefers.
Values ValuesOf(const HttpRequest& request);

}  // namespace narthex
