// SPDX-License-Identifier: Apache-2.0
// The names of header fields: those that the parser wants, and others that clients often send, so
// that most lines cost a comparison and no look at each character of their name.
//
// A known name is found by a hash of its first four bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace narthex {

enum class FieldName : uint8_t {
  kNone,
  kOther,
  kHost,
  kAccept,
  kUserAgent,
  kContentLength,
  kAcceptLanguage,
  kTransferEncoding,
};

struct NamedField {
  std::string_view lower;
  FieldName field = FieldName::kOther;
};
inline constexpr NamedField kNamedFields[] = {
    {"host", FieldName::kHost},
    {"accept", FieldName::kAccept},
    {"user-agent", FieldName::kUserAgent},
    {"content-length", FieldName::kContentLength},
    {"accept-language", FieldName::kAcceptLanguage},
    {"transfer-encoding", FieldName::kTransferEncoding},
    {"accept-encoding"},
    {"cache-control"},
    {"connection"},
    {"content-type"},
    {"cookie"},
    {"dnt"},
    {"if-modified-since"},
    {"if-none-match"},
    {"origin"},
    {"pragma"},
    {"range"},
    {"referer"},
    {"upgrade-insecure-requests"},
    {"x-requested-with"},
};

class KnownNames {
 public:
  struct Found {
    uint32_t bytes;  // of the name; 0: it is none of these, or too little is there to tell
    FieldName field;
  };

  constexpr KnownNames() {
    for (Entry& free : entries_) free.ignored.fill(0xff);  // and `lower` 0: equal to nothing
    for (const NamedField& named : kNamedFields) {
      uint32_t word = 0;
      for (size_t i = 4; i-- > 0;) {
        word = word << 8 | static_cast<uint8_t>(i < named.lower.size() ? named.lower[i] : ':');
      }
      size_t at = Place(word);
      while (entries_[at].bytes) entries_[at++].last = false;
      Put(entries_[at], named);
    }
  }

  // The known name that [at, end) begins with, in any case of letters, if a colon follows.
  Found Find(const char* at, const char* end) const {
#ifdef __SSE2__
    if (end - at >= 32) [[likely]] {
      uint32_t word;
      std::memcpy(&word, at, sizeof(word));
      const __m128i first = Load(at);
      const Entry* entry = &entries_[Place(word)];
      while (!Equal(first, *entry, 0)) [[unlikely]] {
          if (entry->last) return {0, FieldName::kOther};
          entry++;
        }
      if (entry->bytes < 16 || Equal(Load(at + 16), *entry, 16)) [[likely]] {
        return {entry->bytes, entry->field};
      }
    }
#else
    static_cast<void>(at), static_cast<void>(end);
#endif
    return {0, FieldName::kOther};
  }

 private:
  static constexpr size_t kPlaces = 64;

  // How a name is compared: each byte of a line, with the bits in `ignored` set, is that of
  // `lower`. What follows the colon is ignored altogether.
  struct alignas(64) Entry {
    std::array<uint8_t, 32> lower;
    std::array<uint8_t, 28> ignored;
    uint8_t bytes = 0;
    FieldName field = FieldName::kOther;
    bool last = true;  // no other name has this place
  };
  static_assert(sizeof(Entry) == 64);

  static constexpr size_t Place(uint32_t word) {
    constexpr uint32_t kLower = 0x20202020, kFactor = 0x9e3779b1;
    return (word | kLower) * kFactor >> 26;
  }

  static constexpr void Put(Entry& entry, const NamedField& named) {
    const size_t bytes = named.lower.size();
    entry.bytes = static_cast<uint8_t>(bytes);
    entry.field = named.field;
    entry.lower.fill(0xff);
    for (size_t i = 0; i <= bytes; i++) {
      const char c = i < bytes ? named.lower[i] : ':';
      entry.lower[i] = static_cast<uint8_t>(c);
      entry.ignored[i] = c >= 'a' && c <= 'z' ? 'a' ^ 'A' : 0;
    }
  }

#ifdef __SSE2__
  static __m128i Load(const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); }
  // 16 bytes of a line with those of a name, of which the last four are none.
  static bool Equal(__m128i bytes, const Entry& entry, size_t from) {
    const __m128i compared = _mm_or_si128(bytes, Load(entry.ignored.data() + from));
    const int equal = _mm_movemask_epi8(_mm_cmpeq_epi8(compared, Load(entry.lower.data() + from)));
    return from ? (equal & 0xfff) == 0xfff : equal == 0xffff;
  }
#endif

  std::array<Entry, kPlaces + 4> entries_{};  // some more: no place comes after the last
};
inline constexpr KnownNames kKnownNames;

}  // namespace narthex
