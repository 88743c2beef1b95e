// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071, RFC 1624).
//
// A sum is a 64-bit accumulation of 16-bit words as they lie in memory: the ones' complement sum
// does not depend on byte order, so nothing is swapped and a folded checksum is stored as it is.
// Sums of adjacent parts may be added as long as every part but the last has even length.
#pragma once

#include <cstdint>
#include <cstring>

#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace narthex {

using ChecksumSum = uint64_t;

// Brings a sum to 16 bits; not complemented. Added to itself with its halves exchanged, a number
// has the sum of both, end-around carry included, in its upper half.
constexpr uint16_t ChecksumFold(ChecksumSum sum) {
  const auto half = static_cast<uint32_t>((sum + (sum << 32 | sum >> 32)) >> 32);
  return static_cast<uint16_t>((half + (half << 16 | half >> 16)) >> 16);
}

// The value of a checksum field (network order) over a sum with that field zero.
constexpr uint16_t ChecksumFinish(ChecksumSum sum) {
  return static_cast<uint16_t>(~ChecksumFold(sum));
}

// True for a sum that includes the checksum field itself.
constexpr bool ChecksumValid(ChecksumSum sum) { return ChecksumFold(sum) == 0xffff; }

template <class Word>
inline Word LoadWord(const uint8_t* at) {
  Word word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

// Both halves of a word.
constexpr ChecksumSum HalvesOf(uint64_t word) { return (word >> 32) + (word & 0xffffffff); }

template <int kWords>
inline ChecksumSum AddWords(const uint8_t* at) {
  ChecksumSum sum = 0;
  for (int i = 0; i < kWords; i++) sum += HalvesOf(LoadWord<uint64_t>(at + 8 * i));
  return sum;
}

// The sum of `blocks` times 64 bytes.
inline ChecksumSum AddBlocks(const uint8_t* at, uint32_t blocks) {
  uint64_t sum = 0;
  for (; blocks; blocks--, at += 64) {
#ifdef __x86_64__
    // Each carry counts as one. No compiler leaves it where it is until the next addition.
    asm("addq (%1), %0\n\tadcq 8(%1), %0\n\tadcq 16(%1), %0\n\tadcq 24(%1), %0\n\t"
        "adcq 32(%1), %0\n\tadcq 40(%1), %0\n\tadcq 48(%1), %0\n\tadcq 56(%1), %0\n\t"
        "adcq $0, %0"
        : "+&r"(sum)
        : "r"(at), "m"(*reinterpret_cast<const uint8_t(*)[64]>(at))
        : "cc");
#else
    sum += AddWords<8>(at);
#endif
  }
  return HalvesOf(sum);
}

// Sum of `bytes` bytes; any alignment, any length below 64 KiB.
inline ChecksumSum ChecksumAdd(const void* data, uint32_t bytes) {
  const auto* at = static_cast<const uint8_t*>(data);
  const uint8_t* const end = at + bytes;
  ChecksumSum sum = AddBlocks(at, bytes / 64);
  at += bytes / 64 * 64;
  if (bytes & 32) sum += AddWords<4>(at), at += 32;
  if (bytes & 16) sum += AddWords<2>(at), at += 16;
  if (bytes & 8) sum += AddWords<1>(at), at += 8;
  const uint32_t rest = bytes & 7;
  if (rest == 0) return sum;
  if (rest == 4) return sum + LoadWord<uint32_t>(at);
  // The end of a word that begins before it; the odd byte counts as the first of two.
  if (bytes >= 8) return sum + HalvesOf(LoadWord<uint64_t>(end - 8) >> 8 * (8 - rest));
  uint64_t word = 0;
  for (uint32_t i = 0; i < rest; i++) word |= uint64_t{at[i]} << 8 * i;
  return sum + HalvesOf(word);
}

// Checksum field after a 16-bit word (network order) changed from `before` to `after`
// (RFC 1624, equation 3).
constexpr uint16_t ChecksumUpdate(uint16_t checksum, uint16_t before, uint16_t after) {
  return static_cast<uint16_t>(~ChecksumFold(static_cast<uint16_t>(~checksum) +
                                             static_cast<uint16_t>(~before) + ChecksumSum{after}));
}

// Pseudo header of a TCP segment of `segment_bytes`; the order of the addresses is irrelevant.
inline ChecksumSum PseudoHeaderSum(const Ipv4Address& a, const Ipv4Address& b,
                                   uint32_t segment_bytes) {
  return ChecksumAdd(a.data(), 4) + ChecksumAdd(b.data(), 4) + Be16(kProtocolTcp).Raw() +
         Be16(static_cast<uint16_t>(segment_bytes)).Raw();
}
inline ChecksumSum PseudoHeaderSum(const Ipv6Address& a, const Ipv6Address& b,
                                   uint32_t segment_bytes) {
  return ChecksumAdd(a.data(), 16) + ChecksumAdd(b.data(), 16) + Be16(kProtocolTcp).Raw() +
         Be16(static_cast<uint16_t>(segment_bytes)).Raw();
}

}  // namespace narthex
