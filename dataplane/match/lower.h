// SPDX-License-Identifier: Apache-2.0
// Lower case, ASCII.
#pragma once

#include <cstdint>

namespace narthex {

inline constexpr uint64_t kOnes = 0x0101010101010101;

// Lower case, eight bytes at a time (ASCII; other bytes stay).
constexpr uint64_t LowerWord(uint64_t word) {
  const uint64_t seven = word & ~(kOnes * 0x80);
  const uint64_t from_a = seven + kOnes * (0x80 - 'A');
  const uint64_t after_z = seven + kOnes * (0x80 - 'Z' - 1);
  return word | ((from_a & ~after_z & ~word & kOnes * 0x80) >> 2);
}

}  // namespace narthex
