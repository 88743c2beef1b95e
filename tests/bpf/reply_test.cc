// SPDX-License-Identifier: Apache-2.0
// The replies that the classifier sends itself, read back by an independent parser which checks
// lengths and checksums (REQUIREMENTS §3).
#include <linux/bpf.h>

#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

namespace {

Bytes OptionsOfLinux() {
  return {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};
}

}  // namespace

class Reply : public ClassifierFixture {
 protected:
  // Runs, and holds what is true of every reply.
  Segment Answer(const Bytes& frame, nx_reason reason) {
    Outcome out = Run(frame);
    EXPECT_STREQ(ReasonName(out.reason), ReasonName(reason));
    EXPECT_EQ(out.action, XDP_TX);
    EXPECT_LE(out.frame.size(), frame.size()) << "a reply is never longer than its cause";
    auto reply = ReadSegment(out.frame);
    if (!reply) {
      ADD_FAILURE() << "the reply is not well-formed";
      return {};
    }
    EXPECT_EQ(reply->eth_dst, kClientMac);
    EXPECT_EQ(reply->eth_src, kGatewayMac);
    EXPECT_EQ(reply->ttl, 64);
    EXPECT_EQ(reply->tos, 0) << "neither DSCP nor ECN is copied";
    EXPECT_TRUE(reply->payload.empty());
    if (reply->src.size() == 4) {
      EXPECT_EQ(reply->fragment, 0x4000);
      EXPECT_EQ(reply->id, 0);
      EXPECT_EQ(reply->ip_header, 20u);
    }
    return *reply;
  }
};

// REQ 3.syn-ack
TEST_F(Reply, SynAckCarriesCookieAndMssOnly) {
  struct {
    const char* description;
    Packet base;
    const char *client, *server;
    uint16_t our_mss;
    std::vector<uint16_t> vlans;
  } const rows[] = {
      {"IPv4", Ethernet{} / Ipv4{.tos = 0xff}, "10.51.1.2", "198.51.100.10", 1460, {}},
      {"IPv6", Ethernet{} / Ipv6{}, "2001:db8:51:1::2", "2001:db8:100::10", 1440, {}},
      {"IPv4 in a tag",
       Ethernet{} / Vlan{.id = 0x2007} / Ipv4{},
       "10.51.1.2",
       "198.51.100.10",
       1460,
       {0x2007}},
      {"IPv6 in two tags",
       Ethernet{} / Vlan{.id = 5, .tpid = 0x88a8} / Vlan{.id = 6} / Ipv6{},
       "2001:db8:51:1::2",
       "2001:db8:100::10",
       1440,
       {5, 6}},
      {"IPv4 options",
       Ethernet{} / Ipv4{.options = Bytes(40, 1)},
       "10.51.1.2",
       "198.51.100.10",
       1460,
       {}},
      {"IPv6 extension headers",
       Ethernet{} / Ipv6{} / Extension{.type = 60, .body = Bytes(14)},
       "2001:db8:51:1::2",
       "2001:db8:100::10",
       1440,
       {}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.description);
    Segment reply = Answer(
        row.base / Tcp{.seq = 0xffffffff, .flags = kSyn | kEce | 0x80, .options = OptionsOfLinux()},
        NX_REASON_SYN_ACK);
    EXPECT_EQ(reply.flags, kSyn | kAck) << "no ECE";
    EXPECT_EQ(reply.ack, 0u) << "wraps";
    EXPECT_EQ(reply.seq & NX_MSS_CLASS_MASK, static_cast<uint32_t>(NX_MSS_FULL));
    EXPECT_EQ(reply.options, MssOption(row.our_mss));
    EXPECT_EQ(reply.window, NX_WINDOW_BYTES);
    EXPECT_EQ(reply.sport, 80);
    EXPECT_EQ(reply.dport, 40000);
    EXPECT_EQ(reply.src, internal::Address(row.server));
    EXPECT_EQ(reply.dst, internal::Address(row.client));
    EXPECT_EQ(reply.vlans, row.vlans);
  }
}

// No two bytes of these addresses are alike, so none can be taken for another.
TEST_F(Reply, GoesBackToTheAddressThatItsCauseCameFrom) {
  const Mac client = {0x02, 0x12, 0x23, 0x34, 0x45, 0x56};
  const Mac gateway = {0x06, 0x67, 0x78, 0x89, 0x9a, 0xab};
  const Ethernet ethernet{.dst = gateway, .src = client};
  for (const Bytes& frame :
       {Bytes(ethernet / Ipv4{} / Tcp{}), Bytes(ethernet / Vlan{.id = 5} / Ipv6{} / Tcp{})}) {
    auto reply = ReadSegment(Run(frame).frame);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->eth_dst, client);
    EXPECT_EQ(reply->eth_src, gateway);
  }
}

// REQ 3.syn-data
TEST_F(Reply, SynAckDoesNotAcknowledgeDataOfTheSyn) {
  Segment reply = Answer(Ethernet{} / Ipv4{} / Tcp{.seq = 7} / Payload{"GET / HTTP/1.1\r\n\r\n"},
                         NX_REASON_SYN_ACK);
  EXPECT_EQ(reply.ack, 8u);
}

// REQ 3.mss
TEST_F(Reply, MssClassFollowsTheClientsOption) {
  struct {
    const char* description;
    bool ipv6;
    Bytes options;
    uint32_t want;
  } const rows[] = {
      {"absent, IPv4: 536", false, {}, NX_MSS_COMPACT},
      {"absent, IPv6: 1220", true, {}, NX_MSS_FULL},
      {"536", false, MssOption(536), NX_MSS_COMPACT},
      {"1219", false, MssOption(1219), NX_MSS_COMPACT},
      {"1220", false, MssOption(1220), NX_MSS_FULL},
      {"65535", false, MssOption(65535), NX_MSS_FULL},
      {"behind others",
       false,
       {1, 1, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 2, 4, 0x05, 0xb4, 1, 0},
       NX_MSS_FULL},
      {"behind 36 NOPs", false,
       [] {
         Bytes b(36, 1);
         Bytes m = MssOption(1460);
         b.insert(b.end(), m.begin(), m.end());
         return b;
       }(),
       NX_MSS_FULL},
      {"behind the end of options", false, {0, 0, 0, 0, 2, 4, 0x05, 0xb4}, NX_MSS_COMPACT},
      {"of a wrong length", false, {2, 3, 0x05, 1}, NX_MSS_COMPACT},
      {"option of length 0", false, {8, 0, 2, 4, 0x05, 0xb4, 0, 0}, NX_MSS_COMPACT},
      {"cut by the header's end", false, {1, 1, 2, 4}, NX_MSS_COMPACT},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.description);
    Tcp tcp{.options = row.options};
    Segment reply = Answer(
        (row.ipv6 ? Ethernet{} / Ipv6{} : Ethernet{} / Ipv4{}) / tcp / Payload{"padding beyond"},
        NX_REASON_SYN_ACK);
    EXPECT_EQ(reply.seq & NX_MSS_CLASS_MASK, row.want);
  }
}

// REQ 3.fin
TEST_F(Reply, FinIsAcknowledged) {
  for (bool ipv6 : {false, true}) {
    const char* client = ipv6 ? "2001:db8:51:1::2" : "10.51.1.2";
    const char* server = ipv6 ? "2001:db8:100::10" : "198.51.100.10";
    uint32_t cookie = Cookie(client, server, 40000, 80, NX_MSS_FULL);
    Segment reply = Answer(
        (ipv6 ? Ethernet{} / Ipv6{} : Ethernet{} / Ipv4{}) /
            Tcp{.seq = 5000, .ack = cookie + 500, .flags = kFin | kAck, .options = Bytes(12, 1)},
        NX_REASON_FIN_ACK);
    EXPECT_EQ(reply.flags, kAck);
    EXPECT_EQ(reply.seq, cookie + 500);
    EXPECT_EQ(reply.ack, 5001u);
    EXPECT_TRUE(reply.options.empty());
  }
}

// Where a reply is up to 40 bytes shorter than its cause, the frame keeps its length.
TEST_F(Reply, LeavesNothingOfItsCauseInTheFrame) {
  Load({.change = [](nx_zone_config& config) { config.key_length_count = 1; }});
  for (bool ipv6 : {false, true}) {
    for (size_t options = 0; options <= 40; options += 4) {
      for (size_t rest = 0; rest <= 44; rest++) {
        SCOPED_TRACE((ipv6 ? "IPv6, " : "IPv4, ") + std::to_string(options) + " bytes of options, " +
                     std::to_string(rest) + " of data");
        Bytes all = MssOption(1460);
        all.resize(options, 1);
        const std::string host = std::to_string(2 + rest);  // each has a limit of its own
        const Packet base = ipv6 ? Ethernet{} / Ipv6{.src = "2001:db8:51:1::" + host}
                                 : Ethernet{} / Ipv4{.src = "10.51.1." + host};
        Bytes frame = base / Tcp{.options = all} / Payload{std::string(rest, 'x')};
        if (rest % 2) frame.resize(frame.size() + 3, 'p');  // Ethernet padding
        Bytes left;
        ASSERT_EQ(RunQuickly(frame, &left), XDP_TX);
        auto reply = ReadSegment(left);
        ASSERT_TRUE(reply);
        EXPECT_EQ(reply->options, options ? MssOption(ipv6 ? 1440 : 1460) : Bytes{});
        const size_t bytes = 14 + reply->ip_header + 20 + reply->options.size();
        EXPECT_EQ(left.size(), frame.size() - bytes <= 40 ? frame.size() : bytes);
        EXPECT_EQ(Bytes(left.begin() + static_cast<long>(bytes), left.end()),
                  Bytes(left.size() - bytes, 0));
      }
    }
  }
}

// Every sum that either header can have; RFC 1624 §3: none has the second form of zero.
TEST_F(Reply, HasRightChecksumsWhateverItSays) {
  for (uint32_t i = 0; i < 0x10000; i++) {
    const std::string server = "192.0." + std::to_string(i >> 8) + "." + std::to_string(i & 255);
    const Tcp fin{.seq = i * 0x10001,
                  .ack = Cookie("10.51.1.2", server, 40000, 80, NX_MSS_FULL) + 1,
                  .flags = kFin | kAck};
    Bytes left;
    ASSERT_EQ(RunQuickly(Ethernet{} / Ipv4{.dst = server} / fin, &left), XDP_TX) << server;
    ASSERT_TRUE(ReadSegment(left)) << server;
    ASSERT_FALSE(left[24] == 0xff && left[25] == 0xff) << "IPv4, " << server;
    ASSERT_FALSE(left[50] == 0xff && left[51] == 0xff) << "TCP, " << server;
  }
}

// RFC 9293 §3.5.2: <SEQ=SEG.ACK><CTL=RST>, or <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>.
// REQ 3.stray
TEST_F(Reply, RstFollowsTheSegmentThatDrawsIt) {
  Segment to_syn =
      Answer(Ethernet{} / Ipv4{} / Tcp{.dport = 443, .seq = 99, .options = OptionsOfLinux()},
             NX_REASON_RST);
  EXPECT_EQ(to_syn.flags, kRst | kAck);
  EXPECT_EQ(to_syn.seq, 0u);
  EXPECT_EQ(to_syn.ack, 100u);
  Segment to_data = Answer(
      Ethernet{} / Ipv6{} / Tcp{.dport = 443, .seq = 99, .ack = 77, .flags = kAck} / Payload{"x"},
      NX_REASON_RST);
  EXPECT_EQ(to_data.flags, kRst);
  EXPECT_EQ(to_data.seq, 77u);
  EXPECT_EQ(to_data.window, 0);
}

}  // namespace narthex::test
