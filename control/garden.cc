// SPDX-License-Identifier: Apache-2.0
#include "control/garden.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace narthex {
namespace {

bool Covers(const nx_port_range& wide, const nx_port_range& narrow) {
  return wide.protocol == narrow.protocol && wide.first <= narrow.first && narrow.last <= wide.last;
}

// False: no room.
bool Add(nx_garden& row, nx_port_range range) {
  auto end = row.ranges + row.range_count;
  if (std::any_of(row.ranges, end, [&](const auto& there) { return Covers(there, range); }))
    return true;
  if (row.range_count == NX_MAX_GARDEN_RANGES) return false;
  row.ranges[row.range_count++] = range;
  return true;
}

bool AddAll(nx_garden& row, const GardenEntry& entry) {
  bool room = true;
  for (const PortRange& range : entry.tcp)
    room = room && Add(row, {.first = range.first, .last = range.last, .protocol = IPPROTO_TCP});
  for (const PortRange& range : entry.udp)
    room = room && Add(row, {.first = range.first, .last = range.last, .protocol = IPPROTO_UDP});
  return room;
}

nx_garden_key KeyOf(const ZoneConfig& zone, const Prefix& prefix) {
  nx_garden_key key{};
  key.prefix_len = NX_GARDEN_PREFIX_BASE + prefix.bits;
  key.zone = zone.id;
  std::memcpy(key.addr, prefix.base.bytes.data(), sizeof key.addr);
  return key;
}

}  // namespace

Result<std::vector<GardenRow>> GardenRows(const std::vector<ZoneConfig>& zones) {
  std::vector<GardenRow> rows;
  for (const ZoneConfig& zone : zones) {
    std::map<Prefix, nx_garden> merged;
    for (const GardenEntry& entry : zone.garden) merged[entry.prefix] = {};
    for (auto& [prefix, row] : merged) {
      for (const GardenEntry& entry : zone.garden) {
        bool inside = entry.prefix.bits <= prefix.bits && entry.prefix.Contains(prefix.base);
        if (inside && !AddAll(row, entry))
          return Fail(ErrorKind::kInvalid,
                      fmt::format("zone '{}': garden prefix {} has more than {} port ranges, those "
                                  "of wider prefixes included",
                                  zone.name, prefix.ToString(), NX_MAX_GARDEN_RANGES));
      }
      rows.emplace_back(KeyOf(zone, prefix), row);
    }
  }
  return rows;
}

}  // namespace narthex
