// SPDX-License-Identifier: Apache-2.0
#include "control/policy_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <sstream>

namespace narthex {
namespace {

constexpr char kMetaKey[] = "policy_rows";  // "1 gold\n2 silver\n"
// TCP with a short round trip sends a burst, loses all that follows and waits for its shortest
// retransmission timeout, 200 ms (Linux): with less credit than that it never reaches the rate.
constexpr uint64_t kBurstNs = 250'000'000;
constexpr uint64_t kLeastBurstBytes = 15'000;  // ten full packets, or slow rates would starve TCP

nx_rate AbiRate(uint64_t bits_per_second) {
  if (bits_per_second == 0) return {};
  double byte_ns = 8e9 / static_cast<double>(bits_per_second);
  nx_rate rate{};
  rate.cost = std::max<uint64_t>(1, static_cast<uint64_t>(byte_ns * (1 << NX_RATE_SHIFT) + 0.5));
  rate.burst_ns =
      std::max(kBurstNs, static_cast<uint64_t>(byte_ns * static_cast<double>(kLeastBurstBytes)));
  return rate;
}

}  // namespace

nx_policy PolicyRow(const PolicyConfig& policy) {
  nx_policy row{};
  row.up = AbiRate(policy.rate_up);
  row.down = AbiRate(policy.rate_down);
  // A direction that is not throttled keeps its rate.
  row.throttled_up = AbiRate(policy.throttle_up != 0 ? policy.throttle_up : policy.rate_up);
  row.throttled_down = AbiRate(policy.throttle_down != 0 ? policy.throttle_down : policy.rate_down);
  row.quota_up = policy.quota_up;
  row.quota_down = policy.quota_down;
  row.quota_total = policy.quota_total;
  row.idle_s = static_cast<uint32_t>(policy.idle.count());
  row.at_quota = static_cast<uint8_t>(policy.at_quota);
  return row;
}

Result<PolicyTable::Rows> PolicyTable::StoredRows() {
  auto text = store_.Meta(kMetaKey);
  if (!text) return Fail(text.error());
  Rows rows;
  std::istringstream lines(*text);
  uint32_t row = 0;
  for (std::string name; lines >> row >> name;)
    if (row > 0 && row < NX_MAX_POLICIES) rows[name] = row;
  return rows;
}

Outcome PolicyTable::CheckUses(const std::vector<PolicyConfig>& policies, int64_t now_boot_ns) {
  auto uses = store_.PolicyUses(now_boot_ns);
  if (!uses) return Fail(uses.error());
  for (const auto& [name, count] : *uses)
    if (FindPolicy(policies, name) == nullptr)
      return Fail(ErrorKind::kPrecondition,
                  fmt::format("policy '{0}' is gone, but {1} session{2} it: put it back, or first "
                              "give them another with narthexctl session set-policy",
                              name, count, count == 1 ? " uses" : "s use"));
  return {};
}

Outcome PolicyTable::Apply(const std::vector<PolicyConfig>& policies, int64_t now_boot_ns) {
  if (auto assigned = Assign(policies, now_boot_ns); !assigned) return assigned;
  Fill();
  return {};
}

Outcome PolicyTable::Assign(const std::vector<PolicyConfig>& policies, int64_t now_boot_ns) {
  if (auto free = CheckUses(policies, now_boot_ns); !free) return free;
  auto stored = StoredRows();
  if (!stored) return Fail(stored.error());
  Rows rows;
  std::set<uint32_t> taken = {0};
  for (const PolicyConfig& policy : policies)
    if (auto found = stored->find(policy.name); found != stored->end())
      taken.insert(rows[policy.name] = found->second);
  uint32_t next = 0;
  for (const PolicyConfig& policy : policies) {
    if (rows.contains(policy.name)) continue;
    while (taken.contains(next)) ++next;
    taken.insert(rows[policy.name] = next);
  }
  std::string text;
  for (const auto& [name, row] : rows) text += fmt::format("{} {}\n", row, name);
  if (rows != *stored)
    if (auto saved = store_.SetMeta(kMetaKey, text); !saved) return saved;
  policies_ = policies;
  rows_ = std::move(rows);
  if (!table_.PoliciesInForce()) Fill();
  return {};
}

void PolicyTable::Fill() {
  auto put = [&](uint32_t row, const nx_policy& wanted) {
    nx_policy& there = table_.Policies()[row];
    if (std::memcmp(&there, &wanted, sizeof wanted) != 0) there = wanted;
  };
  put(0, {});
  for (const PolicyConfig& policy : policies_) put(rows_.at(policy.name), PolicyRow(policy));
}

std::optional<uint32_t> PolicyTable::RowOf(std::string_view name) const {
  if (name.empty()) return 0;
  auto found = rows_.find(name);
  if (found == rows_.end()) return std::nullopt;
  return found->second;
}

}  // namespace narthex
