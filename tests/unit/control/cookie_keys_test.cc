// SPDX-License-Identifier: Apache-2.0
#include "control/cookie_keys.h"

#include <gtest/gtest.h>

#include <cstring>

#include "control/clock.h"

namespace narthex {
namespace {

constexpr int64_t kSlot = static_cast<int64_t>(NX_COOKIE_SLOT_NS);

TEST(CookieKeys, FillsOnlyWhatWasNeverSet) {
  nx_cookie_keys keys{};
  keys.key[2][0] = 7;
  CookieKeys(keys).Start();
  EXPECT_EQ(keys.key[2][0], 7u);
  for (int i : {0, 1, 3}) EXPECT_NE(keys.key[i][0] | keys.key[i][1], 0u);
}

TEST(CookieKeys, RenewsTheNextSlotsKeyOnceASlot) {
  nx_cookie_keys keys{};
  CookieKeys renewer(keys);
  renewer.Start();
  nx_cookie_keys before = keys;
  int64_t now_ns = 5 * kSlot + kSlot / 2;  // slot 5: keys 5 % 4 = 1 and 0 are in use
  int64_t next_ns = renewer.Renew(now_ns);
  EXPECT_GT(next_ns, 6 * kSlot);
  EXPECT_NE(std::memcmp(keys.key[2], before.key[2], 16), 0);
  for (int i : {0, 1, 3}) EXPECT_EQ(std::memcmp(keys.key[i], before.key[i], 16), 0) << i;
  before = keys;
  renewer.Renew(now_ns + kSecondNs);
  EXPECT_EQ(std::memcmp(&keys, &before, sizeof keys), 0);
  renewer.Renew(next_ns);
  EXPECT_NE(std::memcmp(keys.key[3], before.key[3], 16), 0);
}

TEST(CookieKeys, TouchesNothingAtTheEdgesOfASlot) {
  nx_cookie_keys keys{};
  CookieKeys renewer(keys);
  for (int64_t now_ns : {5 * kSlot, 5 * kSlot + 1000, 6 * kSlot - 1000}) {
    EXPECT_GT(renewer.Renew(now_ns), now_ns);
    EXPECT_EQ(keys.key[2][0], 0u);
  }
}

}  // namespace
}  // namespace narthex
