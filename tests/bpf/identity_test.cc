// SPDX-License-Identifier: Apache-2.0
// The keys of sessions: addresses, IPv6 prefixes, MAC addresses, lines; in both directions.
#include <linux/bpf.h>

#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

class Identities : public ClassifierFixture {
 protected:
  void SetUp() override { Load({.kinds = NX_KIND_MAC | NX_KIND_LINE}); }
};

constexpr Mac kOther = {2, 0, 0, 0, 0, 0x99};

TEST_F(Identities, AuthoriseWhatTheirKeyNamesAndNothingElse) {
  const Bytes tagged = Ethernet{} / Vlan{.id = 100} / Ipv4{} / Tcp{};
  const Bytes twice = Ethernet{} / Vlan{.id = 100, .tpid = 0x88a8} / Vlan{.id = 7} / Ipv4{} / Tcp{};
  const Bytes plain = Ethernet{} / Ipv4{} / Tcp{};
  const Bytes ipv6 = Ethernet{} / Ipv6{} / Tcp{};
  const Bytes neighbour = Ethernet{} / Ipv6{.src = "2001:db8:51:1:ffff::2"} / Tcp{};
  const Bytes foreign = Ethernet{.src = kOther} / Ipv4{} / Tcp{};
  struct {
    const char* description;
    nx_key key;
    std::vector<Bytes> authorised, others;
  } const rows[] = {
      {"one IPv6 address", AddressKey("2001:db8:51:1::2", 128), {ipv6}, {neighbour, plain}},
      {"an IPv6 /64", AddressKey("2001:db8:51:1::", 64), {ipv6, neighbour}, {plain}},
      {"a MAC address", MacKey(kClientMac), {plain, tagged, twice, ipv6, neighbour}, {foreign}},
      {"a line with one tag", LineKey(100), {tagged}, {plain, twice, ipv6}},
      {"a line with two tags", LineKey(100, 7), {twice}, {plain, tagged, ipv6}},
  };
  for (const auto& row : rows) {
    Load({.kinds = NX_KIND_MAC | NX_KIND_LINE});
    AuthoriseKey(row.key, BootNow() + 60 * kSecond);
    for (const Bytes& frame : row.authorised) {
      Outcome out = Run(frame);
      EXPECT_STREQ(ReasonName(out.reason), "AUTHORISED") << row.description;
      EXPECT_EQ(out.frame, frame) << row.description;
    }
    for (const Bytes& frame : row.others)
      EXPECT_STREQ(ReasonName(Run(frame).reason), "SYN_ACK") << row.description;
  }
}

// Hardware addresses are easily forged, so they never lift the rule on sources.
TEST_F(Identities, OfMacAndLineDoNotCoverForeignSources) {
  AuthoriseKey(MacKey(kClientMac), BootNow() + 60 * kSecond);
  AuthoriseKey(LineKey(100), BootNow() + 60 * kSecond);
  for (const Bytes& frame : {
           Bytes(Ethernet{} / Ipv4{.src = "10.51.2.2"} / Tcp{}),
           Bytes(Ethernet{} / Vlan{.id = 100} / Ipv4{.src = "192.0.2.1"} / Tcp{}),
           Bytes(Ethernet{} / Ipv4{.src = "10.51.1.1"} / Tcp{}),
           Bytes(Ethernet{} / Ipv6{.src = "2001:db8:51:1::1"} / Tcp{}),
           Bytes(Ethernet{} / Ipv6{.src = "2001:db8:66::2"} / Tcp{}),
       })
    EXPECT_STREQ(ReasonName(Run(frame).reason), "MARTIAN");
}

TEST_F(Identities, ThatTheZoneDoesNotHaveAuthoriseNobody) {
  Load({});
  AuthoriseKey(MacKey(kClientMac), BootNow() + 60 * kSecond);
  AuthoriseKey(LineKey(100), BootNow() + 60 * kSecond);
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Vlan{.id = 100} / Ipv4{} / Tcp{}).reason), "SYN_ACK");
}

TEST_F(Identities, EndAtTheirTime) {
  AuthoriseKey(MacKey(kClientMac), BootNow() - kSecond);
  AuthoriseKey(LineKey(100), BootNow() - kSecond);
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Vlan{.id = 100} / Ipv4{} / Tcp{}).reason), "SYN_ACK");
}

TEST_F(Identities, ReceiveAtTheAddressesThatTheyUse) {
  const Bytes up4 = Ethernet{} / Ipv4{} / Udp{.dport = 443};
  const Bytes down4 = Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.2"} / Udp{};
  const Bytes up6 = Ethernet{} / Ipv6{} / Udp{.dport = 443};
  const Bytes down6 =
      Ethernet{} / Ipv6{.src = "2001:db8:100::10", .dst = "2001:db8:51:1::2"} / Udp{};
  uint32_t slot = AuthoriseKey(MacKey(kClientMac), BootNow() + 60 * kSecond);
  EXPECT_STREQ(ReasonName(RunDownlink(down4).reason), "UNSOLICITED") << "not used yet";
  for (int i = 0; i < 2; i++) {
    EXPECT_STREQ(ReasonName(Run(up4).reason), "AUTHORISED");
    EXPECT_STREQ(ReasonName(Run(up6).reason), "AUTHORISED");
    EXPECT_STREQ(ReasonName(RunDownlink(down4).reason), "DOWNLINK_AUTHORISED");
    EXPECT_STREQ(ReasonName(RunDownlink(down6).reason), "DOWNLINK_AUTHORISED");
  }
  nx_session entry = Entry(slot);
  EXPECT_EQ(entry.addresses, 2);
  Counted account = Account(slot);
  EXPECT_EQ(account.packets_up, 4u);
  EXPECT_EQ(account.packets_down, 4u);
  EXPECT_EQ(account.bytes_down, 2 * (down4.size() + down6.size()));
  entry.expires_ns = BootNow() - kSecond;
  SetEntry(slot, entry);
  EXPECT_STREQ(ReasonName(RunDownlink(down4).reason), "UNSOLICITED") << "over";
}

// An address that changes hands takes its way back along.
TEST_F(Identities, TakeOverAnAddress) {
  uint32_t first = AuthoriseKey(MacKey(kClientMac), BootNow() + 60 * kSecond);
  uint32_t second = AuthoriseKey(MacKey(kOther), BootNow() + 60 * kSecond);
  const Bytes down = Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.2"} / Udp{};
  Run(Ethernet{} / Ipv4{} / Udp{.dport = 443});
  Run(Ethernet{.src = kOther} / Ipv4{} / Udp{.dport = 443});
  RunDownlink(down);
  EXPECT_EQ(Account(first).packets_down, 0u);
  EXPECT_EQ(Account(second).packets_down, 1u);
}

TEST_F(Identities, CannotFillTheTableOfAddresses) {
  uint32_t slot = AuthoriseKey(MacKey(kClientMac), BootNow() + 60 * kSecond);
  for (int i = 0; i < 3 * NX_MAX_VIA; i++) {
    std::string address = "2001:db8:51:1::" + std::to_string(1000 + i);
    EXPECT_STREQ(ReasonName(Run(Ethernet{} / Ipv6{.src = address} / Tcp{}).reason), "AUTHORISED");
  }
  EXPECT_EQ(Entry(slot).addresses, NX_MAX_VIA);
}

// The address decides before the MAC address: each packet has one account.
TEST_F(Identities, AreAskedInTheirOrder) {
  uint32_t mac = AuthoriseKey(MacKey(kClientMac), BootNow() + 60 * kSecond);
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  Run(Ethernet{} / Ipv4{} / Tcp{});
  EXPECT_EQ(Account("10.51.1.2").packets_up, 1u);
  EXPECT_EQ(Account(mac).packets_up, 0u);
}

}  // namespace narthex::test
