// SPDX-License-Identifier: Apache-2.0
// TCP in plain IPv4 is judged by a copy of the same text that the compiler has shortened
// (judge_plain): a tag, with which a frame goes the long way, must change nothing.
#include <linux/bpf.h>

#include <random>

#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

namespace {

constexpr size_t kTagAt = 12;

Bytes WithTag(Bytes frame) {
  const Bytes tag = {0x81, 0x00, 0x00, 0x07};
  frame.insert(frame.begin() + kTagAt, tag.begin(), tag.end());
  return frame;
}

Bytes WithoutTag(Bytes frame) {
  if (frame.size() >= kTagAt + 4) {
    frame.erase(frame.begin() + kTagAt, frame.begin() + kTagAt + 4);
  }
  return frame;
}

}  // namespace

class PlainTcp : public ClassifierFixture {
 protected:
  uint32_t Any(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  bool Rarely() { return Any(12) == 0; }
  template <typename T>
  T Pick(std::initializer_list<T> of) {
    return of.begin()[Any(static_cast<uint32_t>(of.size()))];
  }

  Bytes Options() {
    Bytes options(4 * Any(11));
    for (uint8_t& byte : options) byte = Pick<uint8_t>({0, 1, 2, 4, 8, 5, 0xff});
    if (options.size() >= 4 && Any(3)) {
      const uint8_t mss[] = {2, 4, Pick<uint8_t>({0, 2, 5}), Pick<uint8_t>({0, 0xb4})};
      std::copy(std::begin(mss), std::end(mss),
                options.begin() + 4 * Any(static_cast<uint32_t>(options.size() / 4)));
    }
    return options;
  }

  // A segment of a client, or nearly one.
  Bytes Frame() {
    const std::string client = Rarely() ? Pick({"10.51.1.1", "10.51.1.255", "192.0.2.1"})
                                        : "10.51.1." + std::to_string(2 + Any(250));
    const char* server = Pick({"198.51.100.10", "198.51.100.10", "203.0.113.5", "198.51.100.53",
                               "224.0.0.1", "127.0.0.1", "10.51.1.1"});
    Tcp tcp{.sport = static_cast<uint16_t>(1024 + Any(60000)),
            .dport = Pick<uint16_t>({80, 80, 8080, 443, 53}),
            .seq = static_cast<uint32_t>(random_()),
            .ack = static_cast<uint32_t>(random_()),
            .flags = Pick<uint8_t>({0x02, 0x02, 0xc2, 0x10, 0x11, 0x18, 0x19, 0x04, 0x03, 0x12, 0}),
            .options = Options(),
            .checksum_xor = static_cast<uint16_t>(Rarely() ? 1 + Any(0xffff) : 0)};
    if (Any(4)) {
      tcp.ack = Cookie(client, server, tcp.sport, tcp.dport, NX_MSS_FULL) + Pick({1u, 1u, 2u, 900u});
    }
    if (Rarely()) tcp.doff = static_cast<uint8_t>(Any(16));
    Ipv4 ip{.src = client,
            .dst = server,
            .ttl = static_cast<uint8_t>(Any(256)),
            .tos = static_cast<uint8_t>(Any(256)),
            .id = static_cast<uint16_t>(Any(0x10000)),
            .fragment = Rarely() ? Pick<uint16_t>({0x2000, 0x0001, 0x3fff, 0x8000}) : uint16_t{0x4000},
            .checksum_xor = static_cast<uint16_t>(Rarely() ? 1 + Any(0xffff) : 0)};
    if (Rarely()) ip.total_bytes = static_cast<uint16_t>(Any(120));
    if (Rarely()) ip.version_ihl = Pick<uint8_t>({0x44, 0x46, 0x35, 0x65});
    Bytes frame = Ethernet{} / ip / tcp / Payload{std::string(Pick({0u, 0u, 1u, 7u, 100u}), 'x')};
    if (Rarely()) frame.resize(14 + Any(static_cast<uint32_t>(frame.size() - 13)));
    if (Rarely()) frame.resize(frame.size() + Any(20));
    if (Rarely()) frame[0] |= 1;
    return frame;
  }

 private:
  std::mt19937 random_{511};
};

TEST_F(PlainTcp, IsJudgedAsWithATag) {
  AddSocket();
  AddGarden("203.0.113.0", 24, {{443, 443, 6, {}}});
  std::map<int, int> seen;
  for (int i = 0; i < 6000; i++) {
    SCOPED_TRACE(i);
    const Bytes frame = Frame();
    const Outcome plain = Run(frame), tagged = Run(WithTag(frame));
    ASSERT_STREQ(ReasonName(plain.reason), ReasonName(tagged.reason));
    ASSERT_EQ(plain.action, tagged.action);
    ASSERT_EQ(plain.frame, WithoutTag(tagged.frame)) << ReasonName(plain.reason);
    seen[plain.reason]++;
  }
  for (int reason : {NX_REASON_SYN_ACK, NX_REASON_FIN_ACK, NX_REASON_RST, NX_REASON_REQUEST,
                     NX_REASON_COOKIE_ACK, NX_REASON_GARDEN, NX_REASON_DNS, NX_REASON_MARTIAN,
                     NX_REASON_CHECKSUM, NX_REASON_FRAGMENT, NX_REASON_TRUNCATED,
                     NX_REASON_TCP_FLAGS, NX_REASON_RST_RECEIVED, NX_REASON_MSS_TOO_SMALL}) {
    EXPECT_GT(seen[reason], 0) << ReasonName(reason);
  }
}

TEST_F(PlainTcp, HasNoSecondRightChecksum) {
  Tcp fin{.flags = kFin | kAck};
  fin.ack = Cookie("10.51.1.2", "198.51.100.10", fin.sport, fin.dport, NX_MSS_FULL) + 1;
  const Bytes right = Ethernet{} / Ipv4{} / fin;
  ASSERT_EQ(RunQuickly(right), XDP_TX);
  for (size_t at : {size_t{24}, size_t{50}}) {  // IPv4's, TCP's
    for (uint32_t flipped = 1; flipped < 0x10000; flipped++) {
      Bytes wrong = right;
      wrong[at] ^= static_cast<uint8_t>(flipped >> 8);
      wrong[at + 1] ^= static_cast<uint8_t>(flipped);
      ASSERT_EQ(RunQuickly(wrong), XDP_DROP) << "at " << at << ": " << flipped;
    }
  }
}

}  // namespace narthex::test
