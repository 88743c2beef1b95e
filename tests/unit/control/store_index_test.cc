// SPDX-License-Identifier: Apache-2.0
#include "control/store_index.h"

#include <gtest/gtest.h>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

Config TwoZones() {
  Config config;
  config.session_capacity = 16;
  for (uint16_t id : {1, 2}) {
    ZoneConfig zone;
    zone.id = id;
    zone.name = id == 1 ? "lobby" : "annex";
    zone.pools = {*ParsePrefix(id == 1 ? "10.1.0.0/24" : "10.2.0.0/24")};
    config.zones.push_back(zone);
  }
  return config;
}

SessionKey Entry(const char* key) { return {*ParseKey(key), kNoSlot, {}, {}}; }

// Whether a key is found by its pool's entry or by its hash makes no difference.
class StoreIndexTest : public testing::TestWithParam<bool> {
 protected:
  const Layout layout_{TwoZones()};
  StoreIndex index_{GetParam() ? &layout_ : nullptr};
};

INSTANTIATE_TEST_SUITE_P(Layouts, StoreIndexTest, testing::Bool());

TEST_P(StoreIndexTest, FindsWhoseAKeyIs) {
  struct Row {
    const char* zone;
    const char* key;
  };
  // The third and fourth stand in zones that do not have them: an earlier configuration's.
  const Row rows[] = {{"lobby", "10.1.0.7"},      {"annex", "10.2.0.7"},
                      {"annex", "10.1.0.7"},      {"gone", "10.1.0.7"},
                      {"lobby", "2001:db8::/64"}, {"annex", "2001:db8::/64"},
                      {"lobby", "192.0.2.1"},     {"lobby", "02:00:00:00:00:01"}};
  int64_t session = 0;
  for (const Row& row : rows) {
    const SessionKey entry = Entry(row.key);
    EXPECT_FALSE(index_.Find(row.zone, entry.key)) << row.zone << row.key;
    EXPECT_FALSE(index_.AddKeys(row.zone, {&entry, 1}, ++session));
  }
  session = 0;
  for (const Row& row : rows) {
    const SessionKey entry = Entry(row.key);
    EXPECT_EQ(index_.Find(row.zone, entry.key), ++session) << row.zone << row.key;
    index_.RemoveKeys(row.zone, {&entry, 1}, session + 1);  // another's
    EXPECT_EQ(index_.Find(row.zone, entry.key), session);
    index_.RemoveKeys(row.zone, {&entry, 1}, session);
    EXPECT_FALSE(index_.Find(row.zone, entry.key)) << row.zone << row.key;
  }
}

TEST_P(StoreIndexTest, AddsAllKeysOrNone) {
  const SessionKey taken[] = {Entry("10.1.0.2"), Entry("2001:db8:1::/64")};
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_FALSE(index_.AddKeys("lobby", {&taken[i], 1}, 1));
    const SessionKey keys[] = {Entry("10.1.0.3"), Entry("2001:db8:2::/64"), taken[i]};
    EXPECT_EQ(index_.AddKeys("lobby", keys, 2), taken[i].key);
    EXPECT_FALSE(index_.Find("lobby", keys[0].key));
    EXPECT_FALSE(index_.Find("lobby", keys[1].key));
    EXPECT_EQ(index_.Find("lobby", taken[i].key), 1);
  }
}

}  // namespace
}  // namespace narthex
