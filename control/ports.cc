// SPDX-License-Identifier: Apache-2.0
#include "control/ports.h"

#include <linux/if_vlan.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

#include "control/bpf.h"

namespace narthex {
namespace {

// The tag of a VLAN interface and what it lies upon; false for any other interface.
bool IsVlanOn(int socket_fd, const char* name, const std::string& lower, uint16_t tag) {
  vlan_ioctl_args args{};
  args.cmd = GET_VLAN_REALDEV_NAME_CMD;
  std::strncpy(args.device1, name, sizeof args.device1 - 1);
  if (ioctl(socket_fd, SIOCGIFVLAN, &args) != 0 || lower != args.u.device2) return false;
  args = {};
  args.cmd = GET_VLAN_VID_CMD;
  std::strncpy(args.device1, name, sizeof args.device1 - 1);
  return ioctl(socket_fd, SIOCGIFVLAN, &args) == 0 && args.u.VID == tag;
}

std::string VlanOn(int socket_fd, const std::string& lower, uint16_t tag) {
  std::unique_ptr<struct if_nameindex[], decltype(&if_freenameindex)> names(if_nameindex(),
                                                                            if_freenameindex);
  for (size_t i = 0; names && names[i].if_index != 0; ++i)
    if (IsVlanOn(socket_fd, names[i].if_name, lower, tag)) return names[i].if_name;
  return "";
}

// What routes name: the VLAN interface with these tags, if there is one.
uint32_t RouteInterface(int socket_fd, const std::string& name, const VlanTags& tags) {
  std::string lower = name;
  for (uint16_t tag : tags) {
    if (tag == 0) break;
    lower = VlanOn(socket_fd, lower, tag);
    if (lower.empty()) return if_nametoindex(name.c_str());
  }
  return if_nametoindex(lower.c_str());
}

nx_port PortOf(int socket_fd, const std::string& name, const VlanTags& tags) {
  nx_port port{};
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), sizeof request.ifr_name - 1);
  if (ioctl(socket_fd, SIOCGIFHWADDR, &request) != 0 ||
      request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
    return port;
  std::memcpy(port.mac, request.ifr_hwaddr.sa_data, sizeof port.mac);
  port.ifindex = if_nametoindex(name.c_str());
  port.via = RouteInterface(socket_fd, name, tags);
  return port;
}

}  // namespace

nx_ports PortsOf(const ZoneConfig& zone, const std::vector<std::string>& uplinks) {
  Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  nx_ports ports{};
  ports.access = PortOf(socket_fd.get(), zone.interface, zone.access_vlan);
  for (size_t i = 0; i < uplinks.size() && i < NX_MAX_UPLINKS; ++i)
    ports.uplinks[i] = PortOf(socket_fd.get(), uplinks[i], zone.uplink_vlan);
  return ports;
}

}  // namespace narthex
