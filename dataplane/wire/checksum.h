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

// Brings a sum to 16 bits; not complemented.
constexpr uint16_t ChecksumFold(ChecksumSum sum) {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(sum);
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
    // Words of even and of odd position, each in lanes of 32 bits.
    const __m128i even_mask = _mm_set1_epi32(0xffff);
    __m128i even = _mm_setzero_si128();
    __m128i odd = _mm_setzero_si128();
    for (; bytes >= 16; bytes -= 16, at += 16) {
      const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      even = _mm_add_epi32(even, _mm_and_si128(words, even_mask));
      odd = _mm_add_epi32(odd, _mm_srli_epi32(words, 16));
    }
    uint32_t lanes[8];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(lanes), even);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(lanes + 4), odd);
    for (uint32_t lane : lanes) sum += lane;
  }
#endif
  for (; bytes >= 4; bytes -= 4, at += 4) {
    uint32_t word;
    std::memcpy(&word, at, 4);
    sum += word;
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
