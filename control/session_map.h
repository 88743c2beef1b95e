// SPDX-License-Identifier: Apache-2.0
// The projection of sessions into the classifier's maps: which entry a key has, in which order its
// fields change, and how the maps are brought to what the store says.
//
// `expires_ns` is the only field that authorises. It is written last when an entry begins and
// first when it ends, so that the classifier never sees half a session; after each change of it
// the entry's fast bit is cleared, and the classifier judges the entry anew (bpf/account.h). The
// classifier reads no pool entry whose held bit is clear, so that bit is set before an end is
// stored, and cleared after 0 is: whatever crashes between, no session is without it.
// An account in force is the classifier's and is only read here, but for the times at which the
// client was seen, which are narthexd's.
//
// Not thread-safe: Sessions calls it under its lock.
#ifndef NARTHEX_CONTROL_SESSION_MAP_H
#define NARTHEX_CONTROL_SESSION_MAP_H

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bpf/abi.h"
#include "control/error.h"
#include "control/layout.h"
#include "control/session.h"
#include "control/session_table.h"
#include "control/slot_pool.h"

namespace narthex {

// One entry as it shall be.
struct MapEntry {
  uint16_t zone = 0;
  Key key;
  Mac bound;
  uint32_t limits = 0;  // row of `limits`, filled already
  int64_t expires_ns = 0;
  // The login's boot time, from which connections that narthex has answered may still end; 0 for
  // an entry that was in force before.
  int64_t begun_ns = 0;
  SessionCounters counters;  // where an entry that is not there begins
};

struct WantedEntry : MapEntry {
  int64_t session = 0;          // whose it is; for the caller
  uint32_t old_slot = kNoSlot;  // where the store last saw it
  uint32_t slot = kNoSlot;      // set by Reconcile
};

struct ReconcileReport {
  size_t kept = 0;     // there already, counters untouched; their end may have been corrected
  size_t added = 0;    // in the store only
  size_t removed = 0;  // in the maps only
};

// An entry whose counters moved since they were last collected.
struct MovedEntry {
  uint16_t zone = 0;
  SessionKey key;
};

class SessionMap {
 public:
  SessionMap(const Layout& layout, SessionTable& table);

  // Brings the maps to `wanted` by difference; once, before any other call. Entries that do
  // not fit get kNoSlot.
  Result<ReconcileReport> Reconcile(std::vector<WantedEntry>& wanted);
  // The entry in force that the store last saw at this slot, as the map has it; before Reconcile.
  const nx_session* InForce(uint32_t slot) const;

  // An entry for a key; a pool address has its own. kExhausted when none is free.
  Result<uint32_t> Reserve(const Key& key);
  // Gives back what Reserve gave, for an entry that never began.
  void Release(uint32_t slot);

  // Begins an entry. On failure nothing is authorised; the slot is still the caller's.
  Outcome Begin(uint32_t slot, const MapEntry& entry);
  void SetExpiry(uint32_t slot, int64_t expires_ns);
  // Names another row of limits, with an end that may be the same. The classifier, which may just
  // have judged the entry, looks at both once more before it passes it without a look (bpf/fast.h).
  void SetLimits(uint32_t slot, uint32_t limits, int64_t expires_ns);
  void SetBound(uint32_t slot, const Mac& bound);
  // From now on the classifier does not pass the entry's key.
  void Revoke(uint32_t slot) { SetExpiry(slot, 0); }
  // Makes Read() and End() exact up to now. Costs a few system calls for each CPU.
  void Settle();
  // Revokes an entry and gives its slot back; returns its last counters. As Read() at `now_ns`.
  SessionCounters End(uint16_t zone, const Key& key, uint32_t slot, int64_t now_ns);

  // After a start whose maps replaced others: adds to the accounts what the programs of before,
  // which are off the interfaces by now, have counted since Reconcile read theirs. Then lets these
  // maps go.
  void CatchUp();

  // The classifier keeps no time: a client is seen by who finds, at `now_ns` (CLOCK_BOOTTIME), that
  // more has come from it than was found before. So `last_seen_ns` is late by as long as nobody
  // looked.
  SessionCounters Read(uint32_t slot, int64_t now_ns);
  // Looks at up to `most_slots` from `*from` on; moves `*from` behind them, to the number of
  // entries in the end.
  void NoteSeen(uint32_t* from, uint32_t most_slots, int64_t now_ns);
  // False: no entry has this pool address. True says nothing.
  bool MayHave(const Key& key) const;
  // Zone and key of an entry that has begun.
  nx_key KeyOf(uint32_t slot) const;
  // The MAC or line session that used an address last, if it is in force.
  std::optional<uint32_t> UserOf(uint16_t zone, const Address& address) const;
  // Entries that moved among up to `most_slots` from `*from` on, at most `most`; moves `*from`
  // behind the last that was looked at, to the number of entries in the end.
  std::vector<MovedEntry> CollectMoved(uint32_t* from, uint32_t most_slots, size_t most,
                                       int64_t now_ns);

  // Deletes what `via` says of sessions that are not in force, or of addresses unseen for an hour,
  // and counts the addresses of each session anew.
  Outcome SweepVia(int64_t now_ns);

 private:
  nx_session& Entry(uint32_t slot) const { return table_.Entries()[slot]; }
  AccountFields Account(uint32_t slot) const {
    return {table_.TrafficUp()[slot], table_.TrafficDown()[slot], table_.Accounts()[slot]};
  }
  bool IsPoolSlot(uint32_t slot) const { return slot < layout_.pool_entries(); }
  bool IsLive(uint32_t slot) const { return live_[slot / 64] >> slot % 64 & 1; }
  void NoteLive(uint32_t slot, const nx_key& key);
  void NoteSeen(uint32_t slot, int64_t now_ns);
  void TakeForSaved(uint32_t slot, const SessionCounters& counters);
  void SetHeld(uint32_t slot, bool held);
  void RebuildHeld();
  void Store(uint32_t slot, const MapEntry& entry);
  void Correct(const WantedEntry& entry);
  Outcome AdoptKeys(std::vector<WantedEntry>& wanted, std::vector<bool>& used,
                    ReconcileReport& report);
  Outcome Restore(WantedEntry& entry);

  // An entry whose account was begun with what a replaced one had.
  struct HandedOver {
    uint32_t slot, old_slot;
    SessionCounters counters;
  };

  const Layout& layout_;
  SessionTable& table_;
  SlotPool free_;  // entries behind the pools
  // Ended MAC and line sessions; `via` may still lead to them, so they wait for SweepVia.
  std::vector<uint32_t> retired_;
  std::vector<uint64_t> live_;  // a bit for each entry: begun, and not ended
  std::vector<nx_key> keys_;    // of entries behind the pools
  std::vector<HandedOver> handed_over_;
  // Of each entry, digested: its counters when collected, and what had come from it when last seen.
  std::vector<uint32_t> saved_;
  std::vector<uint32_t> seen_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_MAP_H
