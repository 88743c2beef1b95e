// SPDX-License-Identifier: Apache-2.0
#include "packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace narthex::tools {
namespace {

volatile std::sig_atomic_t stop_asked = 0;

void SetOption(int descriptor, int level, int option, int value, const char* name) {
  if (setsockopt(descriptor, level, option, &value, sizeof(value)) != 0) Fail(name);
}

}  // namespace

void Fail(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

bool StopAsked() { return stop_asked != 0; }

void CatchStop() {
  for (int number : {SIGTERM, SIGINT}) {
    std::signal(number, [](int) { stop_asked = 1; });
  }
}

PacketSocket::PacketSocket(const std::string& interface)
    : descriptor_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  if (descriptor_ < 0) Fail("packet socket");
  SetOption(descriptor_, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20, "receive buffer");
  SetOption(descriptor_, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
  SetOption(descriptor_, SOL_PACKET, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (address.sll_ifindex == 0 ||
      bind(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    Fail(interface);
  }
}

PacketSocket::~PacketSocket() { close(descriptor_); }

size_t PacketSocket::Receive(uint8_t* frame, size_t room) {
  const ssize_t bytes = recv(descriptor_, frame, room, 0);
  return bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

bool PacketSocket::Send(const uint8_t* frame, size_t bytes) {
  return send(descriptor_, frame, bytes, 0) == static_cast<ssize_t>(bytes);
}

uint32_t PacketSocket::Overlooked() {
  tpacket_stats statistics = {};
  socklen_t size = sizeof(statistics);
  getsockopt(descriptor_, SOL_PACKET, PACKET_STATISTICS, &statistics, &size);
  return statistics.tp_drops;
}

}  // namespace narthex::tools
