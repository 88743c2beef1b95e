// SPDX-License-Identifier: Apache-2.0
#include "control/key.h"

#include <gtest/gtest.h>

namespace narthex {
namespace {

struct GoodKey {
  std::string text;
  std::string canonical;
  KeyKind kind;
  int bits;
};

class GoodKeys : public testing::TestWithParam<GoodKey> {};

TEST_P(GoodKeys, HaveOneCanonicalText) {
  const GoodKey& each = GetParam();
  auto key = ParseKey(each.text);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->ToString(), each.canonical);
  EXPECT_EQ(key->kind, each.kind);
  EXPECT_EQ(key->bits, each.bits);
  EXPECT_EQ(*ParseKey(key->ToString()), *key);
  EXPECT_EQ(Key::Of(key->InZone(3)), *key);
}

INSTANTIATE_TEST_SUITE_P(
    All, GoodKeys,
    testing::Values(GoodKey{"10.51.1.2", "10.51.1.2", KeyKind::kAddress, 128},
                    GoodKey{"10.51.1.2/32", "10.51.1.2", KeyKind::kAddress, 128},
                    GoodKey{"2001:DB8:0::2", "2001:db8::2", KeyKind::kAddress, 128},
                    GoodKey{"2001:db8::2/128", "2001:db8::2", KeyKind::kAddress, 128},
                    GoodKey{"2001:db8::/64", "2001:db8::/64", KeyKind::kAddress, 64},
                    GoodKey{"2001:db8::8000/113", "2001:db8::8000/113", KeyKind::kAddress, 113},
                    GoodKey{"02:00:00:00:00:01", "02:00:00:00:00:01", KeyKind::kMac, 48},
                    GoodKey{"02-00-00-AB-cd-01", "02:00:00:ab:cd:01", KeyKind::kMac, 48},
                    GoodKey{"line:100", "line:100", KeyKind::kLine, 32},
                    GoodKey{"line:4094.7", "line:4094.7", KeyKind::kLine, 32}));

struct BadKey {
  std::string text;
  std::string message;  // a part of it
};

class BadKeys : public testing::TestWithParam<BadKey> {};

TEST_P(BadKeys, AreRefusedWithWhatIsWanted) {
  auto key = ParseKey(GetParam().text);
  ASSERT_FALSE(key) << key->ToString();
  EXPECT_EQ(key.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(key.error().message.find(GetParam().message), std::string::npos) << key.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadKeys,
    testing::Values(BadKey{"", "nor an IPv6 prefix (2001:db8::/64), a MAC address"},
                    BadKey{"client", "'client' is not an IPv4 or IPv6 address, nor"},
                    BadKey{"::ffff:10.51.1.2", "write 10.51.1.2"},
                    BadKey{"10.51.1.0/24", "an IPv4 client is one address, not a prefix"},
                    BadKey{"2001:db8::/63", "a length from 64 to 128"},
                    BadKey{"2001:db8::1/64", "it has host bits, write 2001:db8::/64"},
                    BadKey{"01:00:00:00:00:01", "not the MAC address of one station"},
                    BadKey{"ff:ff:ff:ff:ff:ff", "not the MAC address of one station"},
                    BadKey{"00:00:00:00:00:00", "not the MAC address of one station"},
                    BadKey{"02:00:00:00:00", "nor an IPv6 prefix"},
                    BadKey{"02:00:00:00:00:0g", "nor an IPv6 prefix"},
                    BadKey{"02:00-00:00:00:01", "nor an IPv6 prefix"},
                    BadKey{"line:", "wanted line:OUTER or line:OUTER.INNER"},
                    BadKey{"line:0", "wanted line:OUTER"}, BadKey{"line:4095", "VLANs 1 to 4094"},
                    BadKey{"line:100.0", "wanted line:OUTER"}, BadKey{"line:100.", "wanted"},
                    BadKey{"line:1.2.3", "wanted"}, BadKey{"line:+1", "wanted"},
                    BadKey{"line:007", "wanted"}));

TEST(Key, IsTheKeyOfTheClassifiersMaps) {
  nx_key line = ParseKey("line:258.7")->InZone(5);
  EXPECT_EQ(line.zone, 5);
  EXPECT_EQ(line.kind, NX_KEY_LINE);
  EXPECT_EQ(line.prefix_len, 32);
  EXPECT_EQ(line.addr[0], 1);
  EXPECT_EQ(line.addr[1], 2);
  EXPECT_EQ(line.addr[3], 7);
  nx_key mac = ParseKey("02:00:00:00:00:09")->InZone(1);
  EXPECT_EQ(mac.kind, NX_KEY_MAC);
  EXPECT_EQ(mac.prefix_len, 48);
  EXPECT_EQ(mac.addr[5], 9);
  EXPECT_EQ(mac.addr[6], 0);
}

TEST(Key, HoldsTheAddressesOfItsPrefix) {
  Key prefix = *ParseKey("2001:db8::/64");
  EXPECT_TRUE(prefix.Holds(*ParseAddress("2001:db8::ffff")));
  EXPECT_FALSE(prefix.Holds(*ParseAddress("2001:db8:0:1::1")));
  EXPECT_FALSE(ParseKey("02:00:00:00:00:09")->Holds(*ParseAddress("2001:db8::1")));
}

}  // namespace
}  // namespace narthex
