// SPDX-License-Identifier: Apache-2.0
// How one worker is handed a new snapshot: the main thread writes `wanted`, the worker takes it
// between two bursts and says so in `in_use`. A snapshot is freed when no slot uses or wants it.
#pragma once

#include <atomic>

#include "policy/snapshot.h"

namespace narthex {

class PolicySlot {
 public:
  // Main thread.
  void Offer(const Snapshot* snapshot) { wanted_.store(snapshot, std::memory_order_release); }
  bool Uses(const Snapshot* snapshot) const {
    return in_use_.load(std::memory_order_acquire) == snapshot;
  }

  // Worker, between bursts: the new snapshot, or null if nothing changed.
  const Snapshot* Take() {
    const Snapshot* wanted = wanted_.load(std::memory_order_acquire);
    return wanted == in_use_.load(std::memory_order_relaxed) ? nullptr : wanted;
  }
  // Worker: nothing of the snapshot before is used any more.
  void Taken(const Snapshot* snapshot) { in_use_.store(snapshot, std::memory_order_release); }

 private:
  std::atomic<const Snapshot*> wanted_ = nullptr;
  std::atomic<const Snapshot*> in_use_ = nullptr;
};

}  // namespace narthex
