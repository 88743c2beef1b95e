// SPDX-License-Identifier: Apache-2.0
// The snapshots in force: hands a new one to every worker, frees an old one when no worker uses
// it any more.
//
// Threads: the main thread only; workers meet it through their PolicySlot.
#pragma once

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

  // Frees what no worker uses. To be called now and then.
  void FreeUnused();

  size_t Kept() const { return kept_.size(); }

 private:
  std::vector<std::unique_ptr<const Snapshot>> kept_;  // the last is in force
  std::vector<PolicySlot*> slots_;
};

}  // namespace narthex
