// SPDX-License-Identifier: Apache-2.0
// How often each rule has decided, by its name: over all workers, policies and restarts. Kept in
// RUN/rule_hits.json, {"hits": {name: count}}, for narthexd to show.
//
// Threads: the main thread only; the workers count in their own RuleState.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "policy/swap.h"

namespace narthex {

class RuleHits {
 public:
  // Goes on from what the file says, if it can be read.
  explicit RuleHits(std::string path);

  // Keeps what a snapshot has counted, before it is freed.
  void Keep(const Snapshot& gone);
  // Writes the file if a rule has decided since the last time. Errors are of no consequence.
  void Save(const PolicySwap& policy);

 private:
  using Counts = std::map<std::string, uint64_t>;
  static void Add(const Snapshot& snapshot, Counts& counts);
  const std::string path_;
  Counts kept_;
  Counts saved_;
};

}  // namespace narthex
