// SPDX-License-Identifier: Apache-2.0
// A worker on its lcore: polls its port, keeps its heartbeat, takes new policy between bursts.
//
// Threads: constructed and destroyed by the main thread while the lcore does not run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "policy/policy_slot.h"
#include "worker/eal_port.h"
#include "worker/shared_maps.h"
#include "worker/worker.h"
#include "worker/zone_responders.h"

namespace narthex {

class Lcore {
 public:
  Lcore(const Snapshot& snapshot, const WorkerPlace& place, std::unique_ptr<EalPort> port,
        SharedMaps& maps);

  // Starts on a DPDK lcore; false if that lcore is busy.
  bool Launch(unsigned lcore_id);
  void Stop() { stop_.store(true, std::memory_order_relaxed); }

  PolicySlot& Policy() { return policy_; }

 private:
  static int Run(void* self);
  void Loop();
  void Heartbeat();
  void TakePolicy();
  Instant Now(uint64_t tsc) const;

  const size_t worker_index_;
  const bool idle_backoff_;
  std::unique_ptr<EalPort> port_;
  nx_worker& entry_;
  ZoneResponders responders_;
  Worker<EalPort, ZoneResponders> worker_;
  PolicySlot policy_;
  std::atomic<bool> stop_ = false;

  uint64_t heartbeat_tsc_ = 0;  // of the last heartbeat
  uint64_t heartbeat_ns_ = 0;
  uint64_t ns_per_cycle_ = 0;  // shifted left by 32
  uint64_t busy_cycles_ = 0;
  uint64_t idle_cycles_ = 0;
};

}  // namespace narthex
