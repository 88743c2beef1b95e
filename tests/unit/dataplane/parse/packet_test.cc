// SPDX-License-Identifier: Apache-2.0
// REQUIREMENTS §3 and §4: what a worker takes for a segment, and what it refuses.
#include "parse/packet.h"

#include <gtest/gtest.h>

#include "tests/harness/guard_page.h"
#include "tests/harness/packet.h"

namespace narthex {
namespace {

using test::Bytes;
using test::Ethernet;
using test::Extension;
using test::Ipv4;
using test::Ipv6;
using test::kAck;
using test::Payload;
using test::Tcp;
using test::Udp;
using test::Vlan;

const Tcp kData{.ack = 7, .flags = kAck};
const Payload kPayload{"GET / HTTP/1.1\r\n\r\n"};

struct Row {
  const char* description;
  Bytes frame;
  ParseResult result;
  uint16_t payload_offset = 0;
};

Bytes Padded(Bytes frame) {
  frame.resize(frame.size() + 13, 0xee);
  return frame;
}

Bytes Cut(Bytes frame, size_t bytes) {
  frame.resize(frame.size() - bytes);
  return frame;
}

test::Packet Chain(int headers) {
  test::Packet packet = Ethernet{} / Ipv6{};
  for (int i = 0; i < headers; i++) packet = packet / Extension{.type = 60};
  return packet / kData / kPayload;
}

const Row kRows[] = {
    {"IPv4", Ethernet{} / Ipv4{} / kData / kPayload, ParseResult::kOk, 54},
    {"IPv6", Ethernet{} / Ipv6{} / kData / kPayload, ParseResult::kOk, 74},
    {"one tag", Ethernet{} / Vlan{} / Ipv4{} / kData / kPayload, ParseResult::kOk, 58},
    {"two tags, 802.1ad outside",
     Ethernet{} / Vlan{.tpid = 0x88a8} / Vlan{} / Ipv6{} / kData / kPayload, ParseResult::kOk, 82},
    {"three tags", Ethernet{} / Vlan{} / Vlan{} / Vlan{} / Ipv4{} / kData / kPayload,
     ParseResult::kUnsupported},
    {"tag 0x9100", Ethernet{} / Vlan{.tpid = 0x9100} / Ipv4{} / kData / kPayload,
     ParseResult::kUnsupported},
    {"IPv4 options", Ethernet{} / Ipv4{.options = Bytes(8, 1)} / kData / kPayload, ParseResult::kOk,
     62},
    {"IPv4 options of 40 bytes", Ethernet{} / Ipv4{.options = Bytes(40, 1)} / kData / kPayload,
     ParseResult::kOk, 94},
    {"TCP options", Ethernet{} / Ipv4{} / Tcp{.flags = kAck, .options = Bytes(12, 1)} / kPayload,
     ParseResult::kOk, 66},
    {"Ethernet padding is no payload", Padded(Ethernet{} / Ipv4{} / kData / kPayload),
     ParseResult::kOk, 54},
    {"IPv6 padding is no payload", Padded(Ethernet{} / Ipv6{} / kData / kPayload), ParseResult::kOk,
     74},
    {"hop-by-hop, destination and authentication headers",
     Ethernet{} / Ipv6{} / Extension{.type = 0} / Extension{.type = 60, .body = Bytes(14)} /
         Extension{.type = 51, .body = Bytes(22)} / kData / kPayload,
     ParseResult::kOk, 122},
    {"eight extension headers", Chain(8), ParseResult::kOk, 138},
    {"nine extension headers", Chain(9), ParseResult::kUnsupported},
    {"routing header", Ethernet{} / Ipv6{} / Extension{.type = 43} / kData / kPayload,
     ParseResult::kUnsupported},
    {"fragment header", Ethernet{} / Ipv6{} / Extension{.type = 44} / kData / kPayload,
     ParseResult::kUnsupported},
    {"IPv4 first fragment", Ethernet{} / Ipv4{.fragment = 0x2000} / kData / kPayload,
     ParseResult::kUnsupported},
    {"IPv4 later fragment", Ethernet{} / Ipv4{.fragment = 3} / kData / kPayload,
     ParseResult::kUnsupported},
    {"UDP", Ethernet{} / Ipv4{} / Udp{} / kPayload, ParseResult::kUnsupported},
    {"SYN", Ethernet{} / Ipv4{} / Tcp{} / kPayload, ParseResult::kUnsupported},
    {"RST", Ethernet{} / Ipv4{} / Tcp{.flags = kAck | test::kRst} / kPayload,
     ParseResult::kUnsupported},
    {"no ACK", Ethernet{} / Ipv4{} / Tcp{.flags = test::kPsh} / kPayload,
     ParseResult::kUnsupported},
    {"ARP", Ethernet{} / test::Arp{}, ParseResult::kUnsupported},
    {"IPv4 that says version 6", Ethernet{} / Ipv4{.version_ihl = uint8_t{0x65}} / kData / kPayload,
     ParseResult::kMalformed},
    {"IPv4 header length below 20",
     Ethernet{} / Ipv4{.version_ihl = uint8_t{0x44}} / kData / kPayload, ParseResult::kMalformed},
    {"IPv4 header longer than the packet",
     Ethernet{} / Ipv4{.total_bytes = uint16_t{24}, .version_ihl = uint8_t{0x4f}} / kData /
         kPayload,
     ParseResult::kMalformed},
    {"IPv4 total length beyond the frame",
     Ethernet{} / Ipv4{.total_bytes = uint16_t{1500}} / kData / kPayload, ParseResult::kMalformed},
    {"IPv4 total length inside the TCP header",
     Ethernet{} / Ipv4{.total_bytes = uint16_t{39}} / kData / kPayload, ParseResult::kMalformed},
    {"IPv6 payload length beyond the frame",
     Ethernet{} / Ipv6{.payload_bytes = uint16_t{1500}} / kData / kPayload,
     ParseResult::kMalformed},
    {"IPv6 payload length inside the TCP header",
     Ethernet{} / Ipv6{.payload_bytes = uint16_t{19}} / kData / kPayload, ParseResult::kMalformed},
    {"TCP header length below 20",
     Ethernet{} / Ipv4{} / Tcp{.flags = kAck, .doff = uint8_t{4}} / kPayload,
     ParseResult::kMalformed},
    {"TCP options beyond the packet", Ethernet{} / Ipv4{} / Tcp{.flags = kAck, .doff = uint8_t{15}},
     ParseResult::kMalformed},
    {"frame cut short", Cut(Ethernet{} / Ipv4{} / kData / kPayload, 1), ParseResult::kMalformed},
    {"empty frame", Bytes{}, ParseResult::kMalformed},
};

TEST(ParsePacket, Table) {
  for (const Row& row : kRows) {
    Packet packet;
    ASSERT_EQ(ParsePacket(row.frame, packet), row.result) << row.description;
    if (row.result != ParseResult::kOk) continue;
    EXPECT_EQ(packet.payload_offset, row.payload_offset) << row.description;
    EXPECT_EQ(packet.payload_bytes, kPayload.bytes.size()) << row.description;
    EXPECT_EQ(packet.flow.client_port, htons(40000)) << row.description;
    EXPECT_TRUE(VerifyChecksums(row.frame, packet)) << row.description;
  }
}

TEST(ParsePacket, NeverReadsBeyondTheFrame) {
  test::GuardPage guard;
  for (const Row& row : kRows) {
    for (size_t bytes = 0; bytes <= row.frame.size(); bytes++) {
      const std::string_view cut =
          guard.AtEnd({reinterpret_cast<const char*>(row.frame.data()), bytes});
      const std::span<const uint8_t> frame(reinterpret_cast<const uint8_t*>(cut.data()), bytes);
      Packet packet;
      if (ParsePacket(frame, packet) != ParseResult::kOk) continue;
      ASSERT_LE(packet.payload_offset + packet.payload_bytes, bytes) << row.description;
      (void)VerifyChecksums(frame, packet);
    }
  }
}

TEST(ParsePacket, ReadsFieldsIntoHostOrder) {
  const Bytes frame = Ethernet{} / Ipv4{} /
                      Tcp{.sport = 1025,
                          .seq = 0x01020304,
                          .ack = 0x05060708,
                          .flags = kAck | test::kFin,
                          .window = 0x1234} /
                      kPayload;
  Packet packet;
  ASSERT_EQ(ParsePacket(frame, packet), ParseResult::kOk);
  EXPECT_EQ(packet.sequence, Seq(0x01020304));
  EXPECT_EQ(packet.acknowledgement, Seq(0x05060708));
  EXPECT_EQ(packet.window_bytes, 0x1234);
  EXPECT_TRUE(packet.Fin());
  EXPECT_EQ(packet.SequenceBytes(), kPayload.bytes.size() + 1);
  const uint8_t client[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 51, 1, 2};
  EXPECT_EQ(std::memcmp(packet.flow.client, client, 16), 0);
  EXPECT_EQ(packet.flow.ipv6, 0);
}

TEST(VerifyChecksums, RefusesEachSingleBitError) {
  for (const Bytes& good : {Bytes(Ethernet{} / Ipv4{} / kData / kPayload),
                            Bytes(Ethernet{} / Ipv6{} / kData / kPayload)}) {
    Packet packet;
    ASSERT_EQ(ParsePacket(good, packet), ParseResult::kOk);
    const bool ipv6 = packet.flow.ipv6;
    for (size_t bit = 8 * packet.ip_offset; bit < 8 * good.size(); bit++) {
      // Class, flow label and hop limit of IPv6 are in no checksum.
      const size_t byte = bit / 8 - packet.ip_offset;
      if (ipv6 && (byte < 8)) continue;
      Bytes bad = good;
      bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      Packet parsed;
      if (ParsePacket(bad, parsed) != ParseResult::kOk) continue;
      EXPECT_FALSE(VerifyChecksums(bad, parsed)) << "bit " << bit;
    }
  }
}

}  // namespace
}  // namespace narthex
