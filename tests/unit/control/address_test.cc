// SPDX-License-Identifier: Apache-2.0
#include "control/address.h"

#include <gtest/gtest.h>

namespace narthex {
namespace {

TEST(ParseAddress, WritesCanonicalText) {
  EXPECT_EQ(ParseAddress("10.51.1.2")->ToString(), "10.51.1.2");
  EXPECT_EQ(ParseAddress("2001:DB8:0:0:51::2")->ToString(), "2001:db8::51:0:0:2");
}

TEST(ParseAddress, MapsIpv4) {
  Address address = *ParseAddress("10.51.1.2");
  EXPECT_TRUE(address.IsV4());
  EXPECT_EQ(address.V4(), 0x0a330102u);
  EXPECT_EQ(address.bytes[10], 0xff);
  EXPECT_EQ(Address::FromV4(0x0a330102u), address);
}

TEST(ParseAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "10.51.1", "10.51.1.256", "010.1.1.1", "10.51.1.2 ", " 10.51.1.2",
                           "fe80::1%lan0", "2001:db8::/64", "host", "::ffff:10.1.1.1"})
    EXPECT_FALSE(ParseAddress(text)) << text;
  EXPECT_FALSE(ParseAddress(std::string_view("10.51.1.2\0x", 11)));
}

TEST(ParseAddress, RepeatsNoControlCharactersAndNoLongText) {
  auto message = ParseAddress("\x1b[31m" + std::string(1000, 'a')).error().message;
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 120u);
}

TEST(ParsePrefix, KnowsItsAddresses) {
  Prefix prefix = *ParsePrefix("10.51.1.0/24");
  EXPECT_EQ(prefix.bits, 120);
  EXPECT_EQ(prefix.ToString(), "10.51.1.0/24");
  EXPECT_TRUE(prefix.Contains(*ParseAddress("10.51.1.255")));
  EXPECT_FALSE(prefix.Contains(*ParseAddress("10.51.2.0")));
  EXPECT_EQ(ParsePrefix("::/0")->ToString(), "::/0");
  EXPECT_TRUE(ParsePrefix("0.0.0.0/0")->Contains(*ParseAddress("255.1.2.3")));
  EXPECT_FALSE(ParsePrefix("0.0.0.0/0")->Contains(*ParseAddress("2001:db8::1")));
}

TEST(ParsePrefix, Overlaps) {
  EXPECT_TRUE(ParsePrefix("10.0.0.0/8")->Overlaps(*ParsePrefix("10.51.1.0/24")));
  EXPECT_TRUE(ParsePrefix("10.51.1.0/24")->Overlaps(*ParsePrefix("10.0.0.0/8")));
  EXPECT_FALSE(ParsePrefix("10.51.1.0/24")->Overlaps(*ParsePrefix("10.51.2.0/24")));
}

TEST(ParsePrefix, SaysWhatIsWrong) {
  EXPECT_EQ(ParsePrefix("10.51.1.7/24").error().message,
            "'10.51.1.7/24' is not a prefix: it has host bits, write 10.51.1.0/24");
  for (const char* text :
       {"10.51.1.0", "10.51.1.0/33", "10.51.1.0/-1", "10.51.1.0/", "::/129", "10.51.1.0/24x"})
    EXPECT_FALSE(ParsePrefix(text)) << text;
}

}  // namespace
}  // namespace narthex
