// SPDX-License-Identifier: Apache-2.0
#include "frames.h"

#include <cstring>

namespace narthex::tools {
namespace {

constexpr size_t kEthernetBytes = 14;
constexpr size_t kTcpBytes = 20;

uint16_t Read16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }

void Write16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

void Write32(uint8_t* at, uint32_t value) {
  Write16(at, value >> 16);
  Write16(at + 2, value & 0xffff);
}

uint64_t Sum(const uint8_t* at, size_t bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 1 < bytes; i += 2) sum += Read16(at + i);
  if (bytes % 2) sum += static_cast<uint64_t>(at[bytes - 1]) << 8;
  return sum;
}

uint16_t Checksum(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

size_t WriteIp(const Ends& ends, const Client& client, size_t segment_bytes, uint8_t* ip) {
  if (client.ipv6) {
    std::memset(ip, 0, 40);
    ip[0] = 0x60;
    Write16(ip + 4, static_cast<uint32_t>(segment_bytes));
    ip[6] = 6;
    ip[7] = 64;
    std::memcpy(ip + 8, client.address.data(), 16);
    std::memcpy(ip + 24, ends.server6.data(), 16);
    return 40;
  }
  std::memset(ip, 0, 20);
  ip[0] = 0x45;
  Write16(ip + 2, static_cast<uint32_t>(20 + segment_bytes));
  ip[8] = 64;
  ip[9] = 6;
  std::memcpy(ip + 12, client.address.data(), 4);
  std::memcpy(ip + 16, ends.server4.data(), 4);
  Write16(ip + 10, Checksum(Sum(ip, 20)));
  return 20;
}

}  // namespace

size_t Compose(const Ends& ends, const Client& client, const Segment& segment, uint8_t* frame) {
  const size_t header_bytes = kTcpBytes + segment.options.size();
  const size_t segment_bytes = header_bytes + segment.payload.size();
  std::memcpy(frame, ends.gateway_mac.data(), 6);
  std::memcpy(frame + 6, ends.client_mac.data(), 6);
  Write16(frame + 12, client.ipv6 ? 0x86dd : 0x0800);
  uint8_t* ip = frame + kEthernetBytes;
  const size_t ip_bytes = WriteIp(ends, client, segment_bytes, ip);

  uint8_t* tcp = ip + ip_bytes;
  Write16(tcp, client.port);
  Write16(tcp + 2, ends.server_port);
  Write32(tcp + 4, segment.sequence);
  Write32(tcp + 8, segment.acknowledgement);
  tcp[12] = static_cast<uint8_t>(header_bytes / 4 << 4);
  tcp[13] = segment.flags;
  Write16(tcp + 14, segment.window);
  Write32(tcp + 16, 0);
  std::memcpy(tcp + kTcpBytes, segment.options.data(), segment.options.size());
  std::memcpy(tcp + header_bytes, segment.payload.data(), segment.payload.size());
  // Both addresses stand side by side before the segment, in either version.
  const size_t address_bytes = client.ipv6 ? 32 : 8;
  Write16(tcp + 16,
          Checksum(Sum(tcp - address_bytes, address_bytes + segment_bytes) + 6 + segment_bytes));
  return kEthernetBytes + ip_bytes + segment_bytes;
}

bool Dissect(const uint8_t* frame, size_t bytes, Heard& heard) {
  if (bytes < kEthernetBytes + 40) return false;
  const uint8_t* ip = frame + kEthernetBytes;
  heard.client = {};
  heard.client.ipv6 = Read16(frame + 12) == 0x86dd;
  size_t ip_bytes = 40, ip_total;
  if (heard.client.ipv6) {
    if (ip[6] != 6) return false;
    std::memcpy(heard.client.address.data(), ip + 24, 16);
    ip_total = 40 + Read16(ip + 4);
  } else {
    if (Read16(frame + 12) != 0x0800 || ip[0] != 0x45 || ip[9] != 6) return false;
    std::memcpy(heard.client.address.data(), ip + 16, 4);
    ip_bytes = 20;
    ip_total = Read16(ip + 2);
  }
  if (ip_total < ip_bytes + kTcpBytes || kEthernetBytes + ip_total > bytes) return false;
  const uint8_t* tcp = ip + ip_bytes;
  const size_t header_bytes = static_cast<size_t>(tcp[12] >> 4) * 4;
  if (ip_bytes + header_bytes > ip_total) return false;
  heard.client.port = Read16(tcp + 2);
  heard.flags = tcp[13];
  heard.sequence = static_cast<uint32_t>(Read16(tcp + 4)) << 16 | Read16(tcp + 6);
  heard.payload_bytes = ip_total - ip_bytes - header_bytes;
  return true;
}

}  // namespace narthex::tools
