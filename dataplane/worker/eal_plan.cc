// SPDX-License-Identifier: Apache-2.0
#include "worker/eal_plan.h"

namespace narthex {
namespace {

constexpr uint64_t kBaseMib = 40;
constexpr uint64_t kWorkerMib = 24;  // 8191 packet buffers

std::string Join(const std::vector<int>& cpus) {
  std::string text;
  for (int cpu : cpus) text += (text.empty() ? "" : ",") + std::to_string(cpu);
  return text;
}

// Lcore 0 is the main thread's. A worker that spins gets a core of its own, from the last one
// down, if there are enough; one that sleeps when idle goes where the scheduler puts it.
std::string LcoreMap(uint32_t workers, bool spin, const std::vector<int>& cpus) {
  const std::string all = "@(" + Join(cpus) + ")";
  std::string map = "(0)" + all;
  for (uint32_t i = 0; i < workers; i++) {
    map += ",(" + std::to_string(i + 1) + ")";
    const bool own = spin && cpus.size() > workers;
    map += own ? "@" + std::to_string(cpus[cpus.size() - 1 - i]) : all;
  }
  return map;
}

}  // namespace

std::vector<WorkerPlace> PlaceWorkers(const Snapshot& snapshot) {
  std::vector<WorkerPlace> places;
  for (const std::vector<size_t>& zones : snapshot.ZonesByInterface()) {
    for (uint16_t queue = 0; queue < snapshot.zones[zones[0]].queues; queue++) {
      places.push_back({zones, queue, "net_af_xdp" + std::to_string(places.size()), places.size()});
    }
  }
  return places;
}

EalPlan PlanEal(const Snapshot& snapshot, uint64_t free_hugepages_kib,
                const std::vector<int>& cpus) {
  const std::vector<WorkerPlace> places = PlaceWorkers(snapshot);
  const uint64_t needed_mib = kBaseMib + kWorkerMib * places.size();
  EalPlan plan;
  plan.hugepages = snapshot.hugepages && free_hugepages_kib >= needed_mib * 1024;
  plan.arguments = {"--no-pci",
                    "--no-shconf",
                    "--no-telemetry",
                    "--iova-mode=va",
                    "--log-level=error",
                    "--file-prefix=narthex-" + snapshot.instance,
                    "--lcores=" + LcoreMap(snapshot.WorkerCount(), !snapshot.idle_backoff, cpus)};
  if (plan.hugepages) {
    plan.arguments.emplace_back("--in-memory");
  } else {
    plan.arguments.emplace_back("--no-huge");
    plan.arguments.push_back("-m");
    plan.arguments.push_back(std::to_string(needed_mib));
  }
  for (const WorkerPlace& place : places) {
    plan.arguments.push_back(
        "--vdev=" + place.device + ",iface=" + snapshot.zones[place.zones[0]].interface +
        ",start_queue=" + std::to_string(place.queue) + ",queue_count=1,busy_budget=0");
  }
  return plan;
}

}  // namespace narthex
