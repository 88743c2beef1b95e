// SPDX-License-Identifier: Apache-2.0
// The cookie of bpf/cookie.h: the hash itself, and that both worlds compute the same.
#include <linux/bpf.h>

#include <random>

#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

// SipHash-1-3 of the first `bytes` bytes of 00, 01, …, by the steps that cookies are made of.
uint64_t SipHash(size_t bytes) {
  const __u64 key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  nx_sip state = nx_sip_begin(key);
  __u64 word = 0;
  for (size_t i = 0; i < bytes; i++) {
    word |= static_cast<__u64>(i) << i % 8 * 8;
    if (i % 8 != 7) continue;
    nx_sip_absorb(&state, word);
    word = 0;
  }
  return nx_sip_end(&state, word | static_cast<__u64>(bytes) << 56);
}

// Computed by a separate implementation that gives the paper's vectors for 2-4.
TEST(SipHash, AgreesWithReferenceVectors) {
  EXPECT_EQ(SipHash(0), 0xabac0158050fc4dcu);
  EXPECT_EQ(SipHash(8), 0x369095118d299a8eu);
  EXPECT_EQ(SipHash(15), 0xd320d86d2a519956u);
  EXPECT_EQ(SipHash(16), 0xcc4fdd1a7d908b66u);
  EXPECT_EQ(SipHash(24), 0xf464aeb267349c8cu);
  const __u64 key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  const __u64 words[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  EXPECT_EQ(nx_siphash(key, words, 2), SipHash(16));
  EXPECT_EQ(SipHash(39), 0x626b57547b108392u);
}

TEST(CookieCheck, JudgesAcknowledgements) {
  nx_cookie_keys keys = {{{1, 2}, {3, 4}, {5, 6}, {7, 8}}};
  nx_flow flow = {};
  flow.client_port = 1;
  const uint64_t slot = 1000;
  struct {
    const char* description;
    uint64_t made_in;
    uint32_t mss_class;
    uint32_t offset;
    nx_cookie_state want;
  } const rows[] = {
      {"request, full", slot, NX_MSS_FULL, 1, NX_COOKIE_START},
      {"request, compact", slot, NX_MSS_COMPACT, 1, NX_COOKIE_START},
      {"made in the slot before", slot - 1, NX_MSS_FULL, 1, NX_COOKIE_START},
      {"two slots old", slot - 2, NX_MSS_FULL, 1, NX_COOKIE_INVALID},
      {"from the future", slot + 1, NX_MSS_FULL, 1, NX_COOKIE_INVALID},
      {"our SYN not acknowledged", slot, NX_MSS_COMPACT, 0, NX_COOKIE_INVALID},
      {"a class that is never offered", slot, 3, 1, NX_COOKIE_INVALID},
      {"whole response and FIN acknowledged", slot, NX_MSS_FULL, NX_FULL_RESPONSE_BYTES + 2,
       NX_COOKIE_LATER},
      {"more than was ever sent", slot, 3, NX_FULL_RESPONSE_BYTES + 3, NX_COOKIE_INVALID},
  };
  for (const auto& row : rows) {
    uint32_t mss_class = 99;
    uint32_t ack = (nx_cookie_base(&keys, &flow, row.made_in) | row.mss_class) + row.offset;
    EXPECT_EQ(nx_cookie_check(&keys, &flow, slot, ack, &mss_class), row.want) << row.description;
    if (row.want == NX_COOKIE_START) {
      EXPECT_EQ(mss_class, row.mss_class) << row.description;
    }
  }
}

TEST(CookieCheck, DependsOnEveryFieldOfTheFlow) {
  nx_cookie_keys keys = {{{1, 2}, {1, 2}, {1, 2}, {1, 2}}};
  for (uint16_t ipv6 : {0, 1}) {
    nx_flow flow = {};
    flow.ipv6 = ipv6;
    uint32_t base = nx_cookie_base(&keys, &flow, 1);
    for (size_t i = ipv6 ? 0 : 12; i < 16; i++) {
      nx_flow other = flow;
      other.client[i] ^= 1;
      EXPECT_NE(nx_cookie_base(&keys, &other, 1), base) << "client " << i;
      other = flow;
      other.server[i] ^= 1;
      EXPECT_NE(nx_cookie_base(&keys, &other, 1), base) << "server " << i;
    }
    nx_flow other = flow;
    other.client_port = 1;
    EXPECT_NE(nx_cookie_base(&keys, &other, 1), base);
    other = flow;
    other.server_port = 1;
    EXPECT_NE(nx_cookie_base(&keys, &other, 1), base);
    other = flow;
    other.zone = 1;
    EXPECT_NE(nx_cookie_base(&keys, &other, 1), base);
    EXPECT_NE(nx_cookie_base(&keys, &flow, 2), base);
  }
}

using CookieInBothWorlds = ClassifierFixture;

TEST_F(CookieInBothWorlds, AreEqualForRandomFlows) {
  std::mt19937 random(511);
  for (int i = 0; i < 200; i++) {
    bool ipv6 = i % 2;
    std::string client =
        (ipv6 ? "2001:db8:51:1::" : "10.51.1.") + std::to_string(random() % 250 + 1);
    std::string server = (ipv6 ? "2001:db8:9::" : "192.0.2.") + std::to_string(random() % 250 + 1);
    uint16_t port = static_cast<uint16_t>(random() % 60000 + 1024);
    Tcp tcp{.sport = port, .options = MssOption(1460)};
    Outcome out = Run(ipv6 ? Ethernet{} / Ipv6{.src = client, .dst = server} / tcp
                           : Ethernet{} / Ipv4{.src = client, .dst = server} / tcp);
    ASSERT_EQ(out.reason, NX_REASON_SYN_ACK) << ReasonName(out.reason);
    auto reply = ReadSegment(out.frame);
    ASSERT_TRUE(reply.has_value());
    bool now = reply->seq == Cookie(client, server, port, 80, NX_MSS_FULL);
    bool before =
        reply->seq == Cookie(client, server, port, 80, NX_MSS_FULL, 1);  // slot just turned
    EXPECT_TRUE(now || before) << client << " " << server << " " << port;
  }
}

}  // namespace narthex::test
