// SPDX-License-Identifier: Apache-2.0
#include "control/api_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace narthex {
namespace {

constexpr int kMaxMessageBytes = 1024 * 1024;  // of a batch of logins
constexpr int kMaxThreads = 16;
constexpr int kMaxStreams = 64;

}  // namespace

grpc::Status ToStatus(const Error& error) {
  auto code = [&] {
    switch (error.kind) {
      case ErrorKind::kInvalid:
        return grpc::StatusCode::INVALID_ARGUMENT;
      case ErrorKind::kNotFound:
        return grpc::StatusCode::NOT_FOUND;
      case ErrorKind::kExists:
        return grpc::StatusCode::ALREADY_EXISTS;
      case ErrorKind::kPrecondition:
        return grpc::StatusCode::FAILED_PRECONDITION;
      case ErrorKind::kExhausted:
        return grpc::StatusCode::RESOURCE_EXHAUSTED;
      case ErrorKind::kUnavailable:
        return grpc::StatusCode::UNAVAILABLE;
      case ErrorKind::kFailed:
        break;
    }
    return grpc::StatusCode::INTERNAL;
  };
  return {code(), error.message};
}

void Peers::Accepted(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  std::lock_guard lock(mutex_);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
    uids_[fd] = credentials.uid;
  else
    uids_.erase(fd);
}

std::string Peers::Name(const grpc::ServerContext& context) const {
  std::string peer = context.peer();  // "fd:12", as handed over in AcceptAll
  if (!peer.starts_with("fd:")) return "unix";
  std::lock_guard lock(mutex_);
  auto found = uids_.find(std::atoi(peer.c_str() + 3));
  return found == uids_.end() ? "unix" : fmt::format("uid:{}", found->second);
}

Outcome ApiServer::Bind() {
  auto refuse = [&] { return Fail(fmt::format("API socket {}: {}", path_, std::strerror(errno))); };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) return Fail("API socket: path too long");
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  listen_fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  if (listen_fd_ < 0 || stop_fd_ < 0) return refuse();
  struct stat there;
  if (lstat(path_.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode))
      return Fail(fmt::format("API socket {}: something else has this name", path_));
    unlink(path_.c_str());  // of an earlier run: we hold the instance's lock
  }
  mode_t old = umask(0117);
  int bound = bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
  umask(old);
  if (bound != 0 || listen(listen_fd_, 128) != 0) return refuse();
  return {};
}

Result<std::unique_ptr<ApiServer>> ApiServer::Listen(const std::string& path,
                                                     const std::vector<grpc::Service*>& services,
                                                     Peers& peers) {
  std::unique_ptr<ApiServer> api(new ApiServer(path, peers));
  if (auto bound = api->Bind(); !bound) return Fail(bound.error());
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  for (grpc::Service* service : services) builder.RegisterService(service);
  grpc::ResourceQuota quota("narthexd");
  builder.SetResourceQuota(quota.SetMaxThreads(kMaxThreads).Resize(64 << 20));
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  api->server_ = builder.BuildAndStart();
  if (!api->server_) return Fail("the gRPC server does not start");
  if (auto* health = api->server_->GetHealthCheckService())
    for (const char* name : {"narthex.v1.Sessions", "narthex.v1.Gateway"})
      health->SetServingStatus(name, true);
  return api;
}

void ApiServer::Start() {
  acceptor_ = std::thread([this] { AcceptAll(); });
}

void ApiServer::AcceptAll() {
  for (;;) {
    pollfd waiting[] = {{listen_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if (waiting[1].revents != 0) return;
    int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
        spdlog::error("API: connection refused: {}", std::strerror(errno));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
      continue;
    }
    peers_.Accepted(fd);
    grpc::AddInsecureChannelFromFd(server_.get(), fd);
  }
}

ApiServer::~ApiServer() {
  uint64_t one = 1;
  if (acceptor_.joinable() && write(stop_fd_, &one, sizeof one) == sizeof one) acceptor_.join();
  if (listen_fd_ >= 0) {
    close(listen_fd_);
    if (server_) unlink(path_.c_str());
  }
  if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
  if (stop_fd_ >= 0) close(stop_fd_);
}

}  // namespace narthex
