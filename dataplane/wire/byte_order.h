// SPDX-License-Identifier: Apache-2.0
// Network byte order as a type: a value read from a packet cannot be used as a number, nor a
// number written into a packet, without saying so.
#pragma once

#include <bit>
#include <cstdint>

namespace narthex {

static_assert(std::endian::native == std::endian::little, "narthex is built for little endian");

class Be16 {
 public:
  Be16() = default;
  constexpr explicit Be16(uint16_t host) : raw_(__builtin_bswap16(host)) {}
  constexpr uint16_t Host() const { return __builtin_bswap16(raw_); }
  // The bytes as they lie in memory: for checksums and for maps that keep network order.
  constexpr uint16_t Raw() const { return raw_; }
  static constexpr Be16 FromRaw(uint16_t raw) {
    Be16 value;
    value.raw_ = raw;
    return value;
  }
  friend constexpr bool operator==(Be16 a, Be16 b) { return a.raw_ == b.raw_; }

 private:
  uint16_t raw_ = 0;
} __attribute__((packed));
static_assert(sizeof(Be16) == 2 && alignof(Be16) == 1);

class Be32 {
 public:
  Be32() = default;
  constexpr explicit Be32(uint32_t host) : raw_(__builtin_bswap32(host)) {}
  constexpr uint32_t Host() const { return __builtin_bswap32(raw_); }
  constexpr uint32_t Raw() const { return raw_; }
  friend constexpr bool operator==(Be32 a, Be32 b) { return a.raw_ == b.raw_; }

 private:
  uint32_t raw_ = 0;
} __attribute__((packed));
static_assert(sizeof(Be32) == 4 && alignof(Be32) == 1);

}  // namespace narthex
