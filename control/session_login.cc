// SPDX-License-Identifier: Apache-2.0
// How sessions begin and are extended: checked, reserved, stored, put into the map, in this order;
// what fails on the way is taken back.
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "control/log_sink.h"
#include "control/sessions.h"
#include "control/zone_key.h"

namespace narthex {
namespace {

constexpr size_t kMaxRequestId = 128;

std::string Digest(const AuthoriseRequest& request) {
  return fmt::format("{}|{}|{}|{}|{}|{}", fmt::join(request.keys, ","), request.zone,
                     request.duration.count(), request.extend_existing, request.policy,
                     request.mac);
}

// The record to be stored, or null if the request names no id.
const RequestRecord* RecordOf(const AuthoriseRequest& request, const std::string& session_id,
                              RequestRecord& room) {
  if (request.request_id.empty()) return nullptr;
  room = {request.request_id, Digest(request), session_id};
  return &room;
}

}  // namespace

Result<Mac> Sessions::MacToBind(const ZoneConfig& zone, const Key& key, const Mac& given) const {
  if (!zone.bind_mac || !key.IsAddress()) return Mac{};
  if (!given.IsNone()) return given;
  std::optional<Mac> known;
  if (key.IsSingleAddress()) known = neighbours_.Find(zone.interface, key.address());
  if (known) return *known;
  return Fail(
      ErrorKind::kPrecondition,
      fmt::format("{}: zone '{}' binds sessions to MAC addresses, and the kernel knows none "
                  "for it on {}: name it with --mac, or let the client talk to the gateway "
                  "first",
                  key.ToString(), zone.name, zone.interface));
}

// What needs no lock: calls that wait for it come prepared.
Result<Sessions::Target> Sessions::Resolve(const AuthoriseRequest& request) const {
  auto refuse = [](std::string why) { return Fail(ErrorKind::kInvalid, std::move(why)); };
  if (request.request_id.size() > kMaxRequestId)
    return refuse(fmt::format("request_id: at most {} bytes", kMaxRequestId));
  auto resolved = ResolveTarget(layout_, request.keys, request.zone);
  if (!resolved) return Fail(resolved.error());
  if (request.duration < std::chrono::seconds(1) || request.duration > max_duration_)
    return refuse(
        fmt::format("duration: wanted 1 s to {} s (sessions.max_duration)", max_duration_.count()));
  Target target{std::move(*resolved), {}, 0};
  if (!request.mac.empty()) {
    auto mac = ParseMac(request.mac);
    if (!mac) return Fail(mac.error());
    target.mac = *mac;
  }
  return target;
}

Outcome Sessions::Check(const AuthoriseRequest& request, Target& target) const {
  auto refuse = [](std::string why) { return Fail(ErrorKind::kInvalid, std::move(why)); };
  const std::set<Address>& own = own_.at(target.zone->id);
  for (const Key& key : target.keys)
    if (key.IsSingleAddress() && own.contains(key.address()))
      return refuse(fmt::format("{} is the gateway's own or a broadcast address, no client's",
                                key.ToString()));
  auto row = policies_.RowOf(request.policy);
  if (!row)
    return refuse(fmt::format("policy: there is no [[policy]] with name = \"{}\"",
                              request.policy.substr(0, 32)));
  target.policy = *row;
  return {};
}

// The answer to a request that was made before, if this is one.
Result<std::optional<Session>> Sessions::Repeated(const AuthoriseRequest& request) {
  std::optional<Session> none;
  if (request.request_id.empty()) return none;
  auto record = store_.FindRequest(request.request_id);
  if (!record) return Fail(record.error());
  if (!*record) return none;
  if ((*record)->digest != Digest(request))
    return Fail(ErrorKind::kInvalid, "request_id: was used for another request");
  auto session = store_.FindById((*record)->session_id);
  if (!session) return session;
  if (!*session || !InForce(**session))
    return Fail(ErrorKind::kPrecondition, fmt::format("request_id: the session {} that it created "
                                                      "has ended",
                                                      (*record)->session_id));
  ReadCounters(**session);
  return session;
}

// The session that holds keys of the target. One that is over makes room.
Result<std::optional<Session>> Sessions::Existing(const Target& target, bool extend) {
  std::optional<Session> existing;
  for (const Key& key : target.keys) {
    if (!homeless_ && !map_.MayHave(key)) continue;
    auto found = store_.FindByKey(target.zone->name, key);
    if (!found) return found;
    if (!*found) continue;
    if (!InForce(**found)) {
      if (auto ended = End({&**found, 1}); !ended) return Fail(ended.error());
      continue;
    }
    if (!extend)
      return Fail(ErrorKind::kExists,
                  fmt::format("{} belongs to session {} already", key.ToString(), (*found)->id));
    if (existing && existing->id != (*found)->id)
      return Fail(ErrorKind::kExists, fmt::format("the keys belong to two sessions, {} and {}",
                                                  existing->id, (*found)->id));
    existing = std::move(**found);
  }
  return existing;
}

void Sessions::ReleaseAll(std::span<const SessionKey> keys) {
  for (const SessionKey& entry : keys) map_.Release(entry.slot);
}

Result<std::vector<SessionKey>> Sessions::ReserveAll(const Target& target,
                                                     std::span<const Key> keys) {
  std::vector<SessionKey> entries;
  for (const Key& key : keys) {
    auto mac = MacToBind(*target.zone, key, target.mac);
    auto slot = mac ? map_.Reserve(key) : Fail(mac.error());
    if (!slot) {
      ReleaseAll(entries);
      return Fail(slot.error());
    }
    entries.push_back({key, *slot, {}, *mac});
  }
  return entries;
}

// All entries, or none: what had begun is ended, what had not is released.
Outcome Sessions::BeginAll(const ZoneConfig& zone, const Session& session,
                           std::span<const SessionKey> keys, int64_t begun_ns) {
  for (size_t i = 0; i < keys.size(); ++i) {
    auto begun = map_.Begin(keys[i].slot, {zone.id,
                                           keys[i].key,
                                           keys[i].bound,
                                           session.limits,
                                           session.expires_boot_ns,
                                           begun_ns,
                                           {}});
    if (begun) continue;
    for (size_t j = 0; j < i; ++j) map_.End(zone.id, keys[j].key, keys[j].slot, begun_ns);
    ReleaseAll(keys.subspan(i));
    return begun;
  }
  return {};
}

Result<Sessions::Pending> Sessions::Prepare(const Target& target, const AuthoriseRequest& request,
                                            const Now& now) {
  Pending pending;
  pending.zone = target.zone;
  Session& session = pending.session;
  session.zone = target.zone->name;
  session.creator = request.creator;
  session.created_wall_ns = now.wall_ns;
  session.expires_boot_ns = now.boot_ns + request.duration.count();
  session.id = NewId(now.wall_ns);
  session.policy = request.policy;
  auto entries = ReserveAll(target, target.keys);
  if (!entries) return Fail(entries.error());
  session.keys = std::move(*entries);
  if (target.policy == 0) return pending;
  session.usage.last_seen_s = static_cast<uint32_t>(now.boot_ns / kSecondNs);
  auto row = limits_.Begin(last_number_, target.policy, session.usage);
  if (!row) {
    ReleaseAll(session.keys);
    return Fail(row.error());
  }
  session.limits = *row;
  return pending;
}

// All of them in one commit; then each in the map, or out of the store again.
void Sessions::InsertAndBegin(std::span<Pending> pending,
                              std::span<const AuthoriseRequest> requests,
                              std::vector<Result<Session>>& results) {
  std::vector<Session> sessions;
  std::vector<RequestRecord> records;
  sessions.reserve(pending.size());
  for (Pending& each : pending) {
    RequestRecord record;
    if (RecordOf(requests[each.request], each.session.id, record) != nullptr)
      records.push_back(std::move(record));
    sessions.push_back(std::move(each.session));
  }
  auto stored = store_.InsertAll(sessions, records);
  const int64_t begun_ns = clock_.BootNs();
  for (size_t i = 0; i < pending.size(); ++i) {
    Result<Session>& result = results[pending[i].request];
    Session& session = sessions[i];
    auto begun = stored ? BeginAll(*pending[i].zone, session, session.keys, begun_ns)
                        : Outcome(Fail(StoreError(stored.error())));
    if (begun) {
      result = std::move(session);
      continue;
    }
    limits_.End(session.limits);
    result = Fail(begun.error());
    if (!stored)
      ReleaseAll(session.keys);
    else if (auto deleted = store_.Retract(session.id, requests[pending[i].request].request_id);
             !deleted)
      spdlog::error("session {} is in the store, but not in force: {}", session.id,
                    deleted.error().message);
  }
}

Result<Sessions::Extension> Sessions::PrepareExtension(const Target& target, Session session,
                                                       const AuthoriseRequest& request,
                                                       const Now& now) {
  auto has = [&](const Key& key) {
    return std::any_of(session.keys.begin(), session.keys.end(),
                       [&](const SessionKey& entry) { return entry.key == key; });
  };
  std::vector<Key> fresh;
  for (const Key& key : target.keys)
    if (!has(key)) fresh.push_back(key);
  if (session.keys.size() + fresh.size() > kMaxKeys)
    return Fail(ErrorKind::kInvalid,
                fmt::format("keys: session {} would have more than {}", session.id, kMaxKeys));
  Extension extension{0, target.zone, target.policy, session, session, {}};
  Session& next = extension.session;
  for (SessionKey& entry : next.keys)
    if (!target.mac.IsNone() && target.zone->bind_mac && entry.key.IsAddress() &&
        std::find(target.keys.begin(), target.keys.end(), entry.key) != target.keys.end())
      entry.bound = target.mac;
  auto added = ReserveAll(target, fresh);
  if (!added) return Fail(added.error());
  extension.added = std::move(*added);
  ReadCounters(next);
  next.expires_boot_ns = now.boot_ns + request.duration.count();
  if (request.policy.empty()) return extension;
  if (auto changed = ChangeLimits(next, request.policy, target.policy); !changed) {
    ReleaseAll(extension.added);
    return Fail(changed.error());
  }
  return extension;
}

// One that is in the store: in the map, too, or out of the store again.
Outcome Sessions::BeginExtension(Extension& extension, const AuthoriseRequest& request,
                                 int64_t begun_ns) {
  Session& session = extension.session;
  if (auto begun = BeginAll(*extension.zone, session, extension.added, begun_ns); !begun) {
    // The store must not promise what the map does not hold; what was before goes back.
    if (auto undone = store_.Shrink(extension.before, extension.added, request.request_id); !undone)
      spdlog::error("session {} has keys that are not in force: {}", session.id,
                    undone.error().message);
    return begun;
  }
  for (const SessionKey& entry : session.keys) {
    if (entry.slot == kNoSlot) continue;
    map_.SetBound(entry.slot, entry.bound);
    map_.SetExpiry(entry.slot, session.expires_boot_ns);
  }
  EnforceLimits(session, extension.before.limits);
  if (session.limits != 0) {
    if (extension.policy != 0) limits_.SetPolicy(session.limits, extension.policy);
    limits_.Touch(session.limits, begun_ns);
  }
  session.keys.insert(session.keys.end(), extension.added.begin(), extension.added.end());
  return {};
}

// As InsertAndBegin: all of them in one commit.
void Sessions::UpdateAndBegin(std::span<Extension> extensions,
                              std::span<const AuthoriseRequest> requests,
                              std::vector<Result<Session>>& results) {
  std::vector<SessionStore::SessionUpdate> updates;
  std::vector<RequestRecord> records;
  for (const Extension& each : extensions) {
    updates.push_back({&each.session, each.added});
    RequestRecord record;
    if (RecordOf(requests[each.request], each.session.id, record) != nullptr)
      records.push_back(std::move(record));
  }
  auto stored = store_.UpdateAll(updates, records);
  const int64_t begun_ns = clock_.BootNs();
  for (Extension& each : extensions) {
    const AuthoriseRequest& request = requests[each.request];
    auto begun = stored ? BeginExtension(each, request, begun_ns)
                        : Outcome(Fail(StoreError(stored.error())));
    if (begun) {
      results[each.request] = std::move(each.session);
      continue;
    }
    if (!stored) ReleaseAll(each.added);
    if (each.session.limits != each.before.limits) limits_.End(each.session.limits);
    results[each.request] = Fail(begun.error());
  }
}

Result<Session> Sessions::Authorise(const AuthoriseRequest& request) {
  return std::move(AuthoriseAll({&request, 1}).front());
}

std::vector<Result<Session>> Sessions::AuthoriseAll(std::span<const AuthoriseRequest> requests) {
  std::vector<Result<Target>> targets;
  targets.reserve(requests.size());
  for (const AuthoriseRequest& request : requests) targets.push_back(Resolve(request));
  // What was done about each; null: nothing.
  std::vector<const char*> done(requests.size());
  std::vector<Result<Session>> results = AuthoriseResolved(requests, targets, done);
  // The next batch need not wait for what this one writes into the log.
  LogBatch log;
  const int64_t now_ns = clock_.BootNs();
  bool any = false;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!results[i]) continue;
    any = true;
    if (done[i] != nullptr) Audit(done[i], *results[i], requests[i].creator, now_ns);
  }
  if (wake_ && any) wake_();
  return results;
}

std::vector<Result<Session>> Sessions::AuthoriseResolved(std::span<const AuthoriseRequest> requests,
                                                         std::span<Result<Target>> targets,
                                                         std::span<const char*> done) {
  std::vector<Result<Session>> results(requests.size());
  std::vector<Pending> pending;
  std::vector<Extension> extensions;
  absl::flat_hash_set<ZoneKey> pending_keys;
  absl::flat_hash_set<std::string_view> pending_ids;  // of requests
  pending.reserve(requests.size());
  pending_keys.reserve(requests.size());
  std::lock_guard lock(mutex_);
  const Now now{clock_.BootNs(), clock_.WallNs()};
  auto flush = [&] {
    if (!pending.empty()) InsertAndBegin(pending, requests, results);
    if (!extensions.empty()) UpdateAndBegin(extensions, requests, results);
    pending.clear();
    extensions.clear();
    pending_keys.clear();
    pending_ids.clear();
  };
  auto authorise = [&](size_t i) -> Outcome {
    Result<Target>& target = targets[i];
    if (!target) return Fail(target.error());
    if (auto checked = Check(requests[i], *target); !checked) return checked;
    const std::string& id = requests[i].request_id;
    bool met = !id.empty() && pending_ids.contains(id);
    // Whatever meets these keys or this request again sees them in the store.
    for (const Key& key : target->keys) met |= pending_keys.contains({key, target->zone->id});
    if (met) flush();
    auto repeated = Repeated(requests[i]);
    if (!repeated) return Fail(repeated.error());
    if (*repeated) return results[i] = std::move(**repeated), Outcome();
    auto existing = Existing(*target, requests[i].extend_existing);
    if (!existing) return Fail(existing.error());
    for (const Key& key : target->keys) pending_keys.insert({key, target->zone->id});
    if (!id.empty()) pending_ids.insert(id);
    if (*existing) {
      for (const SessionKey& entry : (*existing)->keys)
        pending_keys.insert({entry.key, target->zone->id});
      auto extension = PrepareExtension(*target, std::move(**existing), requests[i], now);
      if (!extension) return Fail(extension.error());
      extension->request = i;
      extensions.push_back(std::move(*extension));
      done[i] = "extended";
      return {};
    }
    auto prepared = Prepare(*target, requests[i], now);
    if (!prepared) return Fail(prepared.error());
    prepared->request = i;
    pending.push_back(std::move(*prepared));
    done[i] = "created";
    return {};
  };
  for (size_t i = 0; i < requests.size(); ++i)
    if (auto authorised = authorise(i); !authorised) results[i] = Fail(authorised.error());
  flush();
  return results;
}

}  // namespace narthex
