// SPDX-License-Identifier: Apache-2.0
// Keys with a session in another zone: strangers here, and reported.
#include <linux/bpf.h>

#include "bpf/skeleton.h"
#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

constexpr uint16_t kOtherZone = 7;
constexpr uint32_t kOtherPool = 256;  // index of 10.52.0.0 in `sessions`
constexpr Mac kWalker = {2, 0, 0, 0, 0, 0x77};

// Zone 7: 10.52.0.0/28, 2001:db8:52::/64 with sessions of /128 and /64, sessions by MAC address.
void OtherZone(nx_others& others) {
  others.pool_count = 1;
  others.pools[0] = {{.first = 0x0a340000, .count = 16, .session = kOtherPool}, kOtherZone};
  others.prefix_count = 1;
  nx_other_prefix& prefix = others.prefixes[0];
  memcpy(prefix.prefix.addr, Mapped("2001:db8:52::").data(), 16);
  prefix.prefix.mask[0] = ~0ull;
  prefix.zone = kOtherZone;
  prefix.key_length_count = 2;
  prefix.key_lengths[0] = 128;
  prefix.key_lengths[1] = 64;
  others.mac_zone_count = 1;
  others.mac_zones[0] = kOtherZone;
}

nx_key There(nx_key key) {
  key.zone = kOtherZone;
  return key;
}

class Elsewhere : public ClassifierFixture {
 protected:
  void SetUp() override { Load({.others = OtherZone}); }
  // 10.52.0.5, if the entry begins there.
  void AuthorisePool(uint32_t offset, uint64_t expires_ns) {
    nx_session session = {};
    session.expires_ns = expires_ns;
    SetEntry(kOtherPool + offset, session);
  }
};

// REQ 4.alarm
TEST_F(Elsewhere, AKeyOfAnotherZoneIsAStrangerAndReported) {
  const uint64_t later = BootNow() + 60 * kSecond;
  const struct {
    const char* description;
    Bytes frame;
    const char* reason;
    std::function<uint32_t()> authorise;  // index of the session
  } rows[] = {
      {"an IPv4 address", Ethernet{.src = kWalker} / Ipv4{.src = "10.52.0.5"} / Tcp{}, "MARTIAN",
       [&] { return AuthorisePool(5, later), kOtherPool + 5; }},
      {"an IPv6 address", Ethernet{.src = kWalker} / Ipv6{.src = "2001:db8:52::9"} / Tcp{},
       "MARTIAN", [&] { return AuthoriseKey(There(AddressKey("2001:db8:52::9", 128)), later); }},
      {"an IPv6 prefix", Ethernet{.src = kWalker} / Ipv6{.src = "2001:db8:52::9"} / Udp{},
       "MARTIAN", [&] { return AuthoriseKey(There(AddressKey("2001:db8:52::", 64)), later); }},
      {"a MAC address", Ethernet{.src = kWalker} / Ipv4{} / Tcp{}, "SYN_ACK",
       [&] { return AuthoriseKey(There(MacKey(kWalker)), later); }},
      {"a MAC address with IPv6", Ethernet{.src = kWalker} / Ipv6{} / Tcp{}, "SYN_ACK",
       [&] { return AuthoriseKey(There(MacKey(kWalker)), later); }},
      {"a MAC address with a source of no zone",
       Ethernet{.src = kWalker} / Ipv4{.src = "192.0.2.1"} / Tcp{}, "MARTIAN",
       [&] { return AuthoriseKey(There(MacKey(kWalker)), later); }},
  };
  for (const auto& row : rows) {
    Load({.others = OtherZone});
    EXPECT_STREQ(ReasonName(Run(row.frame).reason), row.reason) << row.description;
    EXPECT_EQ(Events().size(), 0u) << row.description << ": nobody's";
    uint32_t session = row.authorise();
    for (int i = 0; i < 3; i++)
      EXPECT_STREQ(ReasonName(Run(row.frame).reason), row.reason) << row.description;
    auto events = Events();
    ASSERT_EQ(events.size(), 1u) << row.description << ": once, not for each packet";
    EXPECT_EQ(events[0].kind, NX_EVENT_ELSEWHERE) << row.description;
    EXPECT_EQ(events[0].session, session) << row.description;
    EXPECT_EQ(events[0].zone, kOtherZone);
    EXPECT_EQ(events[0].was, NX_WHERE(kOtherZone, 0, 0));
    EXPECT_EQ(events[0].is, NX_WHERE(kZone, 0, 0));
    EXPECT_EQ(0, memcmp(events[0].mac, kWalker.data(), 6)) << row.description;
    EXPECT_EQ(Account(session).packets_up, 0u) << row.description << ": on nobody's account";
  }
}

TEST_F(Elsewhere, TheEventNamesAddressAndTags) {
  AuthorisePool(5, BootNow() + 60 * kSecond);
  Run(Ethernet{} / Vlan{.id = 10} / Vlan{.id = 5} / Ipv4{.src = "10.52.0.5"} / Tcp{});
  auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].is, NX_WHERE(kZone, 10, 5));
  EXPECT_EQ(0, memcmp(events[0].addr, Mapped("10.52.0.5").data(), 16));
}

TEST_F(Elsewhere, NobodyIsReportedWithoutALiveSessionThere) {
  AuthorisePool(5, BootNow() - kSecond);
  AuthorisePool(6, 0);
  AuthoriseKey(There(MacKey(kWalker)), BootNow() - kSecond);
  AuthoriseKey(There(AddressKey("2001:db8:52::9", 128)), BootNow() - kSecond);
  for (const Bytes& frame : {
           Bytes(Ethernet{.src = kWalker} / Ipv4{.src = "10.52.0.5"} / Tcp{}),
           Bytes(Ethernet{} / Ipv4{.src = "10.52.0.6"} / Tcp{}),
           Bytes(Ethernet{} / Ipv4{.src = "10.52.0.16"} / Tcp{}),
           Bytes(Ethernet{} / Ipv4{.src = "10.51.255.255"} / Tcp{}),
           Bytes(Ethernet{} / Ipv6{.src = "2001:db8:52::9"} / Tcp{}),
           Bytes(Ethernet{} / Ipv6{.src = "2001:db8:53::9"} / Tcp{}),
           Bytes(Ethernet{} / Ipv4{} / Tcp{}),
       })
    Run(frame);
  EXPECT_EQ(Events().size(), 0u);
}

TEST_F(Elsewhere, WhoHasASessionHereIsNoStranger) {
  AuthoriseKey(There(MacKey(kClientMac)), BootNow() + 60 * kSecond);
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Ipv4{} / Tcp{}).reason), "AUTHORISED");
  EXPECT_EQ(Events().size(), 0u);
}

TEST_F(Elsewhere, EachSessionIsReportedOnItsOwn) {
  for (uint8_t i = 1; i < 8; i++) AuthorisePool(i, BootNow() + 60 * kSecond);
  for (int round = 0; round < 2; round++)
    for (int i = 1; i < 8; i++)
      Run(Ethernet{} / Ipv4{.src = "10.52.0." + std::to_string(i)} / Tcp{});
  EXPECT_EQ(Events().size(), 7u);
}

TEST_F(Elsewhere, AFloodIsNotLookedUp) {
  AuthorisePool(5, BootNow() + 60 * kSecond);
  const Bytes frame = Ethernet{} / Ipv4{.src = "10.52.0.5"} / Tcp{};
  // In this second and the next, whichever it is by the classifier's clock.
  skeleton_->bss->sightings = NX_ELSEWHERE_PER_SECOND;
  do {
    Events();
    skeleton_->bss->sightings_s = static_cast<uint32_t>(BootNow() / kSecond);
    skeleton_->bss->sightings = NX_ELSEWHERE_PER_SECOND;
    Run(frame);
  } while (skeleton_->bss->sightings == 1);  // a new second had begun
  EXPECT_EQ(skeleton_->bss->sightings, NX_ELSEWHERE_PER_SECOND + 1u);
  EXPECT_EQ(Events().size(), 0u);
}

TEST_F(Elsewhere, WithoutOtherZonesNothingIsLookedUp) {
  Load({});
  AuthorisePool(5, BootNow() + 60 * kSecond);
  AuthoriseKey(There(MacKey(kClientMac)), BootNow() + 60 * kSecond);
  Run(Ethernet{} / Ipv4{.src = "10.52.0.5"} / Tcp{});
  Run(Ethernet{} / Ipv4{} / Tcp{});
  EXPECT_EQ(Events().size(), 0u);
  EXPECT_EQ(skeleton_->bss->sightings, 0u);
}

TEST_F(Elsewhere, AsManyZonesAsThereCanBe) {
  Load({.kinds = NX_KIND_MAC | NX_KIND_LINE,
        .bind = NX_BIND_MAC | NX_BIND_VLAN,
        .others = [](nx_others& others) {
          OtherZone(others);
          std::swap(others.pools[0], others.pools[NX_MAX_OTHER_POOLS - 1]);
          std::swap(others.prefixes[0], others.prefixes[NX_MAX_OTHER_PREFIXES - 1]);
          std::swap(others.mac_zones[0], others.mac_zones[NX_MAX_ZONES - 2]);
          for (nx_other_prefix& row : others.prefixes)
            if (row.zone == 0) row.prefix.mask[0] = ~0ull, row.key_length_count = 4;
          others.pool_count = NX_MAX_OTHER_POOLS;
          others.prefix_count = NX_MAX_OTHER_PREFIXES;
          others.mac_zone_count = NX_MAX_ZONES - 1;
        }});
  ASSERT_NE(skeleton_, nullptr);
  AuthorisePool(5, BootNow() + 60 * kSecond);
  AuthoriseKey(There(AddressKey("2001:db8:52::", 64)), BootNow() + 60 * kSecond);
  AuthoriseKey(There(MacKey(kWalker)), BootNow() + 60 * kSecond);
  Run(Ethernet{} / Ipv4{.src = "10.52.0.5"} / Tcp{});
  Run(Ethernet{} / Ipv6{.src = "2001:db8:52::9"} / Tcp{});
  Run(Ethernet{.src = kWalker} / Ipv4{} / Tcp{});
  EXPECT_EQ(Events().size(), 3u);
}

}  // namespace narthex::test
