// SPDX-License-Identifier: Apache-2.0
// Sessions in the classifier: who is authorised, until when, and what is counted.
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <map>
#include <random>

#include "bpf/skeleton.h"
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

// Issue: whatever its headers look like, an authorised client's frame leaves as it came.
TEST_F(Sessions, PassEveryHeaderUnchanged) {
  Authorise("10.51.1.2", BootNow() + 600 * kSecond);
  Authorise("2001:db8:51:1::2", BootNow() + 600 * kSecond);
  std::vector<std::pair<std::string, Bytes>> frames;
  for (int i = 0; i < 256; i++) {
    auto protocol = static_cast<uint8_t>(i);
    frames.emplace_back("IPv4 protocol " + std::to_string(i),
                        Ethernet{} / Ipv4{.protocol = protocol} / Payload{"rest"});
    frames.emplace_back("IPv6 next header " + std::to_string(i),
                        Ethernet{} / Ipv6{.next = protocol} / Payload{std::string(24, '\0')});
  }
  for (size_t length = 0; length <= 40; length += 4)
    frames.emplace_back("IPv4 options of " + std::to_string(length),
                        Ethernet{} / Ipv4{.options = Bytes(length, 1)} / Tcp{});
  for (int fragment : {0x2000, 0x0001, 0x2001, 0x1fff, 0x3fff})
    frames.emplace_back(
        "IPv4 fragment " + std::to_string(fragment),
        Ethernet{} / Ipv4{.fragment = static_cast<uint16_t>(fragment)} / Payload{"rest"});
  for (int type : {0, 43, 44, 51, 60}) {
    Extension one{.type = static_cast<uint8_t>(type)};
    frames.emplace_back("IPv6 header " + std::to_string(type), Ethernet{} / Ipv6{} / one / Tcp{});
    frames.emplace_back("IPv6 headers " + std::to_string(type) + " and 60",
                        Ethernet{} / Ipv6{} / one / Extension{.type = 60} / Udp{});
  }
  for (uint16_t tpid : {uint16_t{0x8100}, uint16_t{0x88a8}}) {
    frames.emplace_back("one tag", Ethernet{} / Vlan{.tpid = tpid} / Ipv4{} / Udp{});
    frames.emplace_back("two tags", Ethernet{} / Vlan{.tpid = tpid} / Vlan{} / Ipv6{} / Udp{});
  }
  for (const auto& [description, frame] : frames) {
    Outcome out = Run(frame);
    EXPECT_STREQ(ReasonName(out.reason), "AUTHORISED") << description;
    EXPECT_EQ(out.frame, frame) << description;
  }
}

TEST_F(Sessions, EndAtTheirTimeWithoutAnybodysHelp) {
  Authorise("10.51.1.2", BootNow() - 5 * NX_CLOCK_TICK_NS);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{} / Tcp{}).reason, NX_REASON_SYN_ACK) << "already over";
  uint64_t end = BootNow() + kSecond / 5;
  Authorise("10.51.1.2", end);
  Outcome out;
  uint64_t last_authorised = 0, now = BootNow();
  while ((now = BootNow()) < end + 2 * kSecond) {
    out = Run(Ethernet{} / Ipv4{} / Tcp{});
    if (out.reason != NX_REASON_AUTHORISED) break;
    last_authorised = now;
  }
  EXPECT_EQ(out.reason, NX_REASON_SYN_ACK);
  EXPECT_GT(last_authorised, 0u);
  EXPECT_LE(last_authorised, end + kSecond);
}

TEST_F(Sessions, CountPacketsAndBytes) {
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  Bytes small = Ethernet{} / Ipv4{} / Tcp{};
  Bytes large = Ethernet{} / Ipv4{} / Udp{} / Payload{std::string(1400, 'x')};
  Run(small);
  Run(large);
  Run(Ethernet{} / Ipv4{.src = "10.51.1.3"} / Tcp{});
  Counted account = Account("10.51.1.2");
  EXPECT_EQ(account.packets_up, 2u);
  EXPECT_EQ(account.bytes_up, small.size() + large.size());
  EXPECT_EQ(Account("10.51.1.3").packets_up, 0u) << "nothing is counted for who has no session";
}

// The second packet of a client is judged by its fast bit; nothing else may change by that.
TEST_F(Sessions, BecomeFastWithTheFirstPacket) {
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  EXPECT_FALSE(IsFast("10.51.1.2"));
  EXPECT_EQ(Run(Ethernet{} / Ipv4{} / Tcp{}).reason, NX_REASON_AUTHORISED);
  EXPECT_TRUE(IsFast("10.51.1.2"));
  EXPECT_FALSE(IsFast("10.51.1.3"));
  Bytes frame = Ethernet{} / Ipv4{} / Udp{.dport = 443} / Payload{"x"};
  Outcome out = Run(frame);
  EXPECT_EQ(out.reason, NX_REASON_AUTHORISED);
  EXPECT_EQ(out.frame, frame);
}

TEST_F(Sessions, EndAtOnceWhenNarthexdEndsThem) {
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  Run(Ethernet{} / Ipv4{} / Tcp{});
  ASSERT_TRUE(IsFast("10.51.1.2"));
  Authorise("10.51.1.2", 0);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{} / Tcp{}).reason, NX_REASON_SYN_ACK);
  EXPECT_FALSE(IsFast("10.51.1.2"));
}

// What the sparing of reads rests on: map `held`.
TEST_F(Sessions, AreReadOnlyWhereTheirHeldBitIsSet) {
  const Bytes up = Ethernet{} / Ipv4{} / Tcp{};
  const Bytes down = Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.2"} / Udp{};
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  SetHeld(2, false);
  EXPECT_STREQ(ReasonName(Run(up).reason), "SYN_ACK");
  EXPECT_STREQ(ReasonName(RunDownlink(down).reason), "UNSOLICITED");
  SetHeld(2, true);
  EXPECT_STREQ(ReasonName(Run(up).reason), "AUTHORISED");
  EXPECT_STREQ(ReasonName(RunDownlink(down).reason), "DOWNLINK_AUTHORISED");
}

TEST_F(Sessions, HeldBitsAloneAuthoriseNobody) {
  for (uint32_t slot = 0; slot < 256; slot++) SetHeld(slot, true);
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Ipv4{} / Tcp{}).reason), "SYN_ACK");
  Authorise("10.51.1.2", BootNow() - kSecond);
  EXPECT_STREQ(ReasonName(Run(Ethernet{} / Ipv4{} / Tcp{}).reason), "SYN_ACK");
}

TEST_F(Sessions, WithConditionsAreNeverFast) {
  uint32_t slot = 2;
  nx_session session = {};
  session.expires_ns = BootNow() + 60 * kSecond;
  session.limits = 1;
  SetEntry(slot, session);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{} / Tcp{}).reason, NX_REASON_AUTHORISED);
  EXPECT_FALSE(IsFast("10.51.1.2"));
}

TEST_F(Sessions, AreCountedExactlyOverManyClientsAndBatches) {
  std::mt19937 random(511);
  std::map<std::string, std::pair<uint64_t, uint64_t>> want;
  for (int i = 2; i < 22; i++) Authorise("10.51.1." + std::to_string(i), BootNow() + 60 * kSecond);
  for (int i = 0; i < 1500; i++) {
    std::string client = "10.51.1." + std::to_string(2 + random() % 20);
    Bytes frame =
        Ethernet{} / Ipv4{.src = client} / Udp{} / Payload{std::string(random() % 300, 'x')};
    ASSERT_EQ(RunQuickly(frame), XDP_PASS);
    want[client].first++;
    want[client].second += frame.size();
  }
  Settle();
  for (const auto& [client, sums] : want) {
    Counted account = Account(client);
    EXPECT_EQ(account.packets_up, sums.first) << client;
    EXPECT_EQ(account.bytes_up, sums.second) << client;
  }
}

// A direction is one word; what goes beyond it is in `rounds`, by itself for bytes and packets.
TEST_F(Sessions, CountBeyondTheWordsOfAnAccount) {
  constexpr uint64_t kBytes = uint64_t{1} << NX_TRAFFIC_BYTES;
  constexpr uint64_t kPackets = uint64_t{1} << (64 - NX_TRAFFIC_BYTES);
  const Bytes up = Ethernet{} / Ipv4{} / Tcp{};
  const Bytes down = Ethernet{} / Ipv4{.src = "198.51.100.10", .dst = "10.51.1.2"} / Udp{};
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  struct {
    const char* description;
    uint64_t packets, bytes;
  } const rows[] = {
      {"neither", 0, 0},
      {"bytes", 7, kBytes - up.size() - 1},
      {"packets", kPackets - 2, 9},
      {"both", kPackets - 2, kBytes - 2 * down.size()},
      {"packets by the round of bytes", kPackets - 4, kBytes - 1},
      {"the last of each", kPackets - 1, kBytes - 1},
  };
  for (const auto& row : rows) {
    for (const uint64_t is_up : {0, 1}) {
      SCOPED_TRACE(std::string(row.description) + (is_up ? ", up" : ", down"));
      const uint64_t is_down = 1 - is_up, word = nx_traffic(row.packets, row.bytes);
      SetAccount(2, is_up * word, is_down * word);
      for (int i = 0; i < 3; i++) {
        Run(up);  // a packet each way in turn: each makes an entry of the ledger
        RunDownlink(down);
      }
      const Counted account = Account("10.51.1.2");
      EXPECT_EQ(account.packets_up, is_up * row.packets + 3);
      EXPECT_EQ(account.bytes_up, is_up * row.bytes + 3 * up.size());
      EXPECT_EQ(account.packets_down, is_down * row.packets + 3);
      EXPECT_EQ(account.bytes_down, is_down * row.bytes + 3 * down.size());
    }
  }
}

TEST_F(Sessions, AreSettledOnceHoweverOftenAsked) {
  Authorise("10.51.1.2", BootNow() + 60 * kSecond);
  for (int i = 0; i < 10; i++) Run(Ethernet{} / Ipv4{} / Tcp{});
  Settle();
  Settle();
  EXPECT_EQ(Account("10.51.1.2").packets_up, 10u);
}

// The clock's timer sweeps the fast bits, so a client that fell silent is not fast for ever.
TEST_F(Sessions, LoseTheirFastBitWhenTheirTimeIsUp) {
  Authorise("10.51.1.2", BootNow() + kSecond / 5);
  Authorise("10.51.1.3", BootNow() + 60 * kSecond);
  Run(Ethernet{} / Ipv4{} / Tcp{});
  Run(Ethernet{} / Ipv4{.src = "10.51.1.3"} / Tcp{});
  ASSERT_TRUE(IsFast("10.51.1.2"));
  uint64_t deadline = BootNow() + 3 * kSecond;
  while (IsFast("10.51.1.2") && BootNow() < deadline) {
  }
  EXPECT_FALSE(IsFast("10.51.1.2"));
  EXPECT_TRUE(IsFast("10.51.1.3"));
}

// DESIGN §3, "A login must take effect cleanly".
TEST_F(Sessions, LeaveAnsweredConnectionsToNarthexForAMinute) {
  AddSocket();
  struct {
    const char* description;
    uint32_t age_s;
    uint8_t flags;
    bool cookie;
    const char* payload;
    nx_reason want;
  } const rows[] = {
      {"request of an answered connection", 1, kAck | kPsh, true, "GET / HTTP/1.1\r\n\r\n",
       NX_REASON_REQUEST},
      {"its FIN", 1, kAck | kFin, true, "", NX_REASON_FIN_ACK},
      {"its bare ACK", 1, kAck, true, "", NX_REASON_COOKIE_ACK},
      {"its RST", 1, kAck | kRst, true, "", NX_REASON_AUTHORISED},
      {"data of another connection", 1, kAck, false, "GET", NX_REASON_AUTHORISED},
      {"a new connection", 1, kSyn, false, "", NX_REASON_AUTHORISED},
      {"the same request much later", NX_STICKY_S + 2, kAck | kPsh, true, "GET",
       NX_REASON_AUTHORISED},
  };
  for (const std::string client : {"10.51.1.2", "2001:db8:51:1::2"}) {
    bool ipv6 = client.find(':') != std::string::npos;
    std::string server = ipv6 ? "2001:db8:100::10" : "198.51.100.10";
    uint32_t cookie = Cookie(client, server, 40000, 80, NX_MSS_FULL);
    for (const auto& row : rows) {
      const uint64_t now_s = BootNow() / kSecond;
      ASSERT_GT(now_s, row.age_s) << "the machine is too young for this test";
      Authorise(client, BootNow() + 600 * kSecond, static_cast<uint32_t>(now_s - row.age_s));
      Tcp tcp{.ack = row.cookie ? cookie + 1 : 4711, .flags = row.flags};
      Outcome out =
          Run((ipv6 ? Ethernet{} / Ipv6{} : Ethernet{} / Ipv4{}) / tcp / Payload{row.payload});
      EXPECT_STREQ(ReasonName(out.reason), ReasonName(row.want))
          << row.description << ", " << client;
    }
  }
}

// What is kept of the second has 16 bits: 18 hours later it would come round.
TEST_F(Sessions, AreFreshNoMoreOnceTheirMinuteIsOver) {
  const uint64_t now_s = BootNow() / kSecond;
  ASSERT_GT(now_s, NX_STICKY_S + 2u) << "the machine is too young for this test";
  for (const std::string client : {"10.51.1.2", "2001:db8:51:1::2"}) {
    const bool ipv6 = client.find(':') != std::string::npos;
    for (const auto& [age_s, fresh] : {std::pair(1u, true), std::pair(NX_STICKY_S + 2u, false)}) {
      Authorise(client, BootNow() + 600 * kSecond, static_cast<uint32_t>(now_s - age_s));
      Run((ipv6 ? Ethernet{} / Ipv6{} : Ethernet{} / Ipv4{}) / Tcp{});
      EXPECT_EQ(Entry(SlotOf(client)).begun != 0, fresh) << client << ", " << age_s << " s";
    }
  }
}

// The coarse clock lags up to a tick behind narthexd's.
TEST_F(Sessions, AreNotFastWhenTheLoginLiesAheadOfTheClock) {
  Authorise("10.51.1.2", BootNow() + 600 * kSecond, static_cast<uint32_t>(BootNow() / kSecond) + 1);
  EXPECT_EQ(Run(Ethernet{} / Ipv4{} / Tcp{}).reason, NX_REASON_AUTHORISED);
  EXPECT_FALSE(IsFast("10.51.1.2"));
}

TEST_F(Sessions, AreNotFastWhileAConnectionOfBeforeTheLoginMayBeLeft) {
  Authorise("10.51.1.2", BootNow() + 600 * kSecond, static_cast<uint32_t>(BootNow() / kSecond));
  EXPECT_EQ(Run(Ethernet{} / Ipv4{} / Tcp{}).reason, NX_REASON_AUTHORISED);
  EXPECT_FALSE(IsFast("10.51.1.2"));
}

}  // namespace narthex::test
