// SPDX-License-Identifier: Apache-2.0
// The uplink program: what may reach which client, and what is counted (REQUIREMENTS §4).
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sched.h>

#include "bpf/skeleton.h"
#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

// Keeps the thread on the CPU where it is.
class OneCpu {
 public:
  OneCpu() {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
    sched_getaffinity(0, sizeof(before_), &before_);
    sched_setaffinity(0, sizeof(one), &one);
  }
  ~OneCpu() { sched_setaffinity(0, sizeof(before_), &before_); }

 private:
  cpu_set_t before_;
};

// Two zones: 3 (10.51.1.0/24, 2001:db8:51:1::/64, the gateway itself .1) enforces, 4
// (10.52.0.0/24) only monitors.
class Uplink : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "BPF needs root";
    skeleton_ = narthex_uplink__open();
    ASSERT_NE(skeleton_, nullptr);
    nx_uplink_config config = {};
    config.zone_count = 2;
    nx_zone_config& zone = config.zones[0];
    zone.zone = kZone;
    zone.pool_count = 1;
    zone.pools[0] = {.first = 0x0a330100, .count = 256, .session = 0};
    zone.prefix_count = 1;
    memcpy(zone.prefixes[0].addr, Mapped("2001:db8:51:1::").data(), 16);
    zone.prefixes[0].mask[0] = ~0ull;
    zone.own_count = 1;
    memcpy(zone.own[0], Mapped("10.51.1.1").data(), 16);
    zone.resolver_count = 1;
    memcpy(zone.resolvers[0], Mapped("198.51.100.53").data(), 16);
    nx_zone_config& monitor = config.zones[1];
    monitor.zone = kZone + 1;
    monitor.mode = NX_MODE_MONITOR;
    monitor.pool_count = 1;
    monitor.pools[0] = {.first = 0x0a340000, .count = 256, .session = 256};
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
    SetClock(skeleton_->data_clock->clock, BootNow());
  }
  void TearDown() override {
    if (skeleton_) narthex_uplink__destroy(skeleton_);
  }

  void Authorise(uint32_t slot, uint64_t expires_ns) {
    nx_session session = {};
    session.expires_ns = expires_ns;
    SetHeldBit(bpf_map__fd(skeleton_->maps.held), slot, true);
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.sessions), &slot, &session, 0), 0);
  }
  Counted Account(uint32_t slot) {
    return ReadAccount(bpf_map__fd(skeleton_->maps.traffic_up),
                       bpf_map__fd(skeleton_->maps.traffic_down),
                       bpf_map__fd(skeleton_->maps.accounts), slot);
  }
  void AddGarden(const std::string& address, nx_port_range range) {
    nx_garden_key key = {};
    key.prefix_len = NX_GARDEN_PREFIX_BASE + 128;
    key.zone = kZone;
    memcpy(key.addr, Mapped(address).data(), 16);
    nx_garden value = {};
    value.range_count = 1;
    value.ranges[0] = range;
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.garden), &key, &value, 0), 0);
    SetGardenBlock(bpf_map__fd(skeleton_->maps.garden_blocks), key.addr);
  }
  // The reason that was counted; checks that the frame is unchanged and the verdict fits.
  int Run(const Bytes& frame) {
    Outcome got = RunProgram(bpf_program__fd(skeleton_->progs.nx_uplink),
                             bpf_map__fd(skeleton_->maps.counters), frame);
    EXPECT_EQ(got.frame, frame);
    EXPECT_EQ(got.action, got.reason == NX_REASON_UNSOLICITED ? XDP_DROP : XDP_PASS);
    return got.reason;
  }

  narthex_uplink* skeleton_ = nullptr;
};

TEST_F(Uplink, LetsOnlyGardenAndResolversSpeakToStrangers) {
  AddGarden("203.0.113.7", {443, 443, 6, {}});
  AddGarden("2001:db8:6::20", {443, 443, 6, {}});
  const Ipv4 from{.src = "198.51.100.10", .dst = "10.51.1.2"};
  const Ipv6 from6{.src = "2001:db8:100::10", .dst = "2001:db8:51:1::2"};
  const Ipv4 garden{.src = "203.0.113.7", .dst = "10.51.1.2"};
  struct {
    const char* description;
    Bytes frame;
    nx_reason want;
  } const rows[] = {
      {"a server nobody asked", Ethernet{} / from / Tcp{.sport = 80, .dport = 40000, .flags = kAck},
       NX_REASON_UNSOLICITED},
      {"over IPv6", Ethernet{} / from6 / Tcp{.sport = 80, .dport = 40000, .flags = kAck},
       NX_REASON_UNSOLICITED},
      {"ping", Ethernet{} / from / Icmp{}, NX_REASON_UNSOLICITED},
      {"garden", Ethernet{} / garden / Tcp{.sport = 443, .dport = 40000, .flags = kAck},
       NX_REASON_DOWNLINK_GARDEN},
      {"garden over IPv6",
       Ethernet{} / Ipv6{.src = "2001:db8:6::20", .dst = "2001:db8:51:1::2"} /
           Tcp{.sport = 443, .dport = 40000, .flags = kAck},
       NX_REASON_DOWNLINK_GARDEN},
      {"another port of the garden",
       Ethernet{} / garden / Tcp{.sport = 80, .dport = 443, .flags = kAck}, NX_REASON_UNSOLICITED},
      {"fragment from the garden",
       Ethernet{} / Ipv4{.src = "203.0.113.7", .dst = "10.51.1.2", .fragment = 0x2000} /
           Tcp{.sport = 443},
       NX_REASON_UNSOLICITED},
      {"resolver",
       Ethernet{} / Ipv4{.src = "198.51.100.53", .dst = "10.51.1.2"} /
           Udp{.sport = 53, .dport = 40000},
       NX_REASON_DOWNLINK_DNS},
      {"resolver from another port",
       Ethernet{} / Ipv4{.src = "198.51.100.53", .dst = "10.51.1.2"} /
           Udp{.sport = 54, .dport = 53},
       NX_REASON_UNSOLICITED},
      {"another resolver",
       Ethernet{} / Ipv4{.src = "192.0.2.53", .dst = "10.51.1.2"} /
           Udp{.sport = 53, .dport = 40000},
       NX_REASON_UNSOLICITED},
      {"cut short",
       [&] {
         Bytes b = Ethernet{} / from / Tcp{};
         b.resize(40);
         return b;
       }(),
       NX_REASON_UNSOLICITED},
  };
  for (const auto& row : rows) {
    EXPECT_STREQ(ReasonName(Run(row.frame)), ReasonName(row.want)) << row.description;
  }
}

TEST_F(Uplink, LeavesAloneWhatIsNotForClients) {
  const Bytes others[] = {
      Ethernet{} / Arp{},
      Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.1"} / Tcp{},
      Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "192.0.2.1"} / Tcp{},
      Ethernet{} / Ipv6{.src = "2001:db8:100::10", .dst = "2001:db8:51:2::2"} / Tcp{},
      Ethernet{.ethertype = 0x88cc} / Payload{"lldp"},
  };
  for (const Bytes& frame : others) EXPECT_STREQ(ReasonName(Run(frame)), "DOWNLINK_OTHER");
}

TEST_F(Uplink, DropsNothingOfAZoneThatDoesNotEnforce) {
  EXPECT_STREQ(
      ReasonName(Run(Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.52.0.9"} / Tcp{})),
      "DOWNLINK_MODE");
}

TEST_F(Uplink, CountsWhatAuthorisedClientsReceive) {
  Authorise(2, BootNow() + 60 * kSecond);
  Bytes frame = Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.2"} / Udp{} /
                Payload{std::string(900, 'x')};
  const Bytes other = Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.3"} / Udp{};
  Authorise(3, BootNow() + 60 * kSecond);
  const OneCpu pinned;  // so that its ledger is full in the end, and settled
  for (int i = 0; i < NX_LEDGER_ENTRIES / 2; i++) {
    EXPECT_STREQ(ReasonName(Run(frame)), "DOWNLINK_AUTHORISED");
    EXPECT_STREQ(ReasonName(Run(other)), "DOWNLINK_AUTHORISED");
  }
  Counted account = Account(2);
  EXPECT_EQ(account.packets_down, NX_LEDGER_ENTRIES / 2u);
  EXPECT_EQ(account.bytes_down, NX_LEDGER_ENTRIES / 2 * frame.size());
  EXPECT_EQ(account.packets_up, 0u);
}

TEST_F(Uplink, EndsWithTheSession) {
  Authorise(2, BootNow() - kSecond);
  EXPECT_STREQ(
      ReasonName(Run(Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.2"} / Tcp{})),
      "UNSOLICITED");
}

}  // namespace narthex::test
