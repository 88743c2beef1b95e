// SPDX-License-Identifier: Apache-2.0
// What a client without a session may send or draw in a second, and how UDP is refused.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "bpf/skeleton.h"
#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

class BeforeLogin : public ClassifierFixture {
 protected:
  // As if many clients had sent in this second.
  void FillSieve() {
    const auto second = static_cast<uint16_t>(BootNow() / kSecond << 8);
    nx_sieve full;
    for (__u16& bucket : full.buckets) bucket = second | 0xff;
    uint32_t zero = 0;
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.sieve), &zero, &full, 0), 0);
  }
};

uint32_t Sum(const Bytes& bytes, size_t from, size_t to, uint32_t sum) {
  for (size_t i = from; i < to; i += 2)
    sum += static_cast<uint32_t>(bytes[i] << 8 | (i + 1 < to ? bytes[i + 1] : 0));
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

int ReasonOf(const std::string& name) {
  for (int reason = 0; reason < NX_REASON_COUNT; reason++)
    if (name == ReasonName(reason)) return reason;
  return NX_REASON_COUNT;
}

TEST_F(BeforeLogin, EachKindIsCountedForEachClient) {
  const std::string quic(1200, 'q');
  struct {
    const char* description;
    Bytes first, second, ipv6;  // of two IPv4 clients and an IPv6 one
    const char* within;
    const char* beyond;
    int most;
  } const rows[] = {
      {"SYN", Ethernet{} / Ipv4{} / Tcp{}, Ethernet{} / Ipv4{.src = "10.51.1.9"} / Tcp{},
       Ethernet{} / Ipv6{} / Tcp{}, "SYN_ACK", "SYN_LIMITED", NX_MOST_PER_SECOND},
      {"RST", Ethernet{} / Ipv4{} / Tcp{.dport = 443},
       Ethernet{} / Ipv4{.src = "10.51.1.9"} / Tcp{.dport = 443},
       Ethernet{} / Ipv6{} / Tcp{.dport = 443}, "RST", "RST_LIMITED", NX_RST_PER_SECOND},
      {"UDP", Ethernet{} / Ipv4{} / Udp{.dport = 443} / Payload{quic},
       Ethernet{} / Ipv4{.src = "10.51.1.9"} / Udp{.dport = 443} / Payload{quic},
       Ethernet{} / Ipv6{} / Udp{.dport = 443} / Payload{quic}, "UDP_REFUSED", "ICMP_LIMITED",
       NX_ICMP_PER_SECOND},
      {"DNS", Ethernet{} / Ipv4{.dst = "198.51.100.53"} / Udp{},
       Ethernet{} / Ipv4{.src = "10.51.1.9", .dst = "198.51.100.53"} / Udp{},
       Ethernet{} / Ipv6{.dst = "2001:db8:100::53"} / Udp{}, "DNS", "DNS_LIMITED",
       NX_DNS_PER_SECOND},
  };
  for (const auto& row : rows) {
    Load({});
    for (const Bytes& frame : {row.first, row.ipv6}) {
      uint64_t begun = BootNow();
      uint64_t within = 0;
      Outcome last;
      for (int i = 0; i < 20 * row.most && last.reason != ReasonOf(row.beyond); i++) {
        last = Run(frame);
        within += last.reason == ReasonOf(row.within);
      }
      uint64_t turns = BootNow() / kSecond - begun / kSecond;  // of the second meanwhile
      EXPECT_STREQ(ReasonName(last.reason), row.beyond) << row.description;
      EXPECT_EQ(last.action, XDP_DROP) << row.description;
      EXPECT_GE(within, static_cast<uint64_t>(row.most)) << row.description;
      EXPECT_LE(within, static_cast<uint64_t>(row.most) * (turns + 2)) << row.description;
    }
    EXPECT_STREQ(ReasonName(Run(row.second).reason), row.within)
        << row.description << ": another client has its own";
  }
}

// Early in a second: all that follows for half a second is counted in that second.
class InOneSecond {
 public:
  InOneSecond() {
    // The clock's tick may come late on a busy machine.
    do begun_ = BootNow();
    while (begun_ % kSecond < kSecond / 10 || begun_ % kSecond > kSecond / 3);
  }
  bool Held() const { return BootNow() - begun_ < kSecond / 2; }

 private:
  uint64_t begun_;
};

// How many RST the client draws of three times as many as it may.
int RstDrawn(const std::function<int(const Bytes&)>& run, const Bytes& frame) {
  int drawn = 0;
  for (int i = 0; i < 3 * NX_RST_PER_SECOND; i++) drawn += run(frame) == XDP_TX;
  return drawn;
}

// Whatever part of it the sieve counts.
TEST_F(BeforeLogin, AClientOfOneQueueHasItsLimitExactly) {
  for (int part : {0, 1, 2, 4, 100}) {
    Load({.sieve_part = part});
    for (const Bytes& frame : {Bytes(Ethernet{} / Ipv4{} / Tcp{.dport = 443}),
                               Bytes(Ethernet{} / Ipv6{} / Tcp{.dport = 443})}) {
      int drawn;
      bool held;
      do {
        InOneSecond second;
        drawn = RstDrawn([&](const Bytes& sent) { return RunQuickly(sent); }, frame);
        held = second.Held();
      } while (!held);
      EXPECT_EQ(drawn, NX_RST_PER_SECOND) << "1/" << part << " of it in the sieve";
    }
  }
}

// Whoever shares its bucket with many who filled it has what the bucket does not hold.
TEST_F(BeforeLogin, OthersTakeNoMoreThanTheSievesPart) {
  for (int part : {2, 4}) {
    Load({.sieve_part = part});
    for (const Bytes& frame : {Bytes(Ethernet{} / Ipv4{} / Tcp{.dport = 443}),
                               Bytes(Ethernet{} / Ipv6{} / Tcp{.dport = 443})}) {
      int drawn;
      bool held;
      do {
        InOneSecond second;
        FillSieve();
        drawn = RstDrawn([&](const Bytes& sent) { return RunQuickly(sent); }, frame);
        held = second.Held();
      } while (!held);
      EXPECT_EQ(drawn, NX_RST_PER_SECOND - NX_RST_PER_SECOND / part) << "1/" << part;
    }
  }
}

// A stranger that sends little leaves its entry alone: reading it is what a large network costs.
TEST_F(BeforeLogin, FewPacketsAreCountedInTheSieveAlone) {
  Load({.sieve_part = 2});
  bool held;
  do {
    InOneSecond second;
    for (int i = 0; i < NX_RST_PER_SECOND / 2; i++)
      RunQuickly(Ethernet{} / Ipv4{} / Tcp{.dport = 443});
    held = second.Held();
  } while (!held);
  EXPECT_EQ(Entry(2).before.counts[NX_BEFORE_RST], 0);
  RunQuickly(Ethernet{} / Ipv4{} / Tcp{.dport = 443});
  EXPECT_EQ(Entry(2).before.counts[NX_BEFORE_RST], 1);
}

TEST_F(BeforeLogin, CountsBeginAnewWithTheNextSecond) {
  Bytes frame = Ethernet{} / Ipv4{} / Tcp{.dport = 443};
  while (Run(frame).reason != NX_REASON_RST_LIMITED) {
  }
  uint64_t deadline = BootNow() + 3 * kSecond;
  while (Run(frame).reason != NX_REASON_RST && BootNow() < deadline) {
  }
  EXPECT_LT(BootNow(), deadline);
}

// A client with a /64 of addresses counts once where sessions are /64.
TEST_F(BeforeLogin, Ipv6ClientsAreCountedByTheLengthOfSessions) {
  Outcome last;
  for (int i = 0; i < 20 * NX_RST_PER_SECOND && last.reason != NX_REASON_RST_LIMITED; i++) {
    std::string address = "2001:db8:51:1::" + std::to_string(1000 + i);
    last = Run(Ethernet{} / Ipv6{.src = address} / Tcp{.dport = 443});
  }
  EXPECT_STREQ(ReasonName(last.reason), "RST_LIMITED");
}

TEST_F(BeforeLogin, IcmpToTheGardenIsCounted) {
  AddGarden("198.51.100.20", 32, {{.protocol = 0}});
  Bytes ping = Ethernet{} / Ipv4{.dst = "198.51.100.20"} / Icmp{};
  Outcome out = Run(ping);
  EXPECT_STREQ(ReasonName(out.reason), "GARDEN");
  for (int i = 0; i < 20 * NX_ICMP_PER_SECOND && out.reason == NX_REASON_GARDEN; i++)
    out = Run(ping);
  EXPECT_STREQ(ReasonName(out.reason), "ICMP_LIMITED");
}

TEST_F(BeforeLogin, ZonesMayDropWhatOthersRefuse) {
  Load({.reject = 0});
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Ipv4{} / Tcp{.dport = 443}).reason), "TCP_DROPPED");
  Bytes quic = Ethernet{} / Ipv4{} / Udp{.dport = 443} / Payload{std::string(1200, 'q')};
  EXPECT_STREQ(ReasonName(Run(quic).reason), "UDP");
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Ipv4{} / Tcp{}).reason), "SYN_ACK");
}

TEST_F(BeforeLogin, UdpIsRefusedWithAnErrorNoLongerThanTheDatagram) {
  struct {
    const char* description;
    size_t payload;
    bool tagged;
  } const rows[] = {{"QUIC", 1200, false},
                    {"QUIC in a VLAN", 1250, true},
                    {"odd length", 333, false},
                    {"the least that has room", 60, false}};
  for (bool ipv6 : {false, true}) {
    for (const auto& row : rows) {
      Bytes sent;
      Udp udp{.dport = 443};
      Payload payload{std::string(row.payload, 'q')};
      if (ipv6)
        sent = row.tagged ? Ethernet{} / Vlan{} / Ipv6{} / udp / payload
                          : Ethernet{} / Ipv6{} / udp / payload;
      else
        sent = row.tagged ? Ethernet{} / Vlan{} / Ipv4{} / udp / payload
                          : Ethernet{} / Ipv4{} / udp / payload;
      Outcome out = Run(sent);
      ASSERT_STREQ(ReasonName(out.reason), "UDP_REFUSED") << row.description;
      ASSERT_EQ(out.action, XDP_TX) << row.description;
      const Bytes& got = out.frame;
      size_t l3 = row.tagged ? 18 : 14, ip = ipv6 ? 40 : 20, l4 = l3 + ip;
      EXPECT_LE(got.size(), sent.size()) << row.description;
      EXPECT_LE(got.size() - l3, ipv6 ? 1280u : 576u) << row.description;
      EXPECT_TRUE(std::equal(got.begin(), got.begin() + 6, sent.begin() + 6)) << "to the client";
      EXPECT_TRUE(
          std::equal(got.begin() + 12, got.begin() + static_cast<long>(l3), sent.begin() + 12))
          << "tags and ethertype";
      auto mapped = Mapped(ipv6 ? "2001:db8:51:1::1" : "10.51.1.1");
      size_t bytes = ipv6 ? 16 : 4;
      size_t source = l3 + (ipv6 ? 8 : 12);
      EXPECT_TRUE(std::equal(mapped.end() - static_cast<long>(bytes), mapped.end(),
                             got.begin() + static_cast<long>(source)))
          << "from the gateway, not from the server";
      EXPECT_TRUE(std::equal(got.begin() + static_cast<long>(source + bytes),
                             got.begin() + static_cast<long>(source + 2 * bytes),
                             sent.begin() + static_cast<long>(source)))
          << "to the client";
      EXPECT_EQ(got[l4], ipv6 ? 1 : 3);
      EXPECT_EQ(got[l4 + 1], ipv6 ? 1 : 13);
      EXPECT_TRUE(std::equal(got.begin() + static_cast<long>(l4 + 8), got.end(),
                             sent.begin() + static_cast<long>(l3)))
          << "the datagram that drew it";
      uint32_t pseudo =
          ipv6 ? Sum(got, l3 + 8, l3 + 40, IPPROTO_ICMPV6 + static_cast<uint32_t>(got.size() - l4))
               : 0;
      EXPECT_EQ(Sum(got, l4, got.size(), pseudo), 0xffffu) << row.description << ": checksum";
      EXPECT_EQ(ipv6 ? 0xffffu : Sum(got, l3, l4, 0), 0xffffu) << "checksum of the IP header";
      size_t length = static_cast<size_t>(got[l3 + (ipv6 ? 4 : 2)] << 8 | got[l3 + (ipv6 ? 5 : 3)]);
      EXPECT_EQ(length, got.size() - (ipv6 ? l4 : l3));
    }
  }
}

TEST_F(BeforeLogin, UdpIsNotRefusedWhereAnErrorMustNotBeSent) {
  const Payload quic{std::string(1200, 'q')};
  struct {
    const char* description;
    Bytes frame;
  } const rows[] = {
      {"too short for an error", Ethernet{} / Ipv4{} / Udp{.dport = 443} / Payload{"x"}},
      {"to multicast", Ethernet{} / Ipv4{.dst = "224.0.0.251"} / Udp{.dport = 5353} / quic},
      {"to everybody", Ethernet{} / Ipv4{.dst = "255.255.255.255"} / Udp{.dport = 9} / quic},
      {"to IPv6 multicast", Ethernet{} / Ipv6{.dst = "ff05::fb"} / Udp{.dport = 5353} / quic},
      {"in a broadcast frame",
       Ethernet{.dst = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} / Ipv4{} / Udp{.dport = 443} / quic},
      {"with IPv4 options", Ethernet{} / Ipv4{.options = {1, 1, 1, 0}} / Udp{.dport = 443} / quic},
  };
  for (const auto& row : rows) {
    Outcome out = Run(row.frame);
    EXPECT_STREQ(ReasonName(out.reason), "UDP") << row.description;
    EXPECT_EQ(out.action, XDP_DROP) << row.description;
  }
}

}  // namespace narthex::test
