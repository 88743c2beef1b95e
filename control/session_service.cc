// SPDX-License-Identifier: Apache-2.0
#include "control/session_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "control/messages.h"

namespace narthex {
namespace {

// Years in nanoseconds do not fit 64 bits; what is longer than this is refused anyway.
constexpr int64_t kLongestSeconds = 200LL * 366 * 86400;
constexpr int kLargestBatch = 4096;

AuthoriseRequest Wanted(const v1::CreateSessionRequest& request, const std::string& creator) {
  AuthoriseRequest wanted;
  wanted.keys.assign(request.addresses().begin(), request.addresses().end());
  wanted.keys.insert(wanted.keys.end(), request.keys().begin(), request.keys().end());
  wanted.zone = request.zone();
  int64_t seconds = std::clamp<int64_t>(request.duration().seconds(), 0, kLongestSeconds);
  wanted.duration =
      std::chrono::seconds(seconds) + std::chrono::nanoseconds(request.duration().nanos());
  wanted.extend_existing = request.if_exists() == v1::CreateSessionRequest::EXTEND;
  wanted.request_id = request.request_id();
  wanted.creator = creator;
  wanted.policy = request.policy();
  wanted.mac = request.mac();
  return wanted;
}

}  // namespace

void SessionService::Describe(const Session& session, v1::Session& message) const {
  auto policy = sessions_.FindPolicyOf(session);
  ToMessage(session, policy ? &*policy : nullptr, clock_, message);
}

grpc::Status SessionService::CreateSession(grpc::ServerContext* context,
                                           const v1::CreateSessionRequest* request,
                                           v1::Session* response) {
  int64_t arrived_ns = clock_.BootNs();
  auto session = sessions_.Authorise(Wanted(*request, peers_.Name(*context)));
  if (!session) return ToStatus(session.error());
  Describe(*session, *response);
  ToMessage(clock_.BootNs() - arrived_ns, *response->mutable_in_force_after());
  return grpc::Status::OK;
}

grpc::Status SessionService::BatchCreateSessions(grpc::ServerContext* context,
                                                 const v1::BatchCreateSessionsRequest* request,
                                                 v1::BatchCreateSessionsResponse* response) {
  if (request->requests_size() > kLargestBatch)
    return {grpc::StatusCode::INVALID_ARGUMENT,
            fmt::format("requests: {}, at most {} in one call", request->requests_size(),
                        kLargestBatch)};
  const std::string creator = peers_.Name(*context);
  std::vector<AuthoriseRequest> wanted;
  wanted.reserve(static_cast<size_t>(request->requests_size()));
  for (const v1::CreateSessionRequest& each : request->requests())
    wanted.push_back(Wanted(each, creator));
  for (const auto& session : sessions_.AuthoriseAll(wanted)) {
    auto& result = *response->add_results();
    if (session) {
      result.set_name("sessions/" + session->id);
      continue;
    }
    grpc::Status status = ToStatus(session.error());
    result.set_code(static_cast<uint32_t>(status.error_code()));
    result.set_message(status.error_message());
  }
  return grpc::Status::OK;
}

grpc::Status SessionService::UpdateSession(grpc::ServerContext* context,
                                           const v1::UpdateSessionRequest* request,
                                           v1::Session* response) {
  int64_t arrived_ns = clock_.BootNs();
  const auto& paths = request->update_mask().paths();
  if (paths.size() != 1 || paths[0] != "policy")
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "update_mask: wanted \"policy\", nothing else of a session can change"};
  auto session = sessions_.SetPolicy(request->session().name(), request->session().policy(),
                                     peers_.Name(*context));
  if (!session) return ToStatus(session.error());
  Describe(*session, *response);
  ToMessage(clock_.BootNs() - arrived_ns, *response->mutable_in_force_after());
  return grpc::Status::OK;
}

grpc::Status SessionService::GetSession(grpc::ServerContext*, const v1::GetSessionRequest* request,
                                        v1::Session* response) {
  auto session = sessions_.Find(request->name());
  if (!session) return ToStatus(session.error());
  Describe(*session, *response);
  return grpc::Status::OK;
}

grpc::Status SessionService::ListSessions(grpc::ServerContext*,
                                          const v1::ListSessionsRequest* request,
                                          v1::ListSessionsResponse* response) {
  auto page = sessions_.List(request->page_size(), request->page_token());
  if (!page) return ToStatus(page.error());
  for (const Session& session : page->sessions) Describe(session, *response->add_sessions());
  response->set_next_page_token(page->next_page_token);
  return grpc::Status::OK;
}

grpc::Status SessionService::TerminateSession(grpc::ServerContext* context,
                                              const v1::TerminateSessionRequest* request,
                                              v1::TerminateSessionResponse* response) {
  int64_t arrived_ns = clock_.BootNs();
  auto session = sessions_.Terminate(request->name(), peers_.Name(*context));
  if (!session) return ToStatus(session.error());
  Describe(*session, *response->mutable_session());
  ToMessage(clock_.BootNs() - arrived_ns, *response->mutable_in_force_after());
  return grpc::Status::OK;
}

}  // namespace narthex
