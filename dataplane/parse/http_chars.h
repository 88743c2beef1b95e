// SPDX-License-Identifier: Apache-2.0
// Character classes of HTTP (RFC 9110 §5.6.2, RFC 3986 §2) and searches by class.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#ifdef __SSSE3__
#include <tmmintrin.h>
#endif

namespace narthex {

enum CharClass : uint8_t {
  kTokenChar = 1,   // tchar
  kTargetChar = 2,  // visible ASCII
  kHostChar = 4,    // unreserved, sub-delims: reg-name without percent-encoding
  kDigitChar = 8,
  kHexChar = 16,
};

constexpr std::array<uint8_t, 256> MakeCharClasses() {
  std::array<uint8_t, 256> classes{};
  auto add = [&](const char* chars, uint8_t bits) {
    for (; *chars; chars++) classes[static_cast<uint8_t>(*chars)] |= bits;
  };
  for (int c = 0x21; c < 0x7f; c++) classes[c] |= kTargetChar;
  for (int c = '0'; c <= '9'; c++) {
    classes[c] |= kTokenChar | kHostChar | kDigitChar | kHexChar;
  }
  for (int c = 'a'; c <= 'z'; c++) {
    classes[c] |= kTokenChar | kHostChar;
    classes[c - 32] |= kTokenChar | kHostChar;
  }
  add("abcdefABCDEF", kHexChar);
  add("!#$%&'*+-.^_`|~", kTokenChar);
  add("-._~!$&'()*+,;=", kHostChar);
  return classes;
}
inline constexpr std::array<uint8_t, 256> kCharClasses = MakeCharClasses();

inline bool Is(char c, CharClass wanted) { return kCharClasses[static_cast<uint8_t>(c)] & wanted; }

// First byte in [at, end) that is a control (below 0x20, or 0x7f), HTAB included; else end.
inline const char* FindControl(const char* at, const char* end) {
#ifdef __SSE2__
  const __m128i highest_control = _mm_set1_epi8(0x1f);
  const __m128i del = _mm_set1_epi8(0x7f);
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, highest_control), bytes);
    const int mask = _mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(bytes, del)));
    if (mask) return at + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  for (; at != end; at++) {
    const auto byte = static_cast<uint8_t>(*at);
    if (byte < 0x20 || byte == 0x7f) break;
  }
  return at;
}

// First byte in [at, end) that is not visible ASCII (0x21 to 0x7e); else end.
inline const char* FindNotVisible(const char* at, const char* end) {
#ifdef __SSE2__
  const __m128i space = _mm_set1_epi8(0x20);
  const __m128i del = _mm_set1_epi8(0x7f);
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    // Signed: bytes from 0x80 on are negative, so they are not above the space either.
    const __m128i visible =
        _mm_andnot_si128(_mm_cmpeq_epi8(bytes, del), _mm_cmpgt_epi8(bytes, space));
    const int mask = _mm_movemask_epi8(visible) ^ 0xffff;
    if (mask) return at + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  while (at != end && Is(*at, kTargetChar)) at++;
  return at;
}

#ifdef __SSSE3__
// Bit h of entry l: the character with high half h and low half l is a tchar.
constexpr std::array<uint8_t, 16> MakeTokenHalves() {
  std::array<uint8_t, 16> halves{};
  for (int c = 0; c < 128; c++) {
    if (kCharClasses[static_cast<size_t>(c)] & kTokenChar) {
      halves[static_cast<size_t>(c & 15)] |= static_cast<uint8_t>(1 << (c >> 4));
    }
  }
  return halves;
}
inline constexpr std::array<uint8_t, 16> kTokenHalves = MakeTokenHalves();
#endif

// First byte in [at, end) that is no tchar; else end.
inline const char* FindNotToken(const char* at, const char* end) {
#ifdef __SSSE3__
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kTokenHalves.data()));
  const __m128i bits = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m128i low_half = _mm_set1_epi8(15);
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), low_half);
    const __m128i token = _mm_and_si128(_mm_shuffle_epi8(halves, _mm_and_si128(bytes, low_half)),
                                        _mm_shuffle_epi8(bits, high));
    const int other = _mm_movemask_epi8(_mm_cmpeq_epi8(token, _mm_setzero_si128()));
    if (other) return at + __builtin_ctz(static_cast<unsigned>(other));
  }
#endif
  while (at != end && Is(*at, kTokenChar)) at++;
  return at;
}

// Compares with a lower-case ASCII word, ignoring the case of `text`.
inline bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < lower.size(); i++) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != lower[i]) return false;
  }
  return true;
}

// The same for a field name of N - 1 bytes, known to be a token: no tchar but a letter becomes
// one of `lower`'s by setting the bit that tells cases apart.
template <size_t N>
inline bool IsName(std::string_view token, const char (&lower)[N]) {
  constexpr size_t kBytes = N - 1;
  static_assert(kBytes >= 4);
  const auto differs = [&](size_t at) {
    uint32_t a, b;
    std::memcpy(&a, token.data() + at, 4);
    std::memcpy(&b, lower + at, 4);
    return (a | 0x20202020u) ^ b;
  };
  uint32_t difference = differs(kBytes - 4);
  for (size_t at = 0; at + 4 < kBytes; at += 4) difference |= differs(at);
  return difference == 0;
}

}  // namespace narthex
