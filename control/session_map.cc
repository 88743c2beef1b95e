// SPDX-License-Identifier: Apache-2.0
#include "control/session_map.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <bit>
#include <cstring>
#include <unordered_map>

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

uint32_t Load(__u32& field) { return std::atomic_ref(field).load(std::memory_order_acquire); }

void StoreField(__u32& field, uint64_t value) {
  std::atomic_ref(field).store(static_cast<__u32>(value), std::memory_order_relaxed);
}

uint64_t LoadSeconds(__u32& field) { return uint64_t{kSecondNs} * Load(field); }

void StoreSeconds(__u32& field, uint64_t time_ns) { StoreField(field, time_ns / kSecondNs); }

// Packets and bytes of one direction as an account has them.
struct Traffic {
  uint64_t word;
  uint32_t rounds;
};

Traffic TrafficOf(uint64_t packets, uint64_t bytes) {
  const uint64_t byte_rounds = bytes >> NX_TRAFFIC_BYTES & ((1u << NX_ROUNDS_BYTES) - 1);
  const uint64_t above = packets + byte_rounds;
  return {above << NX_TRAFFIC_BYTES | (bytes & ((uint64_t{1} << NX_TRAFFIC_BYTES) - 1)),
          static_cast<uint32_t>(above >> (64 - NX_TRAFFIC_BYTES) << NX_ROUNDS_BYTES | byte_rounds)};
}

// Rounds are read first: who reads in the instant of one is that much short, never beyond, and
// right the next time; a session that has ended has no such instant.
SessionCounters CountersOf(const AccountFields& account) {
  const uint32_t rounds_up = Load(account.rest.rounds_up);
  const uint32_t rounds_down = Load(account.rest.rounds_down);
  const uint64_t up = Load(account.up), down = Load(account.down);
  return {.packets_up = nx_traffic_packets(up, rounds_up),
          .bytes_up = nx_traffic_bytes(up, rounds_up),
          .packets_down = nx_traffic_packets(down, rounds_down),
          .bytes_down = nx_traffic_bytes(down, rounds_down),
          .first_seen_ns = LoadSeconds(account.rest.first_seen_s),
          .last_seen_ns = LoadSeconds(account.rest.last_seen_s)};
}

void StoreTraffic(uint64_t& word, __u32& rounds, const Traffic& traffic) {
  std::atomic_ref(word).store(traffic.word, std::memory_order_relaxed);
  StoreField(rounds, traffic.rounds);
}

void StoreCounters(const AccountFields& account, const SessionCounters& counters) {
  StoreTraffic(account.up, account.rest.rounds_up,
               TrafficOf(counters.packets_up, counters.bytes_up));
  StoreTraffic(account.down, account.rest.rounds_down,
               TrafficOf(counters.packets_down, counters.bytes_down));
  StoreSeconds(account.rest.first_seen_s, counters.first_seen_ns);
  StoreSeconds(account.rest.last_seen_s, counters.last_seen_ns);
}

// Beside a classifier that counts there, too.
void AddTraffic(uint64_t& word, __u32& rounds, const Traffic& more) {
  const uint64_t was = std::atomic_ref(word).fetch_add(more.word, std::memory_order_relaxed);
  const uint32_t round = more.rounds + nx_rounds(was, more.word);
  if (round != 0) std::atomic_ref(rounds).fetch_add(round, std::memory_order_relaxed);
}

void AddCounters(const AccountFields& account, const SessionCounters& more) {
  AddTraffic(account.up, account.rest.rounds_up, TrafficOf(more.packets_up, more.bytes_up));
  AddTraffic(account.down, account.rest.rounds_down, TrafficOf(more.packets_down, more.bytes_down));
}

// Two different readings of one entry rarely have the same; it only grows.
uint32_t Digest(const SessionCounters& counters) {
  uint64_t mixed =
      counters.packets_up * 0x9e3779b97f4a7c15 + counters.packets_down * 0xff51afd7ed558ccd;
  return static_cast<uint32_t>(mixed >> 32) | 1;
}

// Of the word of what came from a client, which changes with each packet.
uint32_t Digest(uint64_t word) { return static_cast<uint32_t>(word * 0x9e3779b97f4a7c15 >> 32); }

uint64_t BitOf(uint32_t slot) { return uint64_t{1} << slot % NX_FAST_BITS; }

constexpr uint32_t kForgetAddressS = 3600;

}  // namespace

SessionMap::SessionMap(const Layout& layout, SessionTable& table)
    : layout_(layout),
      table_(table),
      free_(layout.pool_entries(), layout.entries()),
      live_(layout.entries() / 64 + 1),
      keys_(layout.capacity()),
      saved_(layout.entries()),
      seen_(layout.entries()) {}

const nx_session* SessionMap::InForce(uint32_t slot) const {
  if (slot >= layout_.entries() || LoadExpiry(Entry(slot)) == 0) return nullptr;
  return &Entry(slot);
}

void SessionMap::NoteLive(uint32_t slot, const nx_key& key) {
  live_[slot / 64] |= uint64_t{1} << slot % 64;
  if (!IsPoolSlot(slot)) keys_[slot - layout_.pool_entries()] = key;
}

void SessionMap::NoteSeen(uint32_t slot, int64_t now_ns) {
  const AccountFields account = Account(slot);
  const uint32_t digest = Digest(Load(account.up));
  if (seen_[slot] == digest) return;
  seen_[slot] = digest;
  const auto seen_ns = static_cast<uint64_t>(now_ns);
  if (account.rest.first_seen_s == 0) StoreSeconds(account.rest.first_seen_s, seen_ns);
  StoreSeconds(account.rest.last_seen_s, seen_ns);
}

// The store has these counters: what differs from them is to be saved, and has been seen.
void SessionMap::TakeForSaved(uint32_t slot, const SessionCounters& counters) {
  saved_[slot] = Digest(counters);
  seen_[slot] = Digest(TrafficOf(counters.packets_up, counters.bytes_up).word);
}

void SessionMap::SetBound(uint32_t slot, const Mac& bound) {
  if (slot >= table_.Places().size() || table_.Places().size() < layout_.entries()) return;
  std::memcpy(table_.Places()[slot].mac, bound.bytes.data(), bound.bytes.size());
}

void SessionMap::Store(uint32_t slot, const MapEntry& wanted) {
  nx_session& entry = Entry(slot);
  SetExpiry(slot, 0);
  StoreCounters(Account(slot), wanted.counters);
  std::atomic_ref(entry.limits).store(wanted.limits, std::memory_order_relaxed);
  if (!IsPoolSlot(slot)) std::atomic_ref(entry.addresses).store(0, std::memory_order_relaxed);
  const auto begun_s = static_cast<uint32_t>(wanted.begun_ns / kSecondNs);
  std::atomic_ref(entry.begun)
      .store(begun_s == 0 ? 0 : nx_begun(begun_s), std::memory_order_relaxed);
  if (table_.Places().size() >= layout_.entries()) table_.Places()[slot] = {};
  SetBound(slot, wanted.bound);
  TakeForSaved(slot, wanted.counters);
  NoteLive(slot, wanted.key.InZone(wanted.zone));
  SetExpiry(slot, wanted.expires_ns);
}

Result<uint32_t> SessionMap::Reserve(const Key& key) {
  if (key.IsSingleAddress())
    if (auto slot = layout_.PoolSlot(key.address())) return *slot;
  auto slot = free_.Take();
  if (!slot && !retired_.empty()) {
    if (auto swept = SweepVia(0); !swept) return Fail(swept.error());
    slot = free_.Take();
  }
  if (!slot)
    return Fail(ErrorKind::kExhausted,
                fmt::format("the session table is full: all {} entries of sessions.capacity are in "
                            "use; raise it in the configuration",
                            layout_.capacity()));
  return *slot;
}

void SessionMap::Release(uint32_t slot) {
  if (!IsPoolSlot(slot) && slot != kNoSlot) free_.Give(slot);
}

Outcome SessionMap::Begin(uint32_t slot, const MapEntry& entry) {
  if (!IsPoolSlot(slot)) {
    // The entry first: a key that leads to it must find it whole.
    SetExpiry(slot, 0);
    if (auto put = table_.PutKey(entry.key.InZone(entry.zone), slot); !put) return put;
  }
  Store(slot, entry);
  return {};
}

// The order is the contract: see the head of session_map.h. All of it is seq_cst: whoever sees an
// end sees the held bit that went before it, on processors that reorder stores, too.
void SessionMap::SetExpiry(uint32_t slot, int64_t expires_ns) {
  if (!IsPoolSlot(slot)) {
    StoreExpiry(Entry(slot), static_cast<uint64_t>(expires_ns));
    return;
  }
  if (expires_ns != 0) SetHeld(slot, true);
  StoreExpiry(Entry(slot), static_cast<uint64_t>(expires_ns));
  std::atomic_ref(table_.FastWords()[slot / NX_FAST_BITS])
      .fetch_and(~BitOf(slot), std::memory_order_seq_cst);
  if (expires_ns == 0) SetHeld(slot, false);
}

// narthexd alone writes these words, so one that is right already is left alone.
void SessionMap::SetHeld(uint32_t slot, bool held) {
  std::atomic_ref word(table_.HeldWords()[slot / NX_FAST_BITS]);
  if (held == ((word.load(std::memory_order_relaxed) & BitOf(slot)) != 0)) return;
  word.fetch_xor(BitOf(slot), std::memory_order_seq_cst);
}

// The map may be in force: each word becomes what its entries say in one store, so no session's bit
// is clear for a moment. After a crash bits may be set too many; in a new map none is.
void SessionMap::RebuildHeld() {
  for (uint32_t first = 0; first < layout_.pool_entries(); first += NX_FAST_BITS) {
    const uint32_t behind = std::min(first + NX_FAST_BITS, layout_.pool_entries());
    uint64_t bits = 0;
    for (uint32_t slot = first; slot < behind; ++slot)
      if (LoadExpiry(Entry(slot)) != 0) bits |= BitOf(slot);
    std::atomic_ref word(table_.HeldWords()[first / NX_FAST_BITS]);
    if (word.load(std::memory_order_relaxed) != bits) word.store(bits, std::memory_order_seq_cst);
  }
}

void SessionMap::SetLimits(uint32_t slot, uint32_t limits, int64_t expires_ns) {
  std::atomic_ref(Entry(slot).limits).store(limits, std::memory_order_seq_cst);
  SetExpiry(slot, expires_ns);
}

void SessionMap::Settle() {
  auto settled = table_.Settle();
  if (!settled) spdlog::warn("accounts may lag behind: {}", settled.error().message);
}

void SessionMap::CatchUp() {
  std::unordered_map<uint32_t, SessionCounters> noted;  // by slot of the replaced maps
  for (const nx_ledger_entry& note : table_.ReplacedNotes()) {
    SessionCounters& of = noted[note.session & ~NX_LEDGER_DOWN];
    const bool down = note.session & NX_LEDGER_DOWN;
    (down ? of.packets_down : of.packets_up) += note.packets;
    (down ? of.bytes_down : of.bytes_up) += note.bytes;
  }
  for (const auto& [slot, old_slot, before] : handed_over_) {
    const SessionCounters now = CountersOf(*table_.ReplacedAccount(old_slot));
    auto more = noted.find(old_slot);
    if (more == noted.end() && now == before) continue;
    SessionCounters missed = more == noted.end() ? SessionCounters() : more->second;
    missed.packets_up += now.packets_up - before.packets_up;
    missed.bytes_up += now.bytes_up - before.bytes_up;
    missed.packets_down += now.packets_down - before.packets_down;
    missed.bytes_down += now.bytes_down - before.bytes_down;
    AddCounters(Account(slot), missed);
  }
  handed_over_ = {};
  table_.ReleaseReplaced();
}

SessionCounters SessionMap::End(uint16_t zone, const Key& key, uint32_t slot, int64_t now_ns) {
  Revoke(slot);
  SessionCounters counters = Read(slot, now_ns);
  live_[slot / 64] &= ~(uint64_t{1} << slot % 64);
  if (IsPoolSlot(slot)) return counters;
  if (auto deleted = table_.DeleteKey(key.InZone(zone)); !deleted) {
    // The entry authorises nobody, but handed out again it would authorise two: keep it out.
    spdlog::error("key of {} cannot be deleted, its entry {} stays unused: {}", key.ToString(),
                  slot, deleted.error().message);
    return counters;
  }
  if (key.IsAddress())
    free_.Give(slot);
  else
    retired_.push_back(slot);
  return counters;
}

SessionCounters SessionMap::Read(uint32_t slot, int64_t now_ns) {
  NoteSeen(slot, now_ns);
  return CountersOf(Account(slot));
}

void SessionMap::NoteSeen(uint32_t* from, uint32_t most_slots, int64_t now_ns) {
  const uint32_t end = std::min<uint64_t>(layout_.entries(), uint64_t{*from} + most_slots);
  for (uint32_t slot = *from; slot < end; ++slot) {
    if (live_[slot / 64] == 0)
      slot |= 63;  // none of 64 has begun
    else if (IsLive(slot))
      NoteSeen(slot, now_ns);
  }
  *from = end;
}

bool SessionMap::MayHave(const Key& key) const {
  if (!key.IsSingleAddress()) return true;
  auto slot = layout_.PoolSlot(key.address());
  return !slot || IsLive(*slot);
}

nx_key SessionMap::KeyOf(uint32_t slot) const {
  return IsPoolSlot(slot) ? layout_.KeyOfPoolSlot(slot) : keys_[slot - layout_.pool_entries()];
}

std::optional<uint32_t> SessionMap::UserOf(uint16_t zone, const Address& address) const {
  auto row = table_.FindVia(Key::Of(address).InZone(zone));
  if (!row || InForce(row->session) == nullptr) return std::nullopt;
  return row->session;
}

std::vector<MovedEntry> SessionMap::CollectMoved(uint32_t* from, uint32_t most_slots, size_t most,
                                                 int64_t now_ns) {
  std::vector<MovedEntry> moved;
  const uint32_t end = std::min<uint64_t>(layout_.entries(), uint64_t{*from} + most_slots);
  uint32_t slot = *from;
  for (; slot < end && moved.size() < most; ++slot) {
    if (live_[slot / 64] == 0) {
      slot |= 63;  // 64 entries of which none has begun
      continue;
    }
    if (!IsLive(slot)) continue;
    SessionCounters counters = Read(slot, now_ns);
    uint32_t digest = Digest(counters);
    if (saved_[slot] == digest) continue;
    saved_[slot] = digest;
    nx_key key = KeyOf(slot);
    moved.push_back({key.zone, {Key::Of(key), slot, counters, {}}});
  }
  *from = std::min(slot, layout_.entries());
  return moved;
}

Outcome SessionMap::SweepVia(int64_t now_ns) {
  if (!layout_.HasVia()) return {};
  auto rows = table_.Via();
  if (!rows) return Fail(rows.error());
  const auto now_s = static_cast<uint32_t>(now_ns / kSecondNs);
  std::unordered_map<uint32_t, uint16_t> addresses;
  for (const auto& [key, row] : *rows) {
    bool in_force = InForce(row.session) != nullptr;
    uint16_t& count = addresses[row.session];
    if (in_force && static_cast<int32_t>(now_s - row.seen_s) < int32_t{kForgetAddressS}) {
      ++count;
    } else if (auto deleted = table_.DeleteVia(key); !deleted) {
      return deleted;
    }
  }
  for (const auto& [slot, count] : addresses)
    if (!IsPoolSlot(slot) && slot < layout_.entries())
      std::atomic_ref(Entry(slot).addresses).store(count, std::memory_order_relaxed);
  // A session may have lost all its addresses to others: then no row leads to it.
  for (uint32_t slot = layout_.pool_entries(); slot < free_.untouched(); ++slot) {
    if (!IsLive(slot) || KeyOf(slot).kind == NX_KEY_ADDRESS || addresses.contains(slot)) continue;
    std::atomic_ref(Entry(slot).addresses).store(0, std::memory_order_relaxed);
  }
  for (uint32_t slot : retired_) free_.Give(slot);
  retired_.clear();
  return {};
}

// Entries behind the pools: keeps the keys that the store has, deletes the others.
Outcome SessionMap::AdoptKeys(std::vector<WantedEntry>& wanted, std::vector<bool>& used,
                              ReconcileReport& report) {
  const uint32_t base = layout_.pool_entries();
  std::vector<uint32_t> by_slot(layout_.capacity(), kNoSlot);  // index in `wanted`
  for (size_t i = 0; i < wanted.size(); ++i) {
    uint32_t slot = wanted[i].old_slot;
    if (slot >= base && slot < layout_.entries()) by_slot[slot - base] = static_cast<uint32_t>(i);
  }
  auto keys = table_.Keys();
  if (!keys) return Fail(keys.error());
  for (const auto& [key, slot] : *keys) {
    bool inside = slot >= base && slot < layout_.entries() && !used[slot];
    uint32_t index = inside ? by_slot[slot - base] : kNoSlot;
    if (index != kNoSlot) {
      nx_key wanted_key = wanted[index].key.InZone(wanted[index].zone);
      if (std::memcmp(&wanted_key, &key, sizeof key) == 0) {
        wanted[index].slot = slot;
        used[slot] = true;
        continue;
      }
    }
    ++report.removed;
    if (auto deleted = table_.DeleteKey(key); !deleted) return deleted;
  }
  return {};
}

// An entry that is in force already: what differs from the store follows it.
void SessionMap::Correct(const WantedEntry& entry) {
  nx_session& there = Entry(entry.slot);
  NoteLive(entry.slot, entry.key.InZone(entry.zone));
  TakeForSaved(entry.slot, entry.counters);
  SetBound(entry.slot, entry.bound);
  if (there.limits != entry.limits)
    SetLimits(entry.slot, entry.limits, entry.expires_ns);
  else if (LoadExpiry(there) != static_cast<uint64_t>(entry.expires_ns))
    SetExpiry(entry.slot, entry.expires_ns);
}

// An entry that the store alone has. kNoSlot stays if none is free.
Outcome SessionMap::Restore(WantedEntry& entry) {
  if (entry.slot == kNoSlot) {
    auto slot = Reserve(entry.key);
    if (!slot) return {};
    entry.slot = *slot;
  }
  const nx_session* replaced = table_.Replaced(entry.old_slot);
  const auto account = table_.ReplacedAccount(entry.old_slot);
  SessionCounters stored = entry.counters;
  if (replaced != nullptr && account && replaced->expires_ns != 0) {
    entry.counters = CountersOf(*account);
    handed_over_.push_back({entry.slot, entry.old_slot, entry.counters});
  }
  auto begun = Begin(entry.slot, entry);
  TakeForSaved(entry.slot, stored);
  return begun;
}

Result<ReconcileReport> SessionMap::Reconcile(std::vector<WantedEntry>& wanted) {
  ReconcileReport report;
  // A crash may have come between an entry's end and its fast bit: all are judged anew.
  for (uint64_t& word : table_.FastWords())
    std::atomic_ref(word).store(0, std::memory_order_seq_cst);
  std::vector<bool> used(layout_.entries());
  if (auto done = AdoptKeys(wanted, used, report); !done) return Fail(done.error());
  for (WantedEntry& entry : wanted)
    if (entry.key.IsSingleAddress())
      if (auto slot = layout_.PoolSlot(entry.key.address())) used[entry.slot = *slot] = true;

  // What the store does not have ends first: nobody passes for a moment with a stranger's entry.
  for (uint32_t slot = 0; slot < layout_.entries(); ++slot) {
    if (used[slot] || LoadExpiry(Entry(slot)) == 0) continue;
    SetExpiry(slot, 0);
    if (IsPoolSlot(slot)) ++report.removed;
  }
  RebuildHeld();
  if (auto swept = SweepVia(0); !swept) return Fail(swept.error());
  free_.Reset(layout_.pool_entries(), [&](uint32_t slot) { return used[slot]; });

  for (WantedEntry& entry : wanted) {
    if (entry.slot != kNoSlot && LoadExpiry(Entry(entry.slot)) != 0) {
      Correct(entry);
      ++report.kept;
      continue;
    }
    if (auto restored = Restore(entry); !restored) return Fail(restored.error());
    if (entry.slot != kNoSlot) ++report.added;
  }
  return report;
}

}  // namespace narthex
