// SPDX-License-Identifier: Apache-2.0
#include "control/config_access.h"

#include <algorithm>
#include <functional>

namespace narthex {
namespace {

void ReadIdentities(ZoneConfig& zone, const Value& value) {
  for (const Value& name : value.List(2))
    (name.OneOf({"mac", "line"}) == "mac" ? zone.mac_sessions : zone.line_sessions) = true;
}

void ReadBindings(ZoneConfig& zone, const Value& value) {
  for (const Value& name : value.List(2))
    (name.OneOf({"mac", "vlan"}) == "mac" ? zone.bind_mac : zone.bind_vlan) = true;
}

std::vector<uint8_t> ReadSessionLengths(const Value& value) {
  std::vector<uint8_t> lengths;
  for (const Value& length : value.List(NX_MAX_KEY_LENGTHS)) {
    lengths.push_back(static_cast<uint8_t>(length.Integer(64, 128)));
    if (std::count(lengths.begin(), lengths.end(), lengths.back()) > 1)
      length.Refuse(fmt::format("{} is named twice", lengths.back()));
  }
  if (lengths.empty()) value.Refuse("at least one length is wanted, 128 for single addresses");
  std::sort(lengths.begin(), lengths.end(), std::greater<>());
  return lengths;
}

Setter PerSecond(uint8_t& limit) {
  return [&limit](const Value& value) {
    limit = static_cast<uint8_t>(value.Integer(0, NX_MOST_PER_SECOND));
  };
}

Setter Refuses(bool& reject) {
  return [&reject](const Value& value) { reject = value.OneOf({"reject", "drop"}) == "reject"; };
}

}  // namespace

void AddAccessKeys(ZoneConfig& zone, std::vector<std::pair<std::string_view, Setter>>& setters) {
  auto add = [&](std::string_view key, Setter setter) { setters.emplace_back(key, setter); };
  add("identities", [&](const Value& v) { ReadIdentities(zone, v); });
  add("ipv6_session_lengths",
      [&](const Value& v) { zone.ipv6_session_lengths = ReadSessionLengths(v); });
  add("bind", [&](const Value& v) { ReadBindings(zone, v); });
  add("watch_moves", [&](const Value& v) { zone.watch_moves = v.Bool(); });
  add("watch_ports", [&](const Value& v) { zone.watch_ports = v.Bool(); });
  add("syn_per_second", PerSecond(zone.syn_per_second));
  add("rst_per_second", PerSecond(zone.rst_per_second));
  add("icmp_per_second", PerSecond(zone.icmp_per_second));
  add("dns_per_second", PerSecond(zone.dns_per_second));
  add("refuse_tcp", Refuses(zone.reject_tcp));
  add("refuse_udp", Refuses(zone.reject_udp));
}

void CheckSessionLengths(const ZoneConfig& zone, const toml::table& table) {
  const toml::node* node = table.get("ipv6_session_lengths");
  for (const Prefix& prefix : zone.ipv6_prefixes) {
    uint8_t shortest = zone.ipv6_session_lengths.back();
    if (prefix.bits > shortest && node != nullptr)
      Value(*node, "zone.ipv6_session_lengths")
          .Refuse(fmt::format("a session of length {} would be larger than {}", shortest,
                              prefix.ToString()));
  }
}

}  // namespace narthex
