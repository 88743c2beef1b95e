// SPDX-License-Identifier: Apache-2.0
#include "control/session_map.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstring>
#include <map>

#include "control/clock.h"

namespace narthex {
namespace {

uint64_t Load(uint64_t& field) { return std::atomic_ref(field).load(std::memory_order_relaxed); }

// The map's fields are __u64, which is another type of the same size.
uint64_t& As64(__u64& field) { return reinterpret_cast<uint64_t&>(field); }

uint64_t LoadExpiry(nx_session& entry) {
  return std::atomic_ref(As64(entry.expires_ns)).load(std::memory_order_acquire);
}

void StoreExpiry(nx_session& entry, uint64_t expires_ns) {
  std::atomic_ref(As64(entry.expires_ns)).store(expires_ns, std::memory_order_seq_cst);
}

void StoreField(__u64& field, uint64_t value) {
  std::atomic_ref(As64(field)).store(value, std::memory_order_relaxed);
}

uint64_t LoadSeconds(__u32& field) {
  return uint64_t{kSecondNs} * std::atomic_ref(field).load(std::memory_order_relaxed);
}

void StoreSeconds(__u32& field, uint64_t time_ns) {
  std::atomic_ref(field).store(static_cast<__u32>(time_ns / kSecondNs), std::memory_order_relaxed);
}

SessionCounters CountersOf(nx_session& entry) {
  return {.packets_up = Load(As64(entry.packets_up)),
          .bytes_up = Load(As64(entry.bytes_up)),
          .packets_down = Load(As64(entry.packets_down)),
          .bytes_down = Load(As64(entry.bytes_down)),
          .first_seen_ns = LoadSeconds(entry.first_seen_s),
          .last_seen_ns = LoadSeconds(entry.last_seen_s)};
}

}  // namespace

nx_key AddressKey(uint16_t zone, const Address& address) {
  nx_key key{};
  std::memcpy(key.addr, address.bytes.data(), sizeof key.addr);
  key.zone = zone;
  key.kind = NX_KEY_ADDRESS;
  key.prefix_len = 128;
  return key;
}

void SessionMap::Store(uint32_t slot, int64_t expires_ns, int64_t begun_ns,
                       const SessionCounters& counters) {
  nx_session& entry = Entry(slot);
  SetExpiry(slot, 0);
  StoreField(entry.packets_up, counters.packets_up);
  StoreField(entry.bytes_up, counters.bytes_up);
  StoreField(entry.packets_down, counters.packets_down);
  StoreField(entry.bytes_down, counters.bytes_down);
  StoreSeconds(entry.first_seen_s, counters.first_seen_ns);
  StoreSeconds(entry.last_seen_s, counters.last_seen_ns);
  std::atomic_ref(entry.limits).store(0, std::memory_order_relaxed);
  StoreSeconds(entry.begun_s, static_cast<uint64_t>(begun_ns));
  SetExpiry(slot, expires_ns);
}

Result<uint32_t> SessionMap::Reserve(const Address& address) {
  if (auto slot = layout_.PoolSlot(address)) return *slot;
  if (free_.empty())
    return Fail(ErrorKind::kExhausted,
                fmt::format("the session table is full: all {} entries of sessions.capacity are in "
                            "use; raise it in the configuration",
                            layout_.capacity()));
  uint32_t slot = free_.front();
  free_.pop_front();
  return slot;
}

void SessionMap::Release(uint32_t slot) {
  if (!IsPoolSlot(slot) && slot != kNoSlot) free_.push_back(slot);
}

Outcome SessionMap::Begin(uint16_t zone, const Address& address, uint32_t slot, int64_t expires_ns,
                          int64_t begun_ns, const SessionCounters& counters) {
  if (!IsPoolSlot(slot)) {
    // The entry first: a key that leads to it must find it whole.
    SetExpiry(slot, 0);
    if (auto put = table_.PutKey(AddressKey(zone, address), slot); !put) return put;
  }
  Store(slot, expires_ns, begun_ns, counters);
  return {};
}

void SessionMap::SetExpiry(uint32_t slot, int64_t expires_ns) {
  StoreExpiry(Entry(slot), static_cast<uint64_t>(expires_ns));
  if (!IsPoolSlot(slot)) return;
  uint64_t& word = table_.FastWords()[slot / NX_FAST_BITS];
  std::atomic_ref(word).fetch_and(~(uint64_t{1} << slot % NX_FAST_BITS), std::memory_order_seq_cst);
}

void SessionMap::Settle() {
  auto settled = table_.Settle();
  if (!settled) spdlog::warn("accounts may lag behind: {}", settled.error().message);
}

SessionCounters SessionMap::End(uint16_t zone, const Address& address, uint32_t slot) {
  Revoke(slot);
  SessionCounters counters = CountersOf(Entry(slot));
  if (IsPoolSlot(slot)) return counters;
  if (auto deleted = table_.DeleteKey(AddressKey(zone, address)); !deleted) {
    // The entry authorises nobody, but handed out again it would authorise two: keep it out.
    spdlog::error("key of {} cannot be deleted, its entry {} stays unused: {}", address.ToString(),
                  slot, deleted.error().message);
    return counters;
  }
  free_.push_back(slot);
  return counters;
}

SessionCounters SessionMap::Read(uint32_t slot) const { return CountersOf(Entry(slot)); }

// Entries behind the pools: keeps the keys that the store has, deletes the others.
Outcome SessionMap::AdoptKeys(std::vector<WantedEntry>& wanted, std::vector<bool>& used,
                              ReconcileReport& report) {
  std::map<std::pair<uint16_t, Address>, WantedEntry*> by_key;
  for (WantedEntry& entry : wanted)
    if (!layout_.PoolSlot(entry.address)) by_key[{entry.zone, entry.address}] = &entry;

  auto keys = table_.Keys();
  if (!keys) return Fail(keys.error());
  for (const auto& [key, slot] : *keys) {
    Address address;
    std::memcpy(address.bytes.data(), key.addr, sizeof key.addr);
    auto found = by_key.find({key.zone, address});
    bool sane = slot >= layout_.pool_entries() && slot < layout_.entries() && !used[slot] &&
                key.kind == NX_KEY_ADDRESS && key.prefix_len == 128;
    if (found != by_key.end() && sane) {
      found->second->slot = slot;
      used[slot] = true;
      continue;
    }
    ++report.removed;
    if (auto deleted = table_.DeleteKey(key); !deleted) return deleted;
  }
  return {};
}

void SessionMap::CollectFree(const std::vector<bool>& used) {
  free_.clear();
  for (uint32_t slot = layout_.pool_entries(); slot < layout_.entries(); ++slot)
    if (!used[slot]) free_.push_back(slot);
}

Result<ReconcileReport> SessionMap::Reconcile(std::vector<WantedEntry>& wanted) {
  ReconcileReport report;
  // A crash may have come between an entry's end and its fast bit: all are judged anew.
  for (uint64_t& word : table_.FastWords())
    std::atomic_ref(word).store(0, std::memory_order_seq_cst);
  std::vector<bool> used(layout_.entries());
  if (auto done = AdoptKeys(wanted, used, report); !done) return Fail(done.error());
  for (WantedEntry& entry : wanted)
    if (auto slot = layout_.PoolSlot(entry.address)) used[entry.slot = *slot] = true;

  // What the store does not have ends first: nobody passes for a moment with a stranger's entry.
  for (uint32_t slot = 0; slot < layout_.entries(); ++slot) {
    if (used[slot] || LoadExpiry(Entry(slot)) == 0) continue;
    SetExpiry(slot, 0);
    if (IsPoolSlot(slot)) ++report.removed;
  }
  CollectFree(used);

  for (WantedEntry& entry : wanted) {
    auto expires_ns = static_cast<uint64_t>(entry.expires_ns);
    if (entry.slot != kNoSlot && LoadExpiry(Entry(entry.slot)) != 0) {
      if (LoadExpiry(Entry(entry.slot)) != expires_ns) SetExpiry(entry.slot, entry.expires_ns);
      ++report.kept;
      continue;
    }
    if (entry.slot == kNoSlot) {
      auto slot = Reserve(entry.address);
      if (!slot) continue;  // the caller sees kNoSlot
      entry.slot = *slot;
    }
    const nx_session* replaced = table_.Replaced(entry.old_slot);
    SessionCounters counters = entry.counters;
    if (replaced != nullptr && replaced->expires_ns != 0)
      counters = CountersOf(const_cast<nx_session&>(*replaced));
    if (auto begun = Begin(entry.zone, entry.address, entry.slot, entry.expires_ns, 0, counters);
        !begun)
      return Fail(begun.error());
    ++report.added;
  }
  return report;
}

}  // namespace narthex
