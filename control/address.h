// SPDX-License-Identifier: Apache-2.0
// IP addresses and prefixes as values. Both families are 16 bytes in network order, IPv4
// v4-mapped (::ffff:a.b.c.d), as in bpf/abi.h; text is RFC 5952.
#ifndef NARTHEX_CONTROL_ADDRESS_H
#define NARTHEX_CONTROL_ADDRESS_H

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "control/error.h"

namespace narthex {

struct Address {
  std::array<uint8_t, 16> bytes{};

  bool IsV4() const;
  uint32_t V4() const;  // host order; only if IsV4()
  static Address FromV4(uint32_t host_order);
  std::string ToString() const;

  auto operator<=>(const Address&) const = default;
};

struct Prefix {
  Address base;
  uint8_t bits = 0;  // of the 128: an IPv4 /24 has 120

  static Prefix Of(const Address& address, uint8_t bits);  // the prefix that holds it
  bool Contains(const Address& address) const;
  bool Overlaps(const Prefix& other) const;
  std::string ToString() const;  // with the family's own length

  auto operator<=>(const Prefix&) const = default;
};

// Exactly one address: no zone index, no leading zeros, no blanks. A v4-mapped IPv6 address
// is refused, because it never is a client's address on the wire.
Result<Address> ParseAddress(std::string_view text);

// "ADDRESS/LENGTH" whose host bits are zero.
Result<Prefix> ParsePrefix(std::string_view text);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_ADDRESS_H
