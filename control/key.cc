// SPDX-License-Identifier: Apache-2.0
#include "control/key.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace narthex {
namespace {

constexpr std::string_view kLine = "line:";
constexpr int kShortestPrefix = 64;
constexpr uint16_t kLastVlan = 4094;  // IEEE 802.1Q: 4095 is reserved
constexpr uint8_t kMacBits = 48;
constexpr uint8_t kLineBits = 32;

tl::unexpected<Error> Wrong(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

std::optional<uint8_t> HexByte(std::string_view text) {
  uint8_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() != 2 || error != std::errc() || end != text.data() + 2) return std::nullopt;
  return value;
}

std::optional<uint16_t> Vlan(std::string_view text) {
  uint16_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool good = error == std::errc() && end == text.data() + text.size() && !text.empty() &&
              text.front() != '0';
  if (!good || value > kLastVlan) return std::nullopt;
  return value;
}

// "02:00:00:00:00:01", or with '-'; nothing if the text has another form.
std::optional<Mac> MacOf(std::string_view text) {
  Mac mac;
  constexpr size_t kLength = 17;
  if (text.size() != kLength) return std::nullopt;
  char separator = text[2];
  if (separator != ':' && separator != '-') return std::nullopt;
  for (size_t i = 0; i < mac.bytes.size(); ++i) {
    auto byte = HexByte(text.substr(i * 3, 2));
    if (!byte || (i > 0 && text[i * 3 - 1] != separator)) return std::nullopt;
    mac.bytes[i] = *byte;
  }
  return mac;
}

Outcome CheckStation(const Mac& mac) {
  if (mac.IsNone() || mac.bytes[0] & 1)
    return Wrong(fmt::format("{} is not the MAC address of one station", mac.ToString()));
  return {};
}

Result<Key> ParseLine(std::string_view text) {
  std::string_view tags = text.substr(kLine.size());
  size_t dot = tags.find('.');
  auto outer = Vlan(tags.substr(0, dot));
  auto inner = dot == tags.npos ? std::optional<uint16_t>(0) : Vlan(tags.substr(dot + 1));
  if (outer && inner) return Key::OfLine(*outer, *inner);
  return Wrong(fmt::format("'{}' is no line: wanted line:OUTER or line:OUTER.INNER, VLANs 1 to {}",
                           text.substr(0, 32), kLastVlan));
}

Result<Key> ParsePrefixKey(std::string_view text) {
  auto prefix = ParsePrefix(text);
  if (!prefix) return Fail(prefix.error());
  if (prefix->base.IsV4() && prefix->bits < 128)
    return Wrong(
        fmt::format("{}: an IPv4 client is one address, not a prefix", prefix->ToString()));
  if (prefix->bits < kShortestPrefix)
    return Wrong(fmt::format("{}: a client's prefix has a length from {} to 128",
                             prefix->ToString(), kShortestPrefix));
  return Key::Of(*prefix);
}

}  // namespace

std::string Mac::ToString() const {
  return fmt::format("{:02x}", fmt::join(bytes.begin(), bytes.end(), ":"));
}

Result<Mac> ParseMac(std::string_view text) {
  auto mac = MacOf(text);
  if (!mac)
    return Wrong(fmt::format("'{}' is no MAC address: wanted one such as 02:00:00:00:00:01",
                             text.substr(0, 32)));
  if (auto station = CheckStation(*mac); !station) return Fail(station.error());
  return *mac;
}

Key Key::Of(const Mac& mac) {
  Key key{KeyKind::kMac, kMacBits, {}};
  std::copy(mac.bytes.begin(), mac.bytes.end(), key.bytes.begin());
  return key;
}

Key Key::OfLine(uint16_t outer, uint16_t inner) {
  Key key{KeyKind::kLine, kLineBits, {}};
  key.bytes[0] = static_cast<uint8_t>(outer >> 8);
  key.bytes[1] = static_cast<uint8_t>(outer);
  key.bytes[2] = static_cast<uint8_t>(inner >> 8);
  key.bytes[3] = static_cast<uint8_t>(inner);
  return key;
}

Key Key::Of(const nx_key& from) {
  Key key{static_cast<KeyKind>(from.kind), from.prefix_len, {}};
  std::memcpy(key.bytes.data(), from.addr, key.bytes.size());
  return key;
}

bool Key::Holds(const Address& address) const {
  return IsAddress() && Prefix{this->address(), bits}.Contains(address);
}

nx_key Key::InZone(uint16_t zone) const {
  nx_key key{};
  std::memcpy(key.addr, bytes.data(), sizeof key.addr);
  key.zone = zone;
  key.kind = static_cast<uint8_t>(kind);
  key.prefix_len = bits;
  return key;
}

std::string Key::ToString() const {
  auto tag = [&](int at) { return bytes[at] << 8 | bytes[at + 1]; };
  switch (kind) {
    case KeyKind::kAddress:
      return bits == 128 ? address().ToString() : Prefix{address(), bits}.ToString();
    case KeyKind::kMac:
      return fmt::format("{:02x}", fmt::join(bytes.begin(), bytes.begin() + 6, ":"));
    case KeyKind::kLine:
      return tag(2) == 0 ? fmt::format("line:{}", tag(0))
                         : fmt::format("line:{}.{}", tag(0), tag(2));
  }
  return "?";
}

Result<Key> ParseKey(std::string_view text) {
  if (text.starts_with(kLine)) return ParseLine(text);
  if (auto mac = MacOf(text)) {
    if (auto station = CheckStation(*mac); !station) return Fail(station.error());
    return Key::Of(*mac);
  }
  if (text.find('/') != text.npos) return ParsePrefixKey(text);
  auto address = ParseAddress(text);
  if (address) return Key::Of(*address);
  constexpr std::string_view kForms =
      ", nor an IPv6 prefix (2001:db8::/64), a MAC address (02:00:00:00:00:01) or a line "
      "(line:100.7)";
  // A v4-mapped address is one, and its message says what to write.
  if (address.error().message.find("is not an IPv4 or IPv6 address") == std::string::npos)
    return Fail(address.error());
  return Wrong(address.error().message + std::string(kForms));
}

}  // namespace narthex
