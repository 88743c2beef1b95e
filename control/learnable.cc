// SPDX-License-Identifier: Apache-2.0
#include "control/learnable.h"

#include <algorithm>

namespace narthex {
namespace {

struct V4Net {
  uint32_t base;
  uint8_t bits;
};

constexpr V4Net kNotGlobalV4[] = {
    {0x00000000, 8},   // this network, RFC 791
    {0x0a000000, 8},   // private, RFC 1918
    {0x64400000, 10},  // shared by carriers, RFC 6598
    {0x7f000000, 8},   // loopback
    {0xa9fe0000, 16},  // link-local, RFC 3927
    {0xac100000, 12},  // private
    {0xc0000000, 24},  // IETF protocol assignments, RFC 6890
    {0xc0586300, 24},  // 6to4 relays, RFC 7526
    {0xc0a80000, 16},  // private
    {0xc6120000, 15},  // benchmarks, RFC 2544
    {0xe0000000, 3},   // multicast, reserved, broadcast
};

bool IsGlobalV4(uint32_t address) {
  return std::none_of(std::begin(kNotGlobalV4), std::end(kNotGlobalV4), [&](const V4Net& net) {
    return (address ^ net.base) >> (32 - net.bits) == 0;
  });
}

bool StartsWith(const Address& address, std::initializer_list<uint8_t> bytes) {
  return std::equal(bytes.begin(), bytes.end(), address.bytes.begin());
}

}  // namespace

bool IsGlobalUnicast(const Address& address) {
  if (address.IsV4()) return IsGlobalV4(address.V4());
  const auto& b = address.bytes;
  if (StartsWith(address, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}))
    return IsGlobalV4(static_cast<uint32_t>(b[12] << 24 | b[13] << 16 | b[14] << 8 | b[15]));
  if ((b[0] & 0xe0) != 0x20) return false;                // 2000::/3 is all that is global
  if (StartsWith(address, {0x20, 0x02})) return false;    // 6to4: leads to any IPv4 address
  return !StartsWith(address, {0x20, 0x01, 0x00, 0x00});  // Teredo likewise
}

bool BelongsToZone(const std::vector<ZoneConfig>& zones, const Address& address) {
  auto holds = [&](const Prefix& prefix) { return prefix.Contains(address); };
  return std::any_of(zones.begin(), zones.end(), [&](const ZoneConfig& zone) {
    return std::any_of(zone.pools.begin(), zone.pools.end(), holds) ||
           std::any_of(zone.ipv6_prefixes.begin(), zone.ipv6_prefixes.end(), holds) ||
           std::find(zone.resolvers.begin(), zone.resolvers.end(), address) != zone.resolvers.end();
  });
}

}  // namespace narthex
