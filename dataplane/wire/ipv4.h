// SPDX-License-Identifier: Apache-2.0
// IPv4 (RFC 791).
#pragma once

#include <array>
#include <cstdint>

#include "wire/byte_order.h"

namespace narthex {

inline constexpr uint8_t kProtocolTcp = 6;

using Ipv4Address = std::array<uint8_t, 4>;

struct Ipv4Header {
  uint8_t version_and_words;  // version << 4 | header length in 32-bit words
  uint8_t dscp_ecn;
  Be16 total_bytes;
  Be16 id;
  Be16 flags_and_fragment;
  uint8_t ttl;
  uint8_t protocol;
  uint16_t checksum;  // network order, as all checksums (wire/checksum.h)
  Ipv4Address source;
  Ipv4Address destination;

  int Version() const { return version_and_words >> 4; }
  uint32_t HeaderBytes() const { return (version_and_words & 15u) * 4; }
} __attribute__((packed));
static_assert(sizeof(Ipv4Header) == 20);

inline constexpr uint16_t kIpv4DontFragment = 0x4000;
// More fragments follow, or this is not the first.
inline constexpr uint16_t kIpv4FragmentMask = 0x3fff;

}  // namespace narthex
