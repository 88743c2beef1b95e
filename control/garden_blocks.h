// SPDX-License-Identifier: Apache-2.0
// The map `garden_blocks` (bpf/abi.h): which IPv4 /16 blocks a garden may have something in. A bit
// that is missing shuts a part of the garden, one too many costs a look; so bits are set before
// what they stand for is written, by whoever writes it, and cleared at a start only.
#ifndef NARTHEX_CONTROL_GARDEN_BLOCKS_H
#define NARTHEX_CONTROL_GARDEN_BLOCKS_H

#include <cstdint>
#include <span>

#include "bpf/abi.h"

namespace narthex {

// Over words that are mapped, or a test's own: NX_GARDEN_BLOCKS bits. Any thread may add.
class GardenBlocks {
 public:
  explicit GardenBlocks(std::span<uint64_t> words) : words_(words) {}

  // All blocks that a prefix touches. `addr`: 16 bytes, network order, IPv4 v4-mapped; `bits`: of
  // its 128.
  void Add(const uint8_t* addr, uint32_t bits);
  // To the blocks of another one. Nobody may add meanwhile.
  void Become(const GardenBlocks& other);

 private:
  std::span<uint64_t> words_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_GARDEN_BLOCKS_H
