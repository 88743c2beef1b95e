// SPDX-License-Identifier: Apache-2.0
// Forwarding without the kernel's stack what the uplink receives.
#include <bpf/bpf.h>

#include "tests/bpf/forward_world.h"

namespace narthex::test {

// Zone 3 (10.51.1.0/24, 2001:db8:51:1::/64) on lan0; .2 and ::2 have a session. Zone 4
// (10.52.0.0/24) is left to the kernel.
class ForwardDown : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "BPF needs root";
    if (!world_.made()) GTEST_SKIP() << "no namespace with veth interfaces can be made here";
    Forward(NX_FORWARD_FIB);
  }
  void TearDown() override {
    if (skeleton_) narthex_uplink__destroy(skeleton_);
    skeleton_ = nullptr;
  }

  void Forward(nx_forwarding how, const std::vector<uint16_t>& uplink_vlan = {},
               const std::vector<uint16_t>& access_vlan = {}) {
    TearDown();
    skeleton_ = narthex_uplink__open();
    ASSERT_NE(skeleton_, nullptr);
    nx_uplink_config config = {};
    config.zone_count = 2;
    config.forwards = static_cast<uint8_t>(1u << how | 1u << NX_FORWARD_KERNEL);
    config.bridged = how == NX_FORWARD_BRIDGE ? 1 : 0;
    nx_zone_config& zone = config.zones[0];
    zone.zone = kZone;
    zone.pool_count = 1;
    zone.pools[0] = {.first = 0x0a330100, .count = 256, .session = 0};
    zone.prefix_count = 1;
    memcpy(zone.prefixes[0].addr, Mapped("2001:db8:51:1::").data(), 16);
    zone.prefixes[0].mask[0] = ~0ull;
    zone.key_length_count = 1;
    zone.key_lengths[0] = 128;
    zone.own_count = 1;
    memcpy(zone.own[0], Mapped("10.51.1.1").data(), 16);
    zone.forwarding = static_cast<uint8_t>(how);
    zone.uplink_count = 1;
    SetTags(zone.uplink_vlan, uplink_vlan);
    SetTags(zone.access_vlan, access_vlan);
    config.zones[1].zone = kZone + 1;
    config.zones[1].pool_count = 1;
    config.zones[1].pools[0] = {.first = 0x0a340000, .count = 256, .session = 256};
    memcpy(const_cast<nx_uplink_config*>(&skeleton_->rodata->uplink_config), &config,
           sizeof(config));
    bpf_map__set_max_entries(skeleton_->maps.sessions, 512 + 8);
    for (bpf_map* map :
         {skeleton_->maps.traffic_up, skeleton_->maps.traffic_down, skeleton_->maps.accounts})
      bpf_map__set_max_entries(map, 512 + 8);
    bpf_map__set_max_entries(skeleton_->maps.keys, 8);
    bpf_map__set_max_entries(skeleton_->maps.fast, 8);
    bpf_map__set_max_entries(skeleton_->maps.fast_due, 8);
    bpf_map__set_max_entries(skeleton_->maps.held, 9);
    ASSERT_EQ(narthex_uplink__load(skeleton_), 0);
    skeleton_->bss->ports[0].access = Port("lan0", kLan);
    skeleton_->bss->ports[0].uplinks[0] = Port("wan0", kWan);
    for (uint32_t& seen : skeleton_->bss->neighbour_seen) seen = Second();
    SetClock();
    Authorise();
  }

  void SetClock() { test::SetClock(skeleton_->data_clock->clock, BootNow()); }
  // As the classifier of the access interface notes it, of a question whose answer holds kBody.
  void AskForDhcp(const Mac& mac) {
    nx_dhcp_client client = {.mac = {}, .zone = kZone, .ipv6 = 0};
    memcpy(client.mac, mac.data(), 6);
    nx_dhcp_question question = {.id = 0x78787878, .at_s = Second()};
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.dhcp_asked), &client, &question, 0),
              0);
  }
  // 10.51.1.2, 10.52.0.2 and 2001:db8:51:1::2, whose entry comes after the pools'.
  void Authorise() {
    nx_session session = {};
    session.expires_ns = BootNow() + 60 * kSecond;
    for (uint32_t slot : {2u, 258u, 512u}) {
      SetHeldBit(bpf_map__fd(skeleton_->maps.held), slot, true);
      ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.sessions), &slot, &session, 0), 0);
    }
    nx_key key = {};
    memcpy(key.addr, Mapped("2001:db8:51:1::2").data(), 16);
    key.zone = kZone;
    key.kind = NX_KEY_ADDRESS;
    key.prefix_len = 128;
    uint32_t slot = 512;
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.keys), &key, &slot, 0), 0);
  }
  Outcome Run(const Bytes& frame) {
    return RunProgram(bpf_program__fd(skeleton_->progs.nx_uplink),
                      bpf_map__fd(skeleton_->maps.counters), frame);
  }

  World world_;
  narthex_uplink* skeleton_ = nullptr;
};

const Ipv4 kDown{.src = "203.0.113.5", .dst = "10.51.1.2"};
const Ipv6 kDown6{.src = "2001:db8:200::5", .dst = "2001:db8:51:1::2"};
constexpr Mac kSecondClient = {0x02, 0, 0, 0, 0, 0x03};

TEST_F(ForwardDown, RoutesToAuthorisedClients) {
  Outcome got = Run(L2(kWan, kRouter) / kDown / Tcp{} / kBody);
  EXPECT_STREQ(ReasonName(got.reason), "DOWNLINK_AUTHORISED");
  EXPECT_EQ(got.action, XDP_REDIRECT);
  Ipv4 aged = kDown;
  aged.ttl--;
  EXPECT_EQ(got.frame, Bytes(L2(kClientMac, kLan) / aged / Tcp{} / kBody));
  got = Run(L2(kWan, kRouter) / kDown6 / Tcp{} / kBody);
  EXPECT_EQ(got.action, XDP_REDIRECT);
  Ipv6 aged6 = kDown6;
  aged6.hop_limit--;
  EXPECT_EQ(got.frame, Bytes(L2(kClientMac, kLan) / aged6 / Tcp{} / kBody));
}

TEST_F(ForwardDown, LeavesTheRestToTheKernelUnchanged) {
  const Packet in = L2(kWan, kRouter);
  Ipv4 last = kDown, fragment = kDown, spoofed = kDown;
  last.ttl = 1;
  fragment.fragment = 0x2000;
  spoofed.src = "127.0.0.1";
  const struct {
    const char* description;
    Bytes frame;
    const char* want;
    int action;
  } rows[] = {
      {"TTL 1", in / last / Udp{}, "DOWNLINK_KERNEL_FALLBACK", XDP_PASS},
      {"a fragment", in / fragment / Udp{}, "DOWNLINK_KERNEL_FALLBACK", XDP_PASS},
      {"a source that cannot be", in / spoofed / Udp{}, "DOWNLINK_KERNEL_FALLBACK", XDP_PASS},
      {"larger than the MTU", in / kDown / Payload{std::string(1481, 'x')},
       "DOWNLINK_KERNEL_FALLBACK", XDP_PASS},
      {"another station's frame", L2(kOther, kRouter) / kDown / Udp{}, "DOWNLINK_KERNEL_FALLBACK",
       XDP_PASS},
      {"a zone that is left to the kernel", in / Ipv4{.dst = "10.52.0.2"} / Udp{},
       "DOWNLINK_AUTHORISED", XDP_PASS},
      {"the gateway itself", in / Ipv4{.src = "203.0.113.5", .dst = "10.51.1.1"} / Udp{},
       "DOWNLINK_OTHER", XDP_PASS},
      {"a stranger", in / Ipv4{.src = "203.0.113.5", .dst = "10.51.1.9"} / Udp{}, "UNSOLICITED",
       XDP_DROP},
      {"a stranger's DHCP",
       in / Ipv4{.src = "203.0.113.5", .dst = "10.51.1.9"} / Udp{.sport = 67, .dport = 68},
       "UNSOLICITED", XDP_DROP},
  };
  for (const auto& row : rows) {
    Outcome got = Run(row.frame);
    EXPECT_STREQ(ReasonName(got.reason), row.want) << row.description;
    EXPECT_EQ(got.action, row.action) << row.description;
    EXPECT_EQ(got.frame, row.frame) << row.description;
  }
}

TEST_F(ForwardDown, LeavesAClientThatIsSomewhereElseToTheKernel) {
  ASSERT_EQ(system("ip route add 10.51.1.2/32 via 192.0.2.10"), 0);
  EXPECT_STREQ(ReasonName(Run(L2(kWan, kRouter) / kDown / Udp{}).reason),
               "DOWNLINK_KERNEL_FALLBACK");
}

TEST_F(ForwardDown, TranslatesTags) {
  for (const TagRow& row : kTagRows) {
    Forward(NX_FORWARD_FIB, row.from, row.to);
    Ipv4 aged = kDown;
    aged.ttl--;
    Outcome got = Run(L2(kWan, kRouter, row.in) / kDown / Tcp{} / kBody);
    EXPECT_EQ(got.action, XDP_REDIRECT) << row.description;
    EXPECT_EQ(got.frame, Bytes(L2(kClientMac, kLan, row.out) / aged / Tcp{} / kBody))
        << row.description;
    Forward(NX_FORWARD_BRIDGE, row.from, row.to);
    got = Run(L2(kClientMac, kRouter, row.in) / kDown / Tcp{} / kBody);
    EXPECT_EQ(got.action, XDP_REDIRECT) << row.description;
    EXPECT_EQ(got.frame, Bytes(L2(kClientMac, kRouter, row.out) / kDown / Tcp{} / kBody))
        << row.description;
  }
}

TEST_F(ForwardDown, BridgesToClientsWhatTheyNeed) {
  Forward(NX_FORWARD_BRIDGE);
  const Packet in = L2(kSecondClient, kRouter);
  const Ipv4 stranger{.src = "203.0.113.5", .dst = "10.51.1.9"};
  const Ipv6 stranger6{.src = "fe80::1", .dst = "2001:db8:51:1::9", .hop_limit = 255};
  const struct {
    const char* description;
    Bytes frame;
    const char* want;
    int action;
  } rows[] = {
      {"authorised", in / kDown / Tcp{} / kBody, "DOWNLINK_AUTHORISED", XDP_REDIRECT},
      {"TTL 1", in / Ipv4{.dst = "10.51.1.2", .ttl = 1} / Udp{}, "DOWNLINK_AUTHORISED",
       XDP_REDIRECT},
      {"IPv6", in / kDown6 / Tcp{} / kBody, "DOWNLINK_AUTHORISED", XDP_REDIRECT},
      {"ARP reply", in / Arp{}, "DOWNLINK_OTHER", XDP_REDIRECT},
      {"DHCP offer to everybody",
       L2(kEverybody, kRouter) / Ipv4{.src = "10.51.1.254", .dst = "255.255.255.255"} /
           Udp{.sport = 67, .dport = 68},
       "DOWNLINK_OTHER", XDP_REDIRECT},
      {"DHCP offer", in / stranger / Udp{.sport = 67, .dport = 68} / kBody, "DOWNLINK_CONTROL",
       XDP_REDIRECT},
      {"DHCPv6 reply that nobody asked for",
       in / stranger6 / Udp{.sport = 547, .dport = 546} / kBody, "UNSOLICITED", XDP_DROP},
      {"router advertisement",
       in / Ipv6{.src = "fe80::1", .dst = "ff02::1", .hop_limit = 255} / Icmp6{.type = 134},
       "DOWNLINK_OTHER", XDP_REDIRECT},
      {"neighbour advertisement", in / stranger6 / Icmp6{.type = 136}, "DOWNLINK_CONTROL",
       XDP_REDIRECT},
      {"one from beyond the link",
       in / Ipv6{.src = "fe80::1", .dst = "2001:db8:51:1::9", .hop_limit = 254} /
           Icmp6{.type = 136},
       "UNSOLICITED", XDP_DROP},
      {"ping to a stranger", in / stranger6 / Icmp6{}, "UNSOLICITED", XDP_DROP},
      {"a stranger", in / stranger / Tcp{}, "UNSOLICITED", XDP_DROP},
      {"the gateway's MAC address", L2(kWan, kRouter) / kDown / Udp{}, "DOWNLINK_KERNEL_FALLBACK",
       XDP_PASS},
      {"the gateway's address", in / Ipv4{.dst = "10.51.1.1"} / Udp{}, "DOWNLINK_OTHER", XDP_PASS},
      {"a client of another zone", in / Ipv4{.dst = "10.52.0.2"} / Udp{}, "DOWNLINK_AUTHORISED",
       XDP_PASS},
      {"LLDP",
       Ethernet{{0x01, 0x80, 0xc2, 0, 0, 0x0e}, kRouter, 0x88cc} / Payload{std::string(50, 'x')},
       "DOWNLINK_OTHER", XDP_PASS},
      {"another protocol", Ethernet{kClientMac, kRouter, 0x8863} / Payload{std::string(50, 'x')},
       "DOWNLINK_OTHER", XDP_REDIRECT},
  };
  AskForDhcp(kSecondClient);
  for (const auto& row : rows) {
    Outcome got = Run(row.frame);
    EXPECT_STREQ(ReasonName(got.reason), row.want) << row.description;
    EXPECT_EQ(got.action, row.action) << row.description;
    EXPECT_EQ(got.frame, row.frame) << row.description;
  }
}

}  // namespace narthex::test
