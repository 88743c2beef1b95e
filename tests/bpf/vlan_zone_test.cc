// SPDX-License-Identifier: Apache-2.0
// Several zones on one interface, told apart by the outer VLAN tag.
#include <linux/bpf.h>

#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

using VlanZones = ClassifierFixture;

TEST_F(VlanZones, JudgeTheFramesOfTheirVlans) {
  struct {
    const char* description;
    Bytes frame;
    const char* beside_a_zone;  // the reason where the interface has a zone for the rest
    const char* alone;          // and where it has not
  } const rows[] = {
      {"client of the rest, no tag", Ethernet{} / Ipv4{} / Tcp{}, "SYN_ACK", "NO_ZONE"},
      {"client of the rest, another tag", Ethernet{} / Vlan{.id = 30} / Ipv4{} / Tcp{}, "SYN_ACK",
       "NO_ZONE"},
      {"client of the rest, in the zone's VLAN", Ethernet{} / Vlan{.id = 10} / Ipv4{} / Tcp{},
       "MARTIAN", "MARTIAN"},
      {"client of the zone, in its VLAN",
       Ethernet{} / Vlan{.id = 10} / Ipv4{.src = "10.52.0.2"} / Tcp{}, "SYN_ACK", "SYN_ACK"},
      {"client of the zone, in its other VLAN",
       Ethernet{} / Vlan{.id = 20} / Ipv4{.src = "10.52.0.2"} / Tcp{}, "SYN_ACK", "SYN_ACK"},
      {"two tags, the outer decides",
       Ethernet{} / Vlan{.id = 20, .tpid = 0x88a8} / Vlan{.id = 30} / Ipv4{.src = "10.52.0.2"} /
           Tcp{},
       "SYN_ACK", "SYN_ACK"},
      {"client of the zone, no tag", Ethernet{} / Ipv4{.src = "10.52.0.2"} / Tcp{}, "MARTIAN",
       "NO_ZONE"},
      {"client of the zone, priority tag",
       Ethernet{} / Vlan{.id = 0} / Ipv4{.src = "10.52.0.2"} / Tcp{}, "MARTIAN", "NO_ZONE"},
      {"ARP in the zone's VLAN", Ethernet{} / Vlan{.id = 10} / Arp{}, "ARP", "ARP"},
      {"ARP without a tag", Ethernet{} / Arp{}, "ARP", "NO_ZONE"},
      {"cut within the tag", Bytes(Ethernet{} / Vlan{.id = 10} / Payload{""}), "TRUNCATED",
       "TRUNCATED"},
  };
  for (bool beside : {true, false}) {
    Load({.vlan_dispatch = beside ? NX_VLAN_REST : NX_VLAN_ONLY});
    AddVlanZone(9, {10, 20});
    for (const auto& row : rows)
      EXPECT_STREQ(ReasonName(Run(row.frame).reason), beside ? row.beside_a_zone : row.alone)
          << row.description;
  }
}

TEST_F(VlanZones, AnswerWithTheirTagsAndTheirCookie) {
  Load({.vlan_dispatch = NX_VLAN_ONLY});
  AddVlanZone(9, {10});
  Outcome out = Run(Ethernet{} / Vlan{.id = 10} / Ipv4{.src = "10.52.0.2"} / Tcp{});
  auto segment = ReadSegment(out.frame);
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->vlans, std::vector<uint16_t>{10});
  nx_flow flow = {};
  memcpy(flow.client, Mapped("10.52.0.2").data(), 16);
  memcpy(flow.server, Mapped("198.51.100.10").data(), 16);
  flow.client_port = htons(segment->dport);
  flow.server_port = htons(80);
  flow.zone = 9;
  EXPECT_EQ(segment->seq & ~NX_MSS_CLASS_MASK, nx_cookie_base(&keys(), &flow, CookieSlot()));
}

TEST_F(VlanZones, KeepTheirSessionsApart) {
  Load({.vlan_dispatch = NX_VLAN_REST});
  AddVlanZone(9, {10});
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Ipv4{} / Tcp{}).reason), "AUTHORISED");
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Vlan{.id = 10} / Ipv4{} / Tcp{}).reason), "MARTIAN");
  EXPECT_STREQ(
      ReasonName(Run(Ethernet{} / Vlan{.id = 10} / Ipv4{.src = "10.52.0.2"} / Tcp{}).reason),
      "SYN_ACK");
}

}  // namespace narthex::test
