// SPDX-License-Identifier: Apache-2.0
// What clients send through a bridge.
#include "tests/bpf/forward_world.h"

namespace narthex::test {

Bytes ArpFor(const Mac& dst, const char* target) {
  Bytes frame = L2(dst, kClientMac) / Arp{};
  Bytes address = internal::Address(target);
  std::copy(address.begin(), address.end(), frame.end() - 4);
  return frame;
}

Bytes SolicitationFor(const Mac& dst, const char* target) {
  Bytes body(4);
  internal::Append(body, internal::Address(target));
  return L2(dst, kClientMac) / Ipv6{.dst = "ff02::1:ff00:1", .hop_limit = 255} /
         Icmp6{.type = 135, .body = body};
}

TEST_F(ForwardUp, BridgesWhateverPasses) {
  Forward(NX_FORWARD_BRIDGE);
  AddGarden("203.0.113.7", 32, {{443, 443, 6, {}}});
  const Packet in = L2(kRouter, kClientMac);
  const Mac solicited = {0x33, 0x33, 0xff, 0, 0, 1};
  const Ipv4 stranger{.src = "10.51.1.9", .dst = "203.0.113.7"};
  const struct {
    const char* description;
    Bytes frame;
    const char* want;
    int action;
  } rows[] = {
      {"authorised", in / Ipv4{} / Tcp{} / kBody, "AUTHORISED", XDP_REDIRECT},
      {"TTL 1", in / Ipv4{.ttl = 1} / Udp{}, "AUTHORISED", XDP_REDIRECT},
      {"a fragment", in / Ipv4{.fragment = 0x2000} / Udp{}, "AUTHORISED", XDP_REDIRECT},
      {"options", in / Ipv4{.options = Bytes(8, 1)} / Udp{}, "AUTHORISED", XDP_REDIRECT},
      {"IPv6", in / Ipv6{} / Tcp{} / kBody, "AUTHORISED", XDP_REDIRECT},
      {"IPv6 with options", in / Ipv6{} / Extension{.type = 0} / Udp{}, "AUTHORISED", XDP_REDIRECT},
      {"tags", L2(kRouter, kClientMac, {{100, 0x88a8}, {7}}) / Ipv4{} / Udp{}, "AUTHORISED",
       XDP_REDIRECT},
      {"to everybody", L2(kEverybody, kClientMac) / Ipv4{.dst = "10.51.1.255"} / Udp{},
       "AUTHORISED", XDP_REDIRECT},
      {"ARP for the router", ArpFor(kEverybody, "10.51.1.254"), "ARP", XDP_REDIRECT},
      {"ARP for the gateway", ArpFor(kEverybody, "10.51.1.1"), "ARP", XDP_PASS},
      {"ARP for the router, to it alone", ArpFor(kRouter, "10.51.1.254"), "ARP", XDP_REDIRECT},
      {"ARP to the gateway", ArpFor(kLan, "10.51.1.254"), "ARP", XDP_PASS},
      {"solicitation", SolicitationFor(solicited, "2001:db8:51:1::ff"), "AUTHORISED", XDP_REDIRECT},
      {"solicitation for the gateway", SolicitationFor(solicited, "2001:db8:51:1::1"),
       "KERNEL_FALLBACK", XDP_PASS},
      {"DHCP",
       L2(kEverybody, kClientMac) / Ipv4{.src = "0.0.0.0", .dst = "255.255.255.255"} /
           Udp{.sport = 68, .dport = 67},
       "DHCP", XDP_REDIRECT},
      {"garden", in / stranger / Tcp{.dport = 443}, "GARDEN", XDP_REDIRECT},
      {"DNS", in / Ipv4{.src = "10.51.1.9", .dst = "198.51.100.53"} / Udp{}, "DNS", XDP_REDIRECT},
      {"the gateway's MAC address", L2(kLan, kClientMac) / Ipv4{} / Udp{}, "KERNEL_FALLBACK",
       XDP_PASS},
      {"the gateway's IPv4 address", in / Ipv4{.dst = "10.51.1.1"} / Udp{}, "KERNEL_FALLBACK",
       XDP_PASS},
      {"the gateway's IPv6 address", in / Ipv6{.dst = "2001:db8:51:1::1"} / Udp{},
       "KERNEL_FALLBACK", XDP_PASS},
      {"a group that stays on its link",
       L2({0x01, 0x80, 0xc2, 0, 0, 0x0e}, kClientMac) / Ipv4{} / Udp{}, "KERNEL_FALLBACK",
       XDP_PASS},
      {"a stranger's", in / Ipv4{.src = "10.51.1.9", .protocol = 47}, "IP_PROTOCOL", XDP_DROP},
      {"a stranger's connection", in / Ipv4{.src = "10.51.1.9"} / Tcp{}, "SYN_ACK", XDP_TX},
      {"an unknown type", L2(kRouter, kClientMac) / Payload{std::string(60, 'x')}, "TRUNCATED",
       XDP_DROP},
  };
  for (const auto& row : rows) {
    Outcome got = Run(row.frame);
    EXPECT_STREQ(ReasonName(got.reason), row.want) << row.description;
    EXPECT_EQ(got.action, row.action) << row.description;
    if (row.action != XDP_TX) {
      EXPECT_EQ(got.frame, row.frame) << row.description;
    }
  }
}

TEST_F(ForwardUp, BridgesWhatAZoneThatOnlyMonitorsWouldHaveDropped) {
  Forward(NX_FORWARD_BRIDGE, {}, {}, NX_MODE_MONITOR);
  for (const Bytes& frame :
       {Bytes(L2(kRouter, kClientMac) / Ipv4{.src = "10.51.1.9", .protocol = 47}),
        Bytes(L2(kRouter, kClientMac) / Ipv4{.src = "10.51.1.9"} / Tcp{})}) {
    Outcome got = Run(frame);
    EXPECT_EQ(got.action, XDP_REDIRECT);
    EXPECT_EQ(got.frame, frame);
  }
}

TEST_F(ForwardUp, BridgesNothingWhileTheOtherPortIsGone) {
  Forward(NX_FORWARD_BRIDGE);
  skeleton_->bss->ports.uplinks[0] = {};
  Bytes frame = L2(kRouter, kClientMac) / Ipv4{} / Tcp{};
  EXPECT_STREQ(ReasonName(Run(frame).reason), "KERNEL_FALLBACK");
}

}  // namespace narthex::test
