// SPDX-License-Identifier: Apache-2.0
#include "control/garden_blocks.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

// Of all blocks, those that are set.
std::vector<uint32_t> Set(const std::vector<uint64_t>& words) {
  std::vector<uint32_t> blocks;
  for (uint32_t block = 0; block < NX_GARDEN_BLOCKS; ++block)
    if ((words[block / 64] >> block % 64 & 1) != 0) blocks.push_back(block);
  return blocks;
}

TEST(GardenBlocks, AreThoseThatAPrefixTouches) {
  struct Case {
    const char* prefix;
    uint32_t first, count;
  };
  const Case cases[] = {
      {"198.51.100.20/32", 198 << 8 | 51, 1},
      {"198.51.0.0/16", 198 << 8 | 51, 1},
      {"198.50.0.0/15", 198 << 8 | 50, 2},
      {"10.0.0.0/8", 10 << 8, 256},
      {"0.0.0.0/0", 0, NX_GARDEN_BLOCKS},
      {"255.255.255.255/32", 0xffff, 1},
      {"0.0.0.0/32", 0, 1},
      {"2001:db8::/32", 0, 0},
      {"::1/128", 0, 0},
      {"::/0", 0, NX_GARDEN_BLOCKS},
  };
  for (const auto& [prefix, first, count] : cases) {
    SCOPED_TRACE(prefix);
    std::vector<uint64_t> words(NX_GARDEN_BLOCKS / 64);
    const Prefix parsed = P(prefix);
    GardenBlocks(words).Add(parsed.base.bytes.data(), parsed.bits);
    std::vector<uint32_t> wanted;
    for (uint32_t i = 0; i < count; ++i) wanted.push_back(first + i);
    EXPECT_EQ(Set(words), wanted);
  }
}

TEST(GardenBlocks, AddsToWhatIsThereAndBecomesWhatIsNeeded) {
  std::vector<uint64_t> words(NX_GARDEN_BLOCKS / 64), needed(words.size());
  GardenBlocks blocks(words), other(needed);
  for (const char* address : {"192.0.2.1/32", "203.0.113.0/24"})
    blocks.Add(P(address).base.bytes.data(), P(address).bits);
  EXPECT_EQ(Set(words), (std::vector<uint32_t>{192 << 8, 203 << 8}));
  other.Add(P("192.0.2.1/32").base.bytes.data(), 128);
  blocks.Become(other);
  EXPECT_EQ(Set(words), (std::vector<uint32_t>{192 << 8}));
}

}  // namespace
}  // namespace narthex
