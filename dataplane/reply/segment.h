// SPDX-License-Identifier: Apache-2.0
// Rewrites a received frame, in place, into the reply to it.
//
// The reply goes back the way the frame came: MAC addresses and ports swapped, VLAN tags as they
// were; IP options and extension headers are dropped, and TTL 64, DF, ID 0, no DSCP, no ECN. No
// byte of the request but these addresses gets into it.
//
// Threads: pure functions on the caller's buffer.
#pragma once

#include <cstdint>

#include "parse/packet.h"
#include "reply/response.h"

namespace narthex {

// Headers of the largest reply: Ethernet, two tags, IPv6, TCP.
inline constexpr uint32_t kMaxReplyHeaderBytes = 14 + 2 * 4 + 40 + 20;
inline constexpr uint32_t kMaxReplyBytes = kMaxReplyHeaderBytes + NX_FULL_RESPONSE_BYTES;

// Each returns the frame's new length, at most kMaxReplyBytes; the buffer at `frame` must have
// room for that. `packet` is what ParsePacket made of the frame.

// The whole response with FIN. `acknowledge` is what the client hears as received.
uint32_t WriteResponse(uint8_t* frame, const Packet& packet, Seq acknowledge,
                       const Response& response, const DateText& date);

// An empty segment that acknowledges up to `acknowledge`.
uint32_t WriteAck(uint8_t* frame, const Packet& packet, Seq acknowledge);

// <SEQ=SEG.ACK><CTL=RST> (RFC 9293 §3.5.2)
uint32_t WriteReset(uint8_t* frame, const Packet& packet);

}  // namespace narthex
