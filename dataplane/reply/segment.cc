// SPDX-License-Identifier: Apache-2.0
#include "reply/segment.h"

#include <cstring>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace narthex {
namespace {

constexpr uint8_t kTtl = 64;

struct Segment {
  uint8_t flags;
  Seq sequence;
  Seq acknowledgement;
  uint16_t window_bytes;
  const Response* response;  // null: no payload
  const DateText* date = nullptr;
};

// The checksums below are sums of the values that are written, not of the bytes read back: a
// wide load just behind narrow stores would stall.

// Two bytes as they lie in memory.
constexpr uint16_t Word(uint8_t first, uint8_t second) {
  return static_cast<uint16_t>(first | second << 8);
}

// Writes the IP header over the received one, addresses swapped; returns the sum of the pseudo
// header.
ChecksumSum WriteIpv4(uint8_t* at, uint32_t segment_bytes) {
  auto* ip = reinterpret_cast<Ipv4Header*>(at);
  const Ipv4Address client = ip->source;
  const Ipv4Address server = ip->destination;
  ip->version_and_words = 4 << 4 | sizeof(Ipv4Header) / 4;
  ip->dscp_ecn = 0;
  ip->total_bytes = Be16(static_cast<uint16_t>(sizeof(Ipv4Header) + segment_bytes));
  ip->id = Be16(0);
  ip->flags_and_fragment = Be16(kIpv4DontFragment);
  ip->ttl = kTtl;
  ip->protocol = kProtocolTcp;
  ip->checksum = ChecksumFinish(Word(4 << 4 | sizeof(Ipv4Header) / 4, 0) + ip->total_bytes.Raw() +
                                Be16(kIpv4DontFragment).Raw() + Word(kTtl, kProtocolTcp) +
                                ChecksumAdd(client.data(), client.size()) +
                                ChecksumAdd(server.data(), server.size()));
  ip->source = server;
  ip->destination = client;
  return PseudoHeaderSum(client, server, segment_bytes);
}

ChecksumSum WriteIpv6(uint8_t* at, uint32_t segment_bytes) {
  auto* ip = reinterpret_cast<Ipv6Header*>(at);
  const Ipv6Address client = ip->source;
  const Ipv6Address server = ip->destination;
  ip->version_class_flow = Be32(6u << 28);
  ip->payload_bytes = Be16(static_cast<uint16_t>(segment_bytes));
  ip->next_header = kProtocolTcp;
  ip->hop_limit = kTtl;
  ip->source = server;
  ip->destination = client;
  return PseudoHeaderSum(client, server, segment_bytes);
}

// Writes the TCP header; `sum` is that of everything else that its checksum covers.
void WriteTcp(uint8_t* at, const Packet& packet, const Segment& segment, ChecksumSum sum) {
  constexpr uint8_t kWords = sizeof(TcpHeader) / 4 << 4;
  auto* tcp = reinterpret_cast<TcpHeader*>(at);
  const Be32 sequence(segment.sequence.Value());
  const Be32 acknowledgement(segment.acknowledgement.Value());
  const Be16 window(segment.window_bytes);
  tcp->source_port = Be16::FromRaw(packet.flow.server_port);
  tcp->destination_port = Be16::FromRaw(packet.flow.client_port);
  tcp->sequence = sequence;
  tcp->acknowledgement = acknowledgement;
  tcp->words = kWords;
  tcp->flags = segment.flags;
  tcp->window = window;
  tcp->checksum =
      ChecksumFinish(sum + packet.flow.server_port + packet.flow.client_port + sequence.Raw() +
                     acknowledgement.Raw() + Word(kWords, segment.flags) + window.Raw());
  tcp->urgent = Be16(0);
}

uint32_t WriteSegment(uint8_t* frame, const Packet& packet, const Segment& segment) {
  auto* ethernet = reinterpret_cast<EthernetHeader*>(frame);
  const MacAddress client = ethernet->source;
  ethernet->source = ethernet->destination;
  ethernet->destination = client;

  const uint32_t payload_bytes = segment.response ? segment.response->size : 0;
  const uint32_t segment_bytes = sizeof(TcpHeader) + payload_bytes;
  uint8_t* ip = frame + packet.ip_offset;
  const uint32_t ip_bytes = packet.flow.ipv6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
  ChecksumSum sum = packet.flow.ipv6 ? WriteIpv6(ip, segment_bytes) : WriteIpv4(ip, segment_bytes);
  if (segment.response) {
    std::memcpy(ip + ip_bytes + sizeof(TcpHeader), segment.response->bytes.data(), payload_bytes);
    sum += segment.response->sum;
    if (const uint16_t offset = segment.response->date_offset) {
      std::memcpy(ip + ip_bytes + sizeof(TcpHeader) + offset, segment.date->Bytes(), kDateBytes);
      sum += segment.date->Sum();
    }
  }
  WriteTcp(ip + ip_bytes, packet, segment, sum);
  return packet.ip_offset + ip_bytes + segment_bytes;
}

}  // namespace

uint32_t WriteResponse(uint8_t* frame, const Packet& packet, Seq acknowledge,
                       const Response& response, const DateText& date) {
  return WriteSegment(frame, packet,
                      {.flags = kTcpPsh | kTcpAck | kTcpFin,
                       .sequence = packet.acknowledgement,
                       .acknowledgement = acknowledge,
                       .window_bytes = NX_WINDOW_BYTES,
                       .response = &response,
                       .date = &date});
}

uint32_t WriteAck(uint8_t* frame, const Packet& packet, Seq acknowledge) {
  return WriteSegment(frame, packet,
                      {.flags = kTcpAck,
                       .sequence = packet.acknowledgement,
                       .acknowledgement = acknowledge,
                       .window_bytes = NX_WINDOW_BYTES,
                       .response = nullptr});
}

uint32_t WriteReset(uint8_t* frame, const Packet& packet) {
  return WriteSegment(frame, packet,
                      {.flags = kTcpRst,
                       .sequence = packet.acknowledgement,
                       .acknowledgement = Seq(0),
                       .window_bytes = 0,
                       .response = nullptr});
}

}  // namespace narthex
