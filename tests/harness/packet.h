// SPDX-License-Identifier: Apache-2.0
// Packets composed by name: `Ethernet{} / Ipv4{} / Tcp{.dport = 80} / Payload{"GET /"}`.
// Defaults are a client (10.51.1.2, 2001:db8:51:1::2) that speaks to an origin (198.51.100.10,
// 2001:db8:100::10). Lengths and checksums come out right unless a field says otherwise.
// Nothing of narthex is used here: the tests' own idea of a packet is an independent one.
#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace narthex::test {

using Bytes = std::vector<uint8_t>;
using Mac = std::array<uint8_t, 6>;

inline constexpr Mac kClientMac = {0x02, 0, 0, 0, 0, 0x02};
inline constexpr Mac kGatewayMac = {0x02, 0, 0, 0, 0, 0x01};

enum TcpFlag : uint8_t { kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32, kEce = 64 };

struct Ethernet {
  Mac dst = kGatewayMac;
  Mac src = kClientMac;
  std::optional<uint16_t> ethertype = std::nullopt;  // by default that of the next layer
};
struct Vlan {
  uint16_t id = 7;
  uint16_t tpid = 0x8100;
};
struct Arp {};
struct Ipv4 {
  std::string src = "10.51.1.2";
  std::string dst = "198.51.100.10";
  uint8_t ttl = 64;
  uint8_t tos = 0;
  uint16_t id = 1;
  uint16_t fragment = 0x4000;  // flags and offset as on the wire: DF
  Bytes options = {};          // a multiple of 4 bytes
  std::optional<uint8_t> protocol = std::nullopt;
  std::optional<uint16_t> total_bytes = std::nullopt;
  std::optional<uint8_t> version_ihl = std::nullopt;
  uint16_t checksum_xor = 0;
};
struct Ipv6 {
  std::string src = "2001:db8:51:1::2";
  std::string dst = "2001:db8:100::10";
  uint8_t hop_limit = 64;
  std::optional<uint8_t> next = std::nullopt;
  std::optional<uint16_t> payload_bytes = std::nullopt;
};
// An IPv6 extension header: `type` is its own number, `body` all bytes after next header and
// length.
struct Extension {
  uint8_t type = 0;
  Bytes body = Bytes(6);
};
struct Tcp {
  uint16_t sport = 40000;
  uint16_t dport = 80;
  uint32_t seq = 1000;
  uint32_t ack = 0;
  uint8_t flags = kSyn;
  uint16_t window = 64240;
  Bytes options = {};  // a multiple of 4 bytes
  std::optional<uint8_t> doff = std::nullopt;
  uint16_t checksum_xor = 0;
};
struct Udp {
  uint16_t sport = 40000;
  uint16_t dport = 53;
};
struct Icmp {
  uint8_t type = 8;
  uint8_t code = 0;
};
struct Icmp6 {
  uint8_t type = 128;
  uint8_t code = 0;
  Bytes body = Bytes(20);
};
struct Payload {
  std::string bytes;
};

using Layer =
    std::variant<Ethernet, Vlan, Arp, Ipv4, Ipv6, Extension, Tcp, Udp, Icmp, Icmp6, Payload>;

inline Bytes MssOption(uint16_t mss) {
  return {2, 4, static_cast<uint8_t>(mss >> 8), static_cast<uint8_t>(mss)};
}

namespace internal {

inline void Put16(Bytes& out, size_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
inline void Put32(Bytes& out, uint32_t value) {
  Put16(out, value >> 16);
  Put16(out, value & 0xffff);
}
inline void Append(Bytes& out, const Bytes& more) {
  out.insert(out.end(), more.begin(), more.end());
}

// RFC 1071, a byte pair at a time.
inline uint16_t Checksum(const Bytes& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i++) {
    sum += i % 2 ? bytes[i] : bytes[i] << 8;
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

inline Bytes Address(const std::string& text) {
  Bytes out(text.find(':') == std::string::npos ? 4 : 16);
  if (inet_pton(out.size() == 4 ? AF_INET : AF_INET6, text.c_str(), out.data()) != 1) {
    throw std::invalid_argument(text);
  }
  return out;
}

inline uint16_t EthertypeOf(const Layer& layer) {
  if (const auto* vlan = std::get_if<Vlan>(&layer)) return vlan->tpid;
  if (std::holds_alternative<Arp>(layer)) return 0x0806;
  if (std::holds_alternative<Ipv6>(layer)) return 0x86dd;
  return 0x0800;
}

inline uint8_t ProtocolOf(const Layer& layer) {
  if (const auto* extension = std::get_if<Extension>(&layer)) return extension->type;
  if (std::holds_alternative<Tcp>(layer)) return 6;
  if (std::holds_alternative<Udp>(layer)) return 17;
  if (std::holds_alternative<Icmp>(layer)) return 1;
  if (std::holds_alternative<Icmp6>(layer)) return 58;
  return 59;  // no next header
}

}  // namespace internal

class Packet {
 public:
  explicit Packet(Layer first) { layers_.push_back(std::move(first)); }
  Packet Then(Layer layer) const {
    Packet out = *this;
    out.layers_.push_back(std::move(layer));
    return out;
  }

  // The frame as it goes over the wire.
  Bytes Serialize() const {
    Bytes out;
    for (size_t i = layers_.size(); i-- > 0;) {
      out = std::visit([&](const auto& layer) { return Write(layer, i, out); }, layers_[i]);
    }
    return out;
  }
  operator Bytes() const { return Serialize(); }

 private:
  Layer Next(size_t i) const { return i + 1 < layers_.size() ? layers_[i + 1] : Layer(Payload{}); }

  Bytes Write(const Payload& layer, size_t, const Bytes& rest) const {
    Bytes out(layer.bytes.begin(), layer.bytes.end());
    internal::Append(out, rest);
    return out;
  }
  Bytes Write(const Ethernet& layer, size_t i, const Bytes& rest) const {
    Bytes out(layer.dst.begin(), layer.dst.end());
    out.insert(out.end(), layer.src.begin(), layer.src.end());
    internal::Put16(out, layer.ethertype.value_or(internal::EthertypeOf(Next(i))));
    internal::Append(out, rest);
    return out;
  }
  Bytes Write(const Vlan& layer, size_t i, const Bytes& rest) const {
    Bytes out;
    internal::Put16(out, layer.id);
    internal::Put16(out, internal::EthertypeOf(Next(i)));
    internal::Append(out, rest);
    return out;
  }
  Bytes Write(const Arp&, size_t, const Bytes&) const {
    Bytes out = {0, 1, 8, 0, 6, 4, 0, 1};
    out.resize(28);
    return out;
  }
  Bytes Write(const Ipv4& layer, size_t i, const Bytes& rest) const {
    size_t header = 20 + layer.options.size();
    Bytes out = {layer.version_ihl.value_or(static_cast<uint8_t>(0x40 | header / 4)), layer.tos};
    internal::Put16(out, layer.total_bytes.value_or(static_cast<uint16_t>(header + rest.size())));
    internal::Put16(out, layer.id);
    internal::Put16(out, layer.fragment);
    out.push_back(layer.ttl);
    out.push_back(layer.protocol.value_or(internal::ProtocolOf(Next(i))));
    internal::Put16(out, 0);
    internal::Append(out, internal::Address(layer.src));
    internal::Append(out, internal::Address(layer.dst));
    internal::Append(out, layer.options);
    uint16_t sum = internal::Checksum(out) ^ layer.checksum_xor;
    out[10] = static_cast<uint8_t>(sum >> 8);
    out[11] = static_cast<uint8_t>(sum);
    internal::Append(out, rest);
    return out;
  }
  Bytes Write(const Ipv6& layer, size_t i, const Bytes& rest) const {
    Bytes out;
    internal::Put32(out, 0x60000000);
    internal::Put16(out, layer.payload_bytes.value_or(static_cast<uint16_t>(rest.size())));
    out.push_back(layer.next.value_or(internal::ProtocolOf(Next(i))));
    out.push_back(layer.hop_limit);
    internal::Append(out, internal::Address(layer.src));
    internal::Append(out, internal::Address(layer.dst));
    internal::Append(out, rest);
    return out;
  }
  Bytes Write(const Extension& layer, size_t i, const Bytes& rest) const {
    size_t total = 2 + layer.body.size();
    uint8_t length = static_cast<uint8_t>(layer.type == 51 ? total / 4 - 2 : total / 8 - 1);
    Bytes out = {internal::ProtocolOf(Next(i)), length};
    internal::Append(out, layer.body);
    internal::Append(out, rest);
    return out;
  }
  Bytes Write(const Tcp& layer, size_t, const Bytes& rest) const {
    Bytes out;
    internal::Put16(out, layer.sport);
    internal::Put16(out, layer.dport);
    internal::Put32(out, layer.seq);
    internal::Put32(out, layer.ack);
    out.push_back(static_cast<uint8_t>(
        layer.doff.value_or(static_cast<uint8_t>(5 + layer.options.size() / 4)) << 4));
    out.push_back(layer.flags);
    internal::Put16(out, layer.window);
    internal::Put32(out, 0);
    internal::Append(out, layer.options);
    internal::Append(out, rest);
    return WithChecksum(out, 16, 6, layer.checksum_xor);
  }
  Bytes Write(const Udp& layer, size_t, const Bytes& rest) const {
    Bytes out;
    internal::Put16(out, layer.sport);
    internal::Put16(out, layer.dport);
    internal::Put16(out, 8 + rest.size());
    internal::Put16(out, 0);
    internal::Append(out, rest);
    return WithChecksum(out, 6, 17, 0);
  }
  Bytes Write(const Icmp& layer, size_t, const Bytes& rest) const {
    Bytes out = {layer.type, layer.code, 0, 0, 0, 1, 0, 1};
    internal::Append(out, rest);
    uint16_t sum = internal::Checksum(out);
    out[2] = static_cast<uint8_t>(sum >> 8);
    out[3] = static_cast<uint8_t>(sum);
    return out;
  }
  Bytes Write(const Icmp6& layer, size_t, const Bytes& rest) const {
    Bytes out = {layer.type, layer.code, 0, 0};
    internal::Append(out, layer.body);
    internal::Append(out, rest);
    return WithChecksum(out, 2, 58, 0);
  }

  // Fills the checksum at `offset` of a transport header with the pseudo header of the IP layer.
  Bytes WithChecksum(Bytes segment, size_t offset, uint8_t protocol, uint16_t flip) const {
    Bytes pseudo;
    for (const Layer& layer : layers_) {
      if (const auto* ip4 = std::get_if<Ipv4>(&layer)) {
        pseudo = internal::Address(ip4->src);
        internal::Append(pseudo, internal::Address(ip4->dst));
      } else if (const auto* ip6 = std::get_if<Ipv6>(&layer)) {
        pseudo = internal::Address(ip6->src);
        internal::Append(pseudo, internal::Address(ip6->dst));
      }
    }
    internal::Put16(pseudo, protocol);
    internal::Put16(pseudo, segment.size());
    internal::Append(pseudo, segment);
    uint16_t sum = internal::Checksum(pseudo) ^ flip;
    segment[offset] = static_cast<uint8_t>(sum >> 8);
    segment[offset + 1] = static_cast<uint8_t>(sum);
    return segment;
  }

  std::vector<Layer> layers_;
};

inline Packet operator/(Layer first, Layer second) {
  return Packet(std::move(first)).Then(std::move(second));
}
inline Packet operator/(const Packet& packet, Layer layer) { return packet.Then(std::move(layer)); }

// A segment as a test reads it back; nullopt if the frame is not well-formed TCP over IP with
// right lengths and checksums.
struct Segment {
  Mac eth_dst, eth_src;
  std::vector<uint16_t> vlans;
  Bytes src, dst;
  uint8_t ttl = 0, tos = 0;
  uint16_t fragment = 0, id = 0;
  size_t ip_header = 0;
  uint16_t sport = 0, dport = 0;
  uint32_t seq = 0, ack = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  Bytes options;
  std::string payload;
};

inline std::optional<Segment> ReadSegment(const Bytes& frame) {
  auto get16 = [&](size_t at) {
    return static_cast<uint16_t>(frame.at(at) << 8 | frame.at(at + 1));
  };
  auto get32 = [&](size_t at) { return static_cast<uint32_t>(get16(at)) << 16 | get16(at + 2); };
  auto slice = [&](size_t from, size_t to) {
    if (from > to || to > frame.size()) throw std::out_of_range("slice");
    return Bytes(frame.begin() + static_cast<long>(from), frame.begin() + static_cast<long>(to));
  };
  try {
    Segment out;
    std::copy_n(frame.begin(), 6, out.eth_dst.begin());
    std::copy_n(frame.begin() + 6, 6, out.eth_src.begin());
    size_t at = 12;
    while (get16(at) == 0x8100 || get16(at) == 0x88a8) {
      out.vlans.push_back(get16(at + 2));
      at += 4;
    }
    bool ipv6 = get16(at) == 0x86dd;
    size_t ip = at + 2, tcp, end;
    if (ipv6) {
      if (frame.at(ip) >> 4 != 6 || frame.at(ip + 6) != 6) return std::nullopt;
      out.tos = static_cast<uint8_t>(get16(ip) >> 4);
      out.ttl = frame.at(ip + 7);
      out.ip_header = 40;
      out.src = slice(ip + 8, ip + 24);
      out.dst = slice(ip + 24, ip + 40);
      end = ip + 40 + get16(ip + 4);
    } else {
      if (frame.at(ip) >> 4 != 4 || frame.at(ip + 9) != 6) return std::nullopt;
      out.ip_header = (frame.at(ip) & 15u) * 4;
      out.tos = frame.at(ip + 1);
      out.id = get16(ip + 4);
      out.fragment = get16(ip + 6);
      out.ttl = frame.at(ip + 8);
      out.src = slice(ip + 12, ip + 16);
      out.dst = slice(ip + 16, ip + 20);
      end = ip + get16(ip + 2);
      if (internal::Checksum(slice(ip, ip + out.ip_header)) != 0) return std::nullopt;
    }
    tcp = ip + out.ip_header;
    size_t payload = tcp + (frame.at(tcp + 12) >> 4) * 4u;
    Bytes pseudo = out.src;
    internal::Append(pseudo, out.dst);
    internal::Put16(pseudo, 6);
    internal::Put16(pseudo, end - tcp);
    internal::Append(pseudo, slice(tcp, end));
    if (internal::Checksum(pseudo) != 0) return std::nullopt;
    out.sport = get16(tcp);
    out.dport = get16(tcp + 2);
    out.seq = get32(tcp + 4);
    out.ack = get32(tcp + 8);
    out.flags = frame.at(tcp + 13);
    out.window = get16(tcp + 14);
    out.options = slice(tcp + 20, payload);
    Bytes body = slice(payload, end);
    out.payload.assign(body.begin(), body.end());
    return out;
  } catch (const std::out_of_range&) {
    return std::nullopt;
  }
}

}  // namespace narthex::test
