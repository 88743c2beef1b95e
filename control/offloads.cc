// SPDX-License-Identifier: Apache-2.0
#include "control/offloads.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "control/bpf.h"

namespace narthex {
namespace {

// ETH_FLAG_*; 0 for an interface that has none of it or does not say.
uint32_t FlagsOf(int socket_fd, const std::string& interface) {
  ethtool_value value{ETHTOOL_GFLAGS, 0};
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  return ioctl(socket_fd, SIOCETHTOOL, &request) == 0 ? value.data : 0;
}

bool GoesByTags(const ZoneConfig& zone) {
  return !zone.vlans.empty() || zone.access_vlan[0] != 0 || zone.line_sessions || zone.bind_vlan ||
         zone.watch_moves;
}

}  // namespace

std::vector<std::string> OffloadWarnings(const Config& config) {
  std::map<std::string, bool> tagged;  // interfaces
  for (const ZoneConfig& zone : config.zones) tagged[zone.interface] |= GoesByTags(zone);
  const bool uplinks_tagged =
      std::any_of(config.zones.begin(), config.zones.end(),
                  [](const ZoneConfig& zone) { return zone.uplink_vlan[0] != 0; });
  for (const std::string& uplink : config.uplinks) tagged[uplink] |= uplinks_tagged;
  Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::vector<std::string> warnings;
  auto warn = [&](const std::string& interface, const char* what, const char* option) {
    warnings.push_back(fmt::format("interface {0} {1} before XDP sees them: ethtool -K {0} {2} off",
                                   interface, what, option));
  };
  for (const auto& [interface, by_tags] : tagged) {
    const uint32_t flags = FlagsOf(socket_fd.get(), interface);
    if (flags & ETH_FLAG_LRO) warn(interface, "merges packets", "lro");
    if (by_tags && flags & ETH_FLAG_RXVLAN) warn(interface, "takes VLAN tags off frames", "rxvlan");
  }
  return warnings;
}

}  // namespace narthex
