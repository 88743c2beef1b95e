// SPDX-License-Identifier: Apache-2.0
// The calls of narthexctl: one channel, a deadline for each call, all pages of a list.
#ifndef NARTHEX_CONTROL_CTL_CLIENT_H
#define NARTHEX_CONTROL_CTL_CLIENT_H

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "narthex.grpc.pb.h"

namespace narthex::ctl {

struct SessionWish {
  std::vector<std::string> keys;
  std::string zone;
  std::string policy;
  std::string mac;
  std::chrono::seconds duration{0};
};

class Client {
 public:
  Client(const std::string& socket, std::chrono::milliseconds timeout);

  grpc::Status Authorise(const SessionWish& wish, v1::Session& session);
  // All of them; `done` gets each answer, in order of the batches. Two calls are in flight at a
  // time.
  using BatchDone = std::function<void(size_t first, const v1::BatchCreateSessionsResponse&)>;
  grpc::Status AuthoriseAll(const std::vector<SessionWish>& wishes, const BatchDone& done);
  grpc::Status SetPolicy(const std::string& name, const std::string& policy, v1::Session& session);
  grpc::Status ListPolicies(v1::ListPoliciesResponse& response);
  // `name`: a key, an id or "sessions/…".
  grpc::Status Get(const std::string& name, v1::Session& session);
  grpc::Status List(std::vector<v1::Session>& sessions);
  grpc::Status Terminate(const std::string& name, v1::TerminateSessionResponse& response);
  grpc::Status Reload(v1::ReloadResponse& response);
  grpc::Status GetStatus(v1::Status& status);
  // All pages.
  grpc::Status ListRules(v1::ListRulesResponse& rules);
  grpc::Status TestRule(const v1::TestRuleRequest& request, v1::TestRuleResponse& answer);
  grpc::Status CheckRules(v1::CheckRulesResponse& answer);
  grpc::Status ListGarden(v1::ListGardenResponse& garden);
  grpc::Status TestGarden(const v1::TestGardenRequest& request, v1::TestGardenResponse& answer);
  grpc::Status Explain(const std::string& address, v1::Explanation& explanation);

 private:
  std::unique_ptr<grpc::ClientContext> Context() const;

  std::chrono::milliseconds timeout_;
  std::unique_ptr<v1::Sessions::Stub> sessions_;
  std::unique_ptr<v1::Gateway::Stub> gateway_;
  std::unique_ptr<v1::Garden::Stub> garden_;
  std::unique_ptr<v1::Rules::Stub> rules_;
};

}  // namespace narthex::ctl

#endif  // NARTHEX_CONTROL_CTL_CLIENT_H
