// SPDX-License-Identifier: Apache-2.0
// A TCP sequence number: arithmetic modulo 2^32, comparison by signed distance (RFC 9293 §3.4).
#pragma once

#include <cstdint>

namespace narthex {

class Seq {
 public:
  Seq() = default;
  constexpr explicit Seq(uint32_t value) : value_(value) {}
  constexpr uint32_t Value() const { return value_; }

  friend constexpr Seq operator+(Seq a, uint32_t bytes) { return Seq(a.value_ + bytes); }
  friend constexpr Seq operator-(Seq a, uint32_t bytes) { return Seq(a.value_ - bytes); }
  // How far `a` lies after `b`; negative when before.
  friend constexpr int32_t operator-(Seq a, Seq b) {
    return static_cast<int32_t>(a.value_ - b.value_);
  }
  friend constexpr bool operator==(Seq a, Seq b) { return a.value_ == b.value_; }
  friend constexpr bool operator<(Seq a, Seq b) { return a - b < 0; }
  friend constexpr bool operator>(Seq a, Seq b) { return b < a; }
  friend constexpr bool operator<=(Seq a, Seq b) { return !(b < a); }
  friend constexpr bool operator>=(Seq a, Seq b) { return !(a < b); }

 private:
  uint32_t value_ = 0;
};

}  // namespace narthex
