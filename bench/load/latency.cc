// SPDX-License-Identifier: Apache-2.0
#include "latency.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "tests/tools/packet_socket.h"

namespace narthex::load {
namespace {

using Clock = std::chrono::steady_clock;

constexpr timeval kPatience = {2, 0};

double MicrosecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

sockaddr_in AddressOf(const std::string& text, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(ParseIpv4(text));
  address.sin_port = htons(port);
  return address;
}

class Connection {
 public:
  Connection(const Options& options, uint32_t client)
      : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    sockaddr_in from = AddressOf(options.first_client, 0);
    from.sin_addr.s_addr = htonl(ntohl(from.sin_addr.s_addr) + client);
    const sockaddr_in to = AddressOf(options.server, options.port);
    setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(descriptor_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
    if (bind(descriptor_, reinterpret_cast<const sockaddr*>(&from), sizeof(from)) != 0) {
      throw std::runtime_error(options.first_client + ": " + std::strerror(errno));
    }
    connected_ = connect(descriptor_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(descriptor_); }

  // Microseconds from the request to the first bytes of a response with that status; -1 if it
  // did not come.
  double Ask(const std::string& request, const std::string& status) const {
    char response[4096];
    if (!connected_) return -1;
    const auto begin = Clock::now();
    if (send(descriptor_, request.data(), request.size(), MSG_NOSIGNAL) < 0) return -1;
    const ssize_t bytes = recv(descriptor_, response, sizeof(response), 0);
    const double took = MicrosecondsSince(begin);
    const bool right = bytes > 12 && status.compare(0, 3, response + 9, 3) == 0;
    while (recv(descriptor_, response, sizeof(response), 0) > 0) {
    }
    return right ? took : -1;
  }

 private:
  int descriptor_;
  bool connected_ = false;
};

}  // namespace

nlohmann::json RunLatency(const Options& options) {
  const std::string request = RequestOf(options);
  std::vector<double> times, whole;
  uint64_t failed = 0;
  tools::CatchStop();
  const auto begin = Clock::now();
  const uint64_t most = options.count ? options.count : UINT64_MAX;
  while (!tools::StopAsked() && MicrosecondsSince(begin) < options.seconds * 1e6 &&
         times.size() + failed < most) {
    const auto start = Clock::now();
    const auto client = static_cast<uint32_t>((times.size() + failed) % options.clients);
    const double took = Connection(options, client).Ask(request, options.status);
    if (took < 0) {
      failed++;
      continue;
    }
    times.push_back(took);
    whole.push_back(MicrosecondsSince(start));
  }
  if (times.empty()) throw std::runtime_error("no right response from " + options.server);
  std::sort(times.begin(), times.end());
  std::sort(whole.begin(), whole.end());
  return {{"requests", times.size()},
          {"failed", failed},
          {"median_us", times[times.size() / 2]},
          {"p99_us", times[times.size() * 99 / 100]},
          {"whole_median_us", whole[whole.size() / 2]}};
}

}  // namespace narthex::load
