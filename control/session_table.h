// SPDX-License-Identifier: Apache-2.0
// The maps of sessions and limits as memory and keys. Seam: vectors in tests, pinned BPF maps in
// narthexd (pinned_maps.h). The spans stay where they are for the table's life.
#ifndef NARTHEX_CONTROL_SESSION_TABLE_H
#define NARTHEX_CONTROL_SESSION_TABLE_H

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "control/error.h"

namespace narthex {

// What is counted for one entry: its words and the rest of its account, in the maps.
struct AccountFields {
  uint64_t& up;
  uint64_t& down;
  nx_account& rest;
};

class SessionTable {
 public:
  virtual ~SessionTable() = default;
  virtual std::span<nx_session> Entries() = 0;
  // As many of each.
  virtual std::span<uint64_t> TrafficUp() = 0;
  virtual std::span<uint64_t> TrafficDown() = 0;
  virtual std::span<nx_account> Accounts() = 0;
  // A bit for each entry of the pools.
  virtual std::span<uint64_t> FastWords() = 0;
  virtual std::span<uint64_t> HeldWords() = 0;
  virtual std::span<nx_limits> Limits() = 0;
  virtual std::span<nx_policy> Policies() = 0;
  // Whether programs that are attached already go by these policies.
  virtual bool PoliciesInForce() const { return false; }
  virtual std::span<nx_place> Places() = 0;  // as many as entries, or one: no zone binds or watches
  // Brings packets that the classifier has noted elsewhere into the accounts.
  virtual Outcome Settle() = 0;
  virtual Outcome PutKey(const nx_key& key, uint32_t slot) = 0;
  virtual Outcome DeleteKey(const nx_key& key) = 0;  // no error if it is not there
  virtual Result<std::vector<std::pair<nx_key, uint32_t>>> Keys() = 0;
  virtual Result<std::vector<std::pair<nx_key, nx_via>>> Via() = 0;
  virtual std::optional<nx_via> FindVia(const nx_key& key) = 0;
  virtual Outcome DeleteVia(const nx_key& key) = 0;  // no error if it is not there
  // Entry, account and row as they were in the maps that this start replaced; none if there are
  // none.
  virtual const nx_session* Replaced(uint32_t /*slot*/) { return nullptr; }
  virtual std::optional<AccountFields> ReplacedAccount(uint32_t /*slot*/) { return std::nullopt; }
  virtual const nx_limits* ReplacedLimits(uint32_t /*row*/) { return nullptr; }
  // What was noted there and is in no account.
  virtual std::vector<nx_ledger_entry> ReplacedNotes() { return {}; }
  // They are needed no more.
  virtual void ReleaseReplaced() {}
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_TABLE_H
