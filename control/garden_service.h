// SPDX-License-Identifier: Apache-2.0
// narthex.v1.Garden: the garden in force, as messages.
#ifndef NARTHEX_CONTROL_GARDEN_SERVICE_H
#define NARTHEX_CONTROL_GARDEN_SERVICE_H

#include "control/clock.h"
#include "control/dns_watch.h"
#include "control/learned_garden.h"
#include "control/reload.h"
#include "narthex.grpc.pb.h"

namespace narthex {

class GardenService final : public v1::Garden::Service {
 public:
  GardenService(const LearnedGarden& learned, const DnsWatch& watch, const Reload& reload,
                const Clock& clock)
      : learned_(learned), watch_(watch), reload_(reload), clock_(clock) {}

  grpc::Status ListGarden(grpc::ServerContext* context, const v1::ListGardenRequest* request,
                          v1::ListGardenResponse* response) override;
  grpc::Status TestGarden(grpc::ServerContext* context, const v1::TestGardenRequest* request,
                          v1::TestGardenResponse* response) override;

 private:
  void Describe(const Config& config, const LearnedAddress& learned,
                v1::LearnedAddress& message) const;

  const LearnedGarden& learned_;
  const DnsWatch& watch_;
  const Reload& reload_;
  const Clock& clock_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_GARDEN_SERVICE_H
