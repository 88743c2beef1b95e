// SPDX-License-Identifier: Apache-2.0
#include "control/session_target.h"

#include <fmt/format.h>

#include <algorithm>

namespace narthex {
namespace {

tl::unexpected<Error> Refuse(std::string why) { return Fail(ErrorKind::kInvalid, std::move(why)); }

bool HasKind(const ZoneConfig& zone, KeyKind kind) {
  return kind == KeyKind::kMac ? zone.mac_sessions : zone.line_sessions;
}

std::string_view IdentityName(KeyKind kind) { return kind == KeyKind::kMac ? "mac" : "line"; }

// The zone of a MAC address or line that no address of the request has decided.
Result<const ZoneConfig*> OnlyZoneWith(const Layout& layout, const Key& key) {
  std::vector<const ZoneConfig*> zones = ZonesOfKey(layout, key);
  if (zones.size() == 1) return zones.front();
  if (zones.empty())
    return Fail(ErrorKind::kPrecondition,
                fmt::format("{}: no zone has sessions of this kind: add identities = [\"{}\"] to "
                            "its [[zone]]",
                            key.ToString(), IdentityName(key.kind)));
  return Refuse(fmt::format("{}: zones '{}' and '{}' have sessions of this kind: name the zone",
                            key.ToString(), zones[0]->name, zones[1]->name));
}

Result<const ZoneConfig*> ZoneOfAddress(const Layout& layout, const Key& key,
                                        const std::string& wanted) {
  const ZoneConfig* zone = layout.ZoneOf(key);
  if (zone == nullptr)
    return Refuse(fmt::format("{} is in no zone of this gateway", key.ToString()));
  if (!wanted.empty() && zone->name != wanted)
    return Refuse(
        fmt::format("{} is in zone '{}', not in '{}'", key.ToString(), zone->name, wanted));
  return zone;
}

}  // namespace

std::vector<const ZoneConfig*> ZonesOfKey(const Layout& layout, const Key& key) {
  std::vector<const ZoneConfig*> zones;
  if (key.IsAddress()) {
    if (const ZoneConfig* zone = layout.ZoneOf(key)) zones.push_back(zone);
    return zones;
  }
  for (const ZoneConfig& zone : layout.zones())
    if (HasKind(zone, key.kind)) zones.push_back(&zone);
  return zones;
}

Outcome CheckKeyInZone(const ZoneConfig& zone, const Key& key) {
  if (!key.IsAddress()) {
    if (HasKind(zone, key.kind)) return {};
    return Fail(ErrorKind::kPrecondition,
                fmt::format("{}: zone '{}' has no sessions of this kind: add identities = [\"{}\"] "
                            "to its [[zone]]",
                            key.ToString(), zone.name, IdentityName(key.kind)));
  }
  if (key.address().IsV4()) return {};
  const auto& lengths = zone.ipv6_session_lengths;
  if (std::find(lengths.begin(), lengths.end(), key.bits) != lengths.end()) return {};
  return Fail(ErrorKind::kPrecondition,
              fmt::format("{}: zone '{}' has no sessions of length {}: add it to "
                          "ipv6_session_lengths = [{}] of its [[zone]]",
                          key.ToString(), zone.name, key.bits, fmt::join(lengths, ", ")));
}

Result<SessionTarget> ResolveTarget(const Layout& layout, const std::vector<std::string>& texts,
                                    const std::string& wanted) {
  if (texts.empty()) return Refuse("keys: at least one is wanted");
  if (texts.size() > kMaxKeys)
    return Refuse(
        fmt::format("keys: {} are too many for one client, at most {}", texts.size(), kMaxKeys));
  SessionTarget target;
  if (!wanted.empty()) {
    target.zone = layout.ZoneByName(wanted);
    if (target.zone == nullptr) return Refuse("zone: there is no zone of this name");
  }
  for (const std::string& text : texts) {
    auto key = ParseKey(text);
    if (!key) return Fail(key.error());
    if (std::find(target.keys.begin(), target.keys.end(), *key) == target.keys.end())
      target.keys.push_back(*key);
  }
  for (const Key& key : target.keys) {
    if (!key.IsAddress()) continue;
    auto zone = ZoneOfAddress(layout, key, wanted);
    if (!zone) return Fail(zone.error());
    if (target.zone != nullptr && target.zone != *zone)
      return Refuse(fmt::format("addresses of two zones, '{}' and '{}', cannot be one session",
                                target.zone->name, (*zone)->name));
    target.zone = *zone;
  }
  for (const Key& key : target.keys) {
    if (target.zone == nullptr) {
      auto zone = OnlyZoneWith(layout, key);
      if (!zone) return Fail(zone.error());
      target.zone = *zone;
    }
    if (auto fits = CheckKeyInZone(*target.zone, key); !fits) return Fail(fits.error());
  }
  return target;
}

}  // namespace narthex
