// SPDX-License-Identifier: Apache-2.0
#include "control/config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

// One zone, from line 1; tests put lines before or replace some.
const std::string kZone =
    "[[zone]]\n"
    "name = \"lobby\"\n"
    "interface = \"lan0\"\n"
    "pools = [\"10.51.1.0/24\"]\n"
    "network_name = \"Stadium Wi-Fi\"\n"
    "portal_url = \"http://login.example/\"\n";

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  return text.replace(text.find(what), what.size(), with);
}

TEST(ParseConfig, FillsDefaults) {
  auto config = ParseConfig("instance = \"east\"\n" + kZone, "f");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->state_dir, "/var/lib/east");
  EXPECT_EQ(config->run_dir, "/run/east");
  EXPECT_EQ(config->bpffs_dir, "/sys/fs/bpf/east");
  EXPECT_EQ(config->socket_path, "/run/east/api.sock");
  EXPECT_EQ(config->session_capacity, 1048576u);
  EXPECT_EQ(config->max_duration, std::chrono::hours(720));
  EXPECT_EQ(config->zones[0].intercept_ports, std::vector<uint16_t>{80});
  EXPECT_EQ(config->zones[0].id, 1);
  EXPECT_EQ(config->zones[0].mode, Mode::kEnforce);
}

TEST(ParseConfig, TakesTheSocketFromTheRunDirectory) {
  auto config = ParseConfig("[paths]\nrun = \"/tmp/r\"\n" + kZone, "f");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->socket_path, "/tmp/r/api.sock");
}

TEST(LoadConfig, AcceptsTheShippedExample) {
  auto config = LoadConfig(NARTHEX_SOURCE_ROOT "/deploy/narthex.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->zones[0].garden.size(), 2u);
  EXPECT_EQ(config->zones[0].garden[0].tcp[1], (PortRange{443, 443}));
}

// The garden by name, and what it needs beside itself.
const std::string kName =
    "[[zone.garden]]\nname = \"*.CDN.example.net\"\ntcp = [\"443\"]\nudp = [\"443\"]\n";
const std::string kUplink = "uplinks = [\"wan0\"]\n";
const std::string kResolving = kZone + "resolvers = [\"198.51.100.53\"]\n";

TEST(ParseConfig, ReadsTheGardenByNameAndDns) {
  auto config = ParseConfig(kUplink + kResolving + kName +
                                "[zone.dns]\nmode = \"observe\"\nmax_name = 100\nmax_label = 40\n"
                                "max_answer = 512\ntunnel_bytes = 5000\ntunnel_block = \"1h\"\n"
                                "garden_ttl_min = \"1s\"\ngarden_ttl_max = \"2s\"\n",
                            "f");
  ASSERT_TRUE(config) << config.error().message;
  const ZoneConfig& zone = config->zones[0];
  EXPECT_TRUE(zone.garden.empty());
  EXPECT_EQ(zone.garden_names,
            (std::vector<GardenNameEntry>{{"*.cdn.example.net", {{443, 443}}, {{443, 443}}}}));
  using std::chrono::seconds;
  EXPECT_EQ(zone.dns, (DnsConfig{DnsMode::kObserve, 40, 100, 512, 5000, seconds(3600), seconds(1),
                                 seconds(2)}));
}

TEST(ParseConfig, RefusesNamesThatNobodyCouldTeach) {
  struct {
    std::string text;
    const char* why;
  } const rows[] = {{kUplink + kZone + kName, "but no resolvers"},
                    {kResolving + kName, "name the uplinks"}};
  for (const auto& row : rows) {
    auto config = ParseConfig(row.text, "f");
    ASSERT_FALSE(config) << row.why;
    EXPECT_NE(config.error().message.find(row.why), std::string::npos) << config.error().message;
  }
}

TEST(LoadConfig, NamesAFileThatIsNotThere) {
  EXPECT_EQ(LoadConfig("/nowhere/x.toml").error().message,
            "/nowhere/x.toml: cannot be read: No such file or directory; pass --config FILE");
}

struct Bad {
  std::string text;
  std::string message;  // its beginning
};

class BadConfig : public testing::TestWithParam<Bad> {};

TEST_P(BadConfig, IsRefusedWithItsPlace) {
  auto config = ParseConfig(GetParam().text, "f");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message.substr(0, GetParam().message.size()), GetParam().message);
  EXPECT_EQ(config.error().message.find('\n'), std::string::npos);
}

std::string Zone(const std::string& what, const std::string& with) {
  return Replaced(kZone, what, with);
}
std::string TwoOf(const std::string& what, const std::string& with) {
  return kZone + Replaced(Replaced(Replaced(kZone, "lobby", "b"), "lan0", "lan1"), what, with);
}
const std::string kPool = "pools = [\"10.51.1.0/24\"]";
const std::string kUrl = "http://login.example/";

const std::string kGerman =
    "[[zone.language]]\n"
    "tag = \"de\"\n"
    "title = \"Anmeldung\"\n"
    "message = \"Bitte melden Sie sich an.\"\n"
    "link_text = \"Anmelden\"\n";

const std::string kFib = "uplinks = [\"wan0\"]\n" + kZone + "forwarding = \"fib\"\n";
const std::string kBridge = "forwarding = \"bridge\"\nbridge_uplink = \"wan0\"\n";

TEST(ParseConfig, ReadsForwardingAndTags) {
  auto plain = ParseConfig(kZone, "f");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->zones[0].forwarding, Forwarding::kKernel);
  auto fib = ParseConfig(kFib + "access_vlan = \"100.7\"\nuplink_vlan = \"4094\"\n", "f");
  ASSERT_TRUE(fib) << fib.error().message;
  EXPECT_EQ(fib->zones[0].forwarding, Forwarding::kFib);
  EXPECT_EQ(fib->zones[0].access_vlan, (VlanTags{100, 7}));
  EXPECT_EQ(fib->zones[0].uplink_vlan, (VlanTags{4094, 0}));
  auto bridge = ParseConfig("uplinks = [\"wan1\", \"wan0\"]\n" + kZone + kBridge, "f");
  ASSERT_TRUE(bridge) << bridge.error().message;
  EXPECT_EQ(bridge->zones[0].bridge_uplink, "wan0");
}

// A second zone on the interface of the first.
std::string Another(const std::string& lines) {
  return "[[zone]]\nname = \"b\"\ninterface = \"lan0\"\npools = [\"10.9.0.0/24\"]\n"
         "network_name = \"B\"\nportal_url = \"http://10.9.9.9/\"\n" +
         lines + "\n[[zone.garden]]\nprefix = \"10.9.9.9/32\"\ntcp = [\"80\"]\n";
}

std::string Policy(const std::string& lines) {
  return "[[policy]]\nname = \"gold\"\n" + lines + "\n" + kZone;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadConfig,
    testing::Values(
        Bad{"x = \n", "f:1:5: not TOML: "}, Bad{"", "f:1:1: key 'zone': no access network"},
        Bad{"colour = 1\n" + kZone, "f:1:1: key 'colour': unknown key; known here: instance, "},
        Bad{kZone + "mtu = 1500\n", "f:7:1: key 'zone.mtu': unknown key"},
        Bad{"uplinks = \"wan0\"\n" + kZone, "f:1:11: key 'uplinks': wanted"},
        Bad{"uplinks = [\"wan0\", \"wan0\"]\n" + kZone,
            "f:1:20: key 'uplinks': 'wan0' is named twice"},
        Bad{"uplinks = [\"lan0\"]\n" + kZone,
            "f:1:11: key 'uplinks': 'lan0' is the interface of zone 'lobby'"},
        Bad{"uplinks = [\"a/b\"]\n" + kZone, "f:1:12: key 'uplinks': "},
        Bad{kZone + "vlans = []\n", "f:7:9: key 'zone.vlans': wanted at least one VLAN"},
        Bad{kZone + "vlans = [0]\n", "f:7:10: key 'zone.vlans"},
        Bad{kZone + "vlans = [4095]\n", "f:7:10: key 'zone.vlans"},
        Bad{kZone + "vlans = [7, 7]\n", "f:7:13: key 'zone.vlans"},
        Bad{kZone + Another(""),
            "f:9:13: key 'zone.interface': 'lan0' belongs to zone 'lobby' already; several zones "
            "on"},
        Bad{kZone + "vlans = [10]\n" + Another("vlans = [9, 10]"),
            "f:14:9: key 'zone.vlans': VLAN 10 of lan0 belongs to zone 'lobby' already"},
        Bad{kZone + Another("vlans = [10]\nqueues = 2"),
            "f:9:13: key 'zone.interface': 'lan0' has queues = 1 in zone 'lobby', 2 here"},
        Bad{kZone + "forwarding = \"route\"\n",
            "f:7:14: key 'zone.forwarding': 'route' is none of kernel, fib, bridge"},
        Bad{kZone + "forwarding = \"fib\"\n",
            "f:7:14: key 'zone.forwarding': \"fib\" sends to uplinks, and 'uplinks' names none"},
        Bad{kZone + "forwarding = \"bridge\"\n", "f:1:1: key 'zone.bridge_uplink': is missing"},
        Bad{"uplinks = [\"wan0\"]\n" + kZone +
                "forwarding = \"bridge\"\nbridge_uplink = \"wan1\"\n",
            "f:9:17: key 'zone.bridge_uplink': 'wan1' is not among 'uplinks'"},
        Bad{kZone + "bridge_uplink = \"wan0\"\n",
            "f:7:17: key 'zone.bridge_uplink': only with forwarding = \"bridge\""},
        Bad{kZone + "access_vlan = \"100\"\n", "f:7:15: key 'zone.access_vlan': only with"},
        Bad{"uplinks = [\"wan0\"]\n" + kZone + kBridge +
                Replaced(Replaced(Replaced(kZone, "lobby", "b"), "lan0", "lan1"), "10.51.1.0",
                         "10.52.1.0") +
                kBridge,
            "f:17:17: key 'zone.bridge_uplink': 'wan0' is the other port of zone 'lobby' already"},
        Bad{kFib + "uplink_vlan = \"4095\"\n",
            "f:9:15: key 'zone.uplink_vlan': '4095' is no VLAN: wanted \"100\" or \"100.7\""},
        Bad{kFib + "uplink_vlan = \"0\"\n", "f:9:15: key 'zone.uplink_vlan': '0' is no VLAN"},
        Bad{kFib + "uplink_vlan = \"1.2.3\"\n",
            "f:9:15: key 'zone.uplink_vlan': '1.2.3' is no VLAN"},
        Bad{"instance = 3\n" + kZone,
            "f:1:12: key 'instance': wanted a string, this is an integer"},
        Bad{"instance = \"a/b\"\n" + kZone, "f:1:12: key 'instance': 'a/b' is no instance name"},
        Bad{"instance = \"" + std::string(33, 'a') + "\"\n" + kZone, "f:1:12: key 'instance': '"},
        Bad{"[sessions]\ncapacity = 0\n" + kZone,
            "f:2:12: key 'sessions.capacity': 0 is not between"},
        Bad{"[sessions]\nmax_duration = \"1w\"\n" + kZone,
            "f:2:16: key 'sessions.max_duration': '1w' is no duration"},
        Bad{"[sessions]\nmax_duration = \"0s\"\n" + kZone,
            "f:2:16: key 'sessions.max_duration': '0s' is not between 1s and"},
        Bad{"[paths]\nrun = \"run\"\n" + kZone,
            "f:2:7: key 'paths.run': 'run' is not an absolute path"},
        Bad{"[api]\nsocket = \"/" + std::string(120, 's') + "\"\n" + kZone,
            "f:2:10: key 'api.socket': socket path '"},
        Bad{"[log]\nlevel = \"loud\"\n" + kZone,
            "f:2:9: key 'log.level': 'loud' is none of trace, "},
        Bad{"[dataplane]\nidle_backoff = \"no\"\n" + kZone,
            "f:2:16: key 'dataplane.idle_backoff': wanted true or false, this is a string"},
        Bad{Zone("\"lobby\"", "\"-x\""), "f:2:8: key 'zone.name': '-x' is no zone name"},
        Bad{Zone("\"lan0\"", "\"interface-too-long\""),
            "f:3:13: key 'zone.interface': interface name"},
        Bad{Zone("10.51.1.0/24", "10.51.1.9/24"),
            "f:4:10: key 'zone.pools': '10.51.1.9/24' is not a"},
        Bad{Zone("10.51.1.0/24", "2001:db8::/64"),
            "f:4:10: key 'zone.pools': 2001:db8::/64 is not an IPv4"},
        Bad{Zone("10.51.1.0/24", "10.0.0.0/7"),
            "f:4:10: key 'zone.pools': 10.0.0.0/7 has more than 2^24"},
        Bad{Zone("[\"10.51.1.0/24\"]", "[\"10.0.0.0/8\", \"10.51.1.0/24\"]"),
            "f:4:24: key 'zone.pools': 10.51.1.0/24 overlaps 10.0.0.0/8"},
        Bad{Zone("[\"10.51.1.0/24\"]", "\"10.51.1.0/24\""),
            "f:4:9: key 'zone.pools': wanted an array, this is a string"},
        Bad{Zone(kPool, ""), "f:1:1: key 'zone': zone 'lobby' has no clients"},
        Bad{Zone(kPool, kPool + "\nintercept_ports = [1,2,3,4,5,6,7,8,9]"),
            "f:5:19: key 'zone.intercept_ports': 9 entries, at most 8"},
        Bad{Zone(kPool, kPool + "\nintercept_ports = [70000]"),
            "f:5:20: key 'zone.intercept_ports': 70000 is not between 1 and 65535"},
        Bad{Zone(kPool, kPool + "\nmode = \"off\""),
            "f:5:8: key 'zone.mode': 'off' is none of enforce"},
        Bad{Zone(kPool, kPool + "\nqueues = 65"),
            "f:5:10: key 'zone.queues': 65 is not between 1 and 64"},
        Bad{Zone("portal_url = \"http://login.example/\"\n", ""),
            "f:1:1: key 'zone.portal_url': is missing"},
        Bad{Zone(kUrl, "/login"),
            "f:6:14: key 'zone.portal_url': not usable as the login page: wanted an absolute"},
        Bad{Zone(kUrl, "javascript://x"), "f:6:14: key 'zone.portal_url': not usable"},
        Bad{Zone(kUrl, "http://a/\\\"><script>"), "f:6:14: key 'zone.portal_url': not usable"},
        Bad{Zone(kUrl, "http://a/\\r\\nSet-Cookie: x"),
            "f:6:14: key 'zone.portal_url': not usable"},
        Bad{Zone(kUrl, "http://u@a/"), "f:6:14: key 'zone.portal_url': not usable"},
        Bad{Zone(kUrl, "http://198.51.100.20/"),
            "f:6:14: key 'zone.portal_url': clients cannot reach it: add prefix "
            "\"198.51.100.20/32\" "
            "with tcp = [\"80\"] to zone.garden"},
        Bad{Zone(kUrl, "http://[2001:db8::20]:8080/"),
            "f:6:14: key 'zone.portal_url': clients cannot reach it: add prefix "
            "\"2001:db8::20/128\" "
            "with tcp = [\"8080\"]"},
        Bad{Zone(kUrl, "http://a/" + std::string(530, 'x')),
            "f:6:14: key 'zone.portal_url': not usable as the login page: 539 bytes, 3 too many"},
        Bad{kZone + "api_url = \"http://login.example/api\"\n",
            "f:7:11: key 'zone.api_url': RFC 8908 wants an https URL"},
        Bad{kZone + "identities = [\"ip\"]\n",
            "f:7:15: key 'zone.identities': 'ip' is none of mac, line"},
        Bad{kZone + "ipv6_session_lengths = [63]\n",
            "f:7:25: key 'zone.ipv6_session_lengths': 63 is not between 64 and 128"},
        Bad{kZone + "ipv6_session_lengths = [64, 64]\n",
            "f:7:29: key 'zone.ipv6_session_lengths': 64 is named twice"},
        Bad{kZone + "ipv6_session_lengths = []\n",
            "f:7:24: key 'zone.ipv6_session_lengths': at least one length is wanted"},
        Bad{kZone + "ipv6_session_lengths = [64, 65, 66, 67, 68]\n",
            "f:7:24: key 'zone.ipv6_session_lengths': 5 entries, at most 4"},
        Bad{kZone + "ipv6_prefixes = [\"2001:db8::/80\"]\nipv6_session_lengths = [64]\n",
            "f:8:24: key 'zone.ipv6_session_lengths': a session of length 64 would be larger than "
            "2001:db8::/80"},
        Bad{kZone + "bind = [\"port\"]\n", "f:7:9: key 'zone.bind': 'port' is none of mac, vlan"},
        Bad{kZone + "watch_moves = 1\n", "f:7:15: key 'zone.watch_moves': wanted true or false"},
        Bad{kZone + "syn_per_second = 251\n",
            "f:7:18: key 'zone.syn_per_second': 251 is not between 0 and 250"},
        Bad{kZone + "refuse_udp = \"ignore\"\n",
            "f:7:14: key 'zone.refuse_udp': 'ignore' is none of reject, drop"},
        Bad{"[[policy]]\n" + kZone, "f:1:1: key 'policy.name': is missing"},
        Bad{Policy("colour = 1"), "f:3:1: key 'policy.colour': unknown key; known here: name, "},
        Bad{"[[policy]]\nname = \"none\"\n" + kZone,
            "f:2:8: key 'policy.name': 'none' means no policy"},
        Bad{Policy("[[policy]]\nname = \"gold\""), "f:4:8: key 'policy.name': 'gold' is taken"},
        Bad{Policy("rate_up = \"2MB/s\""),
            "f:3:11: key 'policy.rate_up': '2MB/s' is no rate: wanted a number and kbit/s, Mbit/s"},
        Bad{Policy("rate_up = \"1kbit/s\""),
            "f:3:11: key 'policy.rate_up': '1kbit/s' is not between 8kbit/s and 100Gbit/s"},
        Bad{Policy("rate_down = 2"), "f:3:13: key 'policy.rate_down': wanted a string"},
        Bad{Policy("quota_up = \"1Gbit\""),
            "f:3:12: key 'policy.quota_up': '1Gbit' is no amount of data: wanted a number and kB"},
        Bad{Policy("quota_up = \"0GB\""),
            "f:3:12: key 'policy.quota_up': '0GB' is not between 1kB and 1000TB"},
        Bad{Policy("quota_up = \"-1GB\""), "f:3:12: key 'policy.quota_up': '-1GB' is no amount"},
        Bad{Policy("quota_up = \"1..5GB\""), "f:3:12: key 'policy.quota_up': '1..5GB' is no"},
        Bad{Policy("idle = \"15\""), "f:3:8: key 'policy.idle': '15' is no duration"},
        Bad{Policy("at_quota = \"block\""),
            "f:3:12: key 'policy.at_quota': there is no quota: add"},
        Bad{Policy("quota_up = \"1GB\"\nat_quota = \"stop\""),
            "f:4:12: key 'policy.at_quota': 'stop' is none of portal, throttle, block"},
        Bad{Policy("quota_up = \"1GB\"\nat_quota = \"throttle\""),
            "f:4:12: key 'policy.at_quota': to which rate? Add throttle_up or throttle_down"},
        Bad{Policy("quota_up = \"1GB\"\nthrottle_up = \"1Mbit/s\""),
            "f:4:15: key 'policy.throttle_up': is for at_quota = \"throttle\" alone"},
        Bad{kZone + "default_media_type = \"json\"\n",
            "f:7:22: key 'zone.default_media_type': 'json' is none of html, text"},
        Bad{kZone + "default_language = \"de\"\n",
            "f:7:20: key 'zone.default_language': there is no [[zone.language]] with tag = \"de\""},
        Bad{kZone + "template = \"page.html\"\n",
            "f:7:12: key 'zone.template': 'page.html' is not an absolute path"},
        Bad{kZone + "template = \"/nowhere/page.html\"\n",
            "f:7:12: key 'zone.template': /nowhere/page.html cannot be read: No such file"},
        Bad{kZone + "template_compact = \"/\"\n", "f:7:20: key 'zone.template_compact': "},
        Bad{kZone + "template_compact = \"/tmp\"\n",
            "f:7:20: key 'zone.template_compact': /tmp is a directory"},
        Bad{kZone + kGerman + "colour = 1\n", "f:12:1: key 'zone.language.colour': unknown key"},
        Bad{kZone + Replaced(kGerman, "\"de\"", "\"d_e\""),
            "f:8:7: key 'zone.language.tag': 'd_e' is no language tag"},
        Bad{kZone + Replaced(kGerman, "\"Anmelden\"", "\"\""),
            "f:11:13: key 'zone.language.link_text': a text shown on the 511 page must not be"},
        Bad{kZone + Replaced(kGerman, "title = \"Anmeldung\"\n", ""),
            "f:7:1: key 'zone.language.title': is missing"},
        Bad{kZone + kGerman + kGerman, "f:12:1: key 'zone.language': language 'de' is there twice"},
        Bad{kZone + "[[zone.garden]]\nprefix = \"192.0.2.1/32\"\ntcp = [\"90-80\"]\n",
            "f:9:8: key 'zone.garden.tcp': '90-80' is an empty range"},
        Bad{kZone + "[[zone.garden]]\nprefix = \"192.0.2.1/32\"\ntcp = [\"http\"]\n",
            "f:9:8: key 'zone.garden.tcp': 'http' is no port"},
        Bad{kZone + "[[zone.garden]]\ntcp = [\"80\"]\n",
            "f:7:1: key 'zone.garden': wanted prefix = \"ADDRESS/LENGTH\" or name = \"HOST\""},
        Bad{kZone + "[[zone.garden]]\nprefix = \"192.0.2.1/32\"\nname = \"a.example.com\"\ntcp = "
                    "[\"80\"]\n",
            "f:7:1: key 'zone.garden': wanted prefix = \"ADDRESS/LENGTH\" or name = \"HOST\""},
        Bad{kZone + "[[zone.garden]]\nname = \"*.com\"\ntcp = [\"80\"]\n",
            "f:8:8: key 'zone.garden.name': '*.com' is no host name of a garden"},
        Bad{kZone + "[[zone.garden]]\nname = \"a.example.com\"\n",
            "f:7:1: key 'zone.garden': it opens nothing"},
        Bad{kZone + "[zone.dns]\nmode = \"on\"\n",
            "f:8:8: key 'zone.dns.mode': 'on' is none of off, observe, enforce"},
        Bad{kZone + "[zone.dns]\nmax_label = 64\n",
            "f:8:13: key 'zone.dns.max_label': 64 is not between 1 and 63"},
        Bad{kZone + "[zone.dns]\ngarden_ttl_min = \"2h\"\n",
            "f:7:1: key 'zone.dns': garden_ttl_max is shorter than garden_ttl_min"},
        Bad{kZone + "[[zone.garden]]\nprefix = \"192.0.2.1/32\"\n",
            "f:7:1: key 'zone.garden': it opens nothing"},
        Bad{kZone + kZone, "f:8:8: key 'zone.name': 'lobby' is taken already"},
        Bad{kZone + Replaced(kZone, "lobby", "b"),
            "f:9:13: key 'zone.interface': 'lan0' belongs to zone 'lobby' already"},
        Bad{TwoOf("10.51.1.0/24", "10.51.0.0/16"),
            "f:10:9: key 'zone.pools': 10.51.0.0/16 overlaps 10.51.1.0/24 of zone 'lobby'"},
        Bad{TwoOf("10.51.1.0/24", "11.0.0.0/8"), "f:7:1: key 'zone': the pools of all zones"}));

TEST(ParseConfig, AcceptsAPortalInTheGarden) {
  auto config =
      ParseConfig(Replaced(kZone, kUrl, "https://[2001:db8::20]:8443/a?b=c&d=%20#e") +
                      "[[zone.garden]]\nprefix = \"2001:db8::/32\"\ntcp = [\"8000-9000\"]\n",
                  "f");
  EXPECT_TRUE(config) << config.error().message;
}

TEST(ParseConfig, ReadsPoliciesAndWhatAZoneAllows) {
  auto config = ParseConfig(
      Policy("rate_up = \"1.5Mbit/s\"\nquota_total = \"2GiB\"\nidle = \"15m\"\n"
             "at_quota = \"throttle\"\nthrottle_down = \"64kbit/s\"") +
          "identities = [\"line\", \"mac\"]\nipv6_session_lengths = [64, 128]\n"
          "bind = [\"vlan\"]\nwatch_moves = true\nwatch_ports = false\ndns_per_second = 7\n"
          "refuse_tcp = \"drop\"\n",
      "f");
  ASSERT_TRUE(config) << config.error().message;
  const PolicyConfig& policy = config->policies[0];
  EXPECT_EQ(policy.rate_up, 1'500'000u);
  EXPECT_EQ(policy.rate_down, 0u);
  EXPECT_EQ(policy.quota_total, uint64_t{2} << 30);
  EXPECT_EQ(policy.idle, std::chrono::minutes(15));
  EXPECT_EQ(policy.at_quota, NX_AT_QUOTA_THROTTLE);
  EXPECT_EQ(policy.throttle_down, 64'000u);
  const ZoneConfig& zone = config->zones[0];
  EXPECT_TRUE(zone.mac_sessions && zone.line_sessions && zone.bind_vlan && zone.watch_moves);
  EXPECT_FALSE(zone.bind_mac || zone.reject_tcp || zone.watch_ports);
  EXPECT_EQ(zone.ipv6_session_lengths, (std::vector<uint8_t>{128, 64}));
  EXPECT_EQ(zone.dns_per_second, 7);
  EXPECT_EQ(zone.syn_per_second, NX_SYN_PER_SECOND);
}

std::vector<std::string> Tags(const std::string& text) {
  auto config = ParseConfig(text, "f");
  std::vector<std::string> tags;
  if (!config) return {config.error().message};
  for (const LanguageConfig& language : config->zones[0].languages) tags.push_back(language.tag);
  return tags;
}

TEST(ParseConfig, PutsTheDefaultLanguageFirst) {
  const std::string french = Replaced(kGerman, "\"de\"", "\"fr\"");
  const std::string english = Replaced(kGerman, "\"de\"", "\"en\"");
  using Names = std::vector<std::string>;
  EXPECT_EQ(Tags(kZone), Names{"en"});
  EXPECT_EQ(Tags(kZone + kGerman + french), (Names{"en", "de", "fr"}));
  EXPECT_EQ(Tags(kZone + kGerman + english), (Names{"en", "de"}));
  EXPECT_EQ(Tags(kZone + "default_language = \"fr\"\n" + kGerman + french), (Names{"fr", "de"}));
  EXPECT_EQ(Tags(kZone + "default_language = \"de\"\n" + kGerman), Names{"de"});
}

TEST(ParseConfig, GivesEachLanguageTheZonesTemplateUnlessItHasItsOwn) {
  TemporaryDirectory directory;
  const std::string zone = directory.path() + "/zone.html", own = directory.path() + "/de.html";
  std::ofstream(zone) << "for all";
  std::ofstream(own) << "f\xc3\xbcr alle";
  auto config = ParseConfig(
      kZone + "template = \"" + zone + "\"\n" + kGerman + "template = \"" + own + "\"\n", "f");
  ASSERT_TRUE(config) << config.error().message;
  const auto& languages = config->zones[0].languages;
  ASSERT_EQ(languages.size(), 2u);
  EXPECT_EQ(languages[0].page->text, "for all");
  EXPECT_EQ(languages[1].page->file, own);
  EXPECT_EQ(languages[1].page->text, "f\xc3\xbcr alle");
  EXPECT_FALSE(languages[1].compact_page);
}

}  // namespace
}  // namespace narthex
