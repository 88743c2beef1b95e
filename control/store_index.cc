// SPDX-License-Identifier: Apache-2.0
#include "control/store_index.h"

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include <algorithm>

namespace narthex {
namespace {

struct ZoneKey {
  Key key;
  uint16_t zone = 0;  // number in zones_

  bool operator==(const ZoneKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const ZoneKey& from) {
    hash = H::combine(std::move(hash), from.zone, from.key.kind, from.key.bits);
    return H::combine_contiguous(std::move(hash), from.key.bytes.data(), from.key.bytes.size());
  }
};

}  // namespace

struct StoreIndex::Tables {
  absl::flat_hash_map<ZoneKey, int64_t> keys;         // session
  absl::btree_set<std::pair<int64_t, int64_t>> ends;  // end, session
};

StoreIndex::StoreIndex() : tables_(std::make_unique<Tables>()) {}
StoreIndex::~StoreIndex() = default;

void StoreIndex::Reserve(size_t sessions) { tables_->keys.reserve(sessions); }

uint16_t StoreIndex::ZoneNumber(std::string_view zone) {
  auto found = std::find(zones_.begin(), zones_.end(), zone);
  if (found == zones_.end()) found = zones_.emplace(found, zone);
  return static_cast<uint16_t>(found - zones_.begin());
}

std::optional<Key> StoreIndex::AddKeys(std::string_view zone, std::span<const SessionKey> keys,
                                       int64_t session) {
  const uint16_t number = ZoneNumber(zone);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (tables_->keys.emplace(ZoneKey{keys[i].key, number}, session).second) continue;
    for (const SessionKey& added : keys.first(i)) tables_->keys.erase({added.key, number});
    return keys[i].key;
  }
  return std::nullopt;
}

void StoreIndex::RemoveKeys(std::string_view zone, std::span<const SessionKey> keys,
                            int64_t session) {
  const uint16_t number = ZoneNumber(zone);
  for (const SessionKey& entry : keys) {
    auto found = tables_->keys.find({entry.key, number});
    if (found != tables_->keys.end() && found->second == session) tables_->keys.erase(found);
  }
}

std::optional<int64_t> StoreIndex::Find(std::string_view zone, const Key& key) const {
  auto number = std::find(zones_.begin(), zones_.end(), zone);
  if (number == zones_.end()) return std::nullopt;
  auto found = tables_->keys.find({key, static_cast<uint16_t>(number - zones_.begin())});
  if (found == tables_->keys.end()) return std::nullopt;
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
