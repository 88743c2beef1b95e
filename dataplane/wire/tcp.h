// SPDX-License-Identifier: Apache-2.0
// TCP (RFC 9293 §3.1).
#pragma once

#include <cstdint>

#include "wire/byte_order.h"

namespace narthex {

enum TcpFlags : uint8_t {
  kTcpFin = 0x01,
  kTcpSyn = 0x02,
  kTcpRst = 0x04,
  kTcpPsh = 0x08,
  kTcpAck = 0x10,
  kTcpUrg = 0x20,
};

struct TcpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be32 sequence;
  Be32 acknowledgement;
  uint8_t words;  // header length in 32-bit words << 4
  uint8_t flags;
  Be16 window;
  uint16_t checksum;  // network order
  Be16 urgent;

  uint32_t HeaderBytes() const { return (words >> 4) * 4u; }
} __attribute__((packed));
static_assert(sizeof(TcpHeader) == 20);

}  // namespace narthex
