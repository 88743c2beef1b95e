// SPDX-License-Identifier: Apache-2.0
#include "control/ctl/client.h"

#include <google/protobuf/arena.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <thread>

namespace narthex::ctl {
namespace {

constexpr int kPageSize = 1000;
constexpr size_t kBatch = 4096;
constexpr size_t kBatchBytes = 768 * 1024;  // narthexd takes 1 MiB

std::string FullName(const std::string& name) {
  return name.starts_with("sessions/") ? name : "sessions/" + name;
}

// So that a call which gRPC or a user repeats takes effect once.
std::string RequestId() {
  unsigned long long number[2] = {};
  if (getrandom(number, sizeof number, 0) != sizeof number) return "";
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", number[0], number[1]);
  return text;
}

}  // namespace

Client::Client(const std::string& socket, std::chrono::milliseconds timeout) : timeout_(timeout) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(16 << 20);
  arguments.SetString("grpc.default_authority", "localhost");
  auto channel =
      grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
  sessions_ = v1::Sessions::NewStub(channel);
  gateway_ = v1::Gateway::NewStub(channel);
  garden_ = v1::Garden::NewStub(channel);
  rules_ = v1::Rules::NewStub(channel);
}

std::unique_ptr<grpc::ClientContext> Client::Context() const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + timeout_);
  return context;
}

namespace {
void Fill(const SessionWish& wish, v1::CreateSessionRequest& request) {
  for (const std::string& key : wish.keys) request.add_keys(key);
  request.set_zone(wish.zone);
  request.set_policy(wish.policy);
  request.set_mac(wish.mac);
  request.mutable_duration()->set_seconds(wish.duration.count());
  request.set_if_exists(v1::CreateSessionRequest::EXTEND);
}
}  // namespace

grpc::Status Client::Authorise(const SessionWish& wish, v1::Session& session) {
  v1::CreateSessionRequest request;
  Fill(wish, request);
  request.set_request_id(RequestId());
  return sessions_->CreateSession(Context().get(), request, &session);
}

namespace {

// Rather more than what Fill makes of it.
size_t BytesOf(const SessionWish& wish) {
  size_t bytes = 48 + wish.zone.size() + wish.policy.size() + wish.mac.size();
  for (const std::string& key : wish.keys) bytes += key.size() + 4;
  return bytes;
}

// Behind the last that goes with `first`, which always goes.
size_t EndOfBatch(const std::vector<SessionWish>& wishes, size_t first) {
  const size_t most = std::min(first + kBatch, wishes.size());
  size_t end = first, bytes = 0;
  while (end < most && (end == first || bytes + BytesOf(wishes[end]) <= kBatchBytes))
    bytes += BytesOf(wishes[end++]);
  return end;
}

}  // namespace

grpc::Status Client::AuthoriseAll(const std::vector<SessionWish>& wishes, const BatchDone& done) {
  // While narthexd works on one batch, the next one is made and sent.
  std::mutex mutex;
  size_t next = 0;
  grpc::Status outcome;
  auto work = [&] {
    for (;;) {
      size_t first, end;
      {
        std::lock_guard lock(mutex);
        first = next;
        next = end = EndOfBatch(wishes, first);
        if (first >= wishes.size() || !outcome.ok()) return;
      }
      google::protobuf::Arena arena;
      auto& request =
          *google::protobuf::Arena::CreateMessage<v1::BatchCreateSessionsRequest>(&arena);
      v1::BatchCreateSessionsResponse response;
      for (size_t i = first; i < end; ++i) Fill(wishes[i], *request.add_requests());
      grpc::Status status = sessions_->BatchCreateSessions(Context().get(), request, &response);
      std::lock_guard lock(mutex);
      if (status.ok())
        done(first, response);
      else
        outcome = status;
    }
  };
  std::thread second(work);
  work();
  second.join();
  return outcome;
}

grpc::Status Client::SetPolicy(const std::string& name, const std::string& policy,
                               v1::Session& session) {
  v1::UpdateSessionRequest request;
  request.mutable_session()->set_name(FullName(name));
  request.mutable_session()->set_policy(policy);
  request.mutable_update_mask()->add_paths("policy");
  return sessions_->UpdateSession(Context().get(), request, &session);
}

grpc::Status Client::ListPolicies(v1::ListPoliciesResponse& response) {
  return gateway_->ListPolicies(Context().get(), {}, &response);
}

grpc::Status Client::Get(const std::string& name, v1::Session& session) {
  v1::GetSessionRequest request;
  request.set_name(FullName(name));
  return sessions_->GetSession(Context().get(), request, &session);
}

grpc::Status Client::List(std::vector<v1::Session>& sessions) {
  v1::ListSessionsRequest request;
  request.set_page_size(kPageSize);
  for (;;) {
    v1::ListSessionsResponse response;
    grpc::Status status = sessions_->ListSessions(Context().get(), request, &response);
    if (!status.ok()) return status;
    sessions.insert(sessions.end(), response.sessions().begin(), response.sessions().end());
    if (response.next_page_token().empty()) return status;
    request.set_page_token(response.next_page_token());
  }
}

grpc::Status Client::Terminate(const std::string& name, v1::TerminateSessionResponse& response) {
  v1::TerminateSessionRequest request;
  request.set_name(FullName(name));
  return sessions_->TerminateSession(Context().get(), request, &response);
}

grpc::Status Client::Reload(v1::ReloadResponse& response) {
  return gateway_->Reload(Context().get(), {}, &response);
}

grpc::Status Client::GetStatus(v1::Status& status) {
  return gateway_->GetStatus(Context().get(), {}, &status);
}

grpc::Status Client::ListRules(v1::ListRulesResponse& rules) {
  v1::ListRulesRequest request;
  request.set_page_size(kPageSize);
  for (;;) {
    v1::ListRulesResponse response;
    grpc::Status status = rules_->ListRules(Context().get(), request, &response);
    if (!status.ok()) return status;
    rules.mutable_rules()->MergeFrom(response.rules());
    if (response.next_page_token().empty()) return status;
    request.set_page_token(response.next_page_token());
  }
}

grpc::Status Client::TestRule(const v1::TestRuleRequest& request, v1::TestRuleResponse& answer) {
  return rules_->TestRule(Context().get(), request, &answer);
}

grpc::Status Client::CheckRules(v1::CheckRulesResponse& answer) {
  return rules_->CheckRules(Context().get(), {}, &answer);
}

grpc::Status Client::ListGarden(v1::ListGardenResponse& garden) {
  return garden_->ListGarden(Context().get(), {}, &garden);
}

grpc::Status Client::TestGarden(const v1::TestGardenRequest& request,
                                v1::TestGardenResponse& answer) {
  return garden_->TestGarden(Context().get(), request, &answer);
}

grpc::Status Client::Explain(const std::string& address, v1::Explanation& explanation) {
  v1::ExplainRequest request;
  request.set_address(address);
  return gateway_->Explain(Context().get(), request, &explanation);
}

}  // namespace narthex::ctl
