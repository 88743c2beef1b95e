// SPDX-License-Identifier: Apache-2.0
// Forwarding without the kernel's stack, in a network namespace of the test's own with real routes
// and neighbours: what leaves and how, what goes to the kernel, and that it goes there unchanged.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>

#include "bpf/skeleton.h"
#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

namespace {

constexpr Mac kLan = {0x02, 0x4e, 0x58, 0, 0, 0x01};
constexpr Mac kWan = {0x02, 0x4e, 0x58, 0, 1, 0x01};
constexpr Mac kRouter = {0x02, 0, 0, 0, 0, 0xaa};
constexpr Mac kOther = {0x02, 0, 0, 0, 0, 0xbb};
constexpr Mac kEverybody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// lan0 (clients), wan0 (the uplink), oth0 (an interface that narthex does not know).
const char* const kWorld = R"(set -e
exec 2>&1
for pair in "lan0 02:4e:58:00:00:01" "wan0 02:4e:58:00:01:01" "oth0 02:4e:58:00:02:01"; do
  set -- $pair
  ip link add $1 address $2 type veth peer name peer-$1
  ip link set $1 up; ip link set peer-$1 up
done
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
ip link set lo up
ip link set wan0 mtu 1400
ip addr add 10.51.1.1/24 dev lan0
ip addr add 2001:db8:51:1::1/64 dev lan0 nodad
ip addr add 198.51.100.1/24 dev wan0
ip addr add 2001:db8:100::1/64 dev wan0 nodad
ip addr add 192.0.2.1/24 dev oth0
ip neigh add 198.51.100.10 lladdr 02:00:00:00:00:aa dev wan0 nud permanent
ip neigh add 2001:db8:100::10 lladdr 02:00:00:00:00:aa dev wan0 nud permanent
ip neigh add 192.0.2.10 lladdr 02:00:00:00:00:bb dev oth0 nud permanent
ip neigh add 10.51.1.2 lladdr 02:00:00:00:00:02 dev lan0 nud permanent
ip neigh add 10.51.1.3 lladdr 02:00:00:00:00:03 dev lan0 nud permanent
ip neigh add 2001:db8:51:1::2 lladdr 02:00:00:00:00:02 dev lan0 nud permanent
ip route add 203.0.113.0/24 via 198.51.100.10
ip route add 203.0.113.128/25 via 192.0.2.10
ip route add 224.0.0.0/3 via 198.51.100.10
ip route add blackhole 203.0.113.64/32
ip route add unreachable 203.0.113.65/32
ip route add 203.0.113.66/32 via 198.51.100.10 mtu lock 600
ip -6 route add 2001:db8:200::/48 via 2001:db8:100::10
ip -6 route add blackhole 2001:db8:200:1::/64
ip -6 route add unreachable 2001:db8:200:2::/64
)";

// The namespace, for as long as this lives; the whole process is in it.
class World {
 public:
  World() : before_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
    made_ = before_ >= 0 && unshare(CLONE_NEWNET) == 0 && system(kWorld) == 0;
  }
  ~World() {
    if (before_ < 0) return;
    setns(before_, CLONE_NEWNET);
    close(before_);
  }
  bool made() const { return made_; }

 private:
  int before_;
  bool made_ = false;
};

nx_port Port(const char* name, const Mac& mac) {
  nx_port port = {};
  port.ifindex = port.via = if_nametoindex(name);
  memcpy(port.mac, mac.data(), 6);
  return port;
}

uint32_t Second() { return static_cast<uint32_t>(BootNow() / kSecond); }

// Tags of a frame, outer first.
using Tags = std::vector<Vlan>;

Packet L2(const Mac& dst, const Mac& src, const Tags& tags = {}) {
  Packet packet(Ethernet{.dst = dst, .src = src});
  for (const Vlan& tag : tags) packet = packet.Then(tag);
  return packet;
}

void SetTags(uint16_t* where, const std::vector<uint16_t>& tags) {
  std::copy(tags.begin(), tags.end(), where);
}

const Payload kBody{std::string(40, 'x')};

}  // namespace

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

// What a client sends. It has a session, unless it is .9.
class ForwardUp : public ClassifierFixture {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "BPF needs root";
    if (!world_.made()) GTEST_SKIP() << "no namespace with veth interfaces can be made here";
    Forward(NX_FORWARD_FIB);
  }

  void Forward(nx_forwarding how, std::vector<uint16_t> access_vlan = {},
               std::vector<uint16_t> uplink_vlan = {}, nx_mode mode = NX_MODE_ENFORCE) {
    TearDown();
    Load({.mode = mode, .change = [&](nx_zone_config& config) {
            config.forwarding = static_cast<uint8_t>(how);
            SetTags(config.access_vlan, access_vlan);
            SetTags(config.uplink_vlan, uplink_vlan);
            config.uplink_count = 1;
          }});
    ASSERT_NE(skeleton_, nullptr);
    skeleton_->bss->ports.access = Port("lan0", kLan);
    skeleton_->bss->ports.uplinks[0] = Port("wan0", kWan);
    SawNeighbours(Second());
    for (const char* client : {"10.51.1.2", "10.51.1.3", "2001:db8:51:1::2"})
      Authorise(client, BootNow() + 60 * kSecond);
  }
  void SawNeighbours(uint32_t second) {
    for (uint32_t& seen : skeleton_->bss->neighbour_seen) seen = second;
  }

  World world_;
};

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
  EXPECT_EQ(Session("10.51.1.2").packets_up, 9u) << "counted before it was forwarded";
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

// ---- tags -----------------------------------------------------------------------------------

struct TagRow {
  const char* description;
  std::vector<uint16_t> from, to;  // as configured for the side that it comes from, and the other
  Tags in, out;
};

// Priority 5 and DEI in the identifiers: 0xb000.
const TagRow kTagRows[] = {
    {"none, none", {}, {}, {}, {}},
    {"push one", {}, {200}, {}, {{.id = 200}}},
    {"push two", {}, {200, 7}, {}, {{.id = 200, .tpid = 0x88a8}, {.id = 7}}},
    {"pop one", {100}, {}, {{.id = 100}}, {}},
    {"replace one", {100}, {200}, {{.id = 0xb000 | 100}}, {{.id = 0xb000 | 200}}},
    {"replace an S-tag", {100}, {200}, {{100, 0x88a8}}, {{200, 0x88a8}}},
    {"push a second",
     {100},
     {300, 200},
     {{.id = 0xb000 | 100}},
     {{0xb000 | 300, 0x88a8}, {.id = 0xb000 | 200}}},
    {"pop two", {100, 7}, {}, {{100, 0x88a8}, {7}}, {}},
    {"pop the outer", {100, 7}, {200}, {{100, 0x88a8}, {0xb000 | 7}}, {{0xb000 | 200}}},
    {"replace two",
     {100, 7},
     {200, 8},
     {{0x2000 | 100, 0x8100}, {0xb000 | 7}},
     {{0x2000 | 200, 0x8100}, {0xb000 | 8}}},
};

TEST_F(ForwardUp, TranslatesTagsOfRoutedPackets) {
  for (const TagRow& row : kTagRows) {
    Forward(NX_FORWARD_FIB, row.from, row.to);
    const Ipv4 ip{.dst = "203.0.113.5"}, aged{.dst = "203.0.113.5", .ttl = 63};
    Outcome got = Run(L2(kLan, kClientMac, row.in) / ip / Tcp{} / kBody);
    EXPECT_EQ(got.action, XDP_REDIRECT) << row.description;
    EXPECT_EQ(got.frame, Bytes(L2(kRouter, kWan, row.out) / aged / Tcp{} / kBody))
        << row.description;
    const Ipv6 ip6{.dst = "2001:db8:200::5"}, aged6{.dst = "2001:db8:200::5", .hop_limit = 63};
    got = Run(L2(kLan, kClientMac, row.in) / ip6 / Udp{} / kBody);
    EXPECT_EQ(got.frame, Bytes(L2(kRouter, kWan, row.out) / aged6 / Udp{} / kBody))
        << row.description;
  }
}

TEST_F(ForwardUp, TranslatesTagsOfBridgedFrames) {
  for (const TagRow& row : kTagRows) {
    Forward(NX_FORWARD_BRIDGE, row.from, row.to);
    Outcome got = Run(L2(kRouter, kClientMac, row.in) / Ipv4{} / Tcp{} / kBody);
    EXPECT_EQ(got.action, XDP_REDIRECT) << row.description;
    EXPECT_EQ(got.frame, Bytes(L2(kRouter, kClientMac, row.out) / Ipv4{} / Tcp{} / kBody))
        << row.description;
    got = Run(L2(kEverybody, kClientMac, row.in) / Arp{});
    EXPECT_STREQ(ReasonName(got.reason), "ARP") << row.description;
    EXPECT_EQ(got.frame, Bytes(L2(kEverybody, kClientMac, row.out) / Arp{})) << row.description;
  }
}

TEST_F(ForwardUp, TranslatesNoOtherTagsThanTheConfigured) {
  const Tags others[] = {{},
                         {{.id = 101}},
                         {{.id = 200}},
                         {{.id = 0}},
                         {{.id = 100}, {.id = 7}},
                         {{.id = 0}, {.id = 100}},
                         {{.id = 100}, {.id = 0}}};
  for (auto how : {NX_FORWARD_FIB, NX_FORWARD_BRIDGE}) {
    Forward(how, {100}, {200});
    for (const Tags& tags : others) {
      const Mac& to = how == NX_FORWARD_FIB ? kLan : kRouter;
      Bytes frame = L2(to, kClientMac, tags) / Ipv4{.dst = "203.0.113.5"} / Tcp{} / kBody;
      Outcome got = Run(frame);
      EXPECT_STREQ(ReasonName(got.reason), "KERNEL_FALLBACK") << tags.size();
      EXPECT_EQ(got.action, XDP_PASS);
      EXPECT_EQ(got.frame, frame);
    }
  }
}

// ---- bridge ---------------------------------------------------------------------------------

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

// ---- what the uplink receives ---------------------------------------------------------------

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
    bpf_map__set_max_entries(skeleton_->maps.keys, 8);
    bpf_map__set_max_entries(skeleton_->maps.fast, 8);
    bpf_map__set_max_entries(skeleton_->maps.fast_due, 8);
    ASSERT_EQ(narthex_uplink__load(skeleton_), 0);
    skeleton_->bss->ports[0].access = Port("lan0", kLan);
    skeleton_->bss->ports[0].uplinks[0] = Port("wan0", kWan);
    for (uint32_t& seen : skeleton_->bss->neighbour_seen) seen = Second();
    SetClock();
    Authorise();
  }

  void SetClock() {
    struct {
      char timer[16];
      uint64_t now_ns, slot;
      uint32_t swept, now_s;
    } clock = {};
    clock.now_ns = BootNow();
    clock.now_s = Second();
    uint32_t zero = 0;
    ASSERT_EQ(bpf_map__value_size(skeleton_->maps.clock), sizeof(clock));
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.clock), &zero, &clock, 0), 0);
  }
  // As the classifier of the access interface notes it, of a question whose answer holds kBody.
  void AskForDhcp(const Mac& mac) {
    nx_dhcp_client client = {.mac = {}, .zone = kZone, .ipv6 = 0};
    memcpy(client.mac, mac.data(), 6);
    nx_dhcp_question question = {.id = 0x78787878, .at_s = Second()};
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.dhcp_asked), &client, &question, 0), 0);
  }
  // 10.51.1.2, 10.52.0.2 and 2001:db8:51:1::2, whose entry comes after the pools'.
  void Authorise() {
    nx_session session = {};
    session.expires_ns = BootNow() + 60 * kSecond;
    for (uint32_t slot : {2u, 258u, 512u})
      ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.sessions), &slot, &session, 0), 0);
    nx_key key = {};
    memcpy(key.addr, Mapped("2001:db8:51:1::2").data(), 16);
    key.zone = kZone;
    key.kind = NX_KEY_ADDRESS;
    key.prefix_len = 128;
    uint32_t slot = 512;
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.keys), &key, &slot, 0), 0);
  }
  uint64_t Count(int reason) {
    std::vector<uint64_t> values(static_cast<size_t>(libbpf_num_possible_cpus()));
    uint32_t index = static_cast<uint32_t>(reason);
    EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &index, values.data()), 0);
    uint64_t sum = 0;
    for (uint64_t value : values) sum += value;
    return sum;
  }
  Outcome Run(const Bytes& frame) {
    std::array<uint64_t, NX_REASON_COUNT> before{};
    for (int i = 0; i < NX_REASON_COUNT; i++) before[static_cast<size_t>(i)] = Count(i);
    Outcome out;
    out.frame.resize(4096);
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(), .data_out = out.frame.data(),
                .data_size_in = static_cast<__u32>(frame.size()),
                .data_size_out = static_cast<__u32>(out.frame.size()), .repeat = 1);
    EXPECT_EQ(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.nx_uplink), &run), 0);
    out.frame.resize(run.data_size_out);
    out.action = static_cast<int>(run.retval);
    for (int i = 0; i < NX_REASON_COUNT; i++)
      if (Count(i) != before[static_cast<size_t>(i)]) out.reason = i;
    return out;
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
