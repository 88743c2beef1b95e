// SPDX-License-Identifier: Apache-2.0
#include "control/neighbours.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cstring>

#include "control/bpf.h"

namespace narthex {
namespace {

struct Request {
  nlmsghdr header;
  ndmsg neighbour;
  rtattr attribute;
  uint8_t address[16];
};

// The answer to a request for one neighbour: its MAC address, if the kernel trusts it.
std::optional<Mac> Read(const nlmsghdr* header) {
  if (header->nlmsg_type != RTM_NEWNEIGH) return std::nullopt;
  const auto* neighbour = static_cast<const ndmsg*>(NLMSG_DATA(header));
  constexpr int kKnown = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
  if (!(neighbour->ndm_state & kKnown)) return std::nullopt;
  auto left = static_cast<int>(header->nlmsg_len - NLMSG_LENGTH(sizeof *neighbour));
  const auto* attribute = reinterpret_cast<const rtattr*>(reinterpret_cast<const char*>(neighbour) +
                                                          NLMSG_ALIGN(sizeof *neighbour));
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    Mac mac;
    if (attribute->rta_type != NDA_LLADDR || RTA_PAYLOAD(attribute) != mac.bytes.size()) continue;
    std::memcpy(mac.bytes.data(), RTA_DATA(attribute), mac.bytes.size());
    return mac;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Mac> KernelNeighbours::Find(const std::string& interface,
                                          const Address& address) const {
  const bool v4 = address.IsV4();
  const unsigned short bytes = v4 ? 4 : 16;
  Request request{};
  request.header.nlmsg_len =
      static_cast<uint32_t>(NLMSG_LENGTH(sizeof request.neighbour)) + RTA_LENGTH(bytes);
  request.header.nlmsg_type = RTM_GETNEIGH;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.neighbour.ndm_family = v4 ? AF_INET : AF_INET6;
  request.neighbour.ndm_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  request.attribute.rta_type = NDA_DST;
  request.attribute.rta_len = static_cast<unsigned short>(RTA_LENGTH(bytes));
  std::memcpy(request.address, address.bytes.data() + (16 - bytes), bytes);

  Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink || send(netlink.get(), &request, request.header.nlmsg_len, 0) < 0)
    return std::nullopt;
  alignas(nlmsghdr) char answer[4096];
  ssize_t size = recv(netlink.get(), answer, sizeof answer, 0);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (size < 0 || !NLMSG_OK(header, static_cast<size_t>(size))) return std::nullopt;
  return Read(header);
}

}  // namespace narthex
