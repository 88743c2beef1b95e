// SPDX-License-Identifier: Apache-2.0
// Character classes of HTTP (RFC 9110 §5.6.2, RFC 3986 §2) and searches by class.
#pragma once

#include <algorithm>
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

constexpr bool IsControl(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte < 0x20 || byte == 0x7f;
}

// Finds the ends of lines in a text that is walked from front to back: bit i of a mask says whether
// byte i of the present block is where a run of bytes that are not printable ASCII begins. CRLF is
// such a run, so a line costs one bit, and no search.
class LineEnds {
 public:
  // Searches [begin, end). What lies between `readable` and `begin` may be read, too.
  LineEnds(const char* readable, const char* begin, const char* end)
      : readable_(readable), block_(begin), end_(end), starts_(Starts()) {}

  // The first control but HTAB (below 0x20, or 0x7f) in the next run that has one, or end.
  const char* Next() {
    while (true) {
      while (starts_ == 0) {
        if (end_ - block_ <= kBlockBytes) [[unlikely]]
          return end_;
        block_ += kBlockBytes;
        starts_ = Starts();
      }
      const char* at = block_ + __builtin_ctzll(starts_);
      starts_ &= starts_ - 1;
      if (*at == '\r') [[likely]]
        return at;
      while (at != end_ && (*at == '\t' || static_cast<uint8_t>(*at) >= 0x80)) at++;
      if (at == end_ || IsControl(*at)) return at;
    }
  }

 private:
  static constexpr ptrdiff_t kBlockBytes = 64;

  uint64_t Starts() {
    const uint64_t mask = Mask();
    const uint64_t starts = mask & ~(mask << 1 | within_run_);
    within_run_ = mask >> 63;
    return starts;
  }

  // Of the present block, cut off at the end of the text.
  uint64_t Mask() const {
    const ptrdiff_t left = end_ - block_;
    if (left >= kBlockBytes) [[likely]]
      return MaskAt(block_);
    if (end_ - readable_ >= kBlockBytes && left) {
      return MaskAt(end_ - kBlockBytes) >> (kBlockBytes - left);
    }
    return PaddedMask(block_, static_cast<size_t>(left));
  }

  [[gnu::noinline]] static uint64_t PaddedMask(const char* at, size_t bytes) {
    char padded[kBlockBytes];
    std::memset(padded, ' ', kBlockBytes);
    if (bytes) std::memcpy(padded, at, bytes);
    return MaskAt(padded);
  }

  static uint64_t MaskAt(const char* at) {
#ifdef __SSE2__
    return Mask16(at) | Mask16(at + 16) << 16 | Mask16(at + 32) << 32 | Mask16(at + 48) << 48;
#else
    uint64_t mask = 0;
    for (size_t i = 0; i < kBlockBytes; i++) {
      mask |= uint64_t{at[i] < ' ' || static_cast<uint8_t>(at[i]) > '~'} << i;
    }
    return mask;
#endif
  }

#ifdef __SSE2__
  // One more brings 0x7f to the others: then all of them lie below 0x21, as signed bytes.
  static uint64_t Mask16(const char* at) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8(1));
    const __m128i below = _mm_subs_epi8(moved, _mm_set1_epi8(0x21));
    return static_cast<uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(below)));
  }
#endif

  const char* const readable_;
  const char* block_;
  const char* const end_;
  uint64_t within_run_ = 0;  // 1: the block before this one ends in a run
  uint64_t starts_;
};

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

// First `wanted` in [at, end), else end. What lies between `end` and `readable` may be read, too.
inline const char* FindChar(char wanted, const char* at, const char* end, const char* readable) {
#ifdef __SSE2__
  for (; readable - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted)));
    if (mask) return std::min(at + __builtin_ctz(static_cast<unsigned>(mask)), end);
    if (end - at <= 16) return end;
  }
#else
  static_cast<void>(readable);
#endif
  return std::find(at, end, wanted);
}

#ifdef __SSSE3__
// Bit h of entry l: the character with high half h and low half l is of the class.
constexpr std::array<uint8_t, 16> MakeHalves(CharClass wanted) {
  std::array<uint8_t, 16> halves{};
  for (int c = 0; c < 128; c++) {
    if (kCharClasses[static_cast<size_t>(c)] & wanted) {
      halves[static_cast<size_t>(c & 15)] |= static_cast<uint8_t>(1 << (c >> 4));
    }
  }
  return halves;
}
template <CharClass kWanted>
inline constexpr std::array<uint8_t, 16> kHalves = MakeHalves(kWanted);
#endif

// First byte in [at, end) that is not of an ASCII class; else end.
template <CharClass kWanted>
inline const char* FindNot(const char* at, const char* end) {
#ifdef __SSSE3__
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kHalves<kWanted>.data()));
  const __m128i bits = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m128i low_half = _mm_set1_epi8(15);
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), low_half);
    const __m128i wanted = _mm_and_si128(_mm_shuffle_epi8(halves, _mm_and_si128(bytes, low_half)),
                                         _mm_shuffle_epi8(bits, high));
    const int other = _mm_movemask_epi8(_mm_cmpeq_epi8(wanted, _mm_setzero_si128()));
    if (other) return at + __builtin_ctz(static_cast<unsigned>(other));
  }
#endif
  while (at != end && Is(*at, kWanted)) at++;
  return at;
}

// The uri-host [":" port] of RFC 9110 §7.2. What lies up to `readable` may be read, too: in blocks,
// where the host alone would be read byte by byte.
inline bool ValidHostWithin(std::string_view host, const char* readable) {
  const char* const end = host.data() + host.size();
  const auto find = [&](const char* from) {
    return std::min(FindNot<kHostChar>(from, readable), end);
  };
  const char* at = find(host.data());
  if (at == end) return true;
  if (at == host.data() && *at == '[') {
    const char* const address = ++at;
    while (at != end && (Is(*at, kHostChar) || *at == ':')) at++;
    if (at - address < 3 || at == end || *at != ']') return false;
    at++;
  } else {
    for (; at != end && *at == '%'; at = find(at + 3)) {
      if (end - at < 3 || !Is(at[1], kHexChar) || !Is(at[2], kHexChar)) return false;
    }
  }
  if (at == end) return true;
  if (*at != ':' || end - at > 6) return false;
  for (at++; at != end; at++) {
    if (!Is(*at, kDigitChar)) return false;
  }
  return true;
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
