// SPDX-License-Identifier: Apache-2.0
// DNS of clients without a session: which queries pass, which answers are copied for narthexd,
// and what learned addresses admit.
#include "tests/harness/dns.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "bpf/skeleton.h"
#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

constexpr char kClient[] = "10.51.1.2";
constexpr char kResolver[] = "198.51.100.53";

class Dns : public ClassifierFixture {
 protected:
  void SetRules(nx_dns_rules rules) { skeleton_->data_dns_rules->dns_rules[kZone] = rules; }
  nx_dns_rules Rules() { return skeleton_->data_dns_rules->dns_rules[kZone]; }
  void Learn(const std::string& address, uint32_t until_s, std::vector<nx_port_range> ranges) {
    nx_key key = AddressKey(address, 128);
    nx_learned row = {};
    row.until_s = until_s;
    row.open.range_count = static_cast<uint32_t>(ranges.size());
    std::copy(ranges.begin(), ranges.end(), row.open.ranges);
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.learned), &key, &row, 0), 0);
    SetGardenBlock(bpf_map__fd(skeleton_->maps.garden_blocks), key.addr);
  }
  std::vector<nx_dns_answer> Answers() {
    std::vector<nx_dns_answer> answers;
    auto take = [](void* to, void* answer, size_t bytes) {
      EXPECT_EQ(bytes, sizeof(nx_dns_answer));
      static_cast<std::vector<nx_dns_answer>*>(to)->push_back(*static_cast<nx_dns_answer*>(answer));
      return 0;
    };
    ring_buffer* ring =
        ring_buffer__new(bpf_map__fd(skeleton_->maps.dns_answers), take, &answers, nullptr);
    EXPECT_NE(ring, nullptr);
    ring_buffer__consume(ring);
    ring_buffer__free(ring);
    return answers;
  }
  static Bytes Query(const std::string& message) {
    return Ethernet{} / Ipv4{.dst = kResolver} / Udp{} / Payload{message};
  }
  static Bytes Answer(const std::string& message) {
    return Ethernet{} / Ipv4{.src = kResolver, .dst = kClient} / Udp{.sport = 53, .dport = 40000} /
           Payload{message};
  }
  std::string RunQuery(const std::string& message) {
    return ReasonName(Run(Query(message)).reason);
  }
};

uint32_t BootSeconds() { return static_cast<uint32_t>(BootNow() / kSecond); }

TEST_F(Dns, LearnedAddressesAdmitTheirPortsUntilTheirTime) {
  const nx_port_range https = {443, 443, 6, {}};
  Learn("203.0.113.7", BootSeconds() + 60, {https});
  Learn("2001:db8:6::20", BootSeconds() + 60, {https});
  Learn("203.0.113.8", BootSeconds(), {https});
  AddGarden("203.0.113.9", 32, {{80, 80, 6, {}}});
  Learn("203.0.113.9", BootSeconds() + 60, {https});
  const Tcp tls{.dport = 443};
  struct {
    const char* description;
    Bytes frame;
    const char* learning;
    const char* without;
  } const rows[] = {
      {"IPv4", Ethernet{} / Ipv4{.dst = "203.0.113.7"} / tls, "GARDEN", "RST"},
      {"in a VLAN", Ethernet{} / Vlan{} / Ipv4{.dst = "203.0.113.7"} / tls, "GARDEN", "RST"},
      {"IPv6", Ethernet{} / Ipv6{.dst = "2001:db8:6::20"} / tls, "GARDEN", "RST"},
      {"another port", Ethernet{} / Ipv4{.dst = "203.0.113.7"} / Tcp{.dport = 444}, "RST", "RST"},
      {"UDP", Ethernet{} / Ipv4{.dst = "203.0.113.7"} / Udp{.dport = 443}, "UDP", "UDP"},
      {"past its time", Ethernet{} / Ipv4{.dst = "203.0.113.8"} / tls, "RST", "RST"},
      {"beside a prefix: its own", Ethernet{} / Ipv4{.dst = "203.0.113.9"} / tls, "GARDEN", "RST"},
      {"beside a prefix: the prefix's", Ethernet{} / Ipv4{.dst = "203.0.113.9"} / Tcp{}, "GARDEN",
       "GARDEN"},
      {"from nobody's address", Ethernet{} / Ipv4{.src = "192.0.2.1", .dst = "203.0.113.7"} / tls,
       "MARTIAN", "MARTIAN"},
  };
  for (bool learning : {true, false}) {
    SetRules({.learn = learning});
    for (const auto& row : rows)
      EXPECT_STREQ(ReasonName(Run(row.frame).reason), learning ? row.learning : row.without)
          << row.description << (learning ? "" : ", without names");
  }
  SetRules({.learn = 1});
  Bytes down = Ethernet{} / Ipv4{.src = "203.0.113.7", .dst = kClient} /
               Tcp{.sport = 443, .dport = 40000, .flags = kAck};
  EXPECT_STREQ(ReasonName(RunDownlink(down).reason), "DOWNLINK_GARDEN");
}

TEST_F(Dns, OnlyAnswersOfResolversToStrangersAreCopied) {
  SetRules({.learn = 1});
  Authorise("10.51.1.9", BootNow() + 60 * kSecond);
  const Payload answer{dns::Message{}.Bytes()};
  const Ipv4 from{.src = kResolver, .dst = kClient};
  const Udp udp{.sport = 53, .dport = 40000};
  struct {
    const char* description;
    Bytes frame;
    size_t copies;
  } const rows[] = {
      {"a resolver", Ethernet{} / from / udp / answer, 1},
      {"over IPv6",
       Ethernet{} / Ipv6{.src = "2001:db8:100::53", .dst = "2001:db8:51:1::2"} / udp / answer, 1},
      {"in two VLANs", Ethernet{} / Vlan{} / Vlan{} / from / udp / answer, 1},
      {"with options",
       Ethernet{} / Ipv4{.src = kResolver, .dst = kClient, .options = Bytes(8, 1)} / udp / answer,
       1},
      {"somebody else", Ethernet{} / Ipv4{.src = "198.51.100.54", .dst = kClient} / udp / answer,
       0},
      {"another port", Ethernet{} / from / Udp{.sport = 54, .dport = 53} / answer, 0},
      {"TCP", Ethernet{} / from / Tcp{.sport = 53, .dport = 40000, .flags = kAck} / answer, 0},
      {"a fragment",
       Ethernet{} / Ipv4{.src = kResolver, .dst = kClient, .fragment = 0x2000} / udp / answer, 0},
      {"a client with a session",
       Ethernet{} / Ipv4{.src = kResolver, .dst = "10.51.1.9"} / udp / answer, 0},
      {"nobody's address", Ethernet{} / Ipv4{.src = kResolver, .dst = "192.0.2.9"} / udp / answer,
       0},
      {"the gateway", Ethernet{} / Ipv4{.src = kResolver, .dst = "10.51.1.1"} / udp / answer, 0},
      {"no message", Ethernet{} / from / udp / Payload{"short"}, 0},
  };
  for (const auto& row : rows) {
    RunDownlink(row.frame);
    EXPECT_EQ(Answers().size(), row.copies) << row.description;
  }
  // From the access side an answer is a query to where it goes.
  Run(Ethernet{} / Ipv4{.src = kClient, .dst = "10.51.1.3"} / udp / answer);
  Run(Ethernet{} / Ipv4{.src = kResolver, .dst = kClient} / udp / answer);
  EXPECT_TRUE(Answers().empty()) << "a client teaches nothing";
  SetRules({});
  RunDownlink(rows[0].frame);
  EXPECT_TRUE(Answers().empty()) << "nobody wants to know";
}

TEST_F(Dns, AResolverInsideTheGardenTeaches) {
  SetRules({.learn = 1});
  AddGarden("198.51.100.0", 24, {{53, 53, 17, {}}});
  EXPECT_STREQ(ReasonName(RunDownlink(Answer(dns::Message{}.Bytes())).reason), "DOWNLINK_DNS");
  EXPECT_EQ(Answers().size(), 1u);
}

TEST_F(Dns, AZoneThatMonitorsLearnsAndPasses) {
  for (nx_mode mode : {NX_MODE_MONITOR, NX_MODE_BYPASS}) {
    Load({.mode = mode});
    SetRules({.learn = 1, .discipline = NX_DNS_ENFORCE, .max_answer = 20});
    Outcome out = RunDownlink(Answer(dns::Message{}.Bytes()));
    EXPECT_STREQ(ReasonName(out.reason), "DOWNLINK_MODE");
    EXPECT_EQ(out.action, XDP_PASS);
    EXPECT_EQ(Answers().size(), mode == NX_MODE_MONITOR ? 1u : 0u);
  }
}

TEST_F(Dns, CopiesAreTheMessageUpToTheirBound) {
  SetRules({.learn = 1});
  for (size_t bytes : {12, 13, 64, 512, 1399, 1400, 1401, 1472}) {
    std::string message(bytes, '\0');
    for (size_t i = 0; i < bytes; i++) message[i] = static_cast<char>(i * 7);
    Outcome out = RunDownlink(Answer(message));
    EXPECT_STREQ(ReasonName(out.reason), "DOWNLINK_DNS");
    EXPECT_EQ(out.frame, Answer(message)) << "it passes as it was";
    auto answers = Answers();
    ASSERT_EQ(answers.size(), 1u) << bytes;
    EXPECT_EQ(answers[0].bytes, bytes);
    EXPECT_EQ(answers[0].client_port, 40000);
    EXPECT_EQ(memcmp(answers[0].message, message.data(), std::min<size_t>(bytes, 1400)), 0);
    nx_key key = AddressKey(kClient, 128);
    EXPECT_EQ(memcmp(&answers[0].client, &key, sizeof key), 0);
    EXPECT_NEAR(static_cast<double>(answers[0].at_ns), static_cast<double>(BootNow()), 1e9);
  }
}

TEST_F(Dns, AFullRingLosesCopiesAndNoPacket) {
  SetRules({.learn = 1});
  Bytes frame = Answer(dns::Message{}.Bytes());
  for (int i = 0; i < 1000; i++) ASSERT_EQ(RunQuickly(ProgramOf(true), frame), XDP_PASS);
  size_t copied = Answers().size();
  EXPECT_GT(copied, 100u);
  EXPECT_EQ(copied + Rules().lost, 1000u);
}

TEST_F(Dns, ConnectionsWaitWhileAnAnswerIsRead) {
  SetRules({.learn = 1});
  struct {
    const char* description;
    Bytes frame;
    const char* waiting;
    const char* after;
  } const rows[] = {
      {"HTTP", Ethernet{} / Ipv4{} / Tcp{}, "ANSWER_UNREAD", "SYN_ACK"},
      {"HTTPS", Ethernet{} / Ipv4{} / Tcp{.dport = 443}, "ANSWER_UNREAD", "RST"},
      {"QUIC", Ethernet{} / Ipv4{} / Udp{.dport = 443} / Payload{std::string(1200, 'q')},
       "ANSWER_UNREAD", "UDP_REFUSED"},
      {"data", Ethernet{} / Ipv4{} / Tcp{.dport = 443, .flags = kAck}, "RST", "RST"},
      {"another client", Ethernet{} / Ipv4{.src = "10.51.1.7"} / Tcp{}, "SYN_ACK", "SYN_ACK"},
  };
  for (const auto& row : rows) {
    RunDownlink(Answer(dns::Message{}.Bytes()));
    EXPECT_STREQ(ReasonName(Run(row.frame).reason), row.waiting) << row.description;
    nx_key key = AddressKey(kClient, 128);
    ASSERT_EQ(bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.dns_unread), &key), 0);
    EXPECT_STREQ(ReasonName(Run(row.frame).reason), row.after) << row.description;
  }
  RunDownlink(Answer(dns::Message{}.Bytes()));
  uint64_t deadline = BootNow() + 5 * kSecond;
  while (Run(rows[1].frame).reason == NX_REASON_ANSWER_UNREAD && BootNow() < deadline) {
  }
  EXPECT_LT(BootNow(), deadline) << "not for ever: narthexd may be dead";
}

TEST_F(Dns, QueriesHaveNamesWithinTheLimits) {
  const std::string label63(63, 'a'), label50(50, 'b');
  const std::string long_name = label50 + "." + label50 + "." + label50 + ".example";  // 160
  struct {
    const char* description;
    std::string message;
    bool orderly;
  } const rows[] = {
      {"a name", dns::Query("www.example.com"), true},
      {"AAAA", dns::Query("www.example.com", dns::kAaaa), true},
      {"the root", dns::Query(""), true},
      {"a label of 60", dns::Query(std::string(60, 'a') + ".example"), true},
      {"a label of 61", dns::Query(std::string(61, 'a') + ".example"), false},
      {"160 bytes", dns::Query(long_name), true},
      {"161 bytes", dns::Query("b" + long_name.substr(0, 100) + "c" + long_name.substr(100)),
       false},
      {"127 labels",
       [] {
         std::string name = "a";
         for (int i = 0; i < 79; i++) name += ".a";
         return dns::Query(name);
       }(),
       true},
      {"256 bytes", dns::Query(label63 + "." + label63 + "." + label63 + "." + label63), false},
      {"a response", dns::Message{}.Bytes(), false},
      {"an update", dns::Message{.flags = 0x2800}.Bytes(), false},
      {"no question", dns::Message{.flags = 0x0100, .questions = 0}.Bytes(), false},
      {"two questions", dns::Message{.flags = 0x0100, .questions = 2}.Bytes(), false},
      {"an answer in it", dns::Message{.flags = 0x0100, .count = 1}.Bytes(), false},
      {"a compressed name",
       dns::U16(1) + dns::U16(0x0100) + dns::U16(1) + dns::U16(0) + dns::U32(0) + dns::Pointer(12),
       false},
      {"a name without end", dns::Query("www.example.com").substr(0, 24), false},
      {"no header", "0123456789", false},
      {"nothing", "", false},
      {"a longer message", dns::Message{.flags = 0x0100, .rest = std::string(500, 'x')}.Bytes(),
       false},
  };
  for (nx_dns_discipline discipline : {NX_DNS_OFF, NX_DNS_OBSERVE, NX_DNS_ENFORCE}) {
    SetRules({.discipline = static_cast<uint8_t>(discipline), .max_label = 60, .max_name = 160});
    for (const auto& row : rows) {
      const char* refused = discipline == NX_DNS_OFF       ? "DNS"
                            : discipline == NX_DNS_OBSERVE ? "DNS_OBSERVED"
                                                           : "DNS_REFUSED";
      EXPECT_EQ(RunQuery(row.message), row.orderly ? "DNS" : refused)
          << row.description << ", discipline " << discipline;
    }
  }
}

TEST_F(Dns, OffendersAreRefusedUntilTheirTime) {
  const std::string query = dns::Query("www.example.com");
  nx_key key = AddressKey(kClient, 128);
  uint32_t until_s = BootSeconds() + 60;
  int fd = bpf_map__fd(skeleton_->maps.dns_offenders);
  ASSERT_EQ(bpf_map_update_elem(fd, &key, &until_s, 0), 0);
  Bytes tcp = Ethernet{} / Ipv4{.dst = kResolver} / Tcp{.dport = 53};
  Bytes other = Ethernet{} / Ipv4{.src = "10.51.1.3", .dst = kResolver} / Udp{} / Payload{query};
  struct {
    nx_dns_discipline discipline;
    const char* udp;
    const char* tcp;
  } const rows[] = {{NX_DNS_OFF, "DNS", "DNS"},
                    {NX_DNS_OBSERVE, "DNS_OBSERVED", "DNS_OBSERVED"},
                    {NX_DNS_ENFORCE, "DNS_TUNNEL", "DNS_TUNNEL"}};
  for (const auto& row : rows) {
    SetRules(
        {.discipline = static_cast<uint8_t>(row.discipline), .max_label = 63, .max_name = 253});
    EXPECT_EQ(RunQuery(query), row.udp);
    EXPECT_STREQ(ReasonName(Run(tcp).reason), row.tcp);
    EXPECT_STREQ(ReasonName(Run(other).reason), "DNS");
  }
  until_s = BootSeconds();
  ASSERT_EQ(bpf_map_update_elem(fd, &key, &until_s, 0), 0);
  EXPECT_EQ(RunQuery(query), "DNS");
}

TEST_F(Dns, AnswersToStrangersHaveABoundedSize) {
  struct {
    nx_dns_discipline discipline;
    const char* reason;
    int action;
  } const rows[] = {{NX_DNS_OFF, "DOWNLINK_DNS", XDP_PASS},
                    {NX_DNS_OBSERVE, "DOWNLINK_DNS_OBSERVED", XDP_PASS},
                    {NX_DNS_ENFORCE, "DOWNLINK_DNS_TOO_LARGE", XDP_DROP}};
  for (const auto& row : rows) {
    SetRules({.discipline = static_cast<uint8_t>(row.discipline), .max_answer = 512});
    EXPECT_STREQ(ReasonName(RunDownlink(Answer(std::string(512, 'x'))).reason), "DOWNLINK_DNS");
    Outcome out = RunDownlink(Answer(std::string(513, 'x')));
    EXPECT_STREQ(ReasonName(out.reason), row.reason);
    EXPECT_EQ(out.action, row.action);
  }
}

}  // namespace narthex::test
