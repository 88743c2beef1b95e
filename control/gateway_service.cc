// SPDX-License-Identifier: Apache-2.0
#include "control/gateway_service.h"

#include <signal.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "control/messages.h"

namespace narthex {
namespace {

bool ProcessExists(uint32_t pid) {
  return pid != 0 && (kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM);
}

// Of a zone's interface, or an uplink.
template <typename Message>
void Describe(const InterfaceState& state, Message& message) {
  message.set_ifindex(state.ifindex);
  message.set_program_id(state.program_id);
  message.set_attach(state.attach);
}

// Of the worker's clock reading, which may be ahead of ours: it writes while we look.
uint64_t HeartbeatAge(const nx_worker& worker, const Clock& clock) {
  uint64_t heartbeat_ns = *const_cast<const volatile __u64*>(&worker.heartbeat_ns);
  auto now_ns = static_cast<uint64_t>(clock.BootNs());
  return now_ns > heartbeat_ns ? now_ns - heartbeat_ns : 0;
}

}  // namespace

v1::WorkerStatus::State GatewayService::StateOf(const nx_worker& worker) const {
  if (worker.heartbeat_ns == 0 || !ProcessExists(worker.pid)) return v1::WorkerStatus::ABSENT;
  return HeartbeatAge(worker, clock_) <= NX_HEARTBEAT_STALE_NS ? v1::WorkerStatus::RUNNING
                                                               : v1::WorkerStatus::STALE;
}

void GatewayService::DescribeWorker(const nx_worker& worker, uint32_t queue,
                                    v1::WorkerStatus& message) const {
  message.set_queue(queue);
  message.set_pid(worker.pid);
  message.set_policy_version(worker.policy_version);
  message.set_state(StateOf(worker));
  if (worker.heartbeat_ns == 0) return;
  ToMessage(static_cast<int64_t>(HeartbeatAge(worker, clock_)), *message.mutable_heartbeat_age());
  for (uint32_t i = 0; i < NX_WORKER_COUNTER_COUNT; ++i) {
    v1::Counter& counter = *message.add_counters();
    counter.set_name(WorkerCounterName(i));
    counter.set_description(WorkerCounterWords(i));
    counter.set_packets(worker.counters[i]);
  }
}

grpc::Status GatewayService::GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                                       v1::Status* response) {
  auto config = reload_.Current();
  auto count = sessions_.Count();
  if (!count) return ToStatus(count.error());
  auto counters = gateway_.Counters();
  if (!counters) return ToStatus(counters.error());
  response->set_version(NARTHEX_VERSION);
  response->set_instance(config->instance);
  ToMessage(started_wall_ns_, *response->mutable_start_time());
  response->set_sessions(*count);
  response->set_session_capacity(layout_.entries());
  uint64_t map_bytes = 0;
  for (const auto& [name, bytes] : gateway_.MapSizes()) {
    v1::MapStatus& message = *response->add_maps();
    message.set_name(name);
    message.set_bytes(bytes);
    map_bytes += bytes;
  }
  response->set_map_bytes(map_bytes);
  response->mutable_alarms()->set_moved(alarms_.moved());
  response->mutable_alarms()->set_wrong_mac(alarms_.wrong_mac());
  response->mutable_alarms()->set_elsewhere(alarms_.elsewhere());
  response->set_policy_version(policy_.version());
  for (const ZoneConfig& zone : config->zones) {
    v1::ZoneStatus& message = *response->add_zones();
    message.set_name(zone.name);
    message.set_interface(zone.interface);
    message.set_mode(std::string(ModeName(zone.mode)));
    Describe(gateway_.Attachment(zone.interface), message);
    uint32_t queue = 0;
    for (const nx_worker& worker : gateway_.Workers(zone))
      DescribeWorker(worker, queue++, *message.add_workers());
  }
  for (const std::string& uplink : config->uplinks) {
    v1::UplinkStatus& message = *response->add_uplinks();
    message.set_interface(uplink);
    Describe(gateway_.Attachment(uplink), message);
  }
  for (uint32_t reason = 0; reason < counters->size(); ++reason) {
    v1::Counter& counter = *response->add_counters();
    counter.set_name(ReasonName(reason));
    counter.set_verdict(ReasonVerdict(reason));
    counter.set_description(ReasonWords(reason));
    counter.set_packets((*counters)[reason]);
  }
  return grpc::Status::OK;
}

grpc::Status GatewayService::Explain(grpc::ServerContext*, const v1::ExplainRequest* request,
                                     v1::Explanation* response) {
  auto address = ParseAddress(request->address());
  if (!address) return ToStatus(address.error());
  response->set_address(address->ToString());
  const ZoneConfig* zone = layout_.ZoneOf(*address);
  if (zone == nullptr) return grpc::Status::OK;
  response->set_zone(zone->name);
  auto session = sessions_.FindByAddress(*address);
  if (!session) return ToStatus(session.error());
  if (*session) {
    auto policy = sessions_.FindPolicyOf(**session);
    ToMessage(**session, policy ? &*policy : nullptr, clock_, *response->mutable_session());
  }
  // The layout's zone has the garden of the start.
  auto config = reload_.Current();
  auto samples = gateway_.Explain(config->zones[zone->id - 1u], *address);
  if (!samples) return ToStatus(samples.error());
  for (const SampleVerdict& sample : *samples) {
    v1::Explanation::Sample& message = *response->add_samples();
    message.set_packet(sample.packet);
    message.set_verdict(sample.verdict);
    message.set_reason(sample.reason);
    message.set_description(sample.description);
  }
  return grpc::Status::OK;
}

grpc::Status GatewayService::ListPolicies(grpc::ServerContext*, const v1::ListPoliciesRequest*,
                                          v1::ListPoliciesResponse* response) {
  auto uses = sessions_.PolicyUses();
  if (!uses) return ToStatus(uses.error());
  for (const PolicyConfig& policy : sessions_.Policies()) {
    v1::Policy& message = *response->add_policies();
    ToMessage(policy, message);
    for (const auto& [name, count] : *uses)
      if (name == policy.name) message.set_sessions(count);
  }
  return grpc::Status::OK;
}

void GatewayService::CountWorkers(v1::ReloadResponse& response) const {
  uint32_t running = 0, in_force = 0;
  for (const ZoneConfig& zone : layout_.zones()) {
    for (const nx_worker& worker : gateway_.Workers(zone)) {
      if (StateOf(worker) != v1::WorkerStatus::RUNNING) continue;
      ++running;
      in_force += worker.policy_version == response.policy_version();
    }
  }
  response.set_workers_running(running);
  response.set_workers_in_force(in_force);
}

grpc::Status GatewayService::Reload(grpc::ServerContext* context, const v1::ReloadRequest*,
                                    v1::ReloadResponse* response) {
  constexpr std::chrono::seconds kLongestWait(5);
  const auto deadline = std::chrono::steady_clock::now() + kLongestWait;
  int64_t arrived_ns = clock_.BootNs();
  auto changed = reload_.Run(peers_.Name(*context));
  if (!changed) return ToStatus(changed.error());
  response->set_changed(*changed);
  response->set_policy_version(policy_.version());
  for (CountWorkers(*response); response->workers_in_force() < response->workers_running();
       CountWorkers(*response)) {
    if (std::chrono::steady_clock::now() > deadline || context->IsCancelled())
      return grpc::Status::OK;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ToMessage(clock_.BootNs() - arrived_ns, *response->mutable_in_force_after());
  return grpc::Status::OK;
}

}  // namespace narthex
