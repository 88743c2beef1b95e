// SPDX-License-Identifier: Apache-2.0
// Sessions that are bound to a MAC address.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/control/configured_sessions.h"

namespace narthex {
namespace {

class SessionBindingTest : public ConfiguredSessions {
 protected:
  std::string Bound(const std::string& key) {
    uint32_t slot = *layout.PoolSlot(*ParseAddress(key));
    Mac mac;
    std::memcpy(mac.bytes.data(), table.places[slot].mac, 6);
    return mac.ToString();
  }
};

TEST_F(SessionBindingTest, TakesTheMacAddressThatIsNamedOrTheKernels) {
  auto refused = Authorise({"10.52.0.1"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kPrecondition);
  EXPECT_NE(refused.error().message.find("--mac"), std::string::npos);
  EXPECT_NE(refused.error().message.find("talk to the gateway first"), std::string::npos);
  neighbours.known[{"lan1", *ParseAddress("10.52.0.1")}] = *ParseMac("02:00:00:00:00:07");
  ASSERT_TRUE(Authorise({"10.52.0.1"}));
  EXPECT_EQ(Bound("10.52.0.1"), "02:00:00:00:00:07");
  ASSERT_TRUE(Authorise({"10.52.0.2"}, "", "02:00:00:00:00:08"));
  EXPECT_EQ(Bound("10.52.0.2"), "02:00:00:00:00:08");
  EXPECT_FALSE(Authorise({"10.52.0.3"}, "", "ff:ff:ff:ff:ff:ff"));
}

TEST_F(SessionBindingTest, OutlivesARestartAndAReboot) {
  ASSERT_TRUE(Authorise({"10.52.0.1"}, "", "02:00:00:00:00:08"));
  uint32_t slot = *layout.PoolSlot(*ParseAddress("10.52.0.1"));
  table.places[slot].where = NX_WHERE(2, 5, 0);
  ASSERT_TRUE(Restart());
  EXPECT_EQ(table.places[slot].where, NX_WHERE(2, 5, 0)) << "what the classifier has learned stays";
  Reboot(10);
  EXPECT_EQ(Bound("10.52.0.1"), "02:00:00:00:00:08");
}

TEST_F(SessionBindingTest, ALoginFromAnotherMacAddressBindsAnew) {
  ASSERT_TRUE(Authorise({"10.52.0.1"}, "", "02:00:00:00:00:08"));
  ASSERT_TRUE(Authorise({"10.52.0.1"}, "", "02:00:00:00:00:09"));
  EXPECT_EQ(Bound("10.52.0.1"), "02:00:00:00:00:09");
  Reboot(10);
  EXPECT_EQ(Bound("10.52.0.1"), "02:00:00:00:00:09");
}

TEST_F(SessionBindingTest, ZonesThatDoNotBindDoNotAsk) {
  ASSERT_TRUE(Authorise({"10.51.1.2"}));
  EXPECT_TRUE(Find("10.51.1.2").keys[0].bound.IsNone());
}

}  // namespace
}  // namespace narthex
