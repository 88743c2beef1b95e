// SPDX-License-Identifier: Apache-2.0
// Policies by name and their rows in the `policies` map. A name keeps its row over reloads and
// restarts, so that the rows of `limits` stay right; row 0 has no limits. A change of a row is in
// force with the next packet.
//
// Not thread-safe: Sessions calls it under its lock.
#ifndef NARTHEX_CONTROL_POLICY_TABLE_H
#define NARTHEX_CONTROL_POLICY_TABLE_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/config.h"
#include "control/error.h"
#include "control/session_store.h"
#include "control/session_table.h"

namespace narthex {

// The row of a policy; rates as the classifier's virtual schedule (abi.h, struct nx_rate).
nx_policy PolicyRow(const PolicyConfig& policy);

class PolicyTable {
 public:
  PolicyTable(SessionStore& store, SessionTable& table) : store_(store), table_(table) {}

  // Puts these policies in force by difference. kPrecondition if one that is gone is used by
  // sessions in force; nothing has changed then.
  Outcome Apply(const std::vector<PolicyConfig>& policies, int64_t now_boot_ns);
  // The same in two steps: Assign gives the names their rows, and fills a map that nobody uses yet;
  // one that is in force stays as it is until Fill.
  Outcome Assign(const std::vector<PolicyConfig>& policies, int64_t now_boot_ns);
  void Fill();

  // The row; 0 for "", none for an unknown name.
  std::optional<uint32_t> RowOf(std::string_view name) const;
  const PolicyConfig* Find(std::string_view name) const { return FindPolicy(policies_, name); }
  const std::vector<PolicyConfig>& all() const { return policies_; }

 private:
  using Rows = std::map<std::string, uint32_t, std::less<>>;
  Result<Rows> StoredRows();
  Outcome CheckUses(const std::vector<PolicyConfig>& policies, int64_t now_boot_ns);

  SessionStore& store_;
  SessionTable& table_;
  std::vector<PolicyConfig> policies_;
  Rows rows_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_POLICY_TABLE_H
