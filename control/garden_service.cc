// SPDX-License-Identifier: Apache-2.0
#include "control/garden_service.h"

#include "control/api_server.h"
#include "control/garden_report.h"
#include "control/messages.h"

namespace narthex {
namespace {

void Describe(const GardenLine& line, v1::GardenEntry& message) {
  message.set_zone(line.zone);
  message.set_entry(line.entry);
  for (const std::string& port : line.ports) message.add_ports(port);
}

std::string ZoneName(const Config& config, uint16_t id) {
  return id >= 1 && id <= config.zones.size() ? config.zones[id - 1u].name : std::string();
}

struct CounterText {
  const char* name;
  const char* words;
};
constexpr CounterText kCounters[] = {
#define X(name, text, words) {text, words},
    NX_LEARNING_COUNTERS(X)
#undef X
};

void AddCounter(const CounterText& text, uint64_t value, v1::ListGardenResponse& response) {
  v1::Counter& counter = *response.add_counters();
  counter.set_name(text.name);
  counter.set_description(text.words);
  counter.set_packets(value);
}

}  // namespace

void GardenService::Describe(const Config& config, const LearnedAddress& learned,
                             v1::LearnedAddress& message) const {
  message.set_zone(ZoneName(config, learned.zone));
  message.set_address(learned.address.ToString());
  for (const std::string& port : PortTexts(learned.ports)) message.add_ports(port);
  int64_t wall_minus_boot_ns = clock_.WallNs() - clock_.BootNs();
  for (const LearnedAddress::Name& name : learned.names) {
    v1::LearnedName& one = *message.add_names();
    one.set_name(name.text);
    one.set_entry(name.entry);
    ToMessage(name.until_s * kSecondNs + wall_minus_boot_ns, *one.mutable_expire_time());
  }
  message.set_shared_with(learned.shared_with);
}

grpc::Status GardenService::ListGarden(grpc::ServerContext*, const v1::ListGardenRequest*,
                                       v1::ListGardenResponse* response) {
  auto config = reload_.Current();
  for (const ZoneConfig& zone : config->zones)
    for (const GardenLine& line : GardenLines(zone))
      narthex::Describe(line, *response->add_entries());
  for (const LearnedAddress& learned : learned_.List())
    Describe(*config, learned, *response->add_learned());
  auto counters = learned_.Counters();
  for (size_t i = 0; i < counters.size(); ++i) AddCounter(kCounters[i], counters[i], *response);
  AddCounter({"lost", "answers that were not copied: narthexd was too slow"}, watch_.Lost(),
             *response);
  auto latency = watch_.LearningLatency();
  if (latency.count == 0) return grpc::Status::OK;
  ToMessage(latency.median_ns, *response->mutable_learning_median());
  ToMessage(latency.most_ns, *response->mutable_learning_longest());
  return grpc::Status::OK;
}

grpc::Status GardenService::TestGarden(grpc::ServerContext*, const v1::TestGardenRequest* request,
                                       v1::TestGardenResponse* response) {
  if (request->port() > 65535)
    return ToStatus({ErrorKind::kInvalid, "a port lies between 1 and 65535"});
  auto config = reload_.Current();
  auto finding = narthex::TestGarden(
      *config, learned_,
      {request->host(), static_cast<uint16_t>(request->port()), request->zone()});
  if (!finding) return ToStatus(finding.error());
  response->set_host(request->host());
  response->set_port(request->port());
  response->set_admitted(finding->admitted);
  response->set_shared_with(finding->shared_with);
  for (const GardenLine& line : finding->entries) narthex::Describe(line, *response->add_entries());
  for (const LearnedAddress& learned : finding->learned)
    Describe(*config, learned, *response->add_learned());
  return grpc::Status::OK;
}

}  // namespace narthex
