// SPDX-License-Identifier: Apache-2.0
// Verdicts by table: {description, packet in, reason}. The reason implies the verdict (abi.h).
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "bpf/skeleton.h"
#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

namespace {

struct Row {
  const char* description;
  Bytes frame;
  nx_reason reason;
};

int ActionOf(int reason) {
  static const int verdicts[] = {
#define X(name, verdict, words) verdict,
      NX_REASONS(X)
#undef X
  };
  switch (verdicts[reason]) {
    case NX_PASS:
      return XDP_PASS;
    case NX_TX:
      return XDP_TX;
    case NX_WORKER:
      return XDP_REDIRECT;
    default:
      return XDP_DROP;
  }
}

Bytes Cut(Bytes frame, size_t bytes) {
  frame.resize(bytes);
  return frame;
}

Bytes Padded(Bytes frame, size_t bytes) {
  frame.resize(bytes);
  return frame;
}

}  // namespace

class Verdict : public ClassifierFixture {
 protected:
  void Check(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      Outcome out = Run(row.frame);
      EXPECT_STREQ(ReasonName(out.reason), ReasonName(row.reason)) << row.description;
      EXPECT_EQ(out.action, ActionOf(row.reason)) << row.description;
      if (ActionOf(row.reason) == XDP_PASS) {
        EXPECT_EQ(out.frame, row.frame) << row.description;
      }
    }
  }
};

// REQ 4.autoconf
TEST_F(Verdict, OfLinkLocalControl) {
  Check({
      {"ARP", Ethernet{} / Arp{}, NX_REASON_ARP},
      {"ARP in two tags", Ethernet{} / Vlan{.tpid = 0x88a8} / Vlan{} / Arp{}, NX_REASON_ARP},
      {"neighbour solicitation",
       Ethernet{} / Ipv6{.dst = "ff02::1:ff00:1", .hop_limit = 255} / Icmp6{.type = 135},
       NX_REASON_NEIGHBOUR},
      {"DAD from the unspecified address",
       Ethernet{} / Ipv6{.src = "::", .dst = "ff02::1:ff00:2", .hop_limit = 255} /
           Icmp6{.type = 135},
       NX_REASON_NEIGHBOUR},
      {"router solicitation",
       Ethernet{} / Ipv6{.src = "fe80::2", .dst = "ff02::2", .hop_limit = 255} / Icmp6{.type = 133},
       NX_REASON_NEIGHBOUR},
      {"neighbour advertisement to the gateway",
       Ethernet{} / Ipv6{.dst = "2001:db8:51:1::1", .hop_limit = 255} / Icmp6{.type = 136},
       NX_REASON_NEIGHBOUR},
      {"ND that a router would forward", Ethernet{} / Ipv6{.hop_limit = 255} / Icmp6{.type = 135},
       NX_REASON_ICMP},
      {"ND from afar", Ethernet{} / Ipv6{.dst = "ff02::1", .hop_limit = 254} / Icmp6{.type = 135},
       NX_REASON_ICMP},
      {"router advertisement of a client",
       Ethernet{} / Ipv6{.src = "fe80::2", .dst = "ff02::1", .hop_limit = 255} / Icmp6{.type = 134},
       NX_REASON_MARTIAN},
      {"redirect of a client",
       Ethernet{} / Ipv6{.dst = "ff02::1", .hop_limit = 255} / Icmp6{.type = 137}, NX_REASON_ICMP},
      {"ND cut short",
       Ethernet{} / Ipv6{.dst = "ff02::1", .hop_limit = 255} / Icmp6{.type = 135, .body = {}},
       NX_REASON_TRUNCATED},
      {"MLDv2 report behind a router alert",
       Ethernet{} / Ipv6{.src = "fe80::2", .dst = "ff02::16", .hop_limit = 1} /
           Extension{.type = 0} / Icmp6{.type = 143},
       NX_REASON_NEIGHBOUR},
      {"DHCP discover",
       Ethernet{} / Ipv4{.src = "0.0.0.0", .dst = "255.255.255.255"} /
           Udp{.sport = 68, .dport = 67},
       NX_REASON_DHCP},
      {"DHCP renewal at the gateway",
       Ethernet{} / Ipv4{.dst = "10.51.1.1"} / Udp{.sport = 68, .dport = 67}, NX_REASON_DHCP},
      {"DHCP as a tunnel", Ethernet{} / Ipv4{} / Udp{.sport = 68, .dport = 67}, NX_REASON_UDP},
      {"DHCPv6 solicit",
       Ethernet{} / Ipv6{.src = "fe80::2", .dst = "ff02::1:2"} / Udp{.sport = 546, .dport = 547},
       NX_REASON_DHCP},
      {"DHCPv6 as a tunnel", Ethernet{} / Ipv6{} / Udp{.sport = 546, .dport = 547}, NX_REASON_UDP},
  });
}

TEST_F(Verdict, OfDns) {
  Check({
      {"query to the resolver", Ethernet{} / Ipv4{.dst = "198.51.100.53"} / Udp{}, NX_REASON_DNS},
      {"over TCP", Ethernet{} / Ipv4{.dst = "198.51.100.53"} / Tcp{.dport = 53}, NX_REASON_DNS},
      {"over IPv6", Ethernet{} / Ipv6{.dst = "2001:db8:100::53"} / Udp{}, NX_REASON_DNS},
      {"to another server", Ethernet{} / Ipv4{.dst = "192.0.2.53"} / Udp{}, NX_REASON_UDP},
      {"over TCP to another server", Ethernet{} / Ipv4{.dst = "192.0.2.53"} / Tcp{.dport = 53},
       NX_REASON_RST},
      {"another port of the resolver",
       Ethernet{} / Ipv4{.dst = "198.51.100.53"} / Udp{.dport = 5353}, NX_REASON_UDP},
      {"protocol without ports whose bytes say 53",
       Ethernet{} / Ipv4{.dst = "198.51.100.53", .protocol = 132} /
           Payload{std::string("\x9c\x40\0\x35\0\0\0\0", 8)},
       NX_REASON_IP_PROTOCOL},
      {"with IPv4 options",
       Ethernet{} / Ipv4{.dst = "198.51.100.53", .options = {1, 1, 1, 0}} / Udp{},
       NX_REASON_EXTENSION_HEADERS},
      {"from outside the zone",
       Ethernet{} / Ipv4{.src = "192.0.2.9", .dst = "198.51.100.53"} / Udp{}, NX_REASON_MARTIAN},
  });
}

TEST_F(Verdict, OfTheWalledGarden) {
  AddGarden("203.0.113.0", 24, {{443, 443, 6, {}}, {8000, 8010, 6, {}}, {123, 123, 17, {}}});
  AddGarden("203.0.113.7", 32, {{0, 0, 0, {}}});
  AddGarden("2001:db8:6::20", 128, {{80, 80, 6, {}}});
  Check({
      {"port of the entry", Ethernet{} / Ipv4{.dst = "203.0.113.1"} / Tcp{.dport = 443},
       NX_REASON_GARDEN},
      {"first of a range", Ethernet{} / Ipv4{.dst = "203.0.113.1"} / Tcp{.dport = 8000},
       NX_REASON_GARDEN},
      {"last of a range", Ethernet{} / Ipv4{.dst = "203.0.113.1"} / Tcp{.dport = 8010},
       NX_REASON_GARDEN},
      {"beyond the range", Ethernet{} / Ipv4{.dst = "203.0.113.1"} / Tcp{.dport = 8011},
       NX_REASON_RST},
      {"intercepted port outside the entry",
       Ethernet{} / Ipv4{.dst = "203.0.113.1"} / Tcp{.dport = 80}, NX_REASON_SYN_ACK},
      {"UDP of the entry", Ethernet{} / Ipv4{.dst = "203.0.113.1"} / Udp{.dport = 123},
       NX_REASON_GARDEN},
      {"UDP on a TCP port", Ethernet{} / Ipv4{.dst = "203.0.113.1"} / Udp{.dport = 443},
       NX_REASON_UDP},
      {"any protocol of the longer prefix", Ethernet{} / Ipv4{.dst = "203.0.113.7"} / Icmp{},
       NX_REASON_GARDEN},
      {"outside", Ethernet{} / Ipv4{.dst = "203.0.114.1"} / Tcp{.dport = 443}, NX_REASON_RST},
      {"IPv6", Ethernet{} / Ipv6{.dst = "2001:db8:6::20"} / Tcp{}, NX_REASON_GARDEN},
      {"IPv6 neighbour of the entry",
       Ethernet{} / Ipv6{.dst = "2001:db8:6::21"} / Tcp{.dport = 443}, NX_REASON_RST},
      {"fragment", Ethernet{} / Ipv4{.dst = "203.0.113.7", .fragment = 0x2000} / Tcp{.dport = 443},
       NX_REASON_FRAGMENT},
      {"source route",
       Ethernet{} / Ipv4{.dst = "203.0.113.7", .options = {131, 7, 4, 192, 0, 2, 1, 0}} /
           Tcp{.dport = 443},
       NX_REASON_EXTENSION_HEADERS},
  });
}

// What `garden` and `learned` hold in a block without its bit is not looked for; each block has its
// own.
TEST_F(Verdict, OfTheGardenGoesByItsBlock) {
  struct Case {
    const char* server;
    const char* first_of_block;
  };
  for (const auto& [server, first_of_block] :
       std::initializer_list<Case>{{"0.1.2.3", "0.1.0.0"},
                                   {"203.0.255.255", "203.0.0.0"},
                                   {"203.63.0.1", "203.63.0.0"},
                                   {"203.64.0.1", "203.64.0.0"},
                                   {"223.255.0.1", "223.255.0.0"}}) {
    SCOPED_TRACE(server);
    const int blocks = bpf_map__fd(skeleton_->maps.garden_blocks);
    AddGarden(server, 32, {{443, 443, 6, {}}});
    Bytes packet = Ethernet{} / Ipv4{.dst = server} / Tcp{.dport = 443};
    EXPECT_EQ(ReasonName(Run(packet).reason), std::string("GARDEN"));
    SetGardenBlock(blocks, Mapped(first_of_block).data(), false);
    EXPECT_EQ(ReasonName(Run(packet).reason), std::string(server[0] == '0' ? "MARTIAN" : "RST"));
    std::vector<uint64_t> words(NX_GARDEN_BLOCKS / 64);
    for (uint32_t word = 0; word < words.size(); ++word)
      ASSERT_EQ(bpf_map_lookup_elem(blocks, &word, &words[word]), 0);
    EXPECT_EQ(words, std::vector<uint64_t>(words.size())) << "another block's bit was set";
  }
}

TEST_F(Verdict, OfTcpOnAnInterceptedPort) {
  AddSocket();
  uint32_t cookie = Cookie("10.51.1.2", "198.51.100.10", 40000, 80, NX_MSS_FULL);
  uint32_t other = Cookie("10.51.1.3", "198.51.100.10", 40000, 80, NX_MSS_FULL);
  auto segment = [](Tcp tcp, const std::string& payload = "") -> Bytes {
    return Ethernet{} / Ipv4{} / tcp / Payload{payload};
  };
  Check({
      {"SYN", segment({}), NX_REASON_SYN_ACK},
      {"SYN to the second port", segment({.dport = 8080}), NX_REASON_SYN_ACK},
      {"SYN with ECN", segment({.flags = kSyn | kEce | 0x80}), NX_REASON_SYN_ACK},
      {"SYN with data", segment({}, "GET"), NX_REASON_SYN_ACK},
      {"SYN whose MSS is too small", segment({.options = MssOption(535)}), NX_REASON_MSS_TOO_SMALL},
      {"SYN with a bad checksum", segment({.checksum_xor = 1}), NX_REASON_CHECKSUM},
      {"SYN with data and a bad checksum", segment({.checksum_xor = 1}, "GET"), NX_REASON_CHECKSUM},
      {"SYN with 1,400 bytes of data", segment({}, std::string(1400, 'x')), NX_REASON_SYN_ACK},
      {"forged data with a bad checksum",
       segment({.ack = 12345, .flags = kAck, .checksum_xor = 1}, "GETs"), NX_REASON_CHECKSUM},
      {"SYN with a bad IP checksum", Ethernet{} / Ipv4{.checksum_xor = 1} / Tcp{},
       NX_REASON_CHECKSUM},
      {"last ACK of the handshake", segment({.ack = cookie + 1, .flags = kAck}),
       NX_REASON_COOKIE_ACK},
      {"request", segment({.ack = cookie + 1, .flags = kAck | kPsh}, "GET / HTTP/1.1\r\n\r\n"),
       NX_REASON_REQUEST},
      {"request with FIN", segment({.ack = cookie + 1, .flags = kAck | kFin}, "GET"),
       NX_REASON_REQUEST},
      {"data after the response", segment({.ack = cookie + 600, .flags = kAck}, "more"),
       NX_REASON_REQUEST},
      {"FIN before any request", segment({.ack = cookie + 1, .flags = kAck | kFin}),
       NX_REASON_FIN_ACK},
      {"FIN after the response", segment({.ack = cookie + 602, .flags = kAck | kFin}),
       NX_REASON_FIN_ACK},
      {"FIN with a bad checksum",
       segment({.ack = cookie + 1, .flags = kAck | kFin, .checksum_xor = 9}), NX_REASON_CHECKSUM},
      {"request with another client's cookie", segment({.ack = other + 1, .flags = kAck}, "GET"),
       NX_REASON_RST},
      {"forged request", segment({.ack = 12345, .flags = kAck}, "GET / HTTP/1.1\r\n\r\n"),
       NX_REASON_RST},
      {"FIN without a cookie", segment({.ack = 12345, .flags = kAck | kFin}), NX_REASON_RST},
      {"RST", segment({.flags = kRst}), NX_REASON_RST_RECEIVED},
      {"RST and ACK", segment({.ack = cookie + 1, .flags = kRst | kAck}), NX_REASON_RST_RECEIVED},
      {"SYN and RST", segment({.flags = kSyn | kRst}), NX_REASON_TCP_FLAGS},
      {"SYN and FIN", segment({.flags = kSyn | kFin}), NX_REASON_TCP_FLAGS},
      {"SYN and ACK", segment({.flags = kSyn | kAck}), NX_REASON_TCP_FLAGS},
      {"no flags", segment({.flags = 0}), NX_REASON_TCP_FLAGS},
      {"Xmas", segment({.flags = kFin | kPsh | kUrg}), NX_REASON_TCP_FLAGS},
      {"FIN alone", segment({.flags = kFin}), NX_REASON_TCP_FLAGS},
      {"data offset too small", segment({.doff = 4}), NX_REASON_TRUNCATED},
      {"data offset beyond the packet", segment({.doff = 6}), NX_REASON_TRUNCATED},
      {"to multicast", Ethernet{} / Ipv4{.dst = "224.0.0.5"} / Tcp{}, NX_REASON_MARTIAN},
      {"to broadcast", Ethernet{} / Ipv4{.dst = "255.255.255.255"} / Tcp{}, NX_REASON_MARTIAN},
      {"to IPv6 multicast", Ethernet{} / Ipv6{.dst = "ff0e::1"} / Tcp{}, NX_REASON_MARTIAN},
      {"from outside the zone", Ethernet{} / Ipv4{.src = "10.51.2.2"} / Tcp{}, NX_REASON_MARTIAN},
      {"from an IPv6 address outside the zone",
       Ethernet{} / Ipv6{.src = "2001:db8:51:2::2"} / Tcp{}, NX_REASON_MARTIAN},
      {"in a broadcast frame",
       Ethernet{.dst = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}} / Ipv4{} / Tcp{}, NX_REASON_MARTIAN},
      {"in a multicast frame", Ethernet{.dst = {0x33, 0x33, 0, 0, 0, 1}} / Ipv6{} / Tcp{},
       NX_REASON_MARTIAN},
      {"from the gateway's own address", Ethernet{} / Ipv4{.src = "10.51.1.1"} / Tcp{},
       NX_REASON_MARTIAN},
      {"from the broadcast address", Ethernet{} / Ipv4{.src = "10.51.1.255"} / Tcp{},
       NX_REASON_MARTIAN},
      {"from the gateway's own IPv6 address", Ethernet{} / Ipv6{.src = "2001:db8:51:1::1"} / Tcp{},
       NX_REASON_MARTIAN},
      {"from multicast", Ethernet{} / Ipv4{.src = "224.0.0.1"} / Tcp{}, NX_REASON_MARTIAN},
      {"from a link-local address", Ethernet{} / Ipv6{.src = "fe80::2"} / Tcp{}, NX_REASON_MARTIAN},
  });
}

// REQ 3.cookie-age
TEST_F(Verdict, OfACookieByItsAge) {
  AddSocket();
  for (uint64_t age : {0, 1, 2, 3}) {
    uint32_t cookie = Cookie("10.51.1.2", "198.51.100.10", 40000, 80, NX_MSS_COMPACT, age);
    Outcome out = Run(Ethernet{} / Ipv4{} / Tcp{.ack = cookie + 1, .flags = kAck} / Payload{"GET"});
    EXPECT_EQ(out.reason, age <= 1 ? NX_REASON_REQUEST : NX_REASON_RST) << "slots of age: " << age;
  }
}

TEST_F(Verdict, OfARequestWithoutAWorkerIsToDrop) {
  uint32_t cookie = Cookie("10.51.1.2", "198.51.100.10", 40000, 80, NX_MSS_FULL);
  Check({{"no socket on the queue",
          Ethernet{} / Ipv4{} / Tcp{.ack = cookie + 1, .flags = kAck} / Payload{"GET"},
          NX_REASON_WORKER_MISSING}});
}

TEST_F(Verdict, OfASynDependsOnTheHeartbeat) {
  SetHeartbeat(BootNow() - 2 * kSecond);
  Check({{"stale", Ethernet{} / Ipv4{} / Tcp{}, NX_REASON_WORKER_STALE}});
  SetHeartbeat(0);
  Check({{"never started", Ethernet{} / Ipv4{} / Tcp{}, NX_REASON_WORKER_STALE}});
  SetHeartbeat(BootNow());
  Check({{"fresh", Ethernet{} / Ipv4{} / Tcp{}, NX_REASON_SYN_ACK}});
}

TEST_F(Verdict, OfOtherTrafficIsNeverToPass) {
  Check({
      {"HTTPS", Ethernet{} / Ipv4{} / Tcp{.dport = 443}, NX_REASON_RST},
      {"data on another port",
       Ethernet{} / Ipv4{} / Tcp{.dport = 443, .flags = kAck} / Payload{"x"}, NX_REASON_RST},
      {"QUIC", Ethernet{} / Ipv4{} / Udp{.dport = 443}, NX_REASON_UDP},
      {"ping", Ethernet{} / Ipv4{} / Icmp{}, NX_REASON_ICMP},
      {"ping over IPv6", Ethernet{} / Ipv6{} / Icmp6{}, NX_REASON_ICMP},
      {"6in4", Ethernet{} / Ipv4{.protocol = 41} / Payload{std::string(60, 'x')},
       NX_REASON_IP_PROTOCOL},
      {"LLDP", Ethernet{.ethertype = 0x88cc} / Payload{std::string(46, 'x')}, NX_REASON_ETHERTYPE},
      {"PPPoE", Ethernet{.ethertype = 0x8864} / Payload{std::string(46, 'x')}, NX_REASON_ETHERTYPE},
      {"three VLAN tags", Ethernet{} / Vlan{} / Vlan{} / Vlan{} / Ipv4{} / Tcp{},
       NX_REASON_ETHERTYPE},
      {"0x9100 tag", Ethernet{} / Vlan{.tpid = 0x9100} / Ipv4{} / Tcp{}, NX_REASON_ETHERTYPE},
      {"first fragment", Ethernet{} / Ipv4{.fragment = 0x2000} / Tcp{}, NX_REASON_FRAGMENT},
      {"later fragment", Ethernet{} / Ipv4{.fragment = 0x0010} / Tcp{}, NX_REASON_FRAGMENT},
      {"IPv6 fragment", Ethernet{} / Ipv6{} / Extension{.type = 44} / Tcp{}, NX_REASON_FRAGMENT},
      {"routing header", Ethernet{} / Ipv6{} / Extension{.type = 43} / Tcp{},
       NX_REASON_EXTENSION_HEADERS},
      {"no next header", Ethernet{} / Ipv6{} / Payload{"x"}, NX_REASON_IP_PROTOCOL},
      {"ESP", Ethernet{} / Ipv6{.next = 50} / Payload{"xxxxxxxx"}, NX_REASON_IP_PROTOCOL},
      {"IPv4 in the frame of IPv6",
       Ethernet{.ethertype = 0x86dd} / Ipv4{} / Payload{std::string(40, 'x')}, NX_REASON_TRUNCATED},
      {"IPv6 in the frame of IPv4", Ethernet{.ethertype = 0x0800} / Ipv6{} / Tcp{},
       NX_REASON_TRUNCATED},
  });
}

TEST_F(Verdict, OfBrokenLengths) {
  Bytes v4 = Ethernet{} / Ipv4{} / Tcp{};
  Bytes v6 = Ethernet{} / Ipv6{} / Tcp{};
  Check({
      {"IPv4 header cut", Cut(v4, 33), NX_REASON_TRUNCATED},
      {"IPv4 cut below its total length", Cut(v4, 53), NX_REASON_TRUNCATED},
      {"IPv6 header cut", Cut(v6, 53), NX_REASON_TRUNCATED},
      {"IPv6 cut below its payload length", Cut(v6, 73), NX_REASON_TRUNCATED},
      {"VLAN tag cut", Cut(Ethernet{} / Vlan{} / Ipv4{} / Tcp{}, 17), NX_REASON_TRUNCATED},
      {"IHL 4", Ethernet{} / Ipv4{.version_ihl = 0x44} / Tcp{}, NX_REASON_TRUNCATED},
      {"IHL 15 in a short packet", Ethernet{} / Ipv4{.version_ihl = 0x4f} / Tcp{},
       NX_REASON_TRUNCATED},
      {"total length below the header", Ethernet{} / Ipv4{.total_bytes = 19} / Tcp{},
       NX_REASON_TRUNCATED},
      {"total length beyond the frame", Ethernet{} / Ipv4{.total_bytes = 41} / Tcp{},
       NX_REASON_TRUNCATED},
      {"no room for TCP", Ethernet{} / Ipv4{.total_bytes = 39} / Tcp{}, NX_REASON_TRUNCATED},
      {"IPv6 payload without TCP", Ethernet{} / Ipv6{.payload_bytes = 19} / Tcp{},
       NX_REASON_TRUNCATED},
      {"Ethernet padding is no payload", Padded(v4, 60), NX_REASON_SYN_ACK},
  });
}

// DESIGN §3: at most 8 IPv6 extension headers; TCP behind them is judged like any other.
// REQ 4.extensions
TEST_F(Verdict, OfIpv6HeaderChains) {
  for (int headers = 0; headers <= 10; headers++) {
    Packet packet = Ethernet{} / Ipv6{};
    for (int i = 0; i < headers; i++)
      packet = packet / Extension{.type = static_cast<uint8_t>(i ? 60 : 0)};
    Outcome out = Run(packet / Tcp{});
    nx_reason want = headers <= 8 ? NX_REASON_SYN_ACK : NX_REASON_EXTENSION_HEADERS;
    EXPECT_STREQ(ReasonName(out.reason), ReasonName(want)) << headers;
  }
  Check({
      {"AH", Ethernet{} / Ipv6{} / Extension{.type = 51, .body = Bytes(22)} / Tcp{},
       NX_REASON_SYN_ACK},
      {"options of 256 bytes",
       Ethernet{} / Ipv6{} / Extension{.type = 60, .body = Bytes(254)} / Tcp{}, NX_REASON_SYN_ACK},
      {"more than a kilobyte of options",
       Ethernet{} / Ipv6{} / Extension{.type = 60, .body = Bytes(1022)} / Extension{.type = 60} /
           Tcp{},
       NX_REASON_EXTENSION_HEADERS},
      {"chain cut",
       Ethernet{} / Ipv6{.payload_bytes = 8} / Extension{.type = 60, .body = Bytes(14)} / Tcp{},
       NX_REASON_TRUNCATED},
  });
}

// REQ 4.protocols
TEST_F(Verdict, OfEveryIpProtocolIsNeverToPass) {
  for (int protocol = 0; protocol < 256; protocol++) {
    uint8_t p = static_cast<uint8_t>(protocol);
    for (const Bytes& frame :
         {Bytes(Ethernet{} / Ipv4{.protocol = p} / Payload{std::string(64, '\0')}),
          Bytes(Ethernet{} / Ipv6{.next = p} / Payload{std::string(64, '\0')})}) {
      Outcome out = Run(frame);
      EXPECT_NE(out.action, XDP_PASS) << "protocol " << protocol << ": " << ReasonName(out.reason);
      EXPECT_NE(out.reason, -1) << "protocol " << protocol;
    }
  }
}

// REQ 3.limit
TEST_F(Verdict, OfRefusedConnectionsIsLimitedForEachClient) {
  Bytes frame = Ethernet{} / Ipv4{} / Tcp{.dport = 443};
  Outcome last;
  for (int i = 0; i < 20 * NX_RST_PER_SECOND && last.reason != NX_REASON_RST_LIMITED; i++)
    last = Run(frame);
  EXPECT_STREQ(ReasonName(last.reason), "RST_LIMITED");
  Outcome other = Run(Ethernet{} / Ipv4{.src = "10.51.1.9"} / Tcp{.dport = 443});
  EXPECT_EQ(other.reason, NX_REASON_RST) << "another client has its own limit";
}

// DESIGN §3, step 6.
TEST_F(Verdict, OfDnsIsLimitedForEachClient) {
  Bytes query = Ethernet{} / Ipv4{.dst = "198.51.100.53"} / Udp{};
  Outcome last;
  for (int i = 0; i < 20 * NX_DNS_PER_SECOND && last.reason != NX_REASON_DNS_LIMITED; i++)
    last = Run(query);
  EXPECT_EQ(last.reason, NX_REASON_DNS_LIMITED);
  EXPECT_EQ(last.action, XDP_DROP);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{.src = "10.51.1.9", .dst = "198.51.100.53"} / Udp{}).reason,
            NX_REASON_DNS)
      << "another client has its own limit";
  EXPECT_EQ(Run(Ethernet{} / Ipv4{} / Tcp{.dport = 443}).reason, NX_REASON_RST)
      << "replies are counted apart";
}

TEST_F(Verdict, MonitorPassesWhatItWouldIntercept) {
  Load({.mode = NX_MODE_MONITOR});
  Bytes frame = Ethernet{} / Ipv4{} / Tcp{};
  Outcome out = Run(frame);
  EXPECT_EQ(out.action, XDP_PASS);
  EXPECT_EQ(out.frame, frame);
  EXPECT_EQ(Count(NX_REASON_MODE_MONITOR), 1u);
  EXPECT_EQ(Count(NX_REASON_SYN_ACK), 1u) << "counted as what it would have been";
}

TEST_F(Verdict, BypassPassesEverything) {
  Load({.mode = NX_MODE_BYPASS});
  for (const Bytes& frame : {Bytes(Ethernet{} / Ipv4{} / Udp{.dport = 443}),
                             Bytes(Ethernet{.ethertype = 0x88cc} / Payload{"x"})}) {
    Outcome out = Run(frame);
    EXPECT_EQ(out.action, XDP_PASS);
    EXPECT_EQ(out.frame, frame);
  }
  EXPECT_EQ(Count(NX_REASON_MODE_BYPASS), 2u);
}

}  // namespace narthex::test
