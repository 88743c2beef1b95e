// SPDX-License-Identifier: Apache-2.0
// A received frame as the worker sees it: Ethernet, up to two VLAN tags, IPv4 with options or
// IPv6 with extension headers, TCP with options.
//
// The classifier has parsed the frame before; nothing of that is trusted here. Lengths come from
// the IP header, so Ethernet padding is not payload. Threads: pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "bpf/cookie.h"
#include "wire/sequence.h"

namespace narthex {

enum class ParseResult {
  kOk,
  kMalformed,    // cut short, or lengths that contradict each other
  kUnsupported,  // well formed, but nothing that a worker answers
};

struct Packet {
  nx_flow flow;  // zone is 0: the caller knows it
  uint16_t ip_offset;
  uint16_t tcp_offset;
  uint16_t payload_offset;
  uint16_t payload_bytes;
  Seq sequence;
  Seq acknowledgement;
  uint16_t window_bytes;
  uint8_t flags;  // TcpFlags

  bool Fin() const { return flags & 1; }
  // Sequence space that the segment takes.
  uint32_t SequenceBytes() const { return payload_bytes + (Fin() ? 1u : 0u); }
};

// Reads a frame of TCP over IP; `packet` is complete only on kOk.
[[nodiscard]] ParseResult ParsePacket(std::span<const uint8_t> frame, Packet& packet);

// Whether the IPv4 header checksum and the TCP checksum of a parsed frame are right.
[[nodiscard]] bool VerifyChecksums(std::span<const uint8_t> frame, const Packet& packet);

inline std::span<const uint8_t> Payload(std::span<const uint8_t> frame, const Packet& packet) {
  return frame.subspan(packet.payload_offset, packet.payload_bytes);
}

}  // namespace narthex
