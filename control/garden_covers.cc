// SPDX-License-Identifier: Apache-2.0
#include "control/garden_covers.h"

#include <algorithm>

#include "control/garden_name.h"

namespace narthex {

bool GardenCoversHost(const ZoneConfig& zone, std::string_view host) {
  if (auto address = ParseAddress(host))
    return std::any_of(zone.garden.begin(), zone.garden.end(),
                       [&](const GardenEntry& entry) { return entry.prefix.Contains(*address); });
  std::string name(host);
  if (name.ends_with('.')) name.pop_back();
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::any_of(
      zone.garden_names.begin(), zone.garden_names.end(),
      [&](const GardenNameEntry& entry) { return MatchesGardenName(entry.name, name); });
}

}  // namespace narthex
