// SPDX-License-Identifier: Apache-2.0
// The projection of sessions into the classifier's maps: which entry an address has, in which
// order its fields change, and how the maps are brought to what the store says.
//
// `expires_ns` is the only field that authorises. It is written last when an entry begins and
// first when it ends, so that the classifier never sees half a session; after each change of it
// the entry's fast bit is cleared, and the classifier judges the entry anew (bpf/account.h).
// Counters of an entry in force belong to the classifier and are only read here, after Settle().
//
// Not thread-safe: Sessions calls it under its lock. Read() may be called at any time.
#ifndef NARTHEX_CONTROL_SESSION_MAP_H
#define NARTHEX_CONTROL_SESSION_MAP_H

#include <cstdint>
#include <deque>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "control/error.h"
#include "control/layout.h"
#include "control/session.h"

namespace narthex {

// The maps themselves. Seam: memory in tests, pinned BPF maps in narthexd.
class SessionTable {
 public:
  virtual ~SessionTable() = default;
  // The memory-mapped `sessions` array; stays where it is for the table's life.
  virtual std::span<nx_session> Entries() = 0;
  // The memory-mapped `fast` array, for the entries of the pools.
  virtual std::span<uint64_t> FastWords() = 0;
  // Brings packets that the classifier has noted elsewhere into the entries.
  virtual Outcome Settle() = 0;
  virtual Outcome PutKey(const nx_key& key, uint32_t slot) = 0;
  virtual Outcome DeleteKey(const nx_key& key) = 0;  // no error if it is not there
  virtual Result<std::vector<std::pair<nx_key, uint32_t>>> Keys() = 0;
  // The entry as it was in the maps that this start replaced; null if there are none.
  virtual const nx_session* Replaced(uint32_t /*slot*/) { return nullptr; }
};

// An entry that has no place: its address lies in no zone of the configuration.
inline constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();

struct WantedEntry {
  uint16_t zone = 0;
  Address address;
  int64_t expires_ns = 0;
  uint32_t old_slot = kNoSlot;  // where the store last saw it
  SessionCounters counters;     // where an entry that is not there begins
  uint32_t slot = kNoSlot;      // set by Reconcile
};

struct ReconcileReport {
  size_t kept = 0;     // there already, counters untouched; their end may have been corrected
  size_t added = 0;    // in the store only
  size_t removed = 0;  // in the maps only
};

class SessionMap {
 public:
  SessionMap(const Layout& layout, SessionTable& table) : layout_(layout), table_(table) {}

  // Brings the maps to `wanted` by difference; once, before any other call. Entries that do
  // not fit get kNoSlot.
  Result<ReconcileReport> Reconcile(std::vector<WantedEntry>& wanted);

  // An entry for an address; a pool address has its own. kExhausted when none is free.
  Result<uint32_t> Reserve(const Address& address);
  // Gives back what Reserve gave, for an entry that never began.
  void Release(uint32_t slot);

  // Begins an entry. On failure nothing is authorised; the slot is still the caller's.
  // `begun_ns`: the login's boot time, from which connections that narthex has answered may
  // still end; 0 for an entry that was in force before.
  Outcome Begin(uint16_t zone, const Address& address, uint32_t slot, int64_t expires_ns,
                int64_t begun_ns, const SessionCounters& counters);
  void SetExpiry(uint32_t slot, int64_t expires_ns);
  // From now on the classifier does not pass the entry's address.
  void Revoke(uint32_t slot) { SetExpiry(slot, 0); }
  // Makes Read() and End() exact up to now. Costs a few system calls for each CPU.
  void Settle();
  // Revokes an entry and gives its slot back; returns its last counters.
  SessionCounters End(uint16_t zone, const Address& address, uint32_t slot);

  SessionCounters Read(uint32_t slot) const;

 private:
  nx_session& Entry(uint32_t slot) const { return table_.Entries()[slot]; }
  bool IsPoolSlot(uint32_t slot) const { return slot < layout_.pool_entries(); }
  void Store(uint32_t slot, int64_t expires_ns, int64_t begun_ns, const SessionCounters& counters);
  Outcome AdoptKeys(std::vector<WantedEntry>& wanted, std::vector<bool>& used,
                    ReconcileReport& report);
  void CollectFree(const std::vector<bool>& used);

  const Layout& layout_;
  SessionTable& table_;
  // Entries behind the pools that nobody has; first freed, first used again, so that a packet
  // in flight with a stale index meets the entry of another client as late as possible.
  std::deque<uint32_t> free_;
};

nx_key AddressKey(uint16_t zone, const Address& address);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_MAP_H
