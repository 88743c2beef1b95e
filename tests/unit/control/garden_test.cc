// SPDX-License-Identifier: Apache-2.0
#include "control/garden.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

TEST(GardenRows, InheritsPortsOfWiderPrefixes) {
  Config config = TwoZones(4);
  config.zones[0].garden = {{P("198.51.100.0/24"), {{80, 80}}, {}},
                            {P("198.51.100.20/32"), {{443, 443}}, {{53, 53}}}};
  auto rows = GardenRows(config.zones);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2u);
  const auto& [key, row] = (*rows)[1];
  EXPECT_EQ(key.prefix_len, 32u + 128u);
  EXPECT_EQ(key.zone, 1);
  EXPECT_EQ(key.addr[10], 0xff);
  EXPECT_EQ(row.range_count, 3u);
  EXPECT_EQ((*rows)[0].second.range_count, 1u);
}

TEST(GardenRows, MergesEntriesOfOnePrefix) {
  Config config = TwoZones(4);
  config.zones[1].garden = {{P("192.0.2.1/32"), {{80, 90}}, {}},
                            {P("192.0.2.1/32"), {{85, 86}}, {}}};
  auto rows = GardenRows(config.zones);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ((*rows)[0].second.range_count, 1u);
  EXPECT_EQ((*rows)[0].second.ranges[0].protocol, IPPROTO_TCP);
  EXPECT_EQ((*rows)[0].first.zone, 2);
}

TEST(GardenRows, RefusesMoreRangesThanARowHolds) {
  Config config = TwoZones(4);
  GardenEntry wide{P("192.0.0.0/8"), {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}}, {}};
  GardenEntry narrow{P("192.0.2.1/32"), {{6, 6}, {7, 7}, {8, 8}, {9, 9}}, {}};
  config.zones[0].garden = {wide, narrow};
  EXPECT_FALSE(GardenRows(config.zones));
}

}  // namespace
}  // namespace narthex
