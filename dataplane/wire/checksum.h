// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071, RFC 1624).
//
// A sum is a 64-bit accumulation of 16-bit words as they lie in memory: the ones' complement sum
// does not depend on byte order, so nothing is swapped and a folded checksum is stored as it is.
// Sums of adjacent parts may be added as long as every part but the last has even length.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

// Sum of `bytes` bytes; any alignment, any length below 64 KiB, so that no lane overflows.
inline ChecksumSum ChecksumAdd(const void* data, uint32_t bytes) {
  const auto* at = static_cast<const uint8_t*>(data);
  ChecksumSum sum = 0;
#ifdef __SSE2__
  if (bytes >= 32) {
    // One instruction adds pairs of words, as signed ones: 0x8000 is taken from each before, and
    // given back at the end.
    const __m128i sign = _mm_set1_epi16(INT16_MIN);
    const __m128i one = _mm_set1_epi16(1);
    const auto pairs = [&](const uint8_t* words) {
      const __m128i loaded = _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
      return _mm_madd_epi16(_mm_xor_si128(loaded, sign), one);
    };
    __m128i even = _mm_setzero_si128();
    __m128i odd = _mm_setzero_si128();
    sum = ChecksumSum{bytes / 32} * 16 * 0x8000;
    for (; bytes >= 32; bytes -= 32, at += 32) {
      even = _mm_add_epi32(even, pairs(at));
      odd = _mm_add_epi32(odd, pairs(at + 16));
    }
    __m128i all = _mm_add_epi32(even, odd);
    all = _mm_add_epi32(all, _mm_shuffle_epi32(all, _MM_SHUFFLE(1, 0, 3, 2)));
    all = _mm_add_epi32(all, _mm_shuffle_epi32(all, _MM_SHUFFLE(2, 3, 0, 1)));
    sum += static_cast<ChecksumSum>(int64_t{_mm_cvtsi128_si32(all)});
  }
#endif
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    sum += (word >> 32) + (word & 0xffffffff);
  }
  if (bytes >= 4) {
    uint32_t word;
    std::memcpy(&word, at, 4);
    sum += word;
    bytes -= 4;
    at += 4;
  }
  if (bytes >= 2) {
    uint16_t word;
    std::memcpy(&word, at, 2);
    sum += word;
    bytes -= 2;
    at += 2;
  }
  if (bytes) sum += *at;  // the odd byte counts as the first of a word
  return sum;
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
