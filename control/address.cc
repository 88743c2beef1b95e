// SPDX-License-Identifier: Apache-2.0
#include "control/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

namespace narthex {
namespace {

constexpr std::array<uint8_t, 12> kV4Mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;

// `address` with everything behind the first `bits` bits zero.
Address Masked(Address address, int bits) {
  for (int i = 0; i < 16; ++i) {
    int keep = std::clamp(bits - i * 8, 0, 8);
    address.bytes[i] &= static_cast<uint8_t>(0xff00 >> keep);
  }
  return address;
}

}  // namespace

bool Address::IsV4() const { return std::equal(kV4Mapped.begin(), kV4Mapped.end(), bytes.begin()); }

uint32_t Address::V4() const {
  return uint32_t{bytes[12]} << 24 | uint32_t{bytes[13]} << 16 | uint32_t{bytes[14]} << 8 |
         bytes[15];
}

Address Address::FromV4(uint32_t host_order) {
  Address address;
  std::copy(kV4Mapped.begin(), kV4Mapped.end(), address.bytes.begin());
  for (int i = 0; i < 4; ++i)
    address.bytes[12 + i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

std::string Address::ToString() const {
  char text[INET6_ADDRSTRLEN];
  if (IsV4()) {
    // As inet_ntop would, which goes by sprintf: each login is in the log.
    char* end = text;
    for (int i = 12; i < 16; ++i) {
      if (i > 12) *end++ = '.';
      end = std::to_chars(end, std::end(text), bytes[static_cast<size_t>(i)]).ptr;
    }
    return {text, end};
  }
  return inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
}

Prefix Prefix::Of(const Address& address, uint8_t bits) { return {Masked(address, bits), bits}; }

bool Prefix::Contains(const Address& address) const { return Masked(address, bits) == base; }

bool Prefix::Overlaps(const Prefix& other) const {
  return bits <= other.bits ? Contains(other.base) : other.Contains(base);
}

std::string Prefix::ToString() const {
  bool v4 = base.IsV4() && bits >= kMappedBits;
  return fmt::format("{}/{}", base.ToString(), v4 ? bits - kMappedBits : bits);
}

Result<Address> ParseAddress(std::string_view text) {
  std::string copy(text);
  Address address;
  in_addr v4;
  if (copy.size() == std::strlen(copy.c_str())) {
    if (inet_pton(AF_INET, copy.c_str(), &v4) == 1) return Address::FromV4(ntohl(v4.s_addr));
    if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) {
      if (!address.IsV4()) return address;
      return Fail(ErrorKind::kInvalid,
                  fmt::format("'{}' is a v4-mapped address: write {}", text, address.ToString()));
    }
  }
  // What a stranger sent goes back in a message: printable, and not without end.
  if (copy.size() > 64) copy = copy.substr(0, 61) + "...";
  for (char& c : copy)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  return Fail(ErrorKind::kInvalid, fmt::format("'{}' is not an IPv4 or IPv6 address", copy));
}

Result<Prefix> ParsePrefix(std::string_view text) {
  auto refuse = [&](std::string_view why) {
    return Fail(ErrorKind::kInvalid, fmt::format("'{}' is not a prefix: {}", text, why));
  };
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return refuse("wanted ADDRESS/LENGTH");
  auto base = ParseAddress(text.substr(0, slash));
  if (!base) return Fail(base.error());

  std::string_view digits = text.substr(slash + 1);
  int length = -1;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  int family_bits = base->IsV4() ? 32 : 128;
  if (error != std::errc() || end != digits.data() + digits.size() || length < 0 ||
      length > family_bits || digits.front() == '-')
    return refuse(fmt::format("wanted a length from 0 to {}", family_bits));

  int bits = length + (128 - family_bits);
  Prefix prefix{Masked(*base, bits), static_cast<uint8_t>(bits)};
  if (prefix.base != *base)
    return refuse(fmt::format("it has host bits, write {}", prefix.ToString()));
  return prefix;
}

}  // namespace narthex
