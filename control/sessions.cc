// SPDX-License-Identifier: Apache-2.0
#include "control/sessions.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "control/own_addresses.h"

namespace narthex {
namespace {

constexpr int kDefaultPage = 100;
constexpr int kLargestPage = 1000;
constexpr std::string_view kCollection = "sessions/";

bool IsId(std::string_view text) {
  return text.size() == 16 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string KeyList(const Session& session) {
  std::string list;
  for (const SessionKey& entry : session.keys)
    list += (list.empty() ? "" : " ") + entry.key.ToString();
  return list;
}

Error NoSession(const std::string& name) {
  return {ErrorKind::kNotFound, fmt::format("{} has no session", name.substr(kCollection.size()))};
}

}  // namespace

Error StoreError(const Error& error) {
  return {error.kind, fmt::format("session store: {}", error.message)};
}

void Audit(std::string_view what, const Session& session, std::string_view who, int64_t now_ns) {
  if (!spdlog::should_log(spdlog::level::info)) return;
  fmt::memory_buffer line;
  auto out = fmt::appender(line);
  fmt::format_to(out, "audit: {} session {} of {} in zone '{}'", what, session.id, KeyList(session),
                 session.zone);
  if (!session.policy.empty()) fmt::format_to(out, ", policy '{}'", session.policy);
  fmt::format_to(out, ", {} s left, by {}", (session.expires_boot_ns - now_ns) / kSecondNs, who);
  spdlog::default_logger_raw()->log(spdlog::level::info,
                                    spdlog::string_view_t(line.data(), line.size()));
}

Sessions::Sessions(const Parts& parts)
    : store_(parts.store),
      map_(parts.map),
      limits_(parts.limits),
      policies_(parts.policies),
      layout_(parts.layout),
      clock_(parts.clock),
      neighbours_(parts.neighbours),
      max_duration_(parts.max_duration) {
  ReadOwnAddresses();
}

void Sessions::ReadOwnAddresses() {
  std::map<uint16_t, std::set<Address>> own;
  for (const ZoneConfig& zone : layout_.zones()) {
    std::vector<Address> addresses = OwnAddresses(zone);
    own[zone.id] = {addresses.begin(), addresses.end()};
  }
  std::lock_guard lock(mutex_);
  own_ = std::move(own);
}

// Ascending: the store appends, and pages are in the order of logins. Two wall clocks cannot make
// one id: the newest in the store counts, too.
std::string Sessions::NewId(int64_t wall_ns) {
  last_number_ = std::max(last_number_ + 1, wall_ns);
  return SessionId(last_number_);
}

bool Sessions::InForce(const Session& session) const {
  return session.expires_boot_ns > clock_.BootNs() &&
         std::any_of(session.keys.begin(), session.keys.end(),
                     [](const SessionKey& entry) { return entry.slot != kNoSlot; });
}

void Sessions::ReadCounters(Session& session) const {
  for (SessionKey& entry : session.keys)
    if (entry.slot != kNoSlot) entry.counters = map_.Read(entry.slot, clock_.BootNs());
  if (session.limits != 0) session.usage = limits_.Read(session.limits);
}

// What the map holds of a session's row of limits after it was changed in store and session.
void Sessions::EnforceLimits(const Session& session, uint32_t old_row) {
  if (session.limits == old_row) return;
  for (const SessionKey& entry : session.keys)
    if (entry.slot != kNoSlot) map_.SetLimits(entry.slot, session.limits, session.expires_boot_ns);
  limits_.End(old_row);
}

// The session's policy and row, not yet in store and entries. A row that it gets is filled.
Outcome Sessions::ChangeLimits(Session& session, const std::string& policy, uint32_t policy_row) {
  session.policy = policy;
  if ((policy_row != 0) == (session.limits != 0)) return {};
  if (policy_row == 0) {
    session.limits = 0;
    session.usage = {};
    return {};
  }
  session.usage = {0, 0, static_cast<uint32_t>(clock_.BootNs() / kSecondNs)};
  auto row = limits_.Begin(SessionNumber(session.id), policy_row, session.usage);
  if (!row) return Fail(row.error());
  session.limits = *row;
  return {};
}

Outcome Sessions::End(std::span<Session> sessions) {
  for (Session& session : sessions)
    for (const SessionKey& entry : session.keys)
      if (entry.slot != kNoSlot) map_.Revoke(entry.slot);
  if (auto deleted = store_.DeleteAll(sessions); !deleted)
    return Fail(deleted.error().kind,
                fmt::format("session store: {}; {} is cut off, but would come back with the next "
                            "start of narthexd",
                            deleted.error().message, KeyList(sessions.front())));
  map_.Settle();
  for (Session& session : sessions) {
    const ZoneConfig* zone = layout_.ZoneByName(session.zone);
    for (SessionKey& entry : session.keys)
      if (zone != nullptr && entry.slot != kNoSlot)
        entry.counters = map_.End(zone->id, entry.key, entry.slot, clock_.BootNs());
    if (session.limits != 0) session.usage = limits_.Read(session.limits);
    limits_.End(session.limits);
  }
  return {};
}

Result<std::optional<Session>> Sessions::FindLocked(const std::string& name) {
  if (!name.starts_with(kCollection))
    return Fail(ErrorKind::kInvalid, "name: wanted sessions/ID or sessions/KEY");
  std::string rest = name.substr(kCollection.size());
  if (IsId(rest)) return store_.FindById(rest);
  auto key = ParseKey(rest);
  if (!key)
    return Fail(ErrorKind::kInvalid, fmt::format("{}, nor a session's name", key.error().message));
  std::vector<const ZoneConfig*> zones = ZonesOfKey(layout_, *key);
  if (zones.empty() && key->IsAddress())
    return Fail(ErrorKind::kNotFound,
                fmt::format("{} is in no zone of this gateway", key->ToString()));
  std::optional<Session> found;
  for (const ZoneConfig* zone : zones) {
    auto session = store_.FindByKey(zone->name, *key);
    if (!session) return session;
    if (!*session) continue;
    if (found)
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} has a session in zone '{}' and one in '{}': use its name, "
                              "sessions/{} or sessions/{}",
                              key->ToString(), found->zone, zone->name, found->id, (*session)->id));
    found = std::move(**session);
  }
  return found;
}

Result<Session> Sessions::FindInForce(const std::string& name) {
  auto session = FindLocked(name);
  if (!session) return Fail(session.error());
  if (!*session || !InForce(**session)) return Fail(NoSession(name));
  return std::move(**session);
}

Result<Session> Sessions::Find(const std::string& name) {
  std::lock_guard lock(mutex_);
  auto session = FindInForce(name);
  if (!session) return session;
  map_.Settle();
  ReadCounters(*session);
  return session;
}

Result<std::optional<Session>> Sessions::FindByAddress(const Address& address) {
  std::lock_guard lock(mutex_);
  std::optional<Session> none;
  const ZoneConfig* zone = layout_.ZoneOf(address);
  if (zone == nullptr) return none;
  std::vector<Key> keys = {Key::Of(address)};
  if (!address.IsV4()) {
    keys.clear();
    for (uint8_t length : zone->ipv6_session_lengths)
      keys.push_back(Key::Of(Prefix::Of(address, length)));
  }
  if (auto slot = map_.UserOf(zone->id, address)) keys.push_back(Key::Of(map_.KeyOf(*slot)));
  for (const Key& key : keys) {
    auto session = store_.FindByKey(zone->name, key);
    if (!session) return session;
    if (!*session || !InForce(**session)) continue;
    map_.Settle();
    ReadCounters(**session);
    return session;
  }
  return none;
}

Result<SessionPage> Sessions::List(int page_size, const std::string& page_token) {
  if (page_size < 0 || page_size > kLargestPage)
    return Fail(ErrorKind::kInvalid, fmt::format("page_size: wanted 1 to {}", kLargestPage));
  if (!page_token.empty() && !IsId(page_token))
    return Fail(ErrorKind::kInvalid, "page_token: not one that this gateway gave");
  auto size = static_cast<size_t>(page_size == 0 ? kDefaultPage : page_size);
  std::lock_guard lock(mutex_);
  auto sessions = store_.List(page_token, clock_.BootNs(), size + 1);
  if (!sessions) return Fail(sessions.error());
  map_.Settle();
  SessionPage page;
  if (sessions->size() > size) {
    sessions->resize(size);
    page.next_page_token = sessions->back().id;
  }
  for (Session& session : *sessions) {
    if (!InForce(session)) continue;
    ReadCounters(session);
    page.sessions.push_back(std::move(session));
  }
  return page;
}

Result<Session> Sessions::Terminate(const std::string& name, const std::string& who) {
  std::lock_guard lock(mutex_);
  auto session = FindInForce(name);
  if (!session) return session;
  if (auto ended = End({&*session, 1}); !ended) {
    spdlog::error("audit: session {} terminated by {}: {}", session->id, who,
                  ended.error().message);
    return Fail(ended.error());
  }
  Audit("terminated", *session, who, clock_.BootNs());
  return session;
}

Result<Session> Sessions::SetPolicy(const std::string& name, const std::string& policy,
                                    const std::string& who) {
  std::lock_guard lock(mutex_);
  auto session = FindInForce(name);
  if (!session) return session;
  auto row = policies_.RowOf(policy);
  if (!row)
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("policy: there is no [[policy]] with name = \"{}\"", policy.substr(0, 32)));
  map_.Settle();
  ReadCounters(*session);
  const uint32_t old_row = session->limits;
  if (auto changed = ChangeLimits(*session, policy, *row); !changed) return Fail(changed.error());
  if (auto stored = store_.Update(*session); !stored) {
    if (session->limits != old_row) limits_.End(session->limits);
    return Fail(StoreError(stored.error()));
  }
  EnforceLimits(*session, old_row);
  if (session->limits != 0) limits_.SetPolicy(session->limits, *row);
  Audit("changed policy of", *session, who, clock_.BootNs());
  return session;
}

Result<uint64_t> Sessions::Count() {
  std::lock_guard lock(mutex_);
  return store_.Count(clock_.BootNs());
}

Outcome Sessions::InStore(const std::function<Outcome(SessionStore&)>& action) {
  std::lock_guard lock(mutex_);
  return action(store_);
}

}  // namespace narthex
