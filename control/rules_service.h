// SPDX-License-Identifier: Apache-2.0
// narthex.v1.Rules: the rules in force, what they would do, and what they did.
#ifndef NARTHEX_CONTROL_RULES_SERVICE_H
#define NARTHEX_CONTROL_RULES_SERVICE_H

#include "control/reload.h"
#include "narthex.grpc.pb.h"

namespace narthex {

class RulesService final : public v1::Rules::Service {
 public:
  // `reload` must outlive the service.
  explicit RulesService(const Reload& reload) : reload_(reload) {}

  grpc::Status ListRules(grpc::ServerContext* context, const v1::ListRulesRequest* request,
                         v1::ListRulesResponse* response) override;
  grpc::Status TestRule(grpc::ServerContext* context, const v1::TestRuleRequest* request,
                        v1::TestRuleResponse* response) override;
  grpc::Status CheckRules(grpc::ServerContext* context, const v1::CheckRulesRequest* request,
                          v1::CheckRulesResponse* response) override;

 private:
  const Reload& reload_;
};

// The bytes of the request that is described; an error for what cannot be one.
Result<std::string> RequestText(const v1::TestRuleRequest& request);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_RULES_SERVICE_H
