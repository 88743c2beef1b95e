// SPDX-License-Identifier: Apache-2.0
#include "control/garden_blocks.h"

#include <algorithm>
#include <cstddef>

namespace narthex {
namespace {

constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr uint32_t kMappedBits = 96;
constexpr uint32_t kBlockBits = 16;

// Do the first `bits` bits of an address agree with those of all IPv4 addresses?
bool MayHoldIpv4(const uint8_t* addr, uint32_t bits) {
  const uint32_t known = std::min(bits, kMappedBits);
  for (uint32_t i = 0; i < known; ++i)
    if (((addr[i / 8] ^ kMapped[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
  return true;
}

}  // namespace

void GardenBlocks::Add(const uint8_t* addr, uint32_t bits) {
  if (!MayHoldIpv4(addr, bits)) return;
  const uint32_t own = std::min(bits > kMappedBits ? bits - kMappedBits : 0, kBlockBits);
  const uint32_t count = NX_GARDEN_BLOCKS >> own;
  const uint32_t first = own == 0 ? 0 : (uint32_t{addr[12]} << 8 | addr[13]) & ~(count - 1);
  for (uint32_t block = first; block < first + count; ++block)
    __atomic_fetch_or(&words_[block / 64], 1ull << block % 64, __ATOMIC_SEQ_CST);
}

void GardenBlocks::Become(const GardenBlocks& other) {
  for (size_t i = 0; i < words_.size(); ++i)
    __atomic_store_n(&words_[i], other.words_[i], __ATOMIC_SEQ_CST);
}

}  // namespace narthex
