// SPDX-License-Identifier: Apache-2.0
// IPv6 and its extension headers (RFC 8200).
#pragma once

#include <array>
#include <cstdint>

#include "wire/byte_order.h"

namespace narthex {

using Ipv6Address = std::array<uint8_t, 16>;

struct Ipv6Header {
  Be32 version_class_flow;
  Be16 payload_bytes;
  uint8_t next_header;
  uint8_t hop_limit;
  Ipv6Address source;
  Ipv6Address destination;

  int Version() const { return static_cast<int>(version_class_flow.Host() >> 28); }
} __attribute__((packed));
static_assert(sizeof(Ipv6Header) == 40);

// How hop-by-hop options, destination options and the authentication header begin.
struct Ipv6ExtensionHeader {
  uint8_t next_header;
  uint8_t words;

  // Options: 64-bit words, not counting the first.
  uint32_t Bytes() const { return (words + 1u) * 8; }
  // Authentication: 32-bit words, not counting the first two (RFC 4302 §2.2).
  uint32_t AuthenticationBytes() const { return (words + 2u) * 4; }
} __attribute__((packed));
static_assert(sizeof(Ipv6ExtensionHeader) == 2);

inline constexpr uint8_t kIpv6HopByHop = 0;
inline constexpr uint8_t kIpv6Routing = 43;
inline constexpr uint8_t kIpv6Fragment = 44;
inline constexpr uint8_t kIpv6Authentication = 51;
inline constexpr uint8_t kIpv6Destination = 60;
inline constexpr int kMaxIpv6ExtensionHeaders = 8;

}  // namespace narthex
