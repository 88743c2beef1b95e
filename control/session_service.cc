// SPDX-License-Identifier: Apache-2.0
#include "control/session_service.h"

#include "control/messages.h"

namespace narthex {
namespace {

// Years in nanoseconds do not fit 64 bits; what is longer than this is refused anyway.
constexpr int64_t kLongestSeconds = 200LL * 366 * 86400;

}  // namespace

grpc::Status SessionService::CreateSession(grpc::ServerContext* context,
                                           const v1::CreateSessionRequest* request,
                                           v1::Session* response) {
  int64_t arrived_ns = clock_.BootNs();
  AuthoriseRequest wanted;
  wanted.addresses.assign(request->addresses().begin(), request->addresses().end());
  wanted.zone = request->zone();
  int64_t seconds = std::clamp<int64_t>(request->duration().seconds(), 0, kLongestSeconds);
  wanted.duration =
      std::chrono::seconds(seconds) + std::chrono::nanoseconds(request->duration().nanos());
  wanted.extend_existing = request->if_exists() == v1::CreateSessionRequest::EXTEND;
  wanted.request_id = request->request_id();
  wanted.creator = peers_.Name(*context);
  auto session = sessions_.Authorise(wanted);
  if (!session) return ToStatus(session.error());
  ToMessage(*session, clock_, *response);
  ToMessage(clock_.BootNs() - arrived_ns, *response->mutable_in_force_after());
  return grpc::Status::OK;
}

grpc::Status SessionService::GetSession(grpc::ServerContext*, const v1::GetSessionRequest* request,
                                        v1::Session* response) {
  auto session = sessions_.Find(request->name());
  if (!session) return ToStatus(session.error());
  ToMessage(*session, clock_, *response);
  return grpc::Status::OK;
}

grpc::Status SessionService::ListSessions(grpc::ServerContext*,
                                          const v1::ListSessionsRequest* request,
                                          v1::ListSessionsResponse* response) {
  auto page = sessions_.List(request->page_size(), request->page_token());
  if (!page) return ToStatus(page.error());
  for (const Session& session : page->sessions)
    ToMessage(session, clock_, *response->add_sessions());
  response->set_next_page_token(page->next_page_token);
  return grpc::Status::OK;
}

grpc::Status SessionService::TerminateSession(grpc::ServerContext* context,
                                              const v1::TerminateSessionRequest* request,
                                              v1::TerminateSessionResponse* response) {
  int64_t arrived_ns = clock_.BootNs();
  auto session = sessions_.Terminate(request->name(), peers_.Name(*context));
  if (!session) return ToStatus(session.error());
  ToMessage(*session, clock_, *response->mutable_session());
  ToMessage(clock_.BootNs() - arrived_ns, *response->mutable_in_force_after());
  return grpc::Status::OK;
}

}  // namespace narthex
