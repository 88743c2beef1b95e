// SPDX-License-Identifier: Apache-2.0
// narthex.v1.Sessions: each call is checked, becomes one call on Sessions, and a status.
#ifndef NARTHEX_CONTROL_SESSION_SERVICE_H
#define NARTHEX_CONTROL_SESSION_SERVICE_H

#include "control/api_server.h"
#include "control/clock.h"
#include "control/sessions.h"
#include "narthex.grpc.pb.h"

namespace narthex {

class SessionService final : public v1::Sessions::Service {
 public:
  SessionService(Sessions& sessions, const Clock& clock, const Peers& peers)
      : sessions_(sessions), clock_(clock), peers_(peers) {}

  grpc::Status CreateSession(grpc::ServerContext* context, const v1::CreateSessionRequest* request,
                             v1::Session* response) override;
  grpc::Status GetSession(grpc::ServerContext* context, const v1::GetSessionRequest* request,
                          v1::Session* response) override;
  grpc::Status ListSessions(grpc::ServerContext* context, const v1::ListSessionsRequest* request,
                            v1::ListSessionsResponse* response) override;
  grpc::Status UpdateSession(grpc::ServerContext* context, const v1::UpdateSessionRequest* request,
                             v1::Session* response) override;
  grpc::Status BatchCreateSessions(grpc::ServerContext* context,
                                   const v1::BatchCreateSessionsRequest* request,
                                   v1::BatchCreateSessionsResponse* response) override;
  grpc::Status TerminateSession(grpc::ServerContext* context,
                                const v1::TerminateSessionRequest* request,
                                v1::TerminateSessionResponse* response) override;

 private:
  void Describe(const Session& session, v1::Session& message) const;

  Sessions& sessions_;
  const Clock& clock_;
  const Peers& peers_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_SERVICE_H
