// SPDX-License-Identifier: Apache-2.0
// Sessions in the classifier: who is authorised, until when, and what is counted.
#include <linux/bpf.h>

#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

using Sessions = ClassifierFixture;

TEST_F(Sessions, AuthoriseTheirAddressOnly) {
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  Authorise("2001:db8:51:1::2", BootNow() + 60 * kSecond);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{} / Tcp{}).reason, NX_REASON_AUTHORISED);
  EXPECT_EQ(Run(Ethernet{} / Ipv6{} / Tcp{}).reason, NX_REASON_AUTHORISED);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{.src = "10.51.1.3"} / Tcp{}).reason, NX_REASON_SYN_ACK);
  EXPECT_EQ(Run(Ethernet{} / Ipv6{.src = "2001:db8:51:1::3"} / Tcp{}).reason, NX_REASON_SYN_ACK);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{.src = "10.51.0.2"} / Tcp{}).reason, NX_REASON_MARTIAN);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{.src = "10.51.2.2"} / Tcp{}).reason, NX_REASON_MARTIAN);
}

// Whatever an authorised client sends is passed as it came.
TEST_F(Sessions, PassEveryPacketUnchanged) {
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  Authorise("2001:db8:51:1::2", BootNow() + 60 * kSecond);
  for (const Bytes& frame : {
           Bytes(Ethernet{} / Ipv4{} / Tcp{.dport = 443}),
           Bytes(Ethernet{} / Ipv4{} / Udp{.dport = 443}),
           Bytes(Ethernet{} / Ipv4{} / Icmp{}),
           Bytes(Ethernet{} / Ipv4{.fragment = 0x2010} / Payload{"rest"}),
           Bytes(Ethernet{} / Ipv4{.options = {1, 1, 1, 0}} / Tcp{}),
           Bytes(Ethernet{} / Ipv4{.protocol = 47} / Payload{"gre"}),
           Bytes(Ethernet{} / Ipv4{.checksum_xor = 1} / Tcp{}),
           Bytes(Ethernet{} / Vlan{} / Ipv4{} / Tcp{}),
           Bytes(Ethernet{} / Vlan{.tpid = 0x88a8} / Vlan{} / Ipv6{} / Tcp{}),
           Bytes(Ethernet{} / Ipv6{} / Extension{.type = 43} / Tcp{}),
           Bytes(Ethernet{} / Ipv6{} / Extension{.type = 44} / Payload{"x"}),
       }) {
    Outcome out = Run(frame);
    EXPECT_STREQ(ReasonName(out.reason), "AUTHORISED");
    EXPECT_EQ(out.action, XDP_PASS);
    EXPECT_EQ(out.frame, frame);
  }
}

TEST_F(Sessions, EndAtTheirTimeWithoutAnybodysHelp) {
  Authorise("10.51.1.2", BootNow() - 5 * NX_CLOCK_TICK_NS);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{} / Tcp{}).reason, NX_REASON_SYN_ACK) << "already over";
  uint64_t end = BootNow() + kSecond / 5;
  Authorise("10.51.1.2", end);
  Outcome out;
  uint64_t last_authorised = 0, now = BootNow();
  while ((now = BootNow()) < end + kSecond) {
    out = Run(Ethernet{} / Ipv4{} / Tcp{});
    if (out.reason != NX_REASON_AUTHORISED) break;
    last_authorised = now;
  }
  EXPECT_EQ(out.reason, NX_REASON_SYN_ACK);
  EXPECT_GT(last_authorised, 0u);
  EXPECT_LE(last_authorised, end + 10 * NX_CLOCK_TICK_NS);
}

TEST_F(Sessions, CountPacketsAndBytes) {
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  Bytes small = Ethernet{} / Ipv4{} / Tcp{};
  Bytes large = Ethernet{} / Ipv4{} / Udp{} / Payload{std::string(1400, 'x')};
  uint64_t before = BootNow();
  Run(small);
  Run(large);
  Run(Ethernet{} / Ipv4{.src = "10.51.1.3"} / Tcp{});
  nx_session session = Session("10.51.1.2");
  EXPECT_EQ(session.packets_up, 2u);
  EXPECT_EQ(session.bytes_up, small.size() + large.size());
  EXPECT_GE(session.first_seen_ns + 2 * NX_CLOCK_TICK_NS + kSecond / 10, before);
  EXPECT_GE(session.last_seen_ns, session.first_seen_ns);
  EXPECT_EQ(Session("10.51.1.3").packets_up, 0u) << "nothing is counted for who has no session";
}

}  // namespace narthex::test
