// SPDX-License-Identifier: Apache-2.0
// What DPDK is started with: which worker where, on which memory. Pure functions of the snapshot
// and the machine; nothing of DPDK is used here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/snapshot.h"

namespace narthex {

// One worker of the snapshot, in the order of interfaces and queues; worker i runs on lcore i + 1
// and owns vdev i.
struct WorkerPlace {
  std::vector<size_t> zones;  // of the interface: indexes in Snapshot::zones; at least one
  uint16_t queue;
  std::string device;
  size_t index;  // of the worker, from 0
};
std::vector<WorkerPlace> PlaceWorkers(const Snapshot& snapshot);

struct EalPlan {
  std::vector<std::string> arguments;  // without the program's name
  bool hugepages;
};
// `free_hugepages_kib`: what the machine has free; `cpus`: those that the process may use.
EalPlan PlanEal(const Snapshot& snapshot, uint64_t free_hugepages_kib,
                const std::vector<int>& cpus);

}  // namespace narthex
