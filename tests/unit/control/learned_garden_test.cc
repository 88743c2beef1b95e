// SPDX-License-Identifier: Apache-2.0
#include "control/learned_garden.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "control/garden_report.h"
#include "control/learnable.h"
#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

Address A(const char* text) { return *ParseAddress(text); }

class FakeLearnedTable : public LearnedTable {
 public:
  Outcome Put(const nx_key& key, const nx_learned& row) override {
    if (refuse) return Fail("no memory");
    rows[key] = row;
    ++writes;
    return {};
  }
  Outcome Delete(const nx_key& key) override {
    rows.erase(key);
    return {};
  }
  Result<std::vector<std::pair<nx_key, nx_learned>>> All() override {
    return std::vector<std::pair<nx_key, nx_learned>>(rows.begin(), rows.end());
  }
  std::map<nx_key, nx_learned, KeyLess> rows;
  int writes = 0;
  bool refuse = false;
};

DnsAnswer Answer(const std::string& name, const std::vector<std::string>& addresses,
                 uint32_t ttl_s = 300) {
  DnsAnswer answer;
  answer.question = {name, name, kDnsA};
  for (const std::string& address : addresses)
    answer.addresses.push_back({A(address.c_str()), ttl_s});
  return answer;
}

class LearnedGardenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config.zones[0].resolvers = {A("198.51.100.53")};
    config.zones[0].garden = {{P("198.51.100.20/32"), {{80, 80}}, {}}};
    config.zones[0].garden_names = {{"idp.example.com", {{443, 443}}, {}},
                                    {"*.cdn.example.net", {{80, 80}, {443, 443}}, {{443, 443}}},
                                    {"big.cdn.example.net", {{8443, 8443}}, {}}};
    config.zones[0].dns.garden_ttl_min = std::chrono::seconds(60);
    config.zones[0].dns.garden_ttl_max = std::chrono::seconds(3600);
    garden = Make();
  }
  std::unique_ptr<LearnedGarden> Make() {
    auto made = std::make_unique<LearnedGarden>(
        table, clock, [](const Address& address) { return address == A("198.51.100.1"); });
    EXPECT_TRUE(made->Start());
    EXPECT_TRUE(made->Apply(config.zones));
    return made;
  }
  const nx_learned* Row(const char* address, uint16_t zone = 1) {
    for (const auto& [key, row] : table.rows)
      if (key.zone == zone && std::memcmp(key.addr, A(address).bytes.data(), 16) == 0) return &row;
    return nullptr;
  }
  // "443/tcp 80/tcp" of the row in the map; empty: none.
  std::string Ports(const char* address, uint16_t zone = 1) {
    std::string text;
    const nx_learned* row = Row(address, zone);
    for (uint32_t i = 0; row != nullptr && i < row->open.range_count; ++i)
      text += (text.empty() ? "" : " ") + std::to_string(row->open.ranges[i].first) +
              (row->open.ranges[i].protocol == IPPROTO_TCP ? "/tcp" : "/udp");
    return text;
  }
  uint64_t Counter(Learning counter) { return garden->Counters()[static_cast<size_t>(counter)]; }
  uint32_t NowS() const { return static_cast<uint32_t>(clock.boot_ns / kSecondNs); }

  Config config = TwoZones(4);
  FakeLearnedTable table;
  FakeClock clock;
  std::unique_ptr<LearnedGarden> garden;
};

TEST_F(LearnedGardenTest, AdmitsTheAddressesOfItsNames) {
  EXPECT_TRUE(garden->Learn(1, Answer("idp.example.com", {"203.0.113.7", "2001:db8:6::20"})));
  EXPECT_EQ(Ports("203.0.113.7"), "443/tcp");
  EXPECT_EQ(Ports("2001:db8:6::20"), "443/tcp");
  EXPECT_FALSE(garden->Learn(1, Answer("www.example.com", {"203.0.113.8"})));
  EXPECT_FALSE(garden->Learn(2, Answer("idp.example.com", {"203.0.113.9"}))) << "another zone's";
  EXPECT_FALSE(garden->Learn(7, Answer("idp.example.com", {"203.0.113.9"}))) << "no zone";
  EXPECT_FALSE(garden->Learn(1, Answer("idp.example.com", {}))) << "nothing";
  EXPECT_EQ(table.rows.size(), 2u);
  nx_key key = table.rows.begin()->first;
  EXPECT_EQ(key.zone, 1);
  EXPECT_EQ(key.kind, NX_KEY_ADDRESS);
  EXPECT_EQ(key.prefix_len, 128);
}

TEST_F(LearnedGardenTest, KeepsTheTtlWithinItsBounds) {
  struct {
    uint32_t ttl_s, kept_s;
  } const rows[] = {{0, 60},      {59, 60},     {60, 60},          {61, 61},
                    {3600, 3600}, {3601, 3600}, {0x7fffffff, 3600}};
  for (const auto& row : rows) {
    garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"}, row.ttl_s));
    EXPECT_EQ(Row("203.0.113.7")->until_s, NowS() + row.kept_s + 1) << row.ttl_s;
    clock.Advance(4000);
    garden->Expire();
    EXPECT_EQ(table.rows.size(), 0u) << row.ttl_s;
  }
}

TEST_F(LearnedGardenTest, AShorterTtlEndsNothingEarlier) {
  garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"}, 600));
  garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"}, 60));
  EXPECT_EQ(Row("203.0.113.7")->until_s, NowS() + 601);
}

TEST_F(LearnedGardenTest, SeveralNamesOfOneAddressHaveTheirPortsAndEnds) {
  garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"}, 60));
  garden->Learn(1, Answer("a.cdn.example.net", {"203.0.113.7"}, 600));
  EXPECT_EQ(Ports("203.0.113.7"), "443/tcp 80/tcp 443/udp");
  EXPECT_EQ(Row("203.0.113.7")->until_s, NowS() + 601);
  clock.Advance(62);
  garden->Expire();
  EXPECT_EQ(Ports("203.0.113.7"), "80/tcp 443/tcp 443/udp");
  clock.Advance(600);
  garden->Expire();
  EXPECT_EQ(table.rows.size(), 0u);
  EXPECT_EQ(Counter(Learning::kExpired), 1u);
}

TEST_F(LearnedGardenTest, ANameThatSeveralEntriesMatchHasThePortsOfAll) {
  garden->Learn(1, Answer("big.cdn.example.net", {"203.0.113.7"}));
  EXPECT_EQ(Ports("203.0.113.7"), "80/tcp 443/tcp 443/udp 8443/tcp");
}

TEST_F(LearnedGardenTest, NamesOfOneEntryShareAPlace) {
  for (int i = 0; i < 100; ++i)
    garden->Learn(1, Answer("n" + std::to_string(i) + ".cdn.example.net", {"203.0.113.7"}));
  garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"}));
  auto list = garden->List();
  ASSERT_EQ(list.size(), 1u);
  ASSERT_EQ(list[0].names.size(), 2u);
  EXPECT_EQ(list[0].names[0].text, "n99.cdn.example.net");
  EXPECT_EQ(list[0].names[0].entry, "*.cdn.example.net");
  EXPECT_EQ(list[0].names[1].text, "idp.example.com");
}

TEST_F(LearnedGardenTest, ManyEntriesOnOneAddressKeepTheLatest) {
  for (int i = 0; i < 6; ++i)
    config.zones[0].garden_names.push_back(
        {"e" + std::to_string(i) + ".example.org", {{443, 443}}, {}});
  ASSERT_TRUE(garden->Apply(config.zones));
  for (int i = 0; i < 6; ++i)
    garden->Learn(1, Answer("e" + std::to_string(i) + ".example.org", {"203.0.113.7"},
                            100 + 10 * static_cast<uint32_t>(i)));
  std::set<std::string> names;
  const auto list = garden->List();
  for (const auto& name : list.at(0).names) names.insert(name.text);
  EXPECT_EQ(names, (std::set<std::string>{"e2.example.org", "e3.example.org", "e4.example.org",
                                          "e5.example.org"}));
}

TEST_F(LearnedGardenTest, RefusesAddressesThatAreNotTheInternets) {
  struct {
    const char* address;
    Learning counter;
  } const rows[] = {
      {"0.0.0.0", Learning::kNotGlobal},
      {"10.0.0.1", Learning::kNotGlobal},
      {"10.51.1.7", Learning::kNotGlobal},
      {"100.64.0.1", Learning::kNotGlobal},
      {"127.0.0.1", Learning::kNotGlobal},
      {"169.254.169.254", Learning::kNotGlobal},
      {"172.16.0.1", Learning::kNotGlobal},
      {"172.31.255.255", Learning::kNotGlobal},
      {"192.0.0.1", Learning::kNotGlobal},
      {"192.168.1.1", Learning::kNotGlobal},
      {"198.18.0.1", Learning::kNotGlobal},
      {"198.19.255.255", Learning::kNotGlobal},
      {"224.0.0.1", Learning::kNotGlobal},
      {"240.0.0.1", Learning::kNotGlobal},
      {"255.255.255.255", Learning::kNotGlobal},
      {"::", Learning::kNotGlobal},
      {"::1", Learning::kNotGlobal},
      {"fe80::1", Learning::kNotGlobal},
      {"fc00::1", Learning::kNotGlobal},
      {"fd12::1", Learning::kNotGlobal},
      {"ff02::1", Learning::kNotGlobal},
      {"2002:a00:1::1", Learning::kNotGlobal},
      {"2001::1", Learning::kNotGlobal},
      {"64:ff9b::10.0.0.1", Learning::kNotGlobal},
      {"64:ff9b:1::203.0.113.1", Learning::kNotGlobal},
      {"2001:db8:51:1::7", Learning::kClients},
      {"2001:db8:52::7", Learning::kClients},
      {"198.51.100.53", Learning::kClients},
      {"198.51.100.1", Learning::kOwn},
  };
  for (const auto& row : rows) {
    uint64_t before = Counter(row.counter);
    EXPECT_FALSE(garden->Learn(1, Answer("idp.example.com", {row.address}))) << row.address;
    EXPECT_EQ(Counter(row.counter), before + 1) << row.address;
  }
  EXPECT_TRUE(table.rows.empty());
  EXPECT_TRUE(garden->Learn(1, Answer("idp.example.com", {"10.0.0.1", "203.0.113.7"})))
      << "the good one beside a bad one";
  EXPECT_EQ(table.rows.size(), 1u);
}

TEST_F(LearnedGardenTest, AdmitsAddressesBesideThoseThatAreNotTheInternets) {
  for (const char* address :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255",
        "172.32.0.0", "192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:db8::1",
        "2a00::1", "3fff::1", "64:ff9b::203.0.113.1"})
    EXPECT_TRUE(garden->Learn(1, Answer("idp.example.com", {address}))) << address;
}

TEST_F(LearnedGardenTest, AFullTableLearnsNoMoreAndKeepsWhatItHas) {
  for (uint32_t i = 0; i < NX_MAX_LEARNED; ++i)
    garden->Learn(1, Answer("idp.example.com", {Address::FromV4(0x08000000 + i).ToString()}));
  ASSERT_EQ(table.rows.size(), static_cast<size_t>(NX_MAX_LEARNED));
  EXPECT_FALSE(garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"})));
  EXPECT_EQ(Counter(Learning::kFull), 1u);
  EXPECT_TRUE(garden->Learn(1, Answer("idp.example.com", {"8.0.0.0"}))) << "a known one goes on";
  clock.Advance(4000);
  garden->Expire();
  EXPECT_TRUE(garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"})));
}

TEST_F(LearnedGardenTest, AMapThatRefusesAdmitsNothing) {
  table.refuse = true;
  EXPECT_FALSE(garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"})));
  EXPECT_TRUE(garden->List().empty());
  table.refuse = false;
  EXPECT_TRUE(garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"})));
}

TEST_F(LearnedGardenTest, ARestartGoesOnWithAllNames) {
  garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"}, 100));
  garden->Learn(1, Answer("a.cdn.example.net", {"203.0.113.7"}, 600));
  auto before = *Row("203.0.113.7");
  int writes = table.writes;
  clock.Advance(10);
  garden = Make();
  ASSERT_NE(Row("203.0.113.7"), nullptr);
  EXPECT_EQ(std::memcmp(Row("203.0.113.7"), &before, sizeof before), 0);
  EXPECT_EQ(table.writes, writes) << "by difference";
  EXPECT_EQ(garden->List()[0].names.size(), 2u);
  clock.Advance(95);
  garden = Make();
  EXPECT_EQ(Ports("203.0.113.7"), "80/tcp 443/tcp 443/udp") << "one was over meanwhile";
}

TEST_F(LearnedGardenTest, AReloadTakesRemovedNamesOutAndNewPortsOver) {
  garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"}));
  garden->Learn(1, Answer("a.cdn.example.net", {"203.0.113.7", "203.0.113.8"}));
  config.zones[0].garden_names = {{"idp.example.com", {{443, 443}, {80, 80}}, {}}};
  ASSERT_TRUE(garden->Apply(config.zones));
  EXPECT_EQ(Ports("203.0.113.7"), "443/tcp 80/tcp");
  EXPECT_EQ(Row("203.0.113.8"), nullptr);
  config.zones[0].garden_names.clear();
  ASSERT_TRUE(garden->Apply(config.zones));
  EXPECT_TRUE(table.rows.empty());
}

TEST_F(LearnedGardenTest, TellsWhichAddressesOtherNamesHave) {
  garden->Learn(1, Answer("idp.example.com", {"203.0.113.7"}));
  EXPECT_EQ(Counter(Learning::kShared), 0u);
  garden->Learn(1, Answer("www.shop.example", {"203.0.113.7"}));
  garden->Learn(1, Answer("mail.shop.example", {"203.0.113.7"}));
  EXPECT_EQ(garden->List()[0].shared_with, "www.shop.example");
  EXPECT_EQ(Counter(Learning::kShared), 1u) << "once";
  // In the other order, and for what a prefix admits.
  garden->Learn(1, Answer("www.shop.example", {"203.0.113.8"}));
  garden->Learn(1, Answer("idp.example.com", {"203.0.113.8"}));
  EXPECT_EQ(Counter(Learning::kShared), 2u);
  garden->Learn(1, Answer("www.shop.example", {"198.51.100.20"}));
  EXPECT_EQ(Counter(Learning::kShared), 3u);
  EXPECT_EQ(garden->SharedWith(1, A("198.51.100.20")), "www.shop.example");
  garden->Learn(1, Answer("www.shop.example", {"203.0.113.9"}));
  EXPECT_EQ(Counter(Learning::kShared), 3u) << "the garden does not admit it";
}

TEST_F(LearnedGardenTest, TestsHostsByNameAndByAddress) {
  garden->Learn(1, Answer("a.cdn.example.net", {"203.0.113.7"}));
  garden->Learn(1, Answer("www.shop.example", {"203.0.113.7"}));
  struct {
    const char* host;
    uint16_t port;
    const char* zone;
    bool admitted;
    size_t entries, learned;
  } const rows[] = {
      {"idp.example.com", 443, "", true, 1, 0},
      {"IDP.example.com.", 0, "", true, 1, 0},
      {"idp.example.com", 80, "", false, 0, 0},
      {"idp.example.com", 443, "stands", false, 0, 0},
      {"big.cdn.example.net", 0, "lobby", true, 2, 0},
      {"a.cdn.example.net", 443, "", true, 1, 1},
      {"www.shop.example", 0, "", false, 0, 0},
      {"203.0.113.7", 0, "", true, 0, 1},
      {"203.0.113.7", 443, "", true, 0, 1},
      {"203.0.113.7", 22, "", false, 0, 1},
      {"203.0.113.8", 0, "", false, 0, 0},
      {"198.51.100.20", 80, "", true, 1, 0},
      {"198.51.100.20", 81, "", false, 0, 0},
  };
  for (const auto& row : rows) {
    auto finding = TestGarden(config, *garden, {row.host, row.port, row.zone});
    ASSERT_TRUE(finding) << row.host;
    EXPECT_EQ(finding->admitted, row.admitted) << row.host << ":" << row.port;
    EXPECT_EQ(finding->entries.size(), row.entries) << row.host << ":" << row.port;
    EXPECT_EQ(finding->learned.size(), row.learned) << row.host << ":" << row.port;
  }
  EXPECT_EQ(TestGarden(config, *garden, {"203.0.113.7", 443, ""})->shared_with, "www.shop.example");
  EXPECT_EQ(TestGarden(config, *garden, {"a b", 0, ""}).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(TestGarden(config, *garden, {"*.cdn.example.net", 0, ""}).error().kind,
            ErrorKind::kInvalid);
  EXPECT_EQ(TestGarden(config, *garden, {"a.b", 0, "nowhere"}).error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace narthex
