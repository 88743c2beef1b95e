// SPDX-License-Identifier: Apache-2.0
// What a session is known by: an IPv4 address, an IPv6 prefix, a MAC address or a subscriber
// line, as a value. Inside a zone it becomes a key of the classifier's maps (bpf/abi.h).
//
//   10.51.1.2   2001:db8::1   2001:db8::/64   02:00:00:00:00:01   line:100   line:100.7
#ifndef NARTHEX_CONTROL_KEY_H
#define NARTHEX_CONTROL_KEY_H

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "bpf/abi.h"
#include "control/address.h"
#include "control/error.h"

namespace narthex {

struct Mac {
  std::array<uint8_t, 6> bytes{};

  bool IsNone() const { return *this == Mac{}; }
  std::string ToString() const;  // "02:00:00:00:00:01"
  auto operator<=>(const Mac&) const = default;
};

// One station's: neither a group's nor all zero.
Result<Mac> ParseMac(std::string_view text);

enum class KeyKind : uint8_t { kAddress = NX_KEY_ADDRESS, kMac = NX_KEY_MAC, kLine = NX_KEY_LINE };

struct Key {
  KeyKind kind = KeyKind::kAddress;
  uint8_t bits = 128;               // of `bytes` that count; the others are zero
  std::array<uint8_t, 16> bytes{};  // as nx_key.addr; IPv4 v4-mapped

  static Key Of(const Address& address) { return {KeyKind::kAddress, 128, address.bytes}; }
  static Key Of(const Prefix& prefix) {
    return {KeyKind::kAddress, prefix.bits, prefix.base.bytes};
  }
  static Key Of(const Mac& mac);
  static Key OfLine(uint16_t outer, uint16_t inner);  // inner 0: one tag
  static Key Of(const nx_key& key);

  bool IsAddress() const { return kind == KeyKind::kAddress; }  // an address or a prefix
  bool IsSingleAddress() const { return IsAddress() && bits == 128; }
  Address address() const { return {bytes}; }  // the first; only if IsAddress()
  bool Holds(const Address& address) const;
  nx_key InZone(uint16_t zone) const;
  std::string ToString() const;

  auto operator<=>(const Key&) const = default;
};

// Exactly one key, whatever its kind. The message says which forms there are.
Result<Key> ParseKey(std::string_view text);

}  // namespace narthex

template <>
struct std::hash<narthex::Key> {
  size_t operator()(const narthex::Key& key) const noexcept {
    std::string_view bytes(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
    return std::hash<std::string_view>()(bytes) ^ (size_t{key.bits} << 8 | size_t(key.kind));
  }
};

#endif  // NARTHEX_CONTROL_KEY_H
