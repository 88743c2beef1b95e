// SPDX-License-Identifier: Apache-2.0
// What a bridged zone lets back to its clients: DHCP answers that were asked for, and a bound
// session's packets to its own station. How frames cross the bridge is in forward_test.cc.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "bpf/skeleton.h"
#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

constexpr Mac kServer = {2, 0, 0, 0, 0, 0x53};
constexpr Mac kThief = {2, 0, 0, 0, 0, 0x66};
constexpr Mac kEverybody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
const Ipv4 kNobody{.src = "0.0.0.0", .dst = "255.255.255.255"};
const Ipv6 kNobody6{.src = "fe80::2", .dst = "ff02::1:2"};
const Ipv4 kToClient{.src = "203.0.113.5", .dst = "10.51.1.9"};
const Ipv6 kToClient6{.src = "2001:db8:200::5", .dst = "2001:db8:51:1::9"};

// RFC 2131 §2: operation, hardware and hops before the transaction; RFC 8415 §8: type and
// transaction.
Payload Bootp(char operation, const char (&transaction)[5]) {
  return {std::string{operation, 1, 6, 0} + transaction + std::string(232, '\0')};
}
Payload Dhcp6(char type, const char (&transaction)[4]) {
  return {type + std::string(transaction) + std::string(40, '\0')};
}
template <class To>
Bytes Asked(const To& to, const Payload& what, const Mac& by = kClientMac) {
  const bool ipv6 = std::is_same_v<To, Ipv6>;
  const Udp udp = ipv6 ? Udp{.sport = 546, .dport = 547} : Udp{.sport = 68, .dport = 67};
  return Ethernet{.dst = kEverybody, .src = by} / to / udp / what;
}
template <class To>
Bytes Answered(const To& to, const Payload& what, const Mac& by = kClientMac) {
  const bool ipv6 = std::is_same_v<To, Ipv6>;
  const Udp udp = ipv6 ? Udp{.sport = 547, .dport = 546} : Udp{.sport = 67, .dport = 68};
  return Ethernet{.dst = by, .src = kServer} / to / udp / what;
}

class Bridge : public ClassifierFixture {
 protected:
  void SetUp() override { LoadBridge(0); }
  void LoadBridge(uint8_t bind) {
    TearDown();
    Load({.bind = bind,
          .change = [](nx_zone_config& zone) { zone.forwarding = NX_FORWARD_BRIDGE; }});
  }
  void ForgetQuestions() {
    int map = bpf_map__fd(skeleton_->maps.dhcp_asked);
    nx_dhcp_client client;
    while (bpf_map_get_next_key(map, nullptr, &client) == 0) bpf_map_delete_elem(map, &client);
  }
  // As if the client had asked so many seconds earlier.
  void Age(bool ipv6, uint32_t seconds) {
    int map = bpf_map__fd(skeleton_->maps.dhcp_asked);
    nx_dhcp_client client = {.mac = {}, .zone = kZone, .ipv6 = ipv6};
    memcpy(client.mac, kClientMac.data(), 6);
    nx_dhcp_question question = {};
    ASSERT_EQ(bpf_map_lookup_elem(map, &client, &question), 0);
    question.at_s -= seconds;
    ASSERT_EQ(bpf_map_update_elem(map, &client, &question, 0), 0);
  }
};

TEST_F(Bridge, BringsAStrangerTheDhcpAnswersThatItAskedFor) {
  const struct {
    const char* description;
    Bytes asked;  // empty: nothing was
    Bytes answer;
    const char* want;
  } rows[] = {
      {"offer", Asked(kNobody, Bootp(1, "abcd")), Answered(kToClient, Bootp(2, "abcd")),
       "DOWNLINK_CONTROL"},
      {"nothing asked", {}, Answered(kToClient, Bootp(2, "abcd")), "UNSOLICITED"},
      {"another transaction", Asked(kNobody, Bootp(1, "abcd")),
       Answered(kToClient, Bootp(2, "abce")), "UNSOLICITED"},
      {"another station asked", Asked(kNobody, Bootp(1, "abcd"), kThief),
       Answered(kToClient, Bootp(2, "abcd")), "UNSOLICITED"},
      {"to a group", Asked(kNobody, Bootp(1, "abcd")),
       Answered(kToClient, Bootp(2, "abcd"), kEverybody), "UNSOLICITED"},
      {"asked by the other protocol", Asked(kNobody6, Dhcp6(1, "abc")),
       Answered(kToClient, Bootp(2, "abcd")), "UNSOLICITED"},
      {"cut short before the transaction", Asked(kNobody, Bootp(1, "abcd")),
       Answered(kToClient, Payload{"1234567"}), "UNSOLICITED"},
      {"the question cut short", Asked(kNobody, Payload{"1234567"}),
       Answered(kToClient, Payload{"1234567"}), "UNSOLICITED"},
      {"transaction 0", Asked(kNobody, Payload{std::string(240, '\0')}),
       Answered(kToClient, Payload{std::string(240, '\0')}), "DOWNLINK_CONTROL"},
      {"IPv6 reply", Asked(kNobody6, Dhcp6(3, "xyz")), Answered(kToClient6, Dhcp6(7, "xyz")),
       "DOWNLINK_CONTROL"},
      {"IPv6 nothing asked", {}, Answered(kToClient6, Dhcp6(7, "xyz")), "UNSOLICITED"},
      {"IPv6 another transaction", Asked(kNobody6, Dhcp6(3, "xyz")),
       Answered(kToClient6, Dhcp6(7, "xyy")), "UNSOLICITED"},
      {"IPv6 reconfigure, RFC 8415 §18.3.11", Asked(kNobody6, Dhcp6(3, "xyz")),
       Answered(kToClient6, Dhcp6(10, "\1\2\3")), "UNSOLICITED"},
  };
  for (const auto& row : rows) {
    ForgetQuestions();
    if (!row.asked.empty()) {
      EXPECT_STREQ(ReasonName(Run(row.asked).reason), "DHCP") << row.description;
    }
    EXPECT_STREQ(ReasonName(RunDownlink(row.answer).reason), row.want) << row.description;
  }
}

TEST_F(Bridge, BringsDhcpAnswersForAFewSecondsOnly) {
  for (bool ipv6 : {false, true}) {
    const Bytes asked = ipv6 ? Asked(kNobody6, Dhcp6(1, "abc")) : Asked(kNobody, Bootp(1, "abcd"));
    const Bytes answer =
        ipv6 ? Answered(kToClient6, Dhcp6(2, "abc")) : Answered(kToClient, Bootp(2, "abcd"));
    for (auto [age, want] :
         {std::pair{NX_DHCP_S - 2, "DOWNLINK_CONTROL"}, std::pair{NX_DHCP_S + 1, "UNSOLICITED"}}) {
      Run(asked);
      Age(ipv6, static_cast<uint32_t>(age));
      EXPECT_STREQ(ReasonName(RunDownlink(answer).reason), want) << ipv6;
    }
    Run(asked);
    EXPECT_STREQ(ReasonName(RunDownlink(answer).reason), "DOWNLINK_CONTROL") << "asked again";
  }
}

// A router that was told another MAC address for a bound client sends its packets to a thief.
TEST_F(Bridge, BringsABoundSessionToItsStationAlone) {
  LoadBridge(NX_BIND_MAC);
  nx_place bound = {};
  memcpy(bound.mac, kClientMac.data(), 6);
  for (const std::string client : {"10.51.1.2", "2001:db8:51:1::2"}) {
    const bool ipv6 = client.find(':') != std::string::npos;
    auto frame = [&](const Mac& mac) -> Bytes {
      if (ipv6)
        return Ethernet{.dst = mac, .src = kServer} /
               Ipv6{.src = "2001:db8:200::5", .dst = client} / Tcp{};
      return Ethernet{.dst = mac, .src = kServer} / Ipv4{.src = "203.0.113.5", .dst = client} /
             Tcp{};
    };
    Authorise(client, BootNow() + 60 * kSecond);
    EXPECT_STREQ(ReasonName(RunDownlink(frame(kThief)).reason), "DOWNLINK_AUTHORISED")
        << "no MAC address is known: not bound";
    SetPlace(SlotOf(client), bound);
    for (int i = 0; i < 2; i++) {  // never fast: each packet is looked at
      EXPECT_STREQ(ReasonName(RunDownlink(frame(kClientMac)).reason), "DOWNLINK_AUTHORISED")
          << client;
      for (const Mac& other : {kThief, kEverybody}) {
        Outcome stolen = RunDownlink(frame(other));
        EXPECT_STREQ(ReasonName(stolen.reason), "DOWNLINK_BINDING") << client;
        EXPECT_EQ(stolen.action, XDP_DROP);
      }
    }
    EXPECT_EQ(Account(client).packets_down, 3u) << "what was dropped is on nobody's account";
  }
}

// The kernel and the router of fib mode choose the station themselves: the frame's address is
// theirs.
TEST_F(Bridge, AloneHoldsTheWayBackAgainstTheBoundMac) {
  Load({.bind = NX_BIND_MAC});
  nx_place bound = {};
  memcpy(bound.mac, kClientMac.data(), 6);
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  SetPlace(2, bound);
  EXPECT_STREQ(ReasonName(RunDownlink(Ethernet{.dst = kServer} /
                                      Ipv4{.src = "203.0.113.5", .dst = "10.51.1.2"} / Udp{})
                              .reason),
               "DOWNLINK_AUTHORISED");
}

}  // namespace narthex::test
