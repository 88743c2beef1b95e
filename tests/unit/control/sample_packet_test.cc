// SPDX-License-Identifier: Apache-2.0
#include "control/sample_packet.h"

#include <gtest/gtest.h>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

uint16_t Sum(const std::vector<uint8_t>& bytes, size_t from, size_t to, uint32_t start) {
  uint64_t sum = start;
  for (size_t i = from; i < to; ++i) sum += i % 2 == from % 2 ? bytes[i] << 8 : bytes[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

TEST(TcpSyn, HasGoodChecksums) {
  auto packet = TcpSyn(*ParseAddress("10.51.1.2"), *ParseAddress("203.0.113.1"), 80);
  ASSERT_EQ(packet.size(), 14u + 20 + 24);
  EXPECT_EQ(Sum(packet, 14, 34, 0), 0xffff);
  EXPECT_EQ(Sum(packet, 26, packet.size(), 6 + 24), 0xffff);  // addresses and segment
}

TEST(Udp, HasAGoodChecksumOverIpv6) {
  auto packet = Udp(*ParseAddress("2001:db8::2"), *ParseAddress("2001:db8::1"), 53, {1, 2, 3});
  ASSERT_EQ(packet.size(), 14u + 40 + 11);
  EXPECT_EQ(Sum(packet, 22, packet.size(), 17 + 11), 0xffff);
}

TEST(SamplePackets, AreOfTheClientsFamily) {
  ZoneConfig zone = TwoZones(4).zones[0];
  zone.resolvers = {*ParseAddress("198.51.100.10")};
  EXPECT_EQ(SamplePackets(zone, *ParseAddress("10.51.1.2")).size(), 5u);
  EXPECT_EQ(SamplePackets(zone, *ParseAddress("2001:db8:51:1::2")).size(), 4u);
}

}  // namespace
}  // namespace narthex
