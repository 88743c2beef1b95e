// SPDX-License-Identifier: Apache-2.0
// TCP segments of made-up clients, for flood.cc: composed here, checksums included, from nothing
// that the gateway uses itself.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace narthex::tools {

constexpr size_t kMaxFrameBytes = 1514;

struct Client {
  bool ipv6;
  std::array<uint8_t, 16> address;  // IPv4: the first four
  uint16_t port;
};

struct Ends {
  std::array<uint8_t, 6> client_mac;
  std::array<uint8_t, 6> gateway_mac;
  std::array<uint8_t, 4> server4;
  std::array<uint8_t, 16> server6;
  uint16_t server_port;
};

struct Segment {
  uint8_t flags;
  uint32_t sequence;
  uint32_t acknowledgement;
  uint16_t window;
  std::string_view options;  // a multiple of four bytes
  std::string_view payload;
};

constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16;

// Returns the frame's length.
size_t Compose(const Ends& ends, const Client& client, const Segment& segment, uint8_t* frame);

// What a frame from the gateway says to a client.
struct Heard {
  Client client;
  uint8_t flags;
  uint32_t sequence;
  size_t payload_bytes;
};

// False if it is no TCP.
bool Dissect(const uint8_t* frame, size_t bytes, Heard& heard);

}  // namespace narthex::tools
