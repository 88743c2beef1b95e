// SPDX-License-Identifier: Apache-2.0
#include "parse/packet.h"

#include <cstring>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace narthex {
namespace {

// Check, advance, return: the part of the frame not yet read.
class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> frame) : frame_(frame) {}

  // The next header, or null when the frame ends before it; does not advance.
  template <class Header>
  const Header* Peek() const {
    if (frame_.size() - offset_ < sizeof(Header)) return nullptr;
    return reinterpret_cast<const Header*>(frame_.data() + offset_);
  }
  bool Skip(uint32_t bytes) {
    if (frame_.size() - offset_ < bytes) return false;
    offset_ += bytes;
    return true;
  }
  // Forgets what lies behind the next `bytes`; false when there are fewer.
  bool Limit(uint32_t bytes) {
    if (frame_.size() - offset_ < bytes) return false;
    frame_ = frame_.first(offset_ + bytes);
    return true;
  }
  uint16_t Offset() const { return static_cast<uint16_t>(offset_); }
  uint16_t Remaining() const { return static_cast<uint16_t>(frame_.size() - offset_); }

 private:
  std::span<const uint8_t> frame_;
  size_t offset_ = 0;
};

// Leaves the cursor at the network header.
ParseResult ParseEthernet(Cursor& cursor, uint16_t& ether_type) {
  const auto* ethernet = cursor.Peek<EthernetHeader>();
  if (!ethernet) return ParseResult::kMalformed;
  ether_type = ethernet->ether_type.Host();
  cursor.Skip(sizeof(EthernetHeader));
  for (int tags = 0; ether_type == kEtherTypeVlan || ether_type == kEtherTypeServiceVlan; tags++) {
    if (tags == kMaxVlanTags) return ParseResult::kUnsupported;
    const auto* vlan = cursor.Peek<VlanHeader>();
    if (!vlan) return ParseResult::kMalformed;
    ether_type = vlan->ether_type.Host();
    cursor.Skip(sizeof(VlanHeader));
  }
  return ParseResult::kOk;
}

// ::ffff:a.b.c.d, as bpf/abi.h writes IPv4 addresses.
void MapAddress(const Ipv4Address& address, __u8 (&mapped)[16]) {
  std::memset(mapped, 0, 10);
  std::memset(mapped + 10, 0xff, 2);
  std::memcpy(mapped + 12, address.data(), address.size());
}

ParseResult ParseIpv4(Cursor& cursor, Packet& packet) {
  const auto* ip = cursor.Peek<Ipv4Header>();
  if (!ip || ip->Version() != 4 || ip->HeaderBytes() < sizeof(Ipv4Header) ||
      ip->total_bytes.Host() < ip->HeaderBytes() || !cursor.Limit(ip->total_bytes.Host())) {
    return ParseResult::kMalformed;
  }
  if (ip->flags_and_fragment.Host() & kIpv4FragmentMask) return ParseResult::kUnsupported;
  if (ip->protocol != kProtocolTcp) return ParseResult::kUnsupported;
  MapAddress(ip->source, packet.flow.client);
  MapAddress(ip->destination, packet.flow.server);
  packet.flow.ipv6 = 0;
  cursor.Skip(ip->HeaderBytes());
  return ParseResult::kOk;
}

ParseResult ParseIpv6(Cursor& cursor, Packet& packet) {
  const auto* ip = cursor.Peek<Ipv6Header>();
  if (!ip || ip->Version() != 6) return ParseResult::kMalformed;
  std::memcpy(packet.flow.client, ip->source.data(), 16);
  std::memcpy(packet.flow.server, ip->destination.data(), 16);
  packet.flow.ipv6 = 1;
  cursor.Skip(sizeof(Ipv6Header));
  if (!cursor.Limit(ip->payload_bytes.Host())) return ParseResult::kMalformed;

  uint8_t next = ip->next_header;
  for (int count = 0; next != kProtocolTcp; count++) {
    // What the classifier steps over. A routing header could lead beyond the destination.
    if (next != kIpv6HopByHop && next != kIpv6Destination && next != kIpv6Authentication) {
      return ParseResult::kUnsupported;
    }
    if (count == kMaxIpv6ExtensionHeaders) return ParseResult::kUnsupported;
    const auto* extension = cursor.Peek<Ipv6ExtensionHeader>();
    if (!extension) return ParseResult::kMalformed;
    const uint32_t bytes =
        next == kIpv6Authentication ? extension->AuthenticationBytes() : extension->Bytes();
    next = extension->next_header;
    if (!cursor.Skip(bytes)) return ParseResult::kMalformed;
  }
  return ParseResult::kOk;
}

ParseResult ParseTcp(Cursor& cursor, Packet& packet) {
  const auto* tcp = cursor.Peek<TcpHeader>();
  if (!tcp || tcp->HeaderBytes() < sizeof(TcpHeader)) return ParseResult::kMalformed;
  packet.flow.client_port = tcp->source_port.Raw();
  packet.flow.server_port = tcp->destination_port.Raw();
  packet.sequence = Seq(tcp->sequence.Host());
  packet.acknowledgement = Seq(tcp->acknowledgement.Host());
  packet.window_bytes = tcp->window.Host();
  packet.flags = tcp->flags;
  packet.tcp_offset = cursor.Offset();
  if (!cursor.Skip(tcp->HeaderBytes())) return ParseResult::kMalformed;
  packet.payload_offset = cursor.Offset();
  packet.payload_bytes = cursor.Remaining();
  // Only acknowledged data reaches a worker; everything else is the classifier's.
  if ((tcp->flags & (kTcpSyn | kTcpRst | kTcpAck)) != kTcpAck) return ParseResult::kUnsupported;
  return ParseResult::kOk;
}

}  // namespace

ParseResult ParsePacket(std::span<const uint8_t> frame, Packet& packet) {
  if (frame.size() > UINT16_MAX) return ParseResult::kMalformed;
  Cursor cursor(frame);
  uint16_t ether_type;
  ParseResult result = ParseEthernet(cursor, ether_type);
  if (result != ParseResult::kOk) return result;
  packet.flow.zone = 0;
  packet.ip_offset = cursor.Offset();
  if (ether_type == kEtherTypeIpv4) {
    result = ParseIpv4(cursor, packet);
  } else if (ether_type == kEtherTypeIpv6) {
    result = ParseIpv6(cursor, packet);
  } else {
    return ParseResult::kUnsupported;
  }
  if (result != ParseResult::kOk) return result;
  return ParseTcp(cursor, packet);
}

bool VerifyChecksums(std::span<const uint8_t> frame, const Packet& packet) {
  const uint8_t* ip = frame.data() + packet.ip_offset;
  const uint32_t segment_bytes = packet.payload_offset + packet.payload_bytes - packet.tcp_offset;
  ChecksumSum sum = ChecksumAdd(frame.data() + packet.tcp_offset, segment_bytes);
  if (packet.flow.ipv6) {
    const auto* header = reinterpret_cast<const Ipv6Header*>(ip);
    return ChecksumValid(sum + PseudoHeaderSum(header->source, header->destination, segment_bytes));
  }
  const auto* header = reinterpret_cast<const Ipv4Header*>(ip);
  return ChecksumValid(ChecksumAdd(ip, header->HeaderBytes())) &&
         ChecksumValid(sum + PseudoHeaderSum(header->source, header->destination, segment_bytes));
}

}  // namespace narthex
