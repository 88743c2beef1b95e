// SPDX-License-Identifier: Apache-2.0
#include "control/sample_packet.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace narthex {
namespace {

constexpr uint16_t kClientPort = 49999;
constexpr uint8_t kHopLimit = 64;

// One's-complement sum, RFC 1071; `start` carries the sum so far.
uint32_t Sum(const uint8_t* bytes, size_t size, uint32_t start) {
  uint32_t sum = start;
  for (size_t i = 0; i + 1 < size; i += 2)
    sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  if (size % 2 == 1) sum += static_cast<uint32_t>(bytes[size - 1] << 8);
  return sum;
}

uint16_t Fold(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<uint16_t>(~sum));
}

template <typename T>
void Append(std::vector<uint8_t>& packet, const T& header) {
  auto bytes = reinterpret_cast<const uint8_t*>(&header);
  packet.insert(packet.end(), bytes, bytes + sizeof header);
}

// Of the transport's segment with the pseudo header of either family.
uint16_t SegmentChecksum(const Address& from, const Address& to, uint8_t protocol,
                         const std::vector<uint8_t>& segment) {
  size_t skip = from.IsV4() ? 12 : 0;
  uint32_t sum = protocol + static_cast<uint32_t>(segment.size());
  sum = Sum(from.bytes.data() + skip, 16 - skip, sum);
  sum = Sum(to.bytes.data() + skip, 16 - skip, sum);
  return Fold(Sum(segment.data(), segment.size(), sum));
}

std::vector<uint8_t> Frame(const Address& from, const Address& to, uint8_t protocol,
                           const std::vector<uint8_t>& segment) {
  std::vector<uint8_t> packet;
  ether_header ethernet{{0x02, 0, 0, 0, 0, 1}, {0x02, 0, 0, 0, 0, 2}, 0};
  ethernet.ether_type = htons(from.IsV4() ? ETHERTYPE_IP : ETHERTYPE_IPV6);
  Append(packet, ethernet);
  if (from.IsV4()) {
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = htons(static_cast<uint16_t>(sizeof ip + segment.size()));
    ip.frag_off = htons(IP_DF);
    ip.ttl = kHopLimit;
    ip.protocol = protocol;
    ip.saddr = htonl(from.V4());
    ip.daddr = htonl(to.V4());
    ip.check = Fold(Sum(reinterpret_cast<const uint8_t*>(&ip), sizeof ip, 0));
    Append(packet, ip);
  } else {
    ip6_hdr ip{};
    ip.ip6_vfc = 0x60;
    ip.ip6_plen = htons(static_cast<uint16_t>(segment.size()));
    ip.ip6_nxt = protocol;
    ip.ip6_hlim = kHopLimit;
    std::memcpy(&ip.ip6_src, from.bytes.data(), 16);
    std::memcpy(&ip.ip6_dst, to.bytes.data(), 16);
    Append(packet, ip);
  }
  packet.insert(packet.end(), segment.begin(), segment.end());
  return packet;
}

// An address of the client's family that is nobody's (RFC 5737, RFC 3849).
Address Elsewhere(const Address& client, uint8_t last) {
  if (client.IsV4()) return Address::FromV4(0xcb007100u | last);  // 203.0.113.0/24
  Address address;
  address.bytes = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, last};
  return address;
}

// A query for the address of example.com.
std::vector<uint8_t> DnsQuery() {
  const uint8_t query[] = {0,   7,   1,   0,   0,   1, 0,   0,   0,   0, 0, 0, 7, 'e', 'x',
                           'a', 'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0, 0, 1, 0, 1};
  return {query, query + sizeof query};
}

}  // namespace

std::vector<uint8_t> TcpSyn(const Address& from, const Address& to, uint16_t port) {
  tcphdr tcp{};
  tcp.source = htons(kClientPort);
  tcp.dest = htons(port);
  tcp.seq = htonl(1);
  tcp.doff = 6;
  tcp.syn = 1;
  tcp.window = htons(64240);
  const uint8_t mss[] = {TCPOPT_MAXSEG, TCPOLEN_MAXSEG, 0x05, 0xa0};  // 1440
  std::vector<uint8_t> segment;
  Append(segment, tcp);
  Append(segment, mss);
  uint16_t checksum = SegmentChecksum(from, to, IPPROTO_TCP, segment);
  std::memcpy(segment.data() + offsetof(tcphdr, check), &checksum, sizeof checksum);
  return Frame(from, to, IPPROTO_TCP, segment);
}

std::vector<uint8_t> Udp(const Address& from, const Address& to, uint16_t port,
                         const std::vector<uint8_t>& payload) {
  udphdr udp{};
  udp.source = htons(kClientPort);
  udp.dest = htons(port);
  udp.len = htons(static_cast<uint16_t>(sizeof udp + payload.size()));
  std::vector<uint8_t> segment;
  Append(segment, udp);
  segment.insert(segment.end(), payload.begin(), payload.end());
  uint16_t checksum = SegmentChecksum(from, to, IPPROTO_UDP, segment);
  if (checksum == 0) checksum = 0xffff;  // RFC 768: 0 would mean none
  std::memcpy(segment.data() + offsetof(udphdr, check), &checksum, sizeof checksum);
  return Frame(from, to, IPPROTO_UDP, segment);
}

std::vector<SamplePacket> SamplePackets(const ZoneConfig& zone, const Address& client) {
  Address web = Elsewhere(client, 1);
  std::vector<SamplePacket> samples;
  for (uint16_t port : {80, 443})
    samples.push_back({fmt::format("TCP SYN to port {}", port), TcpSyn(client, web, port)});
  samples.push_back({"UDP to port 443 (QUIC)", Udp(client, web, 443, std::vector<uint8_t>(1200))});

  auto family = [&](const Address& address) { return address.IsV4() == client.IsV4(); };
  auto resolver = std::find_if(zone.resolvers.begin(), zone.resolvers.end(), family);
  if (resolver != zone.resolvers.end())
    samples.push_back({fmt::format("DNS query to {}", resolver->ToString()),
                       Udp(client, *resolver, 53, DnsQuery())});
  samples.push_back({"DNS query elsewhere", Udp(client, Elsewhere(client, 53), 53, DnsQuery())});

  auto garden = std::find_if(zone.garden.begin(), zone.garden.end(), [&](const GardenEntry& entry) {
    return family(entry.prefix.base) && !entry.tcp.empty();
  });
  if (garden != zone.garden.end())
    samples.push_back({fmt::format("TCP SYN to garden {} port {}", garden->prefix.ToString(),
                                   garden->tcp.front().first),
                       TcpSyn(client, garden->prefix.base, garden->tcp.front().first)});
  return samples;
}

}  // namespace narthex
