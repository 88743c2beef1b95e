// SPDX-License-Identifier: Apache-2.0
// narthex.v1.Gateway: what is seen of the gateway, as messages.
#ifndef NARTHEX_CONTROL_GATEWAY_SERVICE_H
#define NARTHEX_CONTROL_GATEWAY_SERVICE_H

#include "control/clock.h"
#include "control/config.h"
#include "control/gateway.h"
#include "control/layout.h"
#include "control/sessions.h"
#include "narthex.grpc.pb.h"

namespace narthex {

class GatewayService final : public v1::Gateway::Service {
 public:
  // All references must outlive the service.
  GatewayService(Gateway& gateway, Sessions& sessions, const Config& config, const Layout& layout,
                 const Clock& clock, uint32_t policy_version)
      : gateway_(gateway),
        sessions_(sessions),
        config_(config),
        layout_(layout),
        clock_(clock),
        policy_version_(policy_version),
        started_wall_ns_(clock.WallNs()) {}

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::Status* response) override;
  grpc::Status Explain(grpc::ServerContext* context, const v1::ExplainRequest* request,
                       v1::Explanation* response) override;

 private:
  void DescribeWorker(const nx_worker& worker, uint32_t queue, v1::WorkerStatus& message) const;

  Gateway& gateway_;
  Sessions& sessions_;
  const Config& config_;
  const Layout& layout_;
  const Clock& clock_;
  const uint32_t policy_version_;
  const int64_t started_wall_ns_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_GATEWAY_SERVICE_H
