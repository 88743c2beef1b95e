// SPDX-License-Identifier: Apache-2.0
#include "policy/swap.h"

#include <algorithm>

namespace narthex {

bool PolicySwap::Replace(std::unique_ptr<const Snapshot> next, std::string& error) {
  if (!Current().SameWorkers(*next)) {
    error = "zones, interfaces or queues have changed: restart narthex-dataplane";
    return false;
  }
  kept_.push_back(std::move(next));
  for (PolicySlot* slot : slots_) slot->Offer(kept_.back().get());
  return true;
}

void PolicySwap::FreeUnused(const std::function<void(const Snapshot&)>& last) {
  // A worker that has taken the one in force can never take an earlier one again.
  const bool all_current = std::all_of(slots_.begin(), slots_.end(), [&](const PolicySlot* slot) {
    return slot->Uses(kept_.back().get());
  });
  if (!all_current) return;
  for (size_t i = 0; last && i + 1 < kept_.size(); i++) last(*kept_[i]);
  kept_.erase(kept_.begin(), kept_.end() - 1);
}

}  // namespace narthex
