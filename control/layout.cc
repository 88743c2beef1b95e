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

Layout::Layout(const Config& config) : zones_(config.zones), capacity_(config.session_capacity) {
  for (const ZoneConfig& zone : zones_) {
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

std::optional<uint32_t> Layout::PoolSlot(const Address& address) const {
  if (!address.IsV4()) return std::nullopt;
  for (const Pool& candidate : pools_) {
    uint32_t offset = address.V4() - candidate.pool.first;
    if (offset < candidate.pool.count) return candidate.pool.session + offset;
  }
  return std::nullopt;
}

std::vector<nx_pool> Layout::PoolsOf(const ZoneConfig& zone) const {
  std::vector<nx_pool> pools;
  for (const Pool& candidate : pools_)
    if (candidate.zone == zone.id) pools.push_back(candidate.pool);
  return pools;
}

std::string Layout::ToString() const {
  std::string text = fmt::format("capacity {}", capacity_);
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
