// SPDX-License-Identifier: Apache-2.0
#include "control/config_values.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

namespace narthex {
namespace {

constexpr size_t kMaxName = 32;
constexpr size_t kMaxNetworkName = 64;
constexpr size_t kMaxPageText = 300;
constexpr size_t kMaxLanguageTag = 35;  // RFC 5646 §4.4.1
// No response holds a longer one; what exactly fits depends on the other texts, and is the
// dataplane's to say (control/policy_check.h).
constexpr size_t kMaxPortalUrl = 536;
constexpr std::chrono::seconds kMaxDuration = std::chrono::hours(24) * 3660;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

tl::unexpected<Error> Wrong(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// All of `text` as a decimal number of digits only.
template <typename T>
std::optional<T> Number(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      text.front() < '0' || text.front() > '9')
    return std::nullopt;
  return value;
}

struct Unit {
  std::string_view name;
  double factor;
};

// A number, digits with at most one point between them, and one of the units.
std::optional<double> Quantity(std::string_view text, std::span<const Unit> units) {
  size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string_view number = text.substr(0, digits), unit = text.substr(digits);
  auto found =
      std::find_if(units.begin(), units.end(), [&](const Unit& each) { return each.name == unit; });
  double value = 0;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value,
                                      std::chars_format::fixed);
  if (found == units.end() || number.empty() || number.front() == '.' || number.back() == '.' ||
      error != std::errc() || end != number.data() + number.size())
    return std::nullopt;
  return value * found->factor;
}

Outcome CheckName(std::string_view text, std::string_view what) {
  if (!text.empty() && text.size() <= kMaxName && text.front() != '-' &&
      std::all_of(text.begin(), text.end(), IsNameCharacter))
    return {};
  return Wrong(fmt::format("'{}' is no {} name: wanted 1 to {} letters, digits, '-' and '_'", text,
                           what, kMaxName));
}

Outcome CheckText(std::string_view text, size_t most) {
  if (text.empty()) return Wrong("a text shown on the 511 page must not be empty");
  if (text.size() > most)
    return Wrong(fmt::format("{} bytes, at most {} fit the page", text.size(), most));
  if (std::any_of(text.begin(), text.end(), IsControl))
    return Wrong("control characters cannot be shown");
  return {};
}

}  // namespace

Outcome CheckInstanceName(std::string_view text) { return CheckName(text, "instance"); }
Outcome CheckZoneName(std::string_view text) { return CheckName(text, "zone"); }
Outcome CheckPolicyName(std::string_view text) {
  if (text == "none") return Wrong("'none' means no policy: wanted another name");
  return CheckName(text, "policy");
}

Outcome CheckInterfaceName(std::string_view text) {
  bool bad = text.empty() || text == "." || text == ".." ||
             std::any_of(text.begin(), text.end(),
                         [](char c) { return IsControl(c) || c == ' ' || c == '/' || c == ':'; });
  if (bad) return Wrong(fmt::format("'{}' is no interface name", text));
  if (text.size() >= IFNAMSIZ)
    return Wrong(fmt::format("interface name '{}' has {} characters, at most {} are possible", text,
                             text.size(), IFNAMSIZ - 1));
  return {};
}

Outcome CheckNetworkName(std::string_view text) { return CheckText(text, kMaxNetworkName); }
Outcome CheckPageText(std::string_view text) { return CheckText(text, kMaxPageText); }

Outcome CheckLanguageTag(std::string_view text) {
  bool good =
      !text.empty() && text.size() <= kMaxLanguageTag && text.front() != '-' &&
      text.back() != '-' &&
      std::all_of(text.begin(), text.end(), [](char c) { return IsNameCharacter(c) && c != '_'; });
  if (good) return {};
  return Wrong(fmt::format("'{}' is no language tag: wanted one such as de or zh-Hant", text));
}

Outcome CheckAbsolutePath(std::string_view text) {
  if (text.size() < 2 || text.front() != '/' || std::any_of(text.begin(), text.end(), IsControl))
    return Wrong(fmt::format("'{}' is not an absolute path", text));
  if (text.find("/..") != text.npos)
    return Wrong(fmt::format("'{}' goes up by '..'; name the directory itself", text));
  return {};
}

Result<std::chrono::seconds> ParseDuration(std::string_view text) {
  auto refuse = [&] {
    return Wrong(
        fmt::format("'{}' is no duration: wanted a number and s, m, h or d, as in \"12h\"", text));
  };
  if (text.size() < 2) return refuse();
  int64_t unit_s = 0;
  switch (text.back()) {
    case 's':
      unit_s = 1;
      break;
    case 'm':
      unit_s = 60;
      break;
    case 'h':
      unit_s = 3600;
      break;
    case 'd':
      unit_s = 86400;
      break;
    default:
      return refuse();
  }
  auto count = Number<uint32_t>(text.substr(0, text.size() - 1));
  if (!count) return refuse();
  std::chrono::seconds duration(*count * unit_s);
  if (duration.count() < 1 || duration > kMaxDuration)
    return Wrong(fmt::format("'{}' is not between 1s and 3660d", text));
  return duration;
}

Result<uint64_t> ParseRate(std::string_view text) {
  constexpr Unit kUnits[] = {{"kbit/s", 1e3}, {"Mbit/s", 1e6}, {"Gbit/s", 1e9}};
  constexpr double kLeast = 8e3, kMost = 1e11;
  auto rate = Quantity(text, kUnits);
  if (!rate)
    return Wrong(fmt::format(
        "'{}' is no rate: wanted a number and kbit/s, Mbit/s or Gbit/s, as in \"2Mbit/s\"", text));
  if (*rate < kLeast || *rate > kMost)
    return Wrong(fmt::format("'{}' is not between 8kbit/s and 100Gbit/s", text));
  return static_cast<uint64_t>(*rate);
}

Result<uint64_t> ParseBytes(std::string_view text) {
  constexpr Unit kUnits[] = {{"kB", 1e3},     {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},
                             {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  constexpr double kMost = 1e15;
  auto bytes = Quantity(text, kUnits);
  if (!bytes)
    return Wrong(
        fmt::format("'{}' is no amount of data: wanted a number and kB, MB, GB or TB, as "
                    "in \"1.5GB\"",
                    text));
  if (*bytes < 1 || *bytes > kMost)
    return Wrong(fmt::format("'{}' is not between 1kB and 1000TB", text));
  return static_cast<uint64_t>(*bytes);
}

Result<PortRange> ParsePortRange(std::string_view text) {
  size_t dash = text.find('-');
  auto first = Number<uint16_t>(text.substr(0, dash));
  auto last = dash == std::string_view::npos ? first : Number<uint16_t>(text.substr(dash + 1));
  if (!first || !last || *first == 0)
    return Wrong(fmt::format("'{}' is no port: wanted \"80\" or \"8000-8010\", 1 to 65535", text));
  if (*first > *last)
    return Wrong(fmt::format("'{}' is an empty range: the first port comes first", text));
  return PortRange{*first, *last};
}

Result<VlanTags> ParseVlanTags(std::string_view text) {
  size_t dot = text.find('.');
  auto outer = Number<uint16_t>(text.substr(0, dot));
  auto inner = dot == std::string_view::npos ? outer : Number<uint16_t>(text.substr(dot + 1));
  auto good = [](const auto& tag) { return tag && *tag >= 1 && *tag <= 4094; };
  if (!good(outer) || !good(inner))
    return Wrong(fmt::format("'{}' is no VLAN: wanted \"100\" or \"100.7\", 1 to 4094", text));
  return VlanTags{*outer, dot == std::string_view::npos ? uint16_t{0} : *inner};
}

Result<PortalUrl> ParsePortalUrl(std::string_view text) {
  auto refuse = [&](std::string_view why) {
    return Wrong(fmt::format("not usable as the login page: {}", why));
  };
  if (text.size() > kMaxPortalUrl)
    return refuse(fmt::format("{} bytes, {} too many for any response", text.size(),
                              text.size() - kMaxPortalUrl));
  for (char c : text)
    if (IsControl(c) || c == ' ' || c == '"' || c == '\'' || c == '<' || c == '>' ||
        static_cast<unsigned char>(c) > 0x7e)
      return refuse(
          "blanks, quotes, angle brackets, control and non-ASCII characters must be "
          "percent-encoded");
  PortalUrl url;
  size_t scheme = text.find("://");
  std::string_view name = text.substr(0, scheme == std::string_view::npos ? 0 : scheme);
  if (name == "http") url.port = 80;
  if (name == "https") url.port = 443;
  if (url.port == 0) return refuse("wanted an absolute URL, http://… or https://…");
  std::string_view rest = text.substr(scheme + 3);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) return refuse("it contains a user name");

  std::string_view port;
  if (authority.starts_with('[')) {
    size_t close = authority.find(']');
    if (close == std::string_view::npos) return refuse("']' is missing");
    url.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    auto address = ParseAddress(url.host);
    if (!address || address->IsV4()) return refuse("no IPv6 address between the brackets");
  } else {
    url.host = authority.substr(0, authority.find(':'));
    port = authority.substr(url.host.size());
    bool good = std::all_of(url.host.begin(), url.host.end(),
                            [](char c) { return IsNameCharacter(c) || c == '.'; });
    if (url.host.empty() || !good) return refuse("its host is missing or malformed");
  }
  if (!port.empty()) {
    auto number = Number<uint16_t>(port.substr(1));
    if (port.front() != ':' || !number || *number == 0) return refuse("its port is malformed");
    url.port = *number;
  }
  return url;
}

}  // namespace narthex
