// SPDX-License-Identifier: Apache-2.0
#include "control/store_rows.h"

#include <algorithm>
#include <cstring>

namespace narthex {
namespace {

constexpr size_t kSlotAt = kKeyBytes;
constexpr size_t kBoundAt = kSlotAt + 4;
constexpr size_t kEntryBytes = kBoundAt + 6;
using Entry = std::array<uint8_t, kEntryBytes>;

Entry EntryOf(const SessionKey& from) {
  Entry entry;
  auto key = BlobOf(from.key);
  std::copy(key.begin(), key.end(), entry.begin());
  for (size_t i = 0; i < 4; ++i) entry[kSlotAt + i] = static_cast<uint8_t>(from.slot >> (8 * i));
  std::copy(from.bound.bytes.begin(), from.bound.bytes.end(), entry.begin() + kBoundAt);
  return entry;
}

}  // namespace

std::array<uint8_t, kKeyBytes> BlobOf(const Key& key) {
  std::array<uint8_t, kKeyBytes> blob;
  blob[0] = static_cast<uint8_t>(key.kind);
  blob[1] = key.bits;
  std::copy(key.bytes.begin(), key.bytes.end(), blob.begin() + 2);
  return blob;
}

Result<Key> KeyOfBlob(std::string_view blob) {
  if (blob.size() != kKeyBytes) return Fail("a key is damaged");
  Key key;
  key.kind = static_cast<KeyKind>(blob[0]);
  key.bits = static_cast<uint8_t>(blob[1]);
  std::memcpy(key.bytes.data(), blob.data() + 2, key.bytes.size());
  return key;
}

std::string EncodeKeys(std::span<const SessionKey> keys, std::span<const SessionKey> more) {
  if (keys.size() == 1 && more.empty()) {  // nearly always
    const Entry entry = EntryOf(keys.front());
    return {reinterpret_cast<const char*>(entry.data()), entry.size()};
  }
  std::vector<Entry> entries;
  entries.reserve(keys.size() + more.size());
  for (auto part : {keys, more})
    for (const SessionKey& key : part) entries.push_back(EntryOf(key));
  std::sort(entries.begin(), entries.end());
  std::string blob;
  blob.reserve(entries.size() * kEntryBytes);
  for (const Entry& entry : entries)
    blob.append(reinterpret_cast<const char*>(entry.data()), entry.size());
  return blob;
}

Result<std::vector<SessionKey>> DecodeKeys(std::string_view blob) {
  if (blob.size() % kEntryBytes != 0) return Fail("the keys of a session are damaged");
  std::vector<SessionKey> keys(blob.size() / kEntryBytes);
  for (SessionKey& entry : keys) {
    auto key = KeyOfBlob(blob.substr(0, kKeyBytes));
    if (!key) return Fail(key.error());
    entry.key = *key;
    entry.slot = 0;
    for (size_t i = 0; i < 4; ++i)
      entry.slot |= uint32_t{static_cast<uint8_t>(blob[kSlotAt + i])} << (8 * i);
    std::memcpy(entry.bound.bytes.data(), blob.data() + kBoundAt, entry.bound.bytes.size());
    blob.remove_prefix(kEntryBytes);
  }
  return keys;
}

Query& BindKey(Query& query, const Key& key) {
  auto blob = BlobOf(key);
  return query.BindBlob(blob.data(), blob.size());
}

void BindCounters(Query& query, const SessionCounters& counters) {
  for (uint64_t value : {counters.packets_up, counters.bytes_up, counters.packets_down,
                         counters.bytes_down, counters.first_seen_ns, counters.last_seen_ns})
    query.Bind(static_cast<int64_t>(value));
}

void BindUsage(Query& query, const Usage& usage) {
  query.Bind(static_cast<int64_t>(usage.bytes_up)).Bind(static_cast<int64_t>(usage.bytes_down));
  query.Bind(int64_t{usage.last_seen_s});
}

}  // namespace narthex
