// SPDX-License-Identifier: Apache-2.0
#include "control/reload.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

const std::string kFile =
    "uplinks = [\"wan0\"]\n"
    "[log]\nlevel = \"info\"\n"
    "[sessions]\ncapacity = 100\n"
    "[[zone]]\nname = \"lobby\"\ninterface = \"lan0\"\nqueues = 1\nmode = \"enforce\"\n"
    "pools = [\"10.51.1.0/24\"]\nresolvers = [\"192.0.2.53\"]\n"
    "network_name = \"Stadium\"\nportal_url = \"http://login.example/\"\n"
    "[[zone.garden]]\nprefix = \"198.51.100.0/24\"\ntcp = [\"80\"]\n";

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  return text.replace(text.find(what), what.size(), with);
}

class ReloadTest : public testing::Test {
 protected:
  ReloadTest() { Write(kFile); }
  void Write(const std::string& text) { std::ofstream(path) << text; }
  // What two parts were told: the names of the network.
  void AddParts() {
    for (auto* told : {&first, &second})
      reload.Add(told == &first ? "first" : "second", [this, told](const Config& next) -> Outcome {
        if (told == &second && refuse) return Fail("no room");
        told->push_back(next.zones[0].network_name);
        return {};
      });
  }

  TemporaryDirectory directory;
  std::string path = directory.path() + "/narthex.toml";
  std::string warning;
  bool bad = false, refuse = false;
  std::vector<std::string> first, second;
  Reload reload{path, *ParseConfig(kFile, "f"), [this](const Config&) -> Result<std::string> {
                  if (bad) return Fail(ErrorKind::kInvalid, "does not fit");
                  return warning;
                }};
};

TEST_F(ReloadTest, PutsWhatCanChangeInForce) {
  AddParts();
  auto same = reload.Run("test");
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_FALSE(*same);

  Write(Replaced(kFile, "Stadium", "Arena"));
  auto changed = reload.Run("test");
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_TRUE(*changed);
  EXPECT_EQ(first, (std::vector<std::string>{"Stadium", "Arena"}));
  EXPECT_EQ(second, first);
  EXPECT_EQ(reload.Current()->zones[0].network_name, "Arena");
}

TEST_F(ReloadTest, TouchesNothingWhenTheFileOrTheDataplaneSaysNo) {
  AddParts();
  Write(kFile + "nonsense = 1\n");
  auto unknown = reload.Run("test");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(unknown.error().message.find(path + ":18:1: key 'zone.garden.nonsense'"), 0u)
      << unknown.error().message;

  Write(Replaced(kFile, "Stadium", "Arena"));
  bad = true;
  EXPECT_EQ(reload.Run("test").error().message, "does not fit");
  std::filesystem::remove(path);
  EXPECT_FALSE(reload.Run("test"));
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(reload.Current()->zones[0].network_name, "Stadium");
}

TEST_F(ReloadTest, GoesBackWhenAPartFails) {
  AddParts();
  Write(Replaced(kFile, "Stadium", "Arena"));
  refuse = true;
  auto failed = reload.Run("test");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "second: no room");
  EXPECT_EQ(first, (std::vector<std::string>{"Arena", "Stadium"}));
  EXPECT_EQ(reload.Current()->zones[0].network_name, "Stadium");
}

TEST_F(ReloadTest, APartThatFailsHalfwayIsPutBack) {
  std::string in_force = "Stadium";
  reload.Add("half", [&](const Config& next) -> Outcome {
    in_force = next.zones[0].network_name;
    if (in_force == "Arena") return Fail("no room for the rest");
    return {};
  });
  Write(Replaced(kFile, "Stadium", "Arena"));
  EXPECT_EQ(reload.Run("test").error().message, "half: no room for the rest");
  EXPECT_EQ(in_force, "Stadium");
}

struct Change {
  std::string what;
  std::string with;
  std::string key;  // that needs a restart; empty: none
};

class ReloadedKey : public testing::TestWithParam<Change> {};

TEST_P(ReloadedKey, NeedsARestartOrDoesNot) {
  auto now = ParseConfig(kFile, "f");
  auto next = ParseConfig(Replaced(kFile, GetParam().what, GetParam().with), "f");
  ASSERT_TRUE(next) << next.error().message;
  std::vector<std::string> wanted;
  if (!GetParam().key.empty()) wanted.push_back(GetParam().key);
  EXPECT_EQ(KeysThatNeedARestart(*now, *next), wanted);
}

INSTANTIATE_TEST_SUITE_P(
    Keys, ReloadedKey,
    testing::Values(
        Change{"\"info\"", "\"warn\"", ""}, Change{"Stadium", "Arena", ""},
        Change{"login.example", "login.example.net", ""},
        Change{"198.51.100.0/24", "198.51.101.0/24", ""},
        Change{"network_name", "default_media_type = \"text\"\nnetwork_name", ""},
        Change{"network_name", "api_url = \"https://login.example/\"\nnetwork_name", ""},
        Change{"uplinks = [\"wan0\"]", "uplinks = []", "uplinks"},
        Change{"capacity = 100", "capacity = 101", "sessions.capacity"},
        Change{"capacity = 100", "capacity = 100\nmax_duration = \"1h\"", "sessions.max_duration"},
        Change{"[log]", "[dataplane]\nhugepages = \"never\"\n[log]", "dataplane.hugepages"},
        Change{"[log]", "[dataplane]\nidle_backoff = false\n[log]", "dataplane.idle_backoff"},
        Change{"[log]", "[api]\nsocket = \"/tmp/s\"\n[log]", "api.socket"},
        Change{"[log]", "[paths]\nstate = \"/tmp/s\"\n[log]", "paths.state"},
        Change{"[log]", "[paths]\nbpffs = \"/tmp/s\"\n[log]", "paths.bpffs"},
        Change{"name = \"lobby\"", "name = \"foyer\"", "zone.name of 'lobby'"},
        Change{"interface = \"lan0\"", "interface = \"lan1\"", "zone.interface of 'lobby'"},
        Change{"queues = 1", "queues = 2", "zone.queues of 'lobby'"},
        Change{"\"enforce\"", "\"bypass\"", "zone.mode of 'lobby'"},
        Change{"10.51.1.0/24", "10.51.2.0/24", "zone.pools of 'lobby'"},
        Change{"queues = 1", "queues = 1\nipv6_prefixes = [\"2001:db8::/64\"]",
               "zone.ipv6_prefixes of 'lobby'"},
        Change{"queues = 1", "queues = 1\nintercept_ports = [8080]",
               "zone.intercept_ports of 'lobby'"},
        Change{"192.0.2.53", "192.0.2.54", "zone.resolvers of 'lobby'"},
        Change{"queues = 1", "queues = 1\nforwarding = \"fib\"", "zone.forwarding of 'lobby'"},
        Change{"[[zone]]",
               "[[zone]]\nname = \"b\"\ninterface = \"lan9\"\npools = [\"10.9.0.0/24\"]\n"
               "network_name = \"N\"\nportal_url = \"http://x/\"\n[[zone]]",
               "zone (their number)"}));

}  // namespace
}  // namespace narthex
