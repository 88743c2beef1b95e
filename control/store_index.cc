// SPDX-License-Identifier: Apache-2.0
#include "control/store_index.h"

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "control/zone_key.h"

namespace narthex {
namespace {

constexpr size_t kShards = 256;
constexpr size_t kShares = 4096;

// Which shard each share of the hashes belongs to. Shard n has 2^(1/256) as many as shard n - 1:
// all of them double in the time in which the whole does, one after the other.
std::array<uint8_t, kShares> ShardsOfShares() {
  std::array<uint8_t, kShares> shards;
  for (size_t i = 0; i < kShares; ++i)
    shards[i] = static_cast<uint8_t>(std::log2(1.0 + static_cast<double>(i) / kShares) *
                                     static_cast<double>(kShards));
  return shards;
}

struct Free {
  void operator()(int64_t* memory) const { std::free(memory); }
};

}  // namespace

struct StoreIndex::Tables {
  using Shard = absl::flat_hash_map<ZoneKey, int64_t>;  // session

  // Zeroes that take no memory until they are written.
  explicit Tables(size_t pool_entries)
      : pool(pool_entries == 0
                 ? nullptr
                 : static_cast<int64_t*>(std::calloc(pool_entries, sizeof(int64_t)))) {
    if (pool_entries != 0 && !pool) std::abort();
  }
  Shard& Of(const ZoneKey& key) {
    return keys[shards[absl::Hash<ZoneKey>{}(key) >> 40 & (kShares - 1)]];
  }

  std::unique_ptr<int64_t[], Free> pool;  // session; 0: none
  const std::array<uint8_t, kShares> shards = ShardsOfShares();
  std::array<Shard, kShards> keys;
  absl::btree_set<std::pair<int64_t, int64_t>> ends;  // end, session
};

StoreIndex::StoreIndex(const Layout* layout)
    : layout_(layout),
      tables_(std::make_unique<Tables>(layout == nullptr ? 0 : layout->pool_entries())) {}
StoreIndex::~StoreIndex() = default;

// Where the session of a key of a pool stands; null for other keys, those of an earlier
// configuration's zones among them.
int64_t* StoreIndex::PoolEntry(std::string_view zone, const Key& key) const {
  if (layout_ == nullptr || !key.IsSingleAddress()) return nullptr;
  auto slot = layout_->PoolSlot(key.address());
  if (!slot || layout_->ZoneById(layout_->KeyOfPoolSlot(*slot).zone).name != zone) return nullptr;
  return &tables_->pool[*slot];
}

bool StoreIndex::Add(std::string_view zone, uint16_t number, const Key& key, int64_t session) {
  int64_t* entry = PoolEntry(zone, key);
  if (entry == nullptr) {
    const ZoneKey hashed{key, number};
    return tables_->Of(hashed).emplace(hashed, session).second;
  }
  if (*entry != 0) return false;
  *entry = session;
  return true;
}

uint16_t StoreIndex::ZoneNumber(std::string_view zone) {
  auto found = std::find(zones_.begin(), zones_.end(), zone);
  if (found == zones_.end()) found = zones_.emplace(found, zone);
  return static_cast<uint16_t>(found - zones_.begin());
}

std::optional<Key> StoreIndex::AddKeys(std::string_view zone, std::span<const SessionKey> keys,
                                       int64_t session) {
  const uint16_t number = ZoneNumber(zone);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (Add(zone, number, keys[i].key, session)) continue;
    RemoveKeys(zone, keys.first(i), session);
    return keys[i].key;
  }
  return std::nullopt;
}

void StoreIndex::RemoveKeys(std::string_view zone, std::span<const SessionKey> keys,
                            int64_t session) {
  const uint16_t number = ZoneNumber(zone);
  for (const SessionKey& entry : keys) {
    if (int64_t* pool_entry = PoolEntry(zone, entry.key)) {
      if (*pool_entry == session) *pool_entry = 0;
      continue;
    }
    const ZoneKey hashed{entry.key, number};
    Tables::Shard& shard = tables_->Of(hashed);
    auto found = shard.find(hashed);
    if (found != shard.end() && found->second == session) shard.erase(found);
  }
}

std::optional<int64_t> StoreIndex::Find(std::string_view zone, const Key& key) const {
  if (const int64_t* entry = PoolEntry(zone, key))
    return *entry == 0 ? std::nullopt : std::optional(*entry);
  auto number = std::find(zones_.begin(), zones_.end(), zone);
  if (number == zones_.end()) return std::nullopt;
  const ZoneKey hashed{key, static_cast<uint16_t>(number - zones_.begin())};
  const Tables::Shard& shard = tables_->Of(hashed);
  auto found = shard.find(hashed);
  if (found == shard.end()) return std::nullopt;
  return found->second;
}

void StoreIndex::AddEnd(int64_t end_ns, int64_t session) {
  tables_->ends.emplace_hint(tables_->ends.end(), end_ns, session);  // most are the latest
}

void StoreIndex::RemoveEnd(int64_t end_ns, int64_t session) {
  tables_->ends.erase({end_ns, session});
}

std::vector<std::pair<int64_t, int64_t>> StoreIndex::EndsBy(int64_t end_ns, size_t most) const {
  std::vector<std::pair<int64_t, int64_t>> ends;
  for (const auto& end : tables_->ends) {
    if (end.first > end_ns || ends.size() == most) break;
    ends.push_back(end);
  }
  return ends;
}

std::optional<int64_t> StoreIndex::FirstEnd() const {
  if (tables_->ends.empty()) return std::nullopt;
  return tables_->ends.begin()->first;
}

// What is over is taken out within moments, so there are few of those.
size_t StoreIndex::CountAfter(int64_t end_ns) const {
  size_t over = 0;
  for (const auto& end : tables_->ends) {
    if (end.first > end_ns) break;
    ++over;
  }
  return tables_->ends.size() - over;
}

}  // namespace narthex
