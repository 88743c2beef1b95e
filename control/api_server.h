// SPDX-License-Identifier: Apache-2.0
// The gRPC server on a unix socket. It accepts connections itself, so that the credentials of
// each peer are known (gRPC 1.51 does not tell them), and hands them to gRPC.
#ifndef NARTHEX_CONTROL_API_SERVER_H
#define NARTHEX_CONTROL_API_SERVER_H

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "control/error.h"

namespace narthex {

// The one place where errors become gRPC codes.
grpc::Status ToStatus(const Error& error);

// Who is at the other end of each connection. Thread-safe.
class Peers {
 public:
  void Accepted(int fd);
  // "uid:0" of the peer of a call; "unix" if it is not known.
  std::string Name(const grpc::ServerContext& context) const;

 private:
  mutable std::mutex mutex_;
  std::map<int, unsigned> uids_;  // by descriptor, renewed with each connection
};

class ApiServer {
 public:
  // The services must outlive the server. The socket appears with mode 0660; connections wait
  // until Start.
  static Result<std::unique_ptr<ApiServer>> Listen(const std::string& path,
                                                   const std::vector<grpc::Service*>& services,
                                                   Peers& peers);
  void Start();
  // Lets running calls end, at most two seconds.
  ~ApiServer();

 private:
  explicit ApiServer(std::string path, Peers& peers) : path_(std::move(path)), peers_(peers) {}
  Outcome Bind();
  void AcceptAll();

  const std::string path_;
  Peers& peers_;
  int listen_fd_ = -1;
  int stop_fd_ = -1;
  std::unique_ptr<grpc::Server> server_;
  std::thread acceptor_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_API_SERVER_H
