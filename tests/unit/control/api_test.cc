// SPDX-License-Identifier: Apache-2.0
// The services as a client meets them: a real server on a unix socket, a real channel; the
// kernel's maps are memory.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "control/api_server.h"
#include "control/gateway_service.h"
#include "control/messages.h"
#include "control/session_service.h"
#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

class FakeGateway : public Gateway {
 public:
  Result<std::vector<uint64_t>> Counters() override {
    std::vector<uint64_t> counters(NX_REASON_COUNT);
    counters[NX_REASON_SYN_ACK] = 7;
    return counters;
  }
  InterfaceState Attachment(const std::string&) override { return {3, 42, "native"}; }
  std::vector<nx_worker> Workers(const ZoneConfig&) override { return workers; }
  std::vector<MapSize> MapSizes() override { return {{"keys", 96}, {"sessions", 4000}}; }
  Result<std::vector<SampleVerdict>> Explain(const ZoneConfig&, const Address&) override {
    return std::vector<SampleVerdict>{{"TCP SYN to port 80", "tx", "syn_ack", "words"}};
  }
  std::vector<nx_worker> workers{nx_worker{}};
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() {
    config.run_dir = directory.path();
    EXPECT_TRUE(sessions.Start({}));
    EXPECT_TRUE(sessions.SaveStart());
    EXPECT_TRUE(policy.Write(config));
    auto listening = ApiServer::Listen(path, {&session_service, &gateway_service}, peers);
    EXPECT_TRUE(listening) << listening.error().message;
    server = std::move(*listening);
    server->Start();
    auto channel = grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials());
    session_stub = v1::Sessions::NewStub(channel);
    gateway_stub = v1::Gateway::NewStub(channel);
  }
  grpc::Status Create(const std::string& address, int64_t seconds, v1::Session& session) {
    grpc::ClientContext context;
    v1::CreateSessionRequest request;
    request.add_addresses(address);
    request.mutable_duration()->set_seconds(seconds);
    return session_stub->CreateSession(&context, request, &session);
  }
  v1::Status GetStatus() {
    grpc::ClientContext context;
    v1::Status status;
    EXPECT_TRUE(gateway_stub->GetStatus(&context, {}, &status).ok());
    return status;
  }

  TemporaryDirectory directory;
  std::string path = directory.path() + "/api.sock";
  FakeClock clock;
  Config config = TwoZones(2);
  Layout layout{config};
  FakeTable table{layout};
  std::unique_ptr<SessionStore> store =
      std::move(*SessionStore::Open(directory.path() + "/s", clock));
  SessionMap map{layout, table};
  LimitMap limits{table};
  PolicyTable policies{*store, table};
  FakeNeighbours neighbours;
  Sessions sessions{
      {*store, map, limits, policies, layout, clock, neighbours, std::chrono::hours(24)}};
  FakeGateway gateway;
  Peers peers;
  SessionService session_service{sessions, clock, peers};
  PolicyWriter policy{sessions};
  Reload reload{directory.path() + "/narthex.toml", config,
                [](const Config&) { return Result<std::string>(""); }};
  Alarms alarms{sessions, layout};
  GatewayService gateway_service{{gateway, sessions, layout, clock, peers, policy, reload, alarms}};
  std::unique_ptr<ApiServer> server;
  std::unique_ptr<v1::Sessions::Stub> session_stub;
  std::unique_ptr<v1::Gateway::Stub> gateway_stub;
};

TEST_F(ApiTest, CreatesGetsListsAndTerminates) {
  v1::Session session;
  auto status = Create("10.51.1.2", 60, session);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(session.creator(), "uid:" + std::to_string(getuid()));
  EXPECT_EQ(session.expire_time().seconds(), 1'700'000'060);
  EXPECT_TRUE(session.has_in_force_after());
  EXPECT_NE(table.entries[2].expires_ns, 0u);

  v1::Session found;
  v1::GetSessionRequest get;
  get.set_name("sessions/10.51.1.2");
  {
    grpc::ClientContext context;
    ASSERT_TRUE(session_stub->GetSession(&context, get, &found).ok());
  }
  EXPECT_EQ(found.name(), session.name());
  v1::TerminateSessionRequest terminate;
  terminate.set_name(session.name());
  v1::TerminateSessionResponse ended;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(session_stub->TerminateSession(&context, terminate, &ended).ok());
  }
  EXPECT_EQ(table.entries[2].expires_ns, 0u);
  v1::ListSessionsResponse list;
  grpc::ClientContext context;
  ASSERT_TRUE(session_stub->ListSessions(&context, {}, &list).ok());
  EXPECT_EQ(list.sessions_size(), 0);
}

// A session was seen first when the first of its keys was, and last when the last was.
TEST_F(ApiTest, TellsWhenAnyKeyOfASessionWasSeen) {
  Session session;
  session.keys = {{*ParseKey("10.51.1.2")}, {*ParseKey("10.51.1.3")}, {*ParseKey("10.51.1.4")}};
  v1::Session none, some;
  ToMessage(session, nullptr, clock, none);
  EXPECT_FALSE(none.has_first_seen_time() || none.has_last_seen_time());
  session.keys[1].counters = {.first_seen_ns = 900 * kSecondNs, .last_seen_ns = 950 * kSecondNs};
  session.keys[2].counters = {.first_seen_ns = 800 * kSecondNs, .last_seen_ns = 850 * kSecondNs};
  ToMessage(session, nullptr, clock, some);
  EXPECT_EQ(some.first_seen_time().seconds(), 1'700'000'000 - 200);
  EXPECT_EQ(some.last_seen_time().seconds(), 1'700'000'000 - 50);
}

TEST_F(ApiTest, MapsErrorsToCodes) {
  v1::Session session;
  EXPECT_EQ(Create("10.9.9.9", 60, session).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Create("10.51.1.2", -5, session).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Create("10.51.1.2", INT64_MAX, session).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_TRUE(Create("10.51.1.2", 60, session).ok());
  EXPECT_EQ(Create("10.51.1.2", 60, session).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  ASSERT_TRUE(Create("2001:db8:51:1::1", 60, session).ok());
  ASSERT_TRUE(Create("2001:db8:51:1::2", 60, session).ok());
  EXPECT_EQ(Create("2001:db8:51:1::3", 60, session).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  grpc::ClientContext context;
  v1::GetSessionRequest get;
  get.set_name("sessions/10.51.1.99");
  EXPECT_EQ(session_stub->GetSession(&context, get, &session).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(ApiTest, TellsTheStateOfAWorker) {
  EXPECT_EQ(GetStatus().zones(0).workers(0).state(), v1::WorkerStatus::ABSENT);
  nx_worker& worker = gateway.workers[0];
  worker.pid = static_cast<uint32_t>(getpid());
  worker.heartbeat_ns = static_cast<uint64_t>(clock.boot_ns);
  EXPECT_EQ(GetStatus().zones(0).workers(0).state(), v1::WorkerStatus::RUNNING);
  worker.heartbeat_ns -= NX_HEARTBEAT_STALE_NS + 1;
  EXPECT_EQ(GetStatus().zones(0).workers(0).state(), v1::WorkerStatus::STALE);
  worker.pid = 0x7ffffffe;  // nobody
  EXPECT_EQ(GetStatus().zones(0).workers(0).state(), v1::WorkerStatus::ABSENT);
}

TEST_F(ApiTest, ReportsTheGateway) {
  v1::Status status = GetStatus();
  EXPECT_EQ(status.zones_size(), 2);
  EXPECT_EQ(status.zones(0).program_id(), 42u);
  EXPECT_EQ(status.counters_size(), NX_REASON_COUNT);
  EXPECT_EQ(status.counters(NX_REASON_SYN_ACK).name(), "syn_ack");
  EXPECT_EQ(status.counters(NX_REASON_SYN_ACK).verdict(), "tx");
  EXPECT_EQ(status.counters(NX_REASON_SYN_ACK).packets(), 7u);
  EXPECT_EQ(status.session_capacity(), layout.entries());
  EXPECT_EQ(status.policy_version(), 1u);
}

TEST_F(ApiTest, ExplainsAClientInNoZone) {
  grpc::ClientContext context;
  v1::ExplainRequest request;
  request.set_address("10.9.9.9");
  v1::Explanation explanation;
  ASSERT_TRUE(gateway_stub->Explain(&context, request, &explanation).ok());
  EXPECT_EQ(explanation.zone(), "");
  EXPECT_EQ(explanation.samples_size(), 0);
}

TEST_F(ApiTest, RefusesAReloadOfWhatIsNotThere) {
  grpc::ClientContext context;
  v1::ReloadResponse response;
  auto status = gateway_stub->Reload(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("narthex.toml: cannot be read"), std::string::npos);
}

// The health service has no stub in the library: its messages are written by hand.
TEST_F(ApiTest, SaysThatItServes) {
  auto channel = grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::Slice request(std::string("\x0a\x13") + "narthex.v1.Sessions");
  grpc::ByteBuffer wanted(&request, 1), answer;
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", wanted, &queue);
  grpc::Status status;
  call->StartCall();
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool good = false;
  ASSERT_TRUE(queue.Next(&tag, &good));
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::Slice bytes;
  ASSERT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "\x08\x01");  // status: SERVING
}

// What grpc_cli asks first: list_services, field 7 of a reflection request.
TEST_F(ApiTest, ReflectionListsTheServices) {
  grpc::GenericStub stub(grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials()));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  auto next = [&] {
    void* tag = nullptr;
    bool good = false;
    return queue.Next(&tag, &good) && good;
  };
  auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  grpc::Slice request(std::string("\x3a\x00", 2));
  call->Write(grpc::ByteBuffer(&request, 1), nullptr);
  ASSERT_TRUE(next());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  ASSERT_TRUE(next());
  grpc::Slice bytes;
  ASSERT_TRUE(answer.DumpToSingleSlice(&bytes).ok());
  std::string text(bytes.begin(), bytes.end());
  EXPECT_NE(text.find("narthex.v1.Sessions"), text.npos);
  EXPECT_NE(text.find("narthex.v1.Gateway"), text.npos);
  EXPECT_NE(text.find("grpc.health.v1.Health"), text.npos);
  call->WritesDone(nullptr);
  ASSERT_TRUE(next());
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(next());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(ApiTest, SocketIsForItsOwnerAndGroup) {
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
}

TEST_F(ApiTest, ServesManyAtOnce) {
  std::vector<std::thread> clients;
  std::atomic<int> created = 0;
  for (int i = 0; i < 8; ++i)
    clients.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        v1::Session session;
        created += Create("10.51.1." + std::to_string(i * 20 + j), 60, session).ok();
      }
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(created, 160);
  EXPECT_EQ(GetStatus().sessions(), 160u);
}

}  // namespace
}  // namespace narthex
