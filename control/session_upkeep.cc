// SPDX-License-Identifier: Apache-2.0
// Sessions without a caller: at the start, at their ends, and their accounts in between.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "control/sessions.h"

namespace narthex {
namespace {

constexpr size_t kEndedAtATime = 256;       // between batches, others get the lock
constexpr size_t kForgottenAtATime = 4096;  // at the start, when nobody waits for the lock
constexpr size_t kSavedInACommit = 1024;
constexpr uint32_t kLookedAtInALock = 65536;
constexpr uint32_t kLookedAtForSpent = 1 << 20;  // rows a second; more take as many seconds

}  // namespace

// ---- the start -----------------------------------------------------------------------------

struct Sessions::Restored {
  struct Limited {
    int64_t session;
    uint32_t policy;  // row
    uint32_t stored_row;
    Usage usage;
    uint32_t row = 0;
  };
  std::vector<WantedEntry> wanted;
  std::vector<Limited> limited;  // sessions with a policy
  std::unordered_map<int64_t, size_t> limited_by_session;
  struct Homeless {
    int64_t session;
    std::string zone;  // name
    SessionKey key;
  };
  std::vector<Homeless> homeless;
  std::unordered_map<int64_t, Usage> rowless;  // sessions of homeless keys, with a row in the store
};

// What was over before this start goes first: its entries and rows are nobody's from now on, and
// the next session may get them.
Outcome Sessions::ForgetExpired(int64_t now_ns) {
  for (;;) {
    auto expired = store_.Expired(now_ns, kForgottenAtATime);
    if (!expired) return Fail(expired.error());
    if (expired->empty()) return {};
    if (auto deleted = store_.DeleteAll(*expired); !deleted) return deleted;
    for (const Session& session : *expired) Audit("expired", session, "time", now_ns);
  }
}

Result<Sessions::Restored> Sessions::ReadStore(int64_t now_ns) {
  Restored restored;
  const ZoneConfig* zone = nullptr;
  auto read = store_.ForEachKey(now_ns, [&](const StoredKey& stored) {
    const SessionKey& entry = stored.key;
    if (zone == nullptr || zone->name != stored.zone)
      zone = layout_.ZoneByName(std::string(stored.zone));
    bool fits = zone != nullptr && CheckKeyInZone(*zone, entry.key).has_value() &&
                (!entry.key.IsAddress() || layout_.ZoneOf(entry.key) == zone);
    if (!fits) {
      restored.homeless.push_back({stored.session, std::string(stored.zone), entry});
      if (stored.limits != 0) restored.rowless.emplace(stored.session, stored.usage);
      return;
    }
    if (!stored.policy.empty() &&
        restored.limited_by_session.emplace(stored.session, restored.limited.size()).second)
      restored.limited.push_back(
          {stored.session, *policies_.RowOf(stored.policy), stored.limits, stored.usage});
    WantedEntry wanted;
    wanted.zone = zone->id;
    wanted.key = entry.key;
    wanted.bound = entry.bound;
    wanted.limits = stored.limits;
    wanted.expires_ns = stored.expires_boot_ns;
    wanted.counters = entry.counters;
    wanted.session = stored.session;
    wanted.old_slot = entry.slot;
    restored.wanted.push_back(wanted);
  });
  if (!read) return Fail(read.error());
  return restored;
}

// Rows that entries in force name stay; the other sessions get a new one, with what they had used.
void Sessions::RestoreLimits(Restored& restored) {
  auto limited_of = [&](const WantedEntry& entry) -> Restored::Limited* {
    auto found = restored.limited_by_session.find(entry.session);
    return found == restored.limited_by_session.end() ? nullptr : &restored.limited[found->second];
  };
  for (const WantedEntry& entry : restored.wanted) {
    Restored::Limited* limited = limited_of(entry);
    const nx_session* there = map_.InForce(entry.old_slot);
    if (limited == nullptr || there == nullptr || there->limits != limited->stored_row) continue;
    if (limits_.Adopt(limited->stored_row, limited->session, limited->policy))
      limited->row = limited->stored_row;
  }
  limits_.FinishAdoption();
  for (Restored::Limited& limited : restored.limited) {
    if (limited.row != 0) continue;
    Usage usage = limits_.Replaced(limited.stored_row).value_or(limited.usage);
    if (usage.last_seen_s == 0)
      usage.last_seen_s = static_cast<uint32_t>(clock_.BootNs() / kSecondNs);
    if (auto row = limits_.Begin(limited.session, limited.policy, usage)) limited.row = *row;
  }
  std::erase_if(restored.wanted, [&](WantedEntry& entry) {
    Restored::Limited* limited = limited_of(entry);
    entry.limits = limited == nullptr ? 0 : limited->row;
    if (limited == nullptr || limited->row != 0) return false;
    restored.homeless.push_back({entry.session,
                                 layout_.ZoneById(entry.zone).name,
                                 {entry.key, kNoSlot, entry.counters, entry.bound}});
    return true;
  });
}

void Sessions::CatchUp() {
  std::lock_guard lock(mutex_);
  map_.CatchUp();
}

// Slots and rows that are not what the store says.
Outcome Sessions::SaveRestored(const Restored& restored,
                               std::span<const SessionStore::MetaUpdate> metas) {
  std::vector<SessionKey> keys;  // with their counters
  std::vector<SessionStore::KeyUpdate> key_updates;
  std::vector<SessionStore::SlotUpdate> slots;
  keys.reserve(restored.wanted.size());
  for (const WantedEntry& entry : restored.wanted) {
    if (entry.slot == entry.old_slot) continue;
    slots.push_back({entry.session, entry.key, entry.slot});
    if (entry.counters == SessionCounters{}) continue;
    keys.push_back({entry.key, entry.slot, entry.counters, entry.bound});
    key_updates.push_back({layout_.ZoneById(entry.zone).name, &keys.back()});
  }
  for (const Restored::Homeless& each : restored.homeless)
    slots.push_back({each.session, each.key.key, kNoSlot});
  std::vector<SessionStore::UsageUpdate> usage_updates;
  for (const Restored::Limited& limited : restored.limited)
    if (limited.row != limited.stored_row)
      usage_updates.push_back({limited.session, limited.row,
                               limited.row == 0 ? limited.usage : limits_.Read(limited.row)});
  for (const auto& [session, usage] : restored.rowless)
    if (!restored.limited_by_session.contains(session))
      usage_updates.push_back({session, 0, usage});
  return store_.Save(
      {.keys = key_updates, .usages = usage_updates, .slots = slots, .metas = metas});
}

Result<ReconcileReport> Sessions::Start(const std::vector<PolicyConfig>& policies) {
  std::lock_guard lock(mutex_);
  const int64_t now_ns = clock_.BootNs();
  if (auto applied = policies_.Assign(policies, now_ns); !applied) return Fail(applied.error());
  last_number_ = store_.LastNumber();
  if (auto forgotten = ForgetExpired(now_ns); !forgotten) return Fail(forgotten.error());
  auto restored = ReadStore(now_ns);
  if (!restored) return Fail(restored.error());
  RestoreLimits(*restored);
  auto report = map_.Reconcile(restored->wanted);
  if (!report) return report;
  size_t homeless = restored->homeless.size();
  for (const WantedEntry& entry : restored->wanted) homeless += entry.slot == kNoSlot;
  homeless_ = homeless > 0;
  if (homeless_)
    spdlog::warn(
        "{} keys of stored sessions are none of this configuration's, or find sessions.capacity "
        "used up: they are not in force",
        homeless);
  save_start_ = [this, kept = std::make_shared<Restored>(std::move(*restored))](auto metas) {
    return SaveRestored(*kept, metas);
  };
  return report;
}

Outcome Sessions::SaveStart(std::span<const SessionStore::MetaUpdate> metas) {
  std::lock_guard lock(mutex_);
  auto saved = save_start_(metas);
  save_start_ = nullptr;
  if (saved) policies_.Fill();
  return saved;
}

// ---- policies ------------------------------------------------------------------------------

Outcome Sessions::ApplyPolicies(const std::vector<PolicyConfig>& policies) {
  std::lock_guard lock(mutex_);
  return policies_.Apply(policies, clock_.BootNs());
}

std::vector<PolicyConfig> Sessions::Policies() {
  std::lock_guard lock(mutex_);
  return policies_.all();
}

Result<std::vector<std::pair<std::string, uint64_t>>> Sessions::PolicyUses() {
  std::lock_guard lock(mutex_);
  return store_.PolicyUses(clock_.BootNs());
}

std::optional<PolicyConfig> Sessions::FindPolicyOf(const Session& session) {
  std::lock_guard lock(mutex_);
  const PolicyConfig* policy = policies_.Find(session.policy);
  return policy == nullptr ? std::nullopt : std::optional(*policy);
}

std::optional<SlotOwner> Sessions::OwnerOf(uint32_t slot) {
  std::lock_guard lock(mutex_);
  if (slot >= layout_.entries()) return std::nullopt;
  nx_key key = map_.KeyOf(slot);
  if (key.zone == 0 || key.zone > layout_.zones().size()) return std::nullopt;
  auto session = store_.FindByKey(layout_.ZoneById(key.zone).name, Key::Of(key));
  if (!session || !*session) return std::nullopt;
  return SlotOwner{(*session)->id, Key::Of(key).ToString()};
}

// ---- ends ----------------------------------------------------------------------------------

Result<std::optional<int64_t>> Sessions::EndExpired() {
  for (;;) {
    std::lock_guard lock(mutex_);
    auto expired = store_.Expired(clock_.BootNs(), kEndedAtATime);
    if (!expired) return Fail(expired.error());
    if (!expired->empty())
      if (auto ended = End(*expired); !ended) return Fail(ended.error());
    for (const Session& session : *expired) Audit("expired", session, "time", clock_.BootNs());
    if (expired->size() < kEndedAtATime) return store_.NextExpiry();
  }
}

Outcome Sessions::EndSpent() {
  for (uint32_t looked = 0; looked < std::min(limits_.rows(), kLookedAtForSpent);) {
    std::lock_guard lock(mutex_);
    const uint32_t from = next_spent_;
    std::vector<SpentSession> spent =
        limits_.FindSpent(&next_spent_, kLookedAtInALock, clock_.BootNs(), kEndedAtATime);
    looked += next_spent_ - from;
    if (next_spent_ >= limits_.rows()) next_spent_ = 0;
    std::vector<Session> sessions;
    std::vector<bool> idle;
    for (const SpentSession& each : spent) {
      auto session = store_.FindById(SessionId(each.session));
      if (!session) return Fail(session.error());
      if (!*session) continue;
      sessions.push_back(std::move(**session));
      idle.push_back(each.idle);
    }
    if (sessions.empty()) continue;
    if (auto ended = End(sessions); !ended) {
      next_spent_ = from;  // they are to be found again
      return ended;
    }
    for (size_t i = 0; i < sessions.size(); ++i)
      Audit(idle[i] ? "ended idle" : "ended for its quota", sessions[i], "policy", clock_.BootNs());
  }
  return {};
}

// ---- accounts ------------------------------------------------------------------------------

Outcome Sessions::SaveKeys(size_t most) {
  for (size_t saved = 0, looked = 0; saved < most && looked < layout_.entries();) {
    std::lock_guard lock(mutex_);
    uint32_t from = next_key_;
    auto moved = map_.CollectMoved(&next_key_, kLookedAtInALock,
                                   std::min(kSavedInACommit, most - saved), clock_.BootNs());
    looked += next_key_ - from;
    if (next_key_ >= layout_.entries()) next_key_ = 0;
    std::vector<SessionStore::KeyUpdate> updates;
    for (const MovedEntry& entry : moved)
      updates.push_back({layout_.ZoneById(entry.zone).name, &entry.key});
    if (auto done = store_.Save({.keys = updates}); !done) return done;
    saved += moved.size();
  }
  return {};
}

Outcome Sessions::SaveUsages(size_t most) {
  for (size_t saved = 0, looked = 0; saved < most && looked < limits_.rows();) {
    std::lock_guard lock(mutex_);
    uint32_t from = next_usage_;
    auto moved = limits_.CollectMoved(&next_usage_, kLookedAtInALock,
                                      std::min(kSavedInACommit, most - saved));
    looked += next_usage_ - from;
    if (next_usage_ >= limits_.rows()) next_usage_ = 0;
    std::vector<SessionStore::UsageUpdate> updates;
    for (const MovedUsage& each : moved) updates.push_back({each.session, each.row, each.usage});
    if (auto done = store_.Save({.usages = updates}); !done) return done;
    saved += moved.size();
  }
  return {};
}

Outcome Sessions::SaveCounters(size_t most) {
  {
    std::lock_guard lock(mutex_);
    map_.Settle();
    if (auto swept = map_.SweepVia(clock_.BootNs()); !swept) return swept;
  }
  for (uint32_t from = 0; from < layout_.entries();) {
    std::lock_guard lock(mutex_);
    map_.NoteSeen(&from, kLookedAtInALock, clock_.BootNs());
  }
  if (auto saved = SaveKeys(most); !saved) return saved;
  if (auto saved = SaveUsages(most); !saved) return saved;
  std::lock_guard lock(mutex_);
  return store_.SaveAnchor();
}

}  // namespace narthex
