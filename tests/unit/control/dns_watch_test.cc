// SPDX-License-Identifier: Apache-2.0
#include "control/dns_watch.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/harness/dns.h"
#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

namespace dns = test::dns;

class FakeLearned : public LearnedTable {
 public:
  Outcome Put(const nx_key& key, const nx_learned& row) override {
    rows[key] = row;
    return {};
  }
  Outcome Delete(const nx_key& key) override { return rows.erase(key), Outcome(); }
  Result<std::vector<std::pair<nx_key, nx_learned>>> All() override {
    return std::vector<std::pair<nx_key, nx_learned>>();
  }
  std::map<nx_key, nx_learned, KeyLess> rows;
};

class FakeDnsTable : public DnsTable {
 public:
  void SetRules(uint16_t zone, const nx_dns_rules& rules) override { set[zone] = rules; }
  uint64_t Lost() const override { return 0; }
  void MarkRead(const nx_key&, uint32_t number) override { read.push_back(number); }
  Outcome Refuse(const nx_key& client, uint32_t until_s) override {
    refused[client] = until_s;
    return {};
  }
  std::map<uint16_t, nx_dns_rules> set;
  std::vector<uint32_t> read;
  std::map<nx_key, uint32_t, KeyLess> refused;
};

class DnsWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config.zones[0].garden_names = {{"idp.example.com", {{443, 443}}, {}}};
    config.zones[0].dns.mode = DnsMode::kEnforce;
    ASSERT_TRUE(watch.Apply(config.zones));
  }
  void Send(const std::string& message, uint8_t client = 2) {
    nx_dns_answer answer{};
    answer.client.zone = 1;
    answer.client.kind = NX_KEY_ADDRESS;
    answer.client.prefix_len = 128;
    std::memcpy(answer.client.addr, Address::FromV4(0x0a330100u + client).bytes.data(), 16);
    answer.number = ++number;
    answer.at_ns = static_cast<uint64_t>(clock.boot_ns - 5000);
    answer.bytes = static_cast<uint16_t>(message.size());
    std::memcpy(answer.message, message.data(), std::min(message.size(), sizeof answer.message));
    watch.Answer(answer);
  }
  void Ask(const std::string& name, uint16_t type = dns::kA, uint8_t client = 2) {
    Send(dns::Message{.name = name, .type = type}.Bytes(), client);
  }

  Config config = TwoZones(4);
  FakeLearned learned;
  FakeDnsTable table;
  FakeClock clock;
  LearnedGarden garden{learned, clock, [](const Address&) { return false; }};
  DnsWatch watch{garden, table, clock};
  uint32_t number = 0;
  std::mt19937 random{1};

  // Of `bytes` random characters in labels of 60, as a tunnel encodes its data.
  std::string Encoded(size_t bytes, const char* alphabet) {
    std::string name;
    for (size_t i = 0; i < bytes; ++i) {
      if (i > 0 && i % 60 == 0) name += '.';
      name += alphabet[random() % std::strlen(alphabet)];
    }
    return name + ".t.example.org";
  }
};

TEST_F(DnsWatchTest, TellsTheClassifierItsRules) {
  EXPECT_EQ(table.set.at(1).learn, 1);
  EXPECT_EQ(table.set.at(1).discipline, NX_DNS_ENFORCE);
  EXPECT_EQ(table.set.at(1).max_name, 160);
  EXPECT_EQ(table.set.at(2).learn, 0);
  EXPECT_EQ(table.set.at(2).discipline, NX_DNS_OFF);
  EXPECT_EQ(table.set.at(16).learn, 0) << "zones that are not there";
  config.zones[0].garden_names.clear();
  config.zones[0].dns.mode = DnsMode::kObserve;
  ASSERT_TRUE(watch.Apply(config.zones));
  EXPECT_EQ(table.set.at(1).learn, 0);
  EXPECT_EQ(table.set.at(1).discipline, NX_DNS_OBSERVE);
}

TEST_F(DnsWatchTest, EveryAnswerIsMarkedRead) {
  Send(dns::Message{.answers = {{.owner = dns::Pointer(12), .data = "\xcb\x01\x71\x07"}}}.Bytes());
  Send("nonsense");
  Send(dns::Message{.rest = std::string(1500, 'x')}.Bytes());
  EXPECT_EQ(table.read, (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(learned.rows.size(), 1u);
  EXPECT_EQ(watch.LearningLatency().count, 1u);
  EXPECT_EQ(watch.LearningLatency().median_ns, 5000);
}

TEST_F(DnsWatchTest, AnAnswerThatWasCutTeachesNothing) {
  dns::Message message;
  for (int i = 0; i < 60; ++i)
    message.answers.push_back({.owner = dns::Name("idp.example.com"), .data = "\xcb\x01\x71\x07"});
  ASSERT_GT(message.Bytes().size(), 1400u);
  Send(message.Bytes());
  EXPECT_TRUE(learned.rows.empty());
}

// Names that phones and browsers ask for in their first minutes, and the longest of CDNs.
const char* const kOrdinaryNames[] = {
    "captive.apple.com",
    "www.apple.com.edgekey.net.globalredir.akadns.net",
    "connectivitycheck.gstatic.com",
    "detectportal.firefox.com",
    "www.msftconnecttest.com",
    "dns.msftncsi.com",
    "53-courier.push.apple.com",
    "gs-loc-new.ls-apple.com.akadns.net",
    "gateway.icloud.com",
    "p104-fmfmobile.icloud.com",
    "mtalk.google.com",
    "android.clients.google.com",
    "play-lh.googleusercontent.com",
    "clients4.google.com",
    "r3---sn-4g5e6nsz.googlevideo.com",
    "rr5---sn-uxaxjvhxbt2u-j5ps7.googlevideo.com",
    "e2867.dsca.akamaiedge.net",
    "a1051.dscgi3.akamai.net",
    "d111111abcdef8.cloudfront.net",
    "dualstack.video-edge-c2b1c4.fra05.abs.hls.ttvnw.net",
    "ec2-203-0-113-25.eu-central-1.compute.amazonaws.com",
    "internal-my-very-long-service-name-1234567890.eu-central-1.elb.amazonaws.com",
    "very-long-bucket-name-for-production-static-assets-of-our-company.s3.eu-central-1.amazonaws."
    "com",
    "settings-prod-weu-1.westeurope.cloudapp.azure.com",
    "outlook.ms-acdc.office.com",
    "fp-afd-nocache-ccp.azureedge.net",
    "static.xx.fbcdn.net",
    "scontent-fra3-1.cdninstagram.com",
    "media-fra5-2.cdn.whatsapp.net",
    "video-weaver.fra02.hls.ttvnw.net",
    "prod-ingestion-endpoint.eu-west-1.telemetry.services.long-company-name.example.com",
    "_3639ac514e785e898d2646601fa951d5.acm-validations.aws",
    "_dns-sd._udp.0.1.51.10.in-addr.arpa",
    "lb._dns-sd._udp.0.1.51.10.in-addr.arpa",
    "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.1.5.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    "wpad.localdomain",
    "xn--mnchen-3ya.example",
    "kqzxjwvbnp",
};

TEST_F(DnsWatchTest, OrdinaryNamesAreNoTunnel) {
  // Ten rounds in a hurry: everything asked for A, AAAA and HTTPS, without a pause.
  for (int round = 0; round < 10; ++round)
    for (const char* name : kOrdinaryNames)
      for (uint16_t type : {dns::kA, dns::kAaaa, dns::kHttps}) {
        Ask(name, type);
        clock.boot_ns += kSecondNs / 20;
      }
  EXPECT_TRUE(table.refused.empty());
  for (const char* name : kOrdinaryNames)
    EXPECT_LE(std::strlen(name), config.zones[0].dns.max_name);
  // A few TXT questions, and one long name again and again.
  for (int i = 0; i < 20; ++i) Ask("txt" + std::to_string(i) + ".example.org", dns::kTxt);
  for (int i = 0; i < 1000; ++i) Ask(Encoded(60, "a") + "x");
  EXPECT_TRUE(table.refused.empty());
}

TEST_F(DnsWatchTest, TunnelsAreFlaggedWithinSeconds) {
  struct {
    const char* description;
    size_t bytes;
    const char* alphabet;
    uint16_t type;
    int per_second, within_s;
  } const rows[] = {
      {"base32 in NULL, as iodine", 140, "abcdefghijklmnopqrstuvwxyz012345", dns::kNull, 20, 2},
      {"hex in TXT, as dnscat2", 120, "0123456789abcdef", dns::kTxt, 10, 5},
      {"hex in A", 120, "0123456789abcdef", dns::kA, 10, 6},
      {"base64 in CNAME", 100, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
       dns::kCname, 5, 12},
      {"slowly", 150, "abcdefghijklmnopqrstuvwxyz012345", dns::kTxt, 1, 30},
      {"a private type", 60, "abcdefghijklmnopqrstuvwxyz012345", 65399, 10, 8},
  };
  uint8_t client = 10;
  for (const auto& row : rows) {
    ++client;
    int64_t begun_ns = clock.boot_ns;
    size_t before = table.refused.size();
    for (int i = 0; i < row.per_second * row.within_s && table.refused.size() == before; ++i) {
      Ask(Encoded(row.bytes, row.alphabet), row.type, client);
      clock.boot_ns += kSecondNs / row.per_second;
    }
    EXPECT_EQ(table.refused.size(), before + 1)
        << row.description << ": not within " << row.within_s << " s";
    EXPECT_LE(clock.boot_ns - begun_ns, row.within_s * kSecondNs) << row.description;
  }
  EXPECT_EQ(garden.Counters()[static_cast<size_t>(Learning::kTunnels)], std::size(rows));
  for (const auto& [key, until_s] : table.refused)
    EXPECT_GT(until_s, clock.boot_ns / kSecondNs + 100) << "five minutes from then";
}

TEST_F(DnsWatchTest, OthersAreNotTouchedAndOffIsOff) {
  config.zones[0].dns.mode = DnsMode::kOff;
  ASSERT_TRUE(watch.Apply(config.zones));
  for (int i = 0; i < 500; ++i) Ask(Encoded(140, "abcdefghijklmnopqrstuvwxyz012345"), dns::kNull);
  EXPECT_TRUE(table.refused.empty());
  config.zones[0].dns.mode = DnsMode::kObserve;
  ASSERT_TRUE(watch.Apply(config.zones));
  for (int i = 0; i < 500; ++i) {
    Ask(Encoded(140, "abcdefghijklmnopqrstuvwxyz012345"), dns::kNull, 2);
    Ask("www.example.com", dns::kA, 3);
  }
  EXPECT_EQ(table.refused.size(), 1u);
}

TEST(DnsScore, RemembersABoundedNumberOfClients) {
  DnsScore score;
  nx_key client{};
  DnsQuestion question{"a.example.com", "a.example.com", kDnsTxt};
  for (uint32_t i = 0; i < 3 * DnsScore::kMaxClients; ++i) {
    std::memcpy(client.addr, &i, sizeof i);
    score.Add(client, question, 1);
  }
  EXPECT_EQ(score.clients(), DnsScore::kMaxClients);
  EXPECT_EQ(score.Add(client, question, 1), DnsScore::kOddTypeBytes) << "a repetition adds nothing";
  EXPECT_EQ(score.Add(client, question, 1 + kSecondNs), 0) << "it drains";
}

}  // namespace
}  // namespace narthex
