// SPDX-License-Identifier: Apache-2.0
// The snapshots in force: hands a new one to every worker, frees an old one when no worker uses
// it any more.
//
// Threads: the main thread only; workers meet it through their PolicySlot.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policy/policy_slot.h"
#include "policy/snapshot.h"

namespace narthex {

class PolicySwap {
 public:
  explicit PolicySwap(std::unique_ptr<const Snapshot> first) { kept_.push_back(std::move(first)); }

  const Snapshot& Current() const { return *kept_.back(); }

  // Each worker's slot must outlive its worker.
  void Attach(PolicySlot& slot) { slots_.push_back(&slot); }

  // Puts a snapshot in force; false, with one line in `error`, if it asks for other workers.
  bool Replace(std::unique_ptr<const Snapshot> next, std::string& error);

  // Frees what no worker uses, each after a call of `last`. To be called now and then.
  void FreeUnused(const std::function<void(const Snapshot&)>& last = {});
  // All that some worker may still use.
  void ForEach(const std::function<void(const Snapshot&)>& each) const {
    for (const auto& snapshot : kept_) each(*snapshot);
  }

  size_t Kept() const { return kept_.size(); }

 private:
  std::vector<std::unique_ptr<const Snapshot>> kept_;  // the last is in force
  std::vector<PolicySlot*> slots_;
};

}  // namespace narthex
