// SPDX-License-Identifier: Apache-2.0
// Sessions that are known by keys of several kinds.
#include <gtest/gtest.h>

#include "tests/unit/control/configured_sessions.h"

namespace narthex {
namespace {

using std::chrono::seconds;
using SessionKeysTest = ConfiguredSessions;

TEST_F(SessionKeysTest, KeysOfEveryKindLeadToOneSession) {
  const std::vector<std::string> keys = {"10.51.1.2", "2001:db8:51:1::/64", "02:00:00:00:00:01",
                                         "line:100.7"};
  auto session = Authorise(keys);
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ(table.keys.size(), 3u);
  for (const std::string& key : keys) {
    EXPECT_EQ(Find(key).id, session->id);
    EXPECT_GT(Entry(key).expires_ns, 0u);
  }
  ASSERT_TRUE(Restart());
  EXPECT_EQ(report.kept, 4u);
  ASSERT_TRUE(sessions->Terminate("sessions/line:100.7", "t"));
  EXPECT_TRUE(table.keys.empty());
  EXPECT_EQ(table.entries[2].expires_ns, 0u);
}

TEST_F(SessionKeysTest, RefusesKeysThatTheZoneDoesNotHave) {
  struct Case {
    std::vector<std::string> keys;
    std::string zone;
    ErrorKind kind;
    std::string message;  // a part of it
  };
  const Case cases[] = {
      {{"02:00:00:00:00:01"}, "stands", ErrorKind::kPrecondition, "add identities = [\"mac\"]"},
      {{"line:9"}, "stands", ErrorKind::kPrecondition, "add identities = [\"line\"]"},
      {{"10.52.0.1", "line:9"}, "", ErrorKind::kPrecondition, "zone 'stands' has no sessions of"},
      {{"2001:db8:52::/64"},
       "",
       ErrorKind::kPrecondition,
       "add it to ipv6_session_lengths = [128]"},
      {{"2001:db8:51:1::/80"}, "", ErrorKind::kPrecondition, "no sessions of length 80"},
      {{"2001:db8::/64"}, "", ErrorKind::kInvalid, "2001:db8::/64 is in no zone"},
      {{"10.51.1.2"}, "roof", ErrorKind::kInvalid, "there is no zone of this name"},
  };
  for (const Case& each : cases) {
    auto session = sessions->Authorise({each.keys, each.zone, seconds(60), true, "", "t", "", ""});
    ASSERT_FALSE(session) << each.message;
    EXPECT_EQ(session.error().kind, each.kind) << session.error().message;
    EXPECT_NE(session.error().message.find(each.message), std::string::npos)
        << session.error().message;
  }
}

TEST_F(SessionKeysTest, AskForTheZoneOfAMacAddressThatTwoZonesMayHave) {
  config.zones[1].mac_sessions = true;
  layout = Layout(config);
  auto unclear = Authorise({"02:00:00:00:00:01"});
  ASSERT_FALSE(unclear);
  EXPECT_NE(unclear.error().message.find("name the zone"), std::string::npos);
  for (const char* zone : {"lobby", "stands"})
    ASSERT_TRUE(
        sessions->Authorise({{"02:00:00:00:00:01"}, zone, seconds(60), true, "", "t", "", ""}));
  auto found = sessions->Find("sessions/02:00:00:00:00:01");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("in zone 'lobby' and one in 'stands'"), std::string::npos);
}

TEST_F(SessionKeysTest, FindsTheSessionOfAnAddressByItsPrefixAndByItsMacAddress) {
  std::string prefix = Authorise({"2001:db8:51:1::/64"})->id;
  EXPECT_EQ((*sessions->FindByAddress(*ParseAddress("2001:db8:51:1::99")))->id, prefix);
  std::string mac = Authorise({"02:00:00:00:00:01"})->id;
  Key address = *ParseKey("10.51.1.9");
  EXPECT_FALSE(*sessions->FindByAddress(address.address()));
  uint32_t slot = table.keys.at(ParseKey("02:00:00:00:00:01")->InZone(1));
  table.via[address.InZone(1)] = {slot, 1000};
  EXPECT_EQ((*sessions->FindByAddress(address.address()))->id, mac);
}

// A row of `via` that leads to the entry of somebody else would let strangers be reached.
TEST_F(SessionKeysTest, AnEntryOfAMacSessionIsNotUsedAgainBeforeViaForgetsIt) {
  ASSERT_TRUE(Authorise({"02:00:00:00:00:01"}));
  uint32_t slot = table.keys.begin()->second;
  const nx_key address = ParseKey("10.51.1.9")->InZone(1);
  table.via[address] = {slot, 1000};
  ASSERT_TRUE(sessions->Terminate("sessions/02:00:00:00:00:01", "t"));
  for (const char* mac : {"02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04"}) {
    ASSERT_TRUE(Authorise({mac}));
    EXPECT_NE(table.keys.at(ParseKey(mac)->InZone(1)), slot);
  }
  EXPECT_TRUE(table.via.contains(address));
  ASSERT_TRUE(Authorise({"02:00:00:00:00:05"})) << "the last entry, after a sweep";
  EXPECT_EQ(table.keys.at(ParseKey("02:00:00:00:00:05")->InZone(1)), slot);
  EXPECT_FALSE(table.via.contains(address));
}

TEST_F(SessionKeysTest, SavingForgetsUnusedAddressesAndCountsTheOthers) {
  ASSERT_TRUE(Authorise({"02:00:00:00:00:01"}));
  uint32_t slot = table.keys.begin()->second;
  clock.boot_ns = 10'000 * kSecondNs;
  table.via[ParseKey("10.51.1.9")->InZone(1)] = {slot, 10'000 - 3599};
  table.via[ParseKey("10.51.1.8")->InZone(1)] = {slot, 10'000 - 3600};
  table.via[ParseKey("10.51.1.7")->InZone(1)] = {slot + 1, 10'000};
  table.entries[slot].addresses = 9;
  ASSERT_TRUE(sessions->SaveCounters());
  EXPECT_EQ(table.via.size(), 1u);
  EXPECT_EQ(table.entries[slot].addresses, 1);
}

// No row leads to a session whose addresses all went to others: it may use new ones still.
TEST_F(SessionKeysTest, SavingForgetsTheAddressesOfWhoLostThemAll) {
  ASSERT_TRUE(Authorise({"02:00:00:00:00:01"}));
  uint32_t slot = table.keys.begin()->second;
  table.entries[slot].addresses = NX_MAX_VIA;
  ASSERT_TRUE(sessions->SaveCounters());
  EXPECT_EQ(table.entries[slot].addresses, 0);
}

}  // namespace
}  // namespace narthex
