// SPDX-License-Identifier: Apache-2.0
// narthex.v1.Gateway: what is seen of the gateway, as messages.
#ifndef NARTHEX_CONTROL_GATEWAY_SERVICE_H
#define NARTHEX_CONTROL_GATEWAY_SERVICE_H

#include "control/alarms.h"
#include "control/api_server.h"
#include "control/clock.h"
#include "control/config.h"
#include "control/gateway.h"
#include "control/layout.h"
#include "control/policy_snapshot.h"
#include "control/reload.h"
#include "control/sessions.h"
#include "narthex.grpc.pb.h"

namespace narthex {

class GatewayService final : public v1::Gateway::Service {
 public:
  // What the service asks; all must outlive it.
  struct Parts {
    narthex::Gateway& gateway;
    Sessions& sessions;
    const Layout& layout;
    const Clock& clock;
    const Peers& peers;
    const PolicyWriter& policy;
    narthex::Reload& reload;
    const Alarms& alarms;
  };
  explicit GatewayService(const Parts& parts)
      : gateway_(parts.gateway),
        sessions_(parts.sessions),
        layout_(parts.layout),
        clock_(parts.clock),
        peers_(parts.peers),
        policy_(parts.policy),
        reload_(parts.reload),
        alarms_(parts.alarms),
        started_wall_ns_(parts.clock.WallNs()) {}

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::Status* response) override;
  grpc::Status Explain(grpc::ServerContext* context, const v1::ExplainRequest* request,
                       v1::Explanation* response) override;
  grpc::Status ListPolicies(grpc::ServerContext* context, const v1::ListPoliciesRequest* request,
                            v1::ListPoliciesResponse* response) override;
  grpc::Status Reload(grpc::ServerContext* context, const v1::ReloadRequest* request,
                      v1::ReloadResponse* response) override;

 private:
  v1::WorkerStatus::State StateOf(const nx_worker& worker) const;
  void CountWorkers(v1::ReloadResponse& response) const;
  void DescribeWorker(const nx_worker& worker, uint32_t queue, v1::WorkerStatus& message) const;

  narthex::Gateway& gateway_;
  Sessions& sessions_;
  const Layout& layout_;
  const Clock& clock_;
  const Peers& peers_;
  const PolicyWriter& policy_;
  narthex::Reload& reload_;
  const Alarms& alarms_;
  const int64_t started_wall_ns_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_GATEWAY_SERVICE_H
