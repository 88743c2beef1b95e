// SPDX-License-Identifier: Apache-2.0
#include "control/gateway_service.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>

#include "control/api_server.h"
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

}  // namespace

void GatewayService::DescribeWorker(const nx_worker& worker, uint32_t queue,
                                    v1::WorkerStatus& message) const {
  // Read once: the worker writes while we look. It may be ahead of our clock reading.
  uint64_t heartbeat_ns = *const_cast<const volatile __u64*>(&worker.heartbeat_ns);
  auto now_ns = static_cast<uint64_t>(clock_.BootNs());
  uint64_t age_ns = now_ns > heartbeat_ns ? now_ns - heartbeat_ns : 0;
  message.set_queue(queue);
  message.set_pid(worker.pid);
  message.set_policy_version(worker.policy_version);
  if (heartbeat_ns == 0 || !ProcessExists(worker.pid)) {
    message.set_state(v1::WorkerStatus::ABSENT);
  } else {
    message.set_state(age_ns <= NX_HEARTBEAT_STALE_NS ? v1::WorkerStatus::RUNNING
                                                      : v1::WorkerStatus::STALE);
  }
  if (heartbeat_ns == 0) return;
  ToMessage(static_cast<int64_t>(age_ns), *message.mutable_heartbeat_age());
  for (uint32_t i = 0; i < NX_WORKER_COUNTER_COUNT; ++i) {
    v1::Counter& counter = *message.add_counters();
    counter.set_name(WorkerCounterName(i));
    counter.set_description(WorkerCounterWords(i));
    counter.set_packets(worker.counters[i]);
  }
}

grpc::Status GatewayService::GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                                       v1::Status* response) {
  auto count = sessions_.Count();
  if (!count) return ToStatus(count.error());
  auto counters = gateway_.Counters();
  if (!counters) return ToStatus(counters.error());
  response->set_version(NARTHEX_VERSION);
  response->set_instance(config_.instance);
  ToMessage(started_wall_ns_, *response->mutable_start_time());
  response->set_sessions(*count);
  response->set_session_capacity(layout_.entries());
  response->set_map_bytes(gateway_.MapBytes());
  response->set_policy_version(policy_version_);
  for (const ZoneConfig& zone : config_.zones) {
    v1::ZoneStatus& message = *response->add_zones();
    message.set_name(zone.name);
    message.set_interface(zone.interface);
    message.set_mode(std::string(ModeName(zone.mode)));
    Describe(gateway_.Attachment(zone.interface), message);
    uint32_t queue = 0;
    for (const nx_worker& worker : gateway_.Workers(zone))
      DescribeWorker(worker, queue++, *message.add_workers());
  }
  for (const std::string& uplink : config_.uplinks) {
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
  if (*session) ToMessage(**session, clock_, *response->mutable_session());
  auto samples = gateway_.Explain(*zone, *address);
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

}  // namespace narthex
