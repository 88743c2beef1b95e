// SPDX-License-Identifier: Apache-2.0
// Binding of sessions to MAC address and VLAN, and the events when a key moves.
#include <linux/bpf.h>

#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

using Places = ClassifierFixture;

constexpr Mac kThief = {2, 0, 0, 0, 0, 0x66};
constexpr nx_place kBound = {.mac = {kClientMac[0], kClientMac[1], kClientMac[2], kClientMac[3],
                                     kClientMac[4], kClientMac[5]}};

// REQ 4.spoofed-ip
TEST_F(Places, BoundToAMacRefuseEveryOther) {
  Load({.bind = NX_BIND_MAC});
  for (const std::string client : {"10.51.1.2", "2001:db8:51:1::2"}) {
    bool ipv6 = client.find(':') != std::string::npos;
    Authorise(client, BootNow() + 60 * kSecond);
    SetPlace(SlotOf(client), kBound);
    auto frame = [&](const Mac& mac) -> Bytes {
      if (ipv6) return Ethernet{.src = mac} / Ipv6{} / Tcp{};
      return Ethernet{.src = mac} / Ipv4{} / Tcp{};
    };
    for (int i = 0; i < 3; i++) {  // never fast: each packet is looked at
      EXPECT_STREQ(ReasonName(Run(frame(kClientMac)).reason), "AUTHORISED") << client;
      Outcome stolen = Run(frame(kThief));
      EXPECT_STREQ(ReasonName(stolen.reason), "BINDING") << client;
      EXPECT_EQ(stolen.action, XDP_DROP);
    }
    auto events = Events();
    ASSERT_GE(events.size(), 1u);
    EXPECT_LE(events.size(), 2u) << "one a second";
    EXPECT_EQ(events[0].kind, NX_EVENT_MAC);
    EXPECT_EQ(events[0].session, SlotOf(client));
    EXPECT_EQ(events[0].zone, kZone);
    EXPECT_EQ(0, memcmp(events[0].addr, Mapped(client).data(), 16));
    EXPECT_EQ(0, memcmp(events[0].mac, kThief.data(), 6));
    EXPECT_EQ(Account(client).packets_up, 3u) << "the thief's packets are on nobody's account";
  }
}

TEST_F(Places, WithoutAMacAreNotBound) {
  Load({.bind = NX_BIND_MAC});
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  EXPECT_STREQ(ReasonName(Run(Ethernet{.src = kThief} / Ipv4{} / Tcp{}).reason), "AUTHORISED");
}

// REQ 4.spoofed-vlan 4.alarm
TEST_F(Places, TellWhenAKeyMoves) {
  const Bytes here = Ethernet{} / Vlan{.id = 10} / Ipv4{} / Tcp{};
  const Bytes there = Ethernet{} / Vlan{.id = 20} / Ipv4{} / Tcp{};
  const Bytes deeper = Ethernet{} / Vlan{.id = 10} / Vlan{.id = 5} / Ipv4{} / Tcp{};
  for (const Bytes& moved : {there, deeper, Bytes(Ethernet{} / Ipv4{} / Tcp{})}) {
    Load({.bind = NX_WATCH_MOVES});
    Authorise("10.51.1.2", BootNow() + 60 * kSecond);
    EXPECT_STREQ(ReasonName(Run(here).reason), "AUTHORISED");
    EXPECT_STREQ(ReasonName(Run(here).reason), "AUTHORISED");
    EXPECT_EQ(Events().size(), 0u) << "it stayed";
    EXPECT_STREQ(ReasonName(Run(moved).reason), "AUTHORISED") << "watched, not bound";
    auto events = Events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, NX_EVENT_MOVED);
    EXPECT_EQ(events[0].was, NX_WHERE(kZone, 10, 0));
    EXPECT_NE(events[0].is, events[0].was);

    Load({.bind = NX_BIND_VLAN});
    Authorise("10.51.1.2", BootNow() + 60 * kSecond);
    EXPECT_STREQ(ReasonName(Run(here).reason), "AUTHORISED");
    EXPECT_STREQ(ReasonName(Run(moved).reason), "BINDING");
    EXPECT_EQ(Events().size(), 1u);
    EXPECT_STREQ(ReasonName(Run(here).reason), "AUTHORISED") << "the true one goes on";
  }
}

TEST_F(Places, BindMacSessionsToTheirVlanToo) {
  Load({.kinds = NX_KIND_MAC, .bind = NX_BIND_VLAN});
  AuthoriseKey(MacKey(kClientMac), BootNow() + 60 * kSecond);
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Vlan{.id = 10} / Ipv4{} / Tcp{}).reason), "AUTHORISED");
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Vlan{.id = 20} / Ipv4{} / Tcp{}).reason), "BINDING");
}

// Who has stolen a MAC address takes neither the session's addresses nor its way back.
TEST_F(Places, ThatRefuseLeadNothingBack) {
  Load({.kinds = NX_KIND_MAC, .bind = NX_BIND_VLAN});
  uint32_t slot = AuthoriseKey(MacKey(kClientMac), BootNow() + 60 * kSecond);
  const Bytes down = Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.66"} / Udp{};
  Run(Ethernet{} / Vlan{.id = 10} / Ipv4{} / Tcp{});
  EXPECT_STREQ(
      ReasonName(
          Run(Ethernet{} / Vlan{.id = 20} / Ipv4{.src = "10.51.1.66"} / Udp{.dport = 443}).reason),
      "BINDING");
  EXPECT_STREQ(ReasonName(RunDownlink(down).reason), "UNSOLICITED");
  EXPECT_EQ(Entry(slot).addresses, 1);
}

}  // namespace narthex::test
