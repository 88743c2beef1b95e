// SPDX-License-Identifier: Apache-2.0
#include "control/own_addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include "bpf/abi.h"

namespace narthex {
namespace {

bool IsInZone(const ZoneConfig& zone, const Address& address) {
  auto holds = [&](const Prefix& prefix) { return prefix.Contains(address); };
  return std::any_of(zone.pools.begin(), zone.pools.end(), holds) ||
         std::any_of(zone.ipv6_prefixes.begin(), zone.ipv6_prefixes.end(), holds);
}

uint32_t HostOrder(const sockaddr* address) {
  return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
}

using Interfaces = std::unique_ptr<ifaddrs, decltype(&freeifaddrs)>;

Interfaces ReadInterfaces() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) list = nullptr;
  return {list, freeifaddrs};
}

Address V6Address(const sockaddr* address) {
  Address out;
  std::memcpy(out.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 16);
  return out;
}

std::set<Address> ReadHostAddresses() {
  std::set<Address> addresses;
  Interfaces interfaces = ReadInterfaces();
  for (const ifaddrs* entry = interfaces.get(); entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    if (entry->ifa_addr->sa_family == AF_INET6) addresses.insert(V6Address(entry->ifa_addr));
    if (entry->ifa_addr->sa_family == AF_INET)
      addresses.insert(Address::FromV4(HostOrder(entry->ifa_addr)));
  }
  return addresses;
}

}  // namespace

bool HostAddresses::Contains(const Address& address) {
  using std::chrono::steady_clock;
  std::lock_guard lock(mutex_);
  if (addresses_.empty() || steady_clock::now() - read_at_ > std::chrono::seconds(1)) {
    addresses_ = ReadHostAddresses();
    read_at_ = steady_clock::now();
  }
  return addresses_.contains(address);
}

std::vector<Address> OwnAddresses(const ZoneConfig& zone) {
  std::set<Address> found;
  Interfaces interfaces = ReadInterfaces();
  for (const ifaddrs* entry = interfaces.get(); entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    if (entry->ifa_addr->sa_family == AF_INET6) {
      found.insert(V6Address(entry->ifa_addr));
    } else if (entry->ifa_addr->sa_family == AF_INET) {
      uint32_t address = HostOrder(entry->ifa_addr);
      found.insert(Address::FromV4(address));
      uint32_t mask = entry->ifa_netmask ? HostOrder(entry->ifa_netmask) : ~0u;
      if (~mask < 2) continue;  // RFC 3021: a /31 has neither network nor broadcast address
      found.insert(Address::FromV4(address & mask));
      found.insert(Address::FromV4(address | ~mask));
    }
  }
  std::vector<Address> own;
  for (const Address& address : found)
    if (IsInZone(zone, address)) own.push_back(address);
  if (own.size() <= NX_MAX_OWN) return own;
  spdlog::warn("zone '{}': {} of the gateway's own addresses lie in it, the classifier knows {}",
               zone.name, own.size(), NX_MAX_OWN);
  own.resize(NX_MAX_OWN);
  return own;
}

ZoneGateway GatewayOf(const ZoneConfig& zone) {
  ZoneGateway gateway;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return gateway;
  std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || zone.interface != entry->ifa_name) continue;
    if (entry->ifa_addr->sa_family == AF_INET6) {
      Address address;
      std::memcpy(address.bytes.data(),
                  &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr, 16);
      if (!gateway.v6 && IsInZone(zone, address)) gateway.v6 = address;
    } else if (entry->ifa_addr->sa_family == AF_INET) {
      Address address = Address::FromV4(HostOrder(entry->ifa_addr));
      if (!gateway.v4 && IsInZone(zone, address)) gateway.v4 = address;
    }
  }
  return gateway;
}

}  // namespace narthex
