// SPDX-License-Identifier: Apache-2.0
// Answers of the kernel's routes that are kept for a tick of the clock (bpf/route.h): what is asked
// anew, and what is not. To see which, the way out is taken away: who asks then finds none.
#include "tests/bpf/forward_world.h"

namespace narthex::test {

const Payload kLong{std::string(200, 'x')};

class KeptRoutes : public ForwardUp {
 protected:
  void SetUp() override {
    ForwardUp::SetUp();
    if (skeleton_ == nullptr) return;
    skeleton_->bss->routes_plain_until_ns = BootNow() + 60 * kSecond;
    NextTick();
  }
  void NextTick() {
    now_ns_ = std::max<uint64_t>(BootNow(), now_ns_ + NX_CLOCK_TICK_NS);
    StopClock();
    SetClock(skeleton_->data_clock->clock, now_ns_);
  }
  void CloseTheWayOut() { skeleton_->bss->ports.uplinks[0] = {}; }

  const Packet in_ = L2(kLan, kClientMac);
  const Bytes frame_ = in_ / Ipv4{.dst = "203.0.113.5"} / Udp{} / kLong;
  uint64_t now_ns_ = 0;
};

TEST_F(KeptRoutes, AsksOnceATick) {
  EXPECT_EQ(Run(frame_).action, XDP_REDIRECT);
  CloseTheWayOut();
  Outcome kept = Run(frame_);
  EXPECT_EQ(kept.action, XDP_REDIRECT);
  EXPECT_EQ(kept.frame,
            Bytes(L2(kRouter, kWan) / Ipv4{.dst = "203.0.113.5", .ttl = 63} / Udp{} / kLong));
  NextTick();
  EXPECT_STREQ(ReasonName(Run(frame_).reason), "KERNEL_FALLBACK");
}

TEST_F(KeptRoutes, GivesTheAnswerToOtherClientsAndPortsAndProtocols) {
  EXPECT_EQ(Run(frame_).action, XDP_REDIRECT);
  CloseTheWayOut();
  const Ipv4 there{.src = "10.51.1.3", .dst = "203.0.113.5"};
  EXPECT_EQ(Run(in_ / there / Tcp{} / kBody).action, XDP_REDIRECT);
}

TEST_F(KeptRoutes, AsksForEachPacketWhileNobodySaysThatRoutesArePlain) {
  const struct {
    const char* description;
    bool said;
    uint64_t ago_ns;
  } rows[] = {{"never said", false, 0}, {"true until now", true, 0}, {"long ago", true, kSecond}};
  for (const auto& row : rows) {
    skeleton_->bss->ports.uplinks[0] = Port("wan0", kWan);
    NextTick();
    skeleton_->bss->routes_plain_until_ns = row.said ? now_ns_ - row.ago_ns : 0;
    EXPECT_EQ(Run(frame_).action, XDP_REDIRECT);
    CloseTheWayOut();
    EXPECT_STREQ(ReasonName(Run(frame_).reason), "KERNEL_FALLBACK") << row.description;
  }
}

TEST_F(KeptRoutes, AsksForWhatTheAnswerIsNotTrueOf) {
  const Ipv4 there{.dst = "203.0.113.5"};
  const struct {
    const char* description;
    Bytes frame;
  } rows[] = {
      {"another destination", in_ / Ipv4{.dst = "203.0.113.6"} / Udp{} / kLong},
      {"another TOS", in_ / Ipv4{.dst = "203.0.113.5", .tos = 0x10} / Udp{} / kLong},
      {"larger than the MTU", in_ / there / Payload{std::string(1381, 'x')}},
      {"padded beyond the MTU",
       in_ / Ipv4{.dst = "203.0.113.5", .total_bytes = 28} / Payload{std::string(1381, 'x')}},
      {"IPv6", in_ / Ipv6{.dst = "2001:db8:200::5"} / Udp{} / kLong},
  };
  EXPECT_EQ(Run(in_ / Ipv6{.dst = "2001:db8:200::5"} / Udp{}).action, XDP_REDIRECT);
  EXPECT_EQ(Run(frame_).action, XDP_REDIRECT);
  CloseTheWayOut();
  for (const auto& row : rows) {
    Outcome got = Run(row.frame);
    EXPECT_STREQ(ReasonName(got.reason), "KERNEL_FALLBACK") << row.description;
    EXPECT_EQ(got.frame, row.frame) << row.description;
    EXPECT_EQ(Run(frame_).action, XDP_REDIRECT) << "the answer is still there: " << row.description;
  }
  EXPECT_EQ(Run(in_ / there / Payload{std::string(1380, 'x')}).action, XDP_REDIRECT);
}

// More destinations than answers are kept: some share a place.
TEST_F(KeptRoutes, TellsDestinationsApart) {
  ASSERT_EQ(system("ip route add 10.9.0.0/16 via 198.51.100.10"), 0);
  auto to = [&](int n) -> Bytes {
    const std::string dst = "10.9." + std::to_string(n / 250) + "." + std::to_string(n % 250);
    return in_ / Ipv4{.dst = dst.c_str()} / Udp{};
  };
  EXPECT_EQ(RunQuickly(to(1)), XDP_REDIRECT);
  CloseTheWayOut();
  for (int n = 2; n < 5000; ++n) ASSERT_EQ(RunQuickly(to(n)), XDP_PASS) << n;
  EXPECT_EQ(RunQuickly(to(1)), XDP_REDIRECT);
}

TEST_F(KeptRoutes, KeepsNothingMoreOnceRoutesAreNotPlain) {
  const Bytes other = in_ / Ipv4{.dst = "203.0.113.5", .tos = 0x10} / Udp{};
  EXPECT_EQ(Run(frame_).action, XDP_REDIRECT);
  skeleton_->bss->routes_plain_until_ns = 0;
  EXPECT_EQ(Run(other).action, XDP_REDIRECT);
  CloseTheWayOut();
  EXPECT_STREQ(ReasonName(Run(other).reason), "KERNEL_FALLBACK");
}

TEST_F(KeptRoutes, AsksAnewForAnotherInterface) {
  EXPECT_EQ(Run(frame_).action, XDP_REDIRECT);
  CloseTheWayOut();
  skeleton_->bss->ports.access.via = if_nametoindex("oth0");
  EXPECT_STREQ(ReasonName(Run(frame_).reason), "KERNEL_FALLBACK");
}

TEST_F(KeptRoutes, JudgesEachPacketForItself) {
  EXPECT_EQ(Run(frame_).action, XDP_REDIRECT);
  const Bytes frames[] = {
      in_ / Ipv4{.dst = "203.0.113.5", .ttl = 1} / Udp{},
      in_ / Ipv4{.dst = "203.0.113.5", .checksum_xor = 1} / Udp{},
      in_ / Ipv4{.dst = "203.0.113.5", .fragment = 0x2000} / Udp{},
      in_ / Ipv4{.dst = "203.0.113.5", .total_bytes = 100} / Udp{},
      in_ / Ipv4{.dst = "203.0.113.5", .options = Bytes(4, 1)} / Udp{},
      L2(kOther, kClientMac) / Ipv4{.dst = "203.0.113.5"} / Udp{},
  };
  for (const Bytes& frame : frames) {
    Outcome got = Run(frame);
    EXPECT_STREQ(ReasonName(got.reason), "KERNEL_FALLBACK");
    EXPECT_EQ(got.frame, frame);
  }
}

TEST_F(KeptRoutes, KeepsNoRefusal) {
  const Bytes frame = in_ / Ipv4{.dst = "198.51.100.77"} / Udp{};
  EXPECT_STREQ(ReasonName(Run(frame).reason), "KERNEL_FALLBACK") << "no neighbour yet";
  ASSERT_EQ(system("ip neigh add 198.51.100.77 lladdr 02:00:00:00:00:77 dev wan0 nud permanent"),
            0);
  EXPECT_EQ(Run(frame).action, XDP_REDIRECT) << "in the same tick";
}

TEST_F(KeptRoutes, FollowsChangesByTheNextTick) {
  const Mac changed = {0x02, 0, 0, 0, 0, 0xcc};
  const Ipv4 aged{.dst = "203.0.113.5", .ttl = 63};
  const struct {
    const char* command;
    const char* want;
    Bytes frame;
  } rows[] = {
      {"ip neigh replace 198.51.100.10 lladdr 02:00:00:00:00:cc dev wan0 nud permanent",
       "AUTHORISED", L2(changed, kWan) / aged / Udp{} / kLong},
      {"ip link set wan0 mtu 100", "KERNEL_FALLBACK", frame_},
      {"ip link set wan0 mtu 1400", "AUTHORISED", L2(changed, kWan) / aged / Udp{} / kLong},
      {"ip route change 203.0.113.0/24 via 192.0.2.10", "KERNEL_FALLBACK", frame_},
      {"ip route change 203.0.113.0/24 via 198.51.100.10", "AUTHORISED",
       L2(changed, kWan) / aged / Udp{} / kLong},
      {"ip route add blackhole 203.0.113.5", "KERNEL_FALLBACK", frame_},
      {"ip route del blackhole 203.0.113.5 && ip link set wan0 down", "KERNEL_FALLBACK", frame_},
  };
  for (const auto& row : rows) {
    ASSERT_EQ(system(row.command), 0);
    NextTick();
    Outcome got = Run(frame_);
    EXPECT_STREQ(ReasonName(got.reason), row.want) << row.command;
    EXPECT_EQ(got.frame, row.frame) << row.command;
  }
}

TEST_F(KeptRoutes, ShowsTheNeighbourToTheKernelAllTheSame) {
  EXPECT_EQ(Run(frame_).action, XDP_REDIRECT);
  SawNeighbours(Second() - NX_NEIGHBOUR_S);
  NextTick();
  EXPECT_STREQ(ReasonName(Run(frame_).reason), "KERNEL_FALLBACK");
  EXPECT_EQ(Run(frame_).action, XDP_REDIRECT);
}

}  // namespace narthex::test
