// SPDX-License-Identifier: Apache-2.0
// Tags of what clients send, routed and bridged.
#include "tests/bpf/forward_world.h"

namespace narthex::test {

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

}  // namespace narthex::test
