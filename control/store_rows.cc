// SPDX-License-Identifier: Apache-2.0
#include "control/store_rows.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <type_traits>

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

constexpr size_t kUsageBytes = 20;
constexpr size_t kHeadBytes = 33;
constexpr uint8_t kHasUsage = 1;

template <typename T>
void Put(T value, char*& at) {
  for (size_t i = 0; i < sizeof(T); ++i)
    *at++ = static_cast<char>(static_cast<std::make_unsigned_t<T>>(value) >> (8 * i));
}

template <typename T>
T Get(const char*& at) {
  std::make_unsigned_t<T> value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<std::make_unsigned_t<T>>(
        static_cast<std::make_unsigned_t<T>>(static_cast<uint8_t>(*at++)) << (8 * i));
  return static_cast<T>(value);
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

void AppendSession(const StoredSession& session, std::string& block) {
  const std::string_view texts[] = {session.zone, session.creator, session.policy, session.keys};
  const bool has_usage = session.usage != Usage{};
  std::array<char, kHeadBytes + kUsageBytes> head;
  char* at = head.data();
  Put(static_cast<uint8_t>(has_usage ? kHasUsage : 0), at);
  for (int64_t number : {session.number, session.created_wall_ns, session.expires_boot_ns})
    Put(number, at);
  Put(session.limits, at);
  // Names are short and a session has few keys; one that is not cannot have come so far.
  if (std::any_of(std::begin(texts), std::end(texts) - 1,
                  [](auto text) { return text.size() > 255; }) ||
      session.keys.size() % kEntryBytes != 0 || session.keys.size() / kEntryBytes > 255)
    std::abort();
  for (std::string_view name : {session.zone, session.creator, session.policy})
    Put(static_cast<uint8_t>(name.size()), at);
  Put(static_cast<uint8_t>(session.keys.size() / kEntryBytes), at);
  if (has_usage) {
    Put(session.usage.bytes_up, at);
    Put(session.usage.bytes_down, at);
    Put(session.usage.last_seen_s, at);
  }
  block.append(head.data(), at);
  for (std::string_view text : texts) block.append(text);
}

Result<StoredSession> TakeSession(std::string_view& block) {
  StoredSession session;
  const char* at = block.data();
  if (block.size() < kHeadBytes) return Fail("a session is damaged");
  const bool has_usage = Get<uint8_t>(at) == kHasUsage;
  for (int64_t* number : {&session.number, &session.created_wall_ns, &session.expires_boot_ns})
    *number = Get<int64_t>(at);
  session.limits = Get<uint32_t>(at);
  size_t sizes[4];
  for (size_t& size : sizes) size = Get<uint8_t>(at);
  sizes[3] *= kEntryBytes;
  size_t whole = kHeadBytes + (has_usage ? kUsageBytes : 0);
  for (size_t size : sizes) whole += size;
  if (block.size() < whole) return Fail("a session is damaged");
  if (has_usage) {
    session.usage.bytes_up = Get<uint64_t>(at);
    session.usage.bytes_down = Get<uint64_t>(at);
    session.usage.last_seen_s = Get<uint32_t>(at);
  }
  std::string_view* const texts[] = {&session.zone, &session.creator, &session.policy,
                                     &session.keys};
  for (size_t i = 0; i < 4; ++i) {
    *texts[i] = {at, sizes[i]};
    at += sizes[i];
  }
  block.remove_prefix(whole);
  return session;
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

}  // namespace narthex
