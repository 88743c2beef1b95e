// SPDX-License-Identifier: Apache-2.0
// narthex-dataplane: answers the HTTP of clients that have not logged in. Wiring only.
#include <net/if.h>
#include <rte_lcore.h>
#include <systemd/sd-daemon.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "events.h"
#include "instance_lock.h"
#include "options.h"
#include "policy/rule_hits.h"
#include "policy/snapshot.h"
#include "policy/swap.h"
#include "try_request.h"
#include "worker/eal_port.h"
#include "worker/lcore.h"
#include "worker/shared_maps.h"

namespace narthex {
namespace {

int Fail(const std::string& error) {
  std::fprintf(stderr, "narthex-dataplane: %s\n", error.c_str());
  return 1;
}

// One line for the log.
void Say(const std::string& line) { std::fprintf(stderr, "narthex-dataplane: %s\n", line.c_str()); }

std::vector<std::unique_ptr<Lcore>> StartWorkers(PolicySwap& policy, SharedMaps& maps,
                                                 std::string& error) {
  const Snapshot& snapshot = policy.Current();
  std::vector<std::unique_ptr<Lcore>> lcores;
  for (const WorkerPlace& place : PlaceWorkers(snapshot)) {
    auto port =
        EalPort::Open(place.device, snapshot.zones[place.zones[0]].interface, place.queue, error);
    if (!port) return {};
    lcores.push_back(std::make_unique<Lcore>(snapshot, place, std::move(port), maps));
    policy.Attach(lcores.back()->Policy());
  }
  for (size_t i = 0; i < lcores.size(); i++) lcores[i]->Launch(static_cast<unsigned>(i + 1));
  return lcores;
}

void Reload(PolicySwap& policy, const std::string& path) {
  std::string error;
  auto next = ReadSnapshot(path, error);
  if (next && next->version == policy.Current().version) return;
  if (next && policy.Replace(std::move(next), error)) {
    Say("policy version " + std::to_string(policy.Current().version) + " in force");
    return;
  }
  Say("policy refused, version " + std::to_string(policy.Current().version) +
      " stays in force: " + error);
}

// The interfaces as they were when their sockets were opened. One that is made anew has another
// index, and no socket.
class Interfaces {
 public:
  explicit Interfaces(const Snapshot& snapshot) {
    for (const ZoneSnapshot& zone : snapshot.zones) {
      found_.emplace_back(zone.interface, if_nametoindex(zone.interface.c_str()));
    }
  }
  // The first that is no longer what it was, or an empty string.
  std::string Gone() const {
    for (const auto& [name, index] : found_) {
      if (if_nametoindex(name.c_str()) != index) return name;
    }
    return "";
  }

 private:
  std::vector<std::pair<std::string, unsigned>> found_;
};

// Until a signal says stop, or an interface or map goes: the exit code.
int Serve(Events& events, PolicySwap& policy, const std::string& policy_path,
          const Interfaces& interfaces, const SharedMaps& maps, RuleHits& hits) {
  while (true) {
    switch (events.Wait()) {
      case Event::kStop:
        return 0;
      case Event::kPolicy:
        Reload(policy, policy_path);
        break;
      case Event::kTick:
        policy.FreeUnused([&](const Snapshot& gone) { hits.Keep(gone); });
        hits.Save(policy);
        if (std::string gone = interfaces.Gone(); !gone.empty()) {
          return Fail(gone + " was removed or made anew: ending, start me again");
        }
        if (std::string replaced = maps.Replaced(); !replaced.empty()) {
          return Fail(replaced + " was made anew: ending, start me again");
        }
        break;
    }
  }
}

// What narthexd asks before it hands a policy over.
int CheckPolicy(const std::string& path) {
  std::string error;
  const auto snapshot = ReadSnapshot(path, error, Purpose::kCheck);
  if (!snapshot) return Fail(error);
  std::printf("%s: good, version %u\n", path.c_str(), snapshot->version);
  return 0;
}

int Main(const Options& options) {
  if (!options.check_policy.empty()) return CheckPolicy(options.check_policy);
  if (!options.decide.empty()) return TryRequest(options.decide, options.zone);
  const std::string policy_path = options.run_directory + "/policy.json";
  std::string error;
  auto snapshot = ReadSnapshot(policy_path, error);
  if (!snapshot) return Fail(error);
  const auto lock = InstanceLock::Take(options.run_directory, error);
  if (!lock) return Fail(error);
  auto maps = SharedMaps::Open(snapshot->bpffs, error);
  if (!maps) return Fail(error);
  for (const ZoneSnapshot& zone : snapshot->zones) {
    error = CheckClassifier(zone.interface);
    if (!error.empty()) return Fail(error);
  }
  // Before DPDK's threads exist: they inherit the blocked signals.
  auto events = Events::Open(options.run_directory, "policy.json", error);
  if (!events) return Fail(error);

  const Interfaces interfaces(*snapshot);
  bool hugepages;
  if (!StartEal(*snapshot, hugepages, error)) return Fail(error);
  PolicySwap policy(std::move(snapshot));
  RuleHits hits(options.run_directory + "/rule_hits.json");
  auto lcores = StartWorkers(policy, *maps, error);
  if (lcores.empty()) return Fail(error);
  Say("packet memory: " + std::string(hugepages ? "hugepages" : "no hugepages"));
  Say("ready, instance '" + policy.Current().instance + "', " + std::to_string(lcores.size()) +
      (lcores.size() == 1 ? " worker" : " workers") + ", policy version " +
      std::to_string(policy.Current().version));
  sd_notify(0, "READY=1");

  const int exit_code = Serve(*events, policy, policy_path, interfaces, *maps, hits);
  Say("stopping; that the kernel now refuses to detach the classifier is as it should be");
  for (auto& lcore : lcores) lcore->Stop();
  rte_eal_mp_wait_lcore();
  hits.Save(policy);
  lcores.clear();
  StopEal();
  return exit_code;
}

}  // namespace
}  // namespace narthex

int main(int argc, char** argv) {
  narthex::Options options;
  int exit_code = 0;
  if (!narthex::ReadOptions(argc, argv, options, exit_code)) return exit_code;
  return narthex::Main(options);
}
