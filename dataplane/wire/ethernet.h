// SPDX-License-Identifier: Apache-2.0
// Ethernet II and VLAN tags (IEEE 802.3, 802.1Q, 802.1ad).
#pragma once

#include <array>
#include <cstdint>

#include "wire/byte_order.h"

namespace narthex {

inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;
inline constexpr uint16_t kEtherTypeVlan = 0x8100;         // customer tag
inline constexpr uint16_t kEtherTypeServiceVlan = 0x88a8;  // provider tag
inline constexpr int kMaxVlanTags = 2;

using MacAddress = std::array<uint8_t, 6>;

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  Be16 ether_type;
} __attribute__((packed));
static_assert(sizeof(EthernetHeader) == 14);

// What follows the ether type kEtherTypeVlan.
struct VlanHeader {
  Be16 tag;  // priority, drop eligible, identifier
  Be16 ether_type;
} __attribute__((packed));
static_assert(sizeof(VlanHeader) == 4);

}  // namespace narthex
