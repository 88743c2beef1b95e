// SPDX-License-Identifier: Apache-2.0
#include "policy/rule_hits.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace narthex {

RuleHits::RuleHits(std::string path) : path_(std::move(path)) {
  std::ifstream file(path_);
  const auto json = nlohmann::json::parse(file, nullptr, false);
  if (!json.is_object() || !json.contains("hits") || !json["hits"].is_object()) return;
  for (const auto& [name, count] : json["hits"].items()) {
    if (count.is_number_unsigned()) kept_[name] = count.get<uint64_t>();
  }
  saved_ = kept_;
}

void RuleHits::Add(const Snapshot& snapshot, Counts& counts) {
  for (size_t rule = 0; rule < snapshot.rules->Rules().size(); rule++) {
    uint64_t hits = 0;
    for (const auto& state : snapshot.rule_states) {
      hits += state->hits[rule].load(std::memory_order_relaxed);
    }
    if (hits) counts[snapshot.rules->Rules()[rule].name] += hits;
  }
}

void RuleHits::Keep(const Snapshot& gone) { Add(gone, kept_); }

void RuleHits::Save(const PolicySwap& policy) {
  Counts counts = kept_;
  policy.ForEach([&](const Snapshot& snapshot) { Add(snapshot, counts); });
  if (counts == saved_) return;
  const std::string temporary = path_ + ".new";
  std::ofstream file(temporary);
  file << nlohmann::json{{"hits", counts}} << '\n';
  file.close();
  if (file && std::rename(temporary.c_str(), path_.c_str()) == 0) saved_ = std::move(counts);
}

}  // namespace narthex
