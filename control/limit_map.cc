// SPDX-License-Identifier: Apache-2.0
#include "control/limit_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "control/clock.h"

namespace narthex {
namespace {

// The map's fields are __u64, which is another type of the same size.
uint64_t Load(__u64& field) {
  return std::atomic_ref(reinterpret_cast<uint64_t&>(field)).load(std::memory_order_relaxed);
}
uint32_t Load(__u32& field) { return std::atomic_ref(field).load(std::memory_order_relaxed); }

uint32_t Digest(const Usage& usage) {
  return static_cast<uint32_t>((usage.bytes_up * 0x9e3779b97f4a7c15 +
                                usage.bytes_down * 0xff51afd7ed558ccd + usage.last_seen_s) >>
                               32) |
         1;
}

// As in bpf/allowance.h.
bool IsSpent(const Usage& usage, const nx_policy& policy) {
  return (policy.quota_up != 0 && usage.bytes_up >= policy.quota_up) ||
         (policy.quota_down != 0 && usage.bytes_down >= policy.quota_down) ||
         (policy.quota_total != 0 && usage.bytes_up + usage.bytes_down >= policy.quota_total);
}

bool IsIdle(const Usage& usage, const nx_policy& policy, uint32_t now_s) {
  return policy.idle_s != 0 &&
         static_cast<int32_t>(now_s - usage.last_seen_s) >= static_cast<int32_t>(policy.idle_s);
}

}  // namespace

LimitMap::LimitMap(SessionTable& table)
    : table_(table),
      free_(1, static_cast<uint32_t>(table.Limits().size())),
      owners_(table.Limits().size()),
      saved_(table.Limits().size()) {}

bool LimitMap::Adopt(uint32_t row, int64_t session, uint32_t policy) {
  if (row == 0 || row >= owners_.size()) return false;
  if (owners_[row] == session) return true;  // by another key of it
  if (owners_[row] != 0) return false;
  owners_[row] = session;
  if (PolicyOf(row) != policy) SetPolicy(row, policy);
  return true;
}

void LimitMap::FinishAdoption() {
  free_.Reset(1, [&](uint32_t row) { return owners_[row] != 0; });
}

Result<uint32_t> LimitMap::Begin(int64_t session, uint32_t policy, const Usage& usage) {
  auto row = free_.Take();
  if (!row)
    return Fail(ErrorKind::kExhausted,
                fmt::format("all {} rows for sessions with a policy are in use; raise "
                            "sessions.capacity in the configuration",
                            owners_.size() - 1));
  nx_limits& limits = table_.Limits()[*row];
  limits = {};
  limits.used_up = usage.bytes_up;
  limits.used_down = usage.bytes_down;
  limits.last_seen_s = usage.last_seen_s;
  limits.policy = policy;
  owners_[*row] = session;
  saved_[*row] = Digest(usage);
  return *row;
}

void LimitMap::SetPolicy(uint32_t row, uint32_t policy) {
  std::atomic_ref(table_.Limits()[row].policy).store(policy, std::memory_order_release);
}

void LimitMap::Touch(uint32_t row, int64_t now_ns) {
  std::atomic_ref(table_.Limits()[row].last_seen_s)
      .store(static_cast<uint32_t>(now_ns / kSecondNs), std::memory_order_relaxed);
}

void LimitMap::End(uint32_t row) {
  if (!Owns(row)) return;
  owners_[row] = 0;
  free_.Give(row);
}

Usage LimitMap::Read(uint32_t row) const {
  nx_limits& limits = table_.Limits()[row];
  return {Load(limits.used_up), Load(limits.used_down), Load(limits.last_seen_s)};
}

std::optional<Usage> LimitMap::Replaced(uint32_t row) const {
  const nx_limits* limits = row == 0 ? nullptr : table_.ReplacedLimits(row);
  if (limits == nullptr) return std::nullopt;
  return Usage{limits->used_up, limits->used_down, limits->last_seen_s};
}

uint32_t LimitMap::PolicyOf(uint32_t row) const { return Load(table_.Limits()[row].policy); }

std::vector<SpentSession> LimitMap::FindSpent(uint32_t* from, uint32_t most_rows, int64_t now_ns,
                                              size_t most) const {
  std::vector<SpentSession> spent;
  const auto now_s = static_cast<uint32_t>(now_ns / kSecondNs);
  const uint32_t rows = std::min(free_.untouched(), this->rows());
  const auto end = static_cast<uint32_t>(std::min<uint64_t>(rows, uint64_t{*from} + most_rows));
  uint32_t row = *from;
  for (; row < end && spent.size() < most; ++row) {
    if (!Owns(row)) continue;
    const nx_policy& policy = table_.Policies()[PolicyOf(row) % NX_MAX_POLICIES];
    Usage usage = Read(row);
    bool idle = IsIdle(usage, policy, now_s);
    if (idle || (policy.at_quota == NX_AT_QUOTA_PORTAL && IsSpent(usage, policy)))
      spent.push_back({owners_[row], idle});
  }
  *from = row >= rows ? this->rows() : row;
  return spent;
}

std::vector<MovedUsage> LimitMap::CollectMoved(uint32_t* from, uint32_t most_rows, size_t most) {
  std::vector<MovedUsage> moved;
  const uint32_t rows = std::min(free_.untouched(), this->rows());
  uint32_t row = *from;
  const auto end = static_cast<uint32_t>(std::min<uint64_t>(rows, uint64_t{row} + most_rows));
  for (; row < end && moved.size() < most; ++row) {
    if (!Owns(row)) continue;
    Usage usage = Read(row);
    uint32_t digest = Digest(usage);
    if (saved_[row] == digest) continue;
    saved_[row] = digest;
    moved.push_back({owners_[row], row, usage});
  }
  *from = row >= rows ? this->rows() : row;
  return moved;
}

}  // namespace narthex
