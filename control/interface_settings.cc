// SPDX-License-Identifier: Apache-2.0
#include "control/interface_settings.h"

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

// A page holds the frame, the room before it and what the kernel keeps behind it.
constexpr int kLargestMtu = 3400;  // bytes, whatever the driver; some take less

// False if the interface is not there, or its driver does not say.
bool Ask(const std::string& interface, unsigned long what, ifreq& request) {
  Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::strncpy(request.ifr_name, interface.c_str(), sizeof request.ifr_name - 1);
  return ioctl(socket_fd.get(), what, &request) == 0;
}

// `value` begins with the command.
bool AskEthtool(const std::string& interface, void* value) {
  ifreq request{};
  request.ifr_data = static_cast<char*>(value);
  return Ask(interface, SIOCETHTOOL, request);
}

// ETH_FLAG_*
uint32_t FlagsOf(const std::string& interface) {
  ethtool_value value{ETHTOOL_GFLAGS, 0};
  return AskEthtool(interface, &value) ? value.data : 0;
}

// 0 where it does not say.
uint32_t ReceiveQueuesOf(const std::string& interface) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  return AskEthtool(interface, &channels) ? channels.rx_count + channels.combined_count : 0;
}

bool GoesByTags(const ZoneConfig& zone) {
  return !zone.vlans.empty() || zone.access_vlan[0] != 0 || zone.line_sessions || zone.bind_vlan ||
         zone.watch_moves;
}

void WarnOfOffloads(const Config& config, std::vector<std::string>& warnings) {
  std::map<std::string, bool> tagged;  // interfaces
  for (const ZoneConfig& zone : config.zones) tagged[zone.interface] |= GoesByTags(zone);
  const bool uplinks_tagged =
      std::any_of(config.zones.begin(), config.zones.end(),
                  [](const ZoneConfig& zone) { return zone.uplink_vlan[0] != 0; });
  for (const std::string& uplink : config.uplinks) tagged[uplink] |= uplinks_tagged;
  auto warn = [&](const std::string& interface, const char* what, const char* option) {
    warnings.push_back(fmt::format("interface {0} {1} before XDP sees them: ethtool -K {0} {2} off",
                                   interface, what, option));
  };
  for (const auto& [interface, by_tags] : tagged) {
    const uint32_t flags = FlagsOf(interface);
    if (flags & ETH_FLAG_LRO) warn(interface, "merges packets", "lro");
    if (by_tags && flags & ETH_FLAG_RXVLAN) warn(interface, "takes VLAN tags off frames", "rxvlan");
  }
}

void WarnOfQueues(const Config& config, std::vector<std::string>& warnings) {
  std::map<std::string, uint32_t> used;
  for (const ZoneConfig& zone : config.zones) used[zone.interface] = zone.queues;
  for (const auto& [interface, queues] : used) {
    const uint32_t present = ReceiveQueuesOf(interface);
    if (present <= queues) continue;
    warnings.push_back(fmt::format(
        "interface {0} has {1} receive queues, and queues = {2}: requests that come by the "
        "others are not answered. Set queues = {1}, or ethtool -L {0} combined {2}",
        interface, present, queues));
  }
}

}  // namespace

std::vector<std::string> InterfaceWarnings(const Config& config) {
  std::vector<std::string> warnings;
  WarnOfOffloads(config, warnings);
  WarnOfQueues(config, warnings);
  return warnings;
}

Outcome CheckQueues(const ZoneConfig& zone) {
  const uint32_t present = ReceiveQueuesOf(zone.interface);
  if (present == 0 || zone.queues <= present) return {};
  return Fail(
      ErrorKind::kPrecondition,
      fmt::format("zone '{}': queues = {}, but interface {} has {} receive queue{}", zone.name,
                  zone.queues, zone.interface, present, present == 1 ? "" : "s"));
}

std::string MtuHint(const std::string& interface) {
  ifreq request{};
  if (!Ask(interface, SIOCGIFMTU, request) || request.ifr_mtu <= kLargestMtu) return "";
  return fmt::format(
      " (its MTU is {}; a program in the driver takes frames of one page: "
      "ip link set {} mtu {} or less, at both ends)",
      request.ifr_mtu, interface, kLargestMtu);
}

}  // namespace narthex
