// SPDX-License-Identifier: Apache-2.0
#include "control/layout.h"

#include <fmt/format.h>

#include <algorithm>

namespace narthex {
namespace {

uint32_t AddressCount(const Prefix& pool) { return 1u << (128 - pool.bits); }

bool AnyContains(const std::vector<Prefix>& prefixes, const Address& address) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const Prefix& prefix) { return prefix.Contains(address); });
}

}  // namespace

uint16_t WorkerBase(const std::vector<ZoneConfig>& zones, const ZoneConfig& zone) {
  auto first = std::find_if(zones.begin(), zones.end(), [&](const ZoneConfig& candidate) {
    return candidate.interface == zone.interface;
  });
  return static_cast<uint16_t>((first->id - 1) * NX_MAX_QUEUES);
}

Layout::Layout(const Config& config)
    : zones_(config.zones),
      capacity_(config.session_capacity),
      has_policies_(!config.policies.empty()) {
  for (const ZoneConfig& zone : zones_) {
    has_places_ |= zone.HasPlaces();
    has_via_ |= zone.HasVia();
    has_ipv6_ |= !zone.ipv6_prefixes.empty();
    bridges_ |= zone.forwarding == Forwarding::kBridge;
    for (const Prefix& pool : zone.pools) {
      pools_.push_back({zone.id, {pool.base.V4(), AddressCount(pool), pool_entries_}});
      pool_entries_ += AddressCount(pool);
    }
  }
}

const ZoneConfig* Layout::ZoneByName(const std::string& name) const {
  auto zone = std::find_if(zones_.begin(), zones_.end(),
                           [&](const ZoneConfig& candidate) { return candidate.name == name; });
  return zone == zones_.end() ? nullptr : &*zone;
}

const ZoneConfig* Layout::ZoneOf(const Address& address) const {
  for (const ZoneConfig& zone : zones_)
    if (AnyContains(address.IsV4() ? zone.pools : zone.ipv6_prefixes, address)) return &zone;
  return nullptr;
}

const ZoneConfig* Layout::ZoneOf(const Key& key) const {
  if (!key.IsAddress()) return nullptr;
  const ZoneConfig* zone = ZoneOf(key.address());
  if (zone == nullptr || key.IsSingleAddress()) return zone;
  bool inside = std::any_of(zone->ipv6_prefixes.begin(), zone->ipv6_prefixes.end(),
                            [&](const Prefix& prefix) {
                              return prefix.bits <= key.bits && prefix.Contains(key.address());
                            });
  return inside ? zone : nullptr;
}

std::optional<uint32_t> Layout::PoolSlot(const Address& address) const {
  if (!address.IsV4()) return std::nullopt;
  for (const Pool& candidate : pools_) {
    uint32_t offset = address.V4() - candidate.pool.first;
    if (offset < candidate.pool.count) return candidate.pool.session + offset;
  }
  return std::nullopt;
}

nx_key Layout::KeyOfPoolSlot(uint32_t slot) const {
  auto after = std::upper_bound(
      pools_.begin(), pools_.end(), slot,
      [](uint32_t value, const Pool& candidate) { return value < candidate.pool.session; });
  const Pool& pool = *(after - 1);
  return Key::Of(Address::FromV4(pool.pool.first + (slot - pool.pool.session))).InZone(pool.zone);
}

std::vector<nx_pool> Layout::PoolsOf(const ZoneConfig& zone) const {
  std::vector<nx_pool> pools;
  for (const Pool& candidate : pools_)
    if (candidate.zone == zone.id) pools.push_back(candidate.pool);
  return pools;
}

std::string Layout::ToString() const {
  std::string text = fmt::format("capacity {} limits {} places {} via {}", capacity_, limit_rows(),
                                 place_rows(), via_rows());
  for (const ZoneConfig& zone : zones_) {
    text += fmt::format("; zone {} {}", zone.id, zone.name);
    for (const nx_pool& pool : PoolsOf(zone))
      text += fmt::format(" {}/{}", Address::FromV4(pool.first).ToString(), pool.count);
  }
  return text;
}

uint64_t Layout::PoolAddresses(const std::vector<ZoneConfig>& zones) {
  uint64_t addresses = 0;
  for (const ZoneConfig& zone : zones)
    for (const Prefix& pool : zone.pools) addresses += AddressCount(pool);
  return addresses;
}

}  // namespace narthex
