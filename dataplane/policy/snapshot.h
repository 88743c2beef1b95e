// SPDX-License-Identifier: Apache-2.0
// The policy snapshot that narthexd writes (ARCHITECTURE.md): which interfaces, how many queues,
// what the responses say.
//
// Everything is checked as if an enemy had written it. A snapshot is immutable; a newer one
// replaces it between bursts (policy/policy_slot.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decide/rules.h"
#include "reply/response.h"

namespace narthex {

// One access network. `worker_base + q` is the worker of queue q, for all zones of an interface.
struct ZoneSnapshot {
  uint16_t id;
  std::string name;
  std::string interface;
  uint16_t queues;
  uint16_t worker_base;
  std::vector<uint16_t> vlans;  // outer tags, ascending; empty: the rest of the interface
  ResponseSet responses;

  bool SameWorkers(const ZoneSnapshot& other) const;
};

struct Snapshot {
  uint32_t version;
  std::string instance;
  std::string bpffs;
  bool hugepages;  // where there are any
  bool idle_backoff;
  std::vector<ZoneSnapshot> zones;
  std::unique_ptr<const RuleSet> rules;
  // One for each worker, in the order of interfaces and queues; written by that worker.
  std::vector<std::unique_ptr<RuleState>> rule_states;

  // Indexes of zones, those of one interface together, in the order of their first.
  std::vector<std::vector<size_t>> ZonesByInterface() const;
  uint32_t WorkerCount() const;
  // Whether `other` can replace this one while the workers run.
  bool SameWorkers(const Snapshot& other) const;
};

// Parses policy.json; null and one line in `error` if it cannot be used.
std::unique_ptr<const Snapshot> ParseSnapshot(std::string_view json, std::string& error,
                                              Purpose purpose = Purpose::kUse);

// Reads RUN/policy.json, or standard input for "-".
std::unique_ptr<const Snapshot> ReadSnapshot(const std::string& path, std::string& error,
                                             Purpose purpose = Purpose::kUse);

}  // namespace narthex
