// SPDX-License-Identifier: Apache-2.0
// Routing without the kernel's stack what clients send: what leaves and how, what goes to the
// kernel, and that it goes there unchanged.
#include <bpf/bpf.h>

#include "tests/bpf/forward_world.h"

namespace narthex::test {

// Where no namespace can be made the verifier has its say at least, on the widest configuration.
class ForwardLoads : public ClassifierFixture {
 protected:
  void SetUp() override {}
};

TEST_F(ForwardLoads, WhateverTheZonesForward) {
  for (auto how : {NX_FORWARD_KERNEL, NX_FORWARD_FIB, NX_FORWARD_BRIDGE}) {
    Load({.kinds = NX_KIND_MAC | NX_KIND_LINE,
          .bind = NX_BIND_MAC | NX_BIND_VLAN,
          .change = [&](nx_zone_config& config) {
            config.forwarding = static_cast<uint8_t>(how);
            SetTags(config.access_vlan, {100, 7});
            config.uplink_count = NX_MAX_UPLINKS;
          }});
    ASSERT_NE(skeleton_, nullptr);
    narthex_uplink* uplink = narthex_uplink__open();
    auto& config = const_cast<nx_uplink_config&>(uplink->rodata->uplink_config);
    config.zone_count = NX_MAX_ZONES;
    config.forwards = 1u << NX_FORWARD_KERNEL | 1u << NX_FORWARD_FIB | 1u << NX_FORWARD_BRIDGE;
    config.bridged = NX_MAX_ZONES;
    for (nx_zone_config& zone : config.zones) {
      zone.forwarding = static_cast<uint8_t>(how);
      zone.pool_count = NX_MAX_POOLS;
      zone.prefix_count = NX_MAX_PREFIXES;
      zone.own_count = NX_MAX_OWN;
      zone.resolver_count = NX_MAX_RESOLVERS;
      zone.key_length_count = NX_MAX_KEY_LENGTHS;
      zone.kinds = NX_KIND_MAC | NX_KIND_LINE;
      zone.bind = NX_BIND_MAC | NX_BIND_VLAN;
    }
    EXPECT_EQ(narthex_uplink__load(uplink), 0) << how;
    narthex_uplink__destroy(uplink);
  }
}

TEST_F(ForwardUp, RoutesAsARouterDoes) {
  const Ipv4 there{.dst = "203.0.113.5", .tos = 0xb8, .id = 0x1234};
  const Ipv6 there6{.dst = "2001:db8:200::5"};
  auto lower = [](auto ip) {
    if constexpr (std::is_same_v<decltype(ip), Ipv4>) ip.ttl--;
    if constexpr (std::is_same_v<decltype(ip), Ipv6>) ip.hop_limit--;
    return ip;
  };
  const Packet in = L2(kLan, kClientMac), out = L2(kRouter, kWan);
  auto with_ttl = [&](uint8_t ttl) { return Ipv4{.dst = "203.0.113.5", .ttl = ttl}; };
  struct {
    const char* description;
    Bytes frame, want;
  } const rows[] = {
      {"TCP", in / there / Tcp{} / kBody, out / lower(there) / Tcp{} / kBody},
      {"UDP", in / there / Udp{} / kBody, out / lower(there) / Udp{} / kBody},
      {"ICMP", in / there / Icmp{} / kBody, out / lower(there) / Icmp{} / kBody},
      {"another protocol", in / Ipv4{.dst = "203.0.113.5", .protocol = 47} / kBody,
       out / Ipv4{.dst = "203.0.113.5", .ttl = 63, .protocol = 47} / kBody},
      {"no payload", in / there, out / lower(there)},
      {"TTL 2", in / with_ttl(2) / Udp{}, out / with_ttl(1) / Udp{}},
      {"TTL 255", in / with_ttl(255) / Udp{}, out / with_ttl(254) / Udp{}},
      {"on the uplink's own network", in / Ipv4{} / Udp{}, out / Ipv4{.ttl = 63} / Udp{}},
      {"as large as the MTU", in / there / Payload{std::string(1380, 'x')},
       out / lower(there) / Payload{std::string(1380, 'x')}},
      {"IPv6 TCP", in / there6 / Tcp{} / kBody, out / lower(there6) / Tcp{} / kBody},
      {"IPv6 UDP", in / there6 / Udp{} / kBody, out / lower(there6) / Udp{} / kBody},
      {"IPv6 ping", in / there6 / Icmp6{}, out / lower(there6) / Icmp6{}},
      {"IPv6 hop limit 2", in / Ipv6{.dst = "2001:db8:200::5", .hop_limit = 2} / Udp{},
       out / Ipv6{.dst = "2001:db8:200::5", .hop_limit = 1} / Udp{}},
      {"IPv6 as large as the MTU", in / there6 / Payload{std::string(1360, 'x')},
       out / lower(there6) / Payload{std::string(1360, 'x')}},
  };
  for (const auto& row : rows) {
    Outcome got = Run(row.frame);
    EXPECT_STREQ(ReasonName(got.reason), "AUTHORISED") << row.description;
    EXPECT_EQ(got.action, XDP_REDIRECT) << row.description;
    EXPECT_EQ(got.frame, row.want) << row.description;
  }
  EXPECT_EQ(Account("10.51.1.2").packets_up, 9u) << "counted before it was forwarded";
}

TEST_F(ForwardUp, KeepsEveryChecksumRight) {
  for (uint32_t id = 0; id <= 0xffff; id += 7) {
    Ipv4 ip{.dst = "203.0.113.5",
            .ttl = static_cast<uint8_t>(2 + id % 254),
            .tos = static_cast<uint8_t>(id >> 3),
            .id = static_cast<uint16_t>(id)};
    Bytes frame = L2(kLan, kClientMac) / ip / Udp{};
    Bytes out(256);
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(), .data_out = out.data(),
                .data_size_in = static_cast<__u32>(frame.size()),
                .data_size_out = static_cast<__u32>(out.size()), .repeat = 1);
    ASSERT_EQ(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.xsk_def_prog), &run), 0);
    ASSERT_EQ(run.retval, static_cast<__u32>(XDP_REDIRECT));
    out.resize(run.data_size_out);
    ip.ttl--;
    ASSERT_EQ(out, Bytes(L2(kRouter, kWan) / ip / Udp{})) << id;
  }
}

TEST_F(ForwardUp, LeavesTheRestToTheKernelUnchanged) {
  const Packet in = L2(kLan, kClientMac);
  const Ipv4 there{.dst = "203.0.113.5"};
  const Ipv6 there6{.dst = "2001:db8:200::5"};
  auto to = [&](const char* dst) -> Bytes { return in / Ipv4{.dst = dst} / Udp{} / kBody; };
  auto to6 = [&](const char* dst) -> Bytes { return in / Ipv6{.dst = dst} / Udp{} / kBody; };
  struct {
    const char* description;
    Bytes frame;
  } const rows[] = {
      {"TTL 1", in / Ipv4{.dst = "203.0.113.5", .ttl = 1} / Udp{}},
      {"TTL 0", in / Ipv4{.dst = "203.0.113.5", .ttl = 0} / Udp{}},
      {"larger than the MTU", in / there / Payload{std::string(1381, 'x')}},
      {"larger than the MTU, DF not set",
       in / Ipv4{.dst = "203.0.113.5", .fragment = 0} / Payload{std::string(1381, 'x')}},
      {"larger than the route's MTU",
       in / Ipv4{.dst = "203.0.113.66"} / Payload{std::string(581, 'x')}},
      {"padded beyond the MTU",
       in / Ipv4{.dst = "203.0.113.5", .total_bytes = 28} / Payload{std::string(1381, 'x')}},
      {"first fragment", in / Ipv4{.dst = "203.0.113.5", .fragment = 0x2000} / Udp{}},
      {"last fragment", in / Ipv4{.dst = "203.0.113.5", .fragment = 0x0010} / Udp{}},
      {"options", in / Ipv4{.dst = "203.0.113.5", .options = Bytes(4, 1)} / Udp{}},
      {"bad header checksum", in / Ipv4{.dst = "203.0.113.5", .checksum_xor = 1} / Udp{}},
      {"total length beyond the frame",
       in / Ipv4{.dst = "203.0.113.5", .total_bytes = 100} / Udp{}},
      {"total length below the header", in / Ipv4{.dst = "203.0.113.5", .total_bytes = 19} / Udp{}},
      {"header of 16 bytes", in / Ipv4{.dst = "203.0.113.5", .version_ihl = 0x44} / Udp{}},
      {"the gateway itself", to("10.51.1.1")},
      {"the gateway's uplink address", to("198.51.100.1")},
      {"another client", to("10.51.1.3")},
      {"no neighbour", to("198.51.100.77")},
      {"no route", to("192.88.99.1")},
      {"blackhole", to("203.0.113.64")},
      {"unreachable", to("203.0.113.65")},
      {"an interface that is no uplink", to("203.0.113.200")},
      {"multicast", to("224.0.1.1")},
      {"limited broadcast", to("255.255.255.255")},
      {"class E", to("240.0.0.1")},
      {"directed broadcast", to("198.51.100.255")},
      {"loopback", to("127.0.0.1")},
      {"0.0.0.0", to("0.0.0.0")},
      {"another station's frame", L2(kOther, kClientMac) / there / Udp{}},
      {"a frame for everybody", L2(kEverybody, kClientMac) / there / Udp{}},
      {"a tag", L2(kLan, kClientMac, {{.id = 7}}) / there / Udp{}},
      {"a priority tag", L2(kLan, kClientMac, {{.id = 0}}) / there / Udp{}},
      {"IPv6 hop limit 1", in / Ipv6{.dst = "2001:db8:200::5", .hop_limit = 1} / Udp{}},
      {"IPv6 larger than the MTU", in / there6 / Payload{std::string(1361, 'x')}},
      {"IPv6 fragment", in / there6 / Extension{.type = 44} / Udp{}},
      {"IPv6 hop-by-hop options", in / there6 / Extension{.type = 0} / Udp{}},
      {"IPv6 routing header", in / there6 / Extension{.type = 43} / Udp{}},
      {"IPv6 payload beyond the frame",
       in / Ipv6{.dst = "2001:db8:200::5", .payload_bytes = 100} / Udp{}},
      {"IPv6 the gateway itself", to6("2001:db8:51:1::1")},
      {"IPv6 no neighbour", to6("2001:db8:100::77")},
      {"IPv6 no route", to6("2001:db8:300::1")},
      {"IPv6 blackhole", to6("2001:db8:200:1::1")},
      {"IPv6 unreachable", to6("2001:db8:200:2::1")},
      {"IPv6 link-local", to6("fe80::1")},
      {"IPv6 multicast", to6("ff0e::1")},
      {"IPv6 loopback", to6("::1")},
      {"IPv6 unspecified", to6("::")},
  };
  for (const auto& row : rows) {
    Outcome got = Run(row.frame);
    EXPECT_STREQ(ReasonName(got.reason), "KERNEL_FALLBACK") << row.description;
    EXPECT_EQ(got.action, XDP_PASS) << row.description;
    EXPECT_EQ(got.frame, row.frame) << row.description;
  }
}

TEST_F(ForwardUp, RoutesOnlyClientsWithASession) {
  AddGarden("203.0.113.7", 32, {{443, 443, 6, {}}});
  const Packet in = L2(kLan, kClientMac);
  const struct {
    const char* description;
    Bytes frame;
    const char* want;
    int action;
  } rows[] = {
      {"garden", in / Ipv4{.src = "10.51.1.9", .dst = "203.0.113.7"} / Tcp{.dport = 443}, "GARDEN",
       XDP_PASS},
      {"DNS", in / Ipv4{.src = "10.51.1.9", .dst = "198.51.100.53"} / Udp{}, "DNS", XDP_PASS},
      {"ARP", in / Arp{}, "ARP", XDP_PASS},
      {"a connection", in / Ipv4{.src = "10.51.1.9", .dst = "203.0.113.5"} / Tcp{}, "SYN_ACK",
       XDP_TX},
      {"anything else", in / Ipv4{.src = "10.51.1.9", .dst = "203.0.113.5", .protocol = 47},
       "IP_PROTOCOL", XDP_DROP},
  };
  for (const auto& row : rows) {
    Outcome got = Run(row.frame);
    EXPECT_STREQ(ReasonName(got.reason), row.want) << row.description;
    EXPECT_EQ(got.action, row.action) << row.description;
  }
}

TEST_F(ForwardUp, ShowsEachNeighbourToTheKernelNowAndThen) {
  SawNeighbours(Second() - NX_NEIGHBOUR_S);
  Bytes near = L2(kLan, kClientMac) / Ipv4{.dst = "203.0.113.5"} / Udp{};
  Bytes far = L2(kLan, kClientMac) / Ipv6{.dst = "2001:db8:200::5"} / Udp{};
  EXPECT_EQ(Run(near).frame, near);
  EXPECT_EQ(Run(near).action, XDP_REDIRECT);
  EXPECT_EQ(Run(near).action, XDP_REDIRECT);
  EXPECT_STREQ(ReasonName(Run(far).reason), "KERNEL_FALLBACK") << "another neighbour";
  EXPECT_EQ(Run(far).action, XDP_REDIRECT);
}

TEST_F(ForwardUp, FollowsRoutesAndInterfacesAsTheyChange) {
  Bytes frame = L2(kLan, kClientMac) / Ipv4{.dst = "203.0.113.5"} / Udp{};
  EXPECT_EQ(Run(frame).action, XDP_REDIRECT);
  ASSERT_EQ(system("ip route change 203.0.113.0/24 via 192.0.2.10"), 0);
  EXPECT_STREQ(ReasonName(Run(frame).reason), "KERNEL_FALLBACK");
  skeleton_->bss->ports.uplinks[0] = Port("oth0", kWan);
  EXPECT_EQ(Run(frame).action, XDP_REDIRECT);
  skeleton_->bss->ports.access.mac[5]++;
  EXPECT_STREQ(ReasonName(Run(frame).reason), "KERNEL_FALLBACK");
}

}  // namespace narthex::test
