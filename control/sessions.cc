// SPDX-License-Identifier: Apache-2.0
#include "control/sessions.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "control/own_addresses.h"

namespace narthex {
namespace {

constexpr size_t kMaxAddresses = 16;
constexpr size_t kMaxRequestId = 128;
constexpr int kDefaultPage = 100;
constexpr int kLargestPage = 1000;
constexpr std::string_view kCollection = "sessions/";

std::string NewId() {
  uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) std::abort();
  return fmt::format("{:016x}", number);
}

bool IsId(std::string_view text) {
  return text.size() == 16 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string Digest(const AuthoriseRequest& request) {
  return fmt::format("{}|{}|{}|{}", fmt::join(request.addresses, ","), request.zone,
                     request.duration.count(), request.extend_existing);
}

// The record to be stored, or null if the request names no id.
const RequestRecord* RecordOf(const AuthoriseRequest& request, const std::string& session_id,
                              RequestRecord& room) {
  if (request.request_id.empty()) return nullptr;
  room = {request.request_id, Digest(request), session_id};
  return &room;
}

std::string AddressList(const Session& session) {
  std::vector<std::string> texts;
  for (const SessionAddress& entry : session.addresses) texts.push_back(entry.address.ToString());
  return fmt::format("{}", fmt::join(texts, " "));
}

void Audit(std::string_view what, const Session& session, std::string_view who, int64_t now_ns) {
  spdlog::info("audit: {} session {} of {} in zone '{}', {} s left, by {}", what, session.id,
               AddressList(session), session.zone, (session.expires_boot_ns - now_ns) / kSecondNs,
               who);
}

}  // namespace

bool Sessions::InForce(const Session& session) const {
  return session.expires_boot_ns > clock_.BootNs() &&
         std::any_of(session.addresses.begin(), session.addresses.end(),
                     [](const SessionAddress& entry) { return entry.slot != kNoSlot; });
}

void Sessions::ReadCounters(Session& session) const {
  for (SessionAddress& entry : session.addresses)
    if (entry.slot != kNoSlot) entry.counters = map_.Read(entry.slot);
}

Result<ReconcileReport> Sessions::Start() {
  std::lock_guard lock(mutex_);
  auto sessions = store_.All();
  if (!sessions) return Fail(sessions.error());
  int64_t now_ns = clock_.BootNs();
  std::vector<WantedEntry> wanted;
  size_t homeless = 0;
  for (Session& session : *sessions) {
    if (session.expires_boot_ns <= now_ns) continue;  // EndExpired forgets it
    const ZoneConfig* zone = layout_.ZoneByName(session.zone);
    for (const SessionAddress& entry : session.addresses) {
      if (zone != nullptr && layout_.ZoneOf(entry.address) == zone)
        wanted.push_back({zone->id, entry.address, session.expires_boot_ns, entry.slot,
                          entry.counters, kNoSlot});
    }
  }
  auto report = map_.Reconcile(wanted);
  if (!report) return report;

  std::map<std::pair<uint16_t, Address>, const WantedEntry*> placed;
  for (const WantedEntry& entry : wanted) placed[{entry.zone, entry.address}] = &entry;
  for (Session& session : *sessions) {
    const ZoneConfig* zone = layout_.ZoneByName(session.zone);
    bool moved = false;
    for (SessionAddress& entry : session.addresses) {
      auto found = zone ? placed.find({zone->id, entry.address}) : placed.end();
      uint32_t slot = found == placed.end() ? kNoSlot : found->second->slot;
      moved |= slot != entry.slot;
      entry.slot = slot;
      if (slot == kNoSlot && session.expires_boot_ns > now_ns) ++homeless;
    }
    ReadCounters(session);
    if (!moved) continue;
    if (auto saved = store_.SaveAddresses(session.zone, session.addresses); !saved)
      return Fail(saved.error());
  }
  if (homeless > 0)
    spdlog::warn(
        "{} addresses of stored sessions lie in no zone of this configuration, or find "
        "sessions.capacity used up: they are not in force",
        homeless);
  return report;
}

Result<Sessions::Target> Sessions::Check(const AuthoriseRequest& request) const {
  auto refuse = [](std::string why) { return Fail(ErrorKind::kInvalid, std::move(why)); };
  if (request.addresses.empty()) return refuse("addresses: at least one is wanted");
  if (request.addresses.size() > kMaxAddresses)
    return refuse(fmt::format("addresses: {} are too many for one client, at most {}",
                              request.addresses.size(), kMaxAddresses));
  if (request.request_id.size() > kMaxRequestId)
    return refuse(fmt::format("request_id: at most {} bytes", kMaxRequestId));
  if (request.duration < std::chrono::seconds(1) || request.duration > max_duration_)
    return refuse(
        fmt::format("duration: wanted 1 s to {} s (sessions.max_duration)", max_duration_.count()));
  Target target;
  if (!request.zone.empty() && layout_.ZoneByName(request.zone) == nullptr)
    return refuse("zone: there is no zone of this name");
  for (const std::string& text : request.addresses) {
    auto address = ParseAddress(text);
    if (!address) return Fail(address.error());
    const ZoneConfig* zone = layout_.ZoneOf(*address);
    if (zone == nullptr)
      return refuse(fmt::format("{} is in no zone of this gateway", address->ToString()));
    std::vector<Address> own = OwnAddresses(*zone);
    if (std::find(own.begin(), own.end(), *address) != own.end())
      return refuse(fmt::format("{} is the gateway's own or a broadcast address, no client's",
                                address->ToString()));
    if (!request.zone.empty() && zone->name != request.zone)
      return refuse(fmt::format("{} is in zone '{}', not in '{}'", address->ToString(), zone->name,
                                request.zone));
    if (target.zone != nullptr && target.zone != zone)
      return refuse(fmt::format("addresses of two zones, '{}' and '{}', cannot be one session",
                                target.zone->name, zone->name));
    target.zone = zone;
    if (std::find(target.addresses.begin(), target.addresses.end(), *address) ==
        target.addresses.end())
      target.addresses.push_back(*address);
  }
  return target;
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

// The session that holds addresses of the target. One that is over makes room.
Result<std::optional<Session>> Sessions::Existing(const Target& target, bool extend) {
  std::optional<Session> existing;
  for (const Address& address : target.addresses) {
    auto found = store_.FindByAddress(target.zone->name, address);
    if (!found) return found;
    if (!*found) continue;
    if (!InForce(**found)) {
      if (auto ended = End({&**found, 1}); !ended) return Fail(ended.error());
      continue;
    }
    if (!extend)
      return Fail(ErrorKind::kExists, fmt::format("{} belongs to session {} already",
                                                  address.ToString(), (*found)->id));
    if (existing && existing->id != (*found)->id)
      return Fail(ErrorKind::kExists, fmt::format("the addresses belong to two sessions, {} and {}",
                                                  existing->id, (*found)->id));
    existing = std::move(**found);
  }
  return existing;
}

Result<std::vector<SessionAddress>> Sessions::ReserveAll(const std::vector<Address>& addresses) {
  std::vector<SessionAddress> entries;
  for (const Address& address : addresses) {
    auto slot = map_.Reserve(address);
    if (!slot) {
      for (const SessionAddress& entry : entries) map_.Release(entry.slot);
      return Fail(slot.error());
    }
    entries.push_back({address, *slot, {}});
  }
  return entries;
}

// All entries, or none: what had begun is ended, what had not is released.
Outcome Sessions::BeginAll(const ZoneConfig& zone, const std::vector<SessionAddress>& entries,
                           int64_t expires_ns) {
  for (size_t i = 0; i < entries.size(); ++i) {
    auto begun =
        map_.Begin(zone.id, entries[i].address, entries[i].slot, expires_ns, clock_.BootNs(), {});
    if (begun) continue;
    for (size_t j = 0; j < i; ++j) map_.End(zone.id, entries[j].address, entries[j].slot);
    for (size_t j = i; j < entries.size(); ++j) map_.Release(entries[j].slot);
    return begun;
  }
  return {};
}

Result<Session> Sessions::Create(const Target& target, const AuthoriseRequest& request) {
  Session session;
  session.id = NewId();
  session.zone = target.zone->name;
  session.creator = request.creator;
  session.created_wall_ns = clock_.WallNs();
  session.expires_boot_ns = clock_.BootNs() + request.duration.count();
  auto entries = ReserveAll(target.addresses);
  if (!entries) return Fail(entries.error());
  session.addresses = *entries;

  RequestRecord record;
  if (auto stored = store_.Insert(session, RecordOf(request, session.id, record)); !stored) {
    for (const SessionAddress& entry : session.addresses) map_.Release(entry.slot);
    return Fail(stored.error().kind, fmt::format("session store: {}", stored.error().message));
  }
  if (auto begun = BeginAll(*target.zone, session.addresses, session.expires_boot_ns); !begun) {
    if (auto deleted = store_.Delete(session.id); !deleted)
      spdlog::error("session {} is in the store, but not in force: {}", session.id,
                    deleted.error().message);
    return Fail(begun.error());
  }
  Audit("created", session, request.creator, clock_.BootNs());
  return session;
}

Result<Session> Sessions::Extend(const Target& target, Session session,
                                 const AuthoriseRequest& request) {
  std::vector<Address> fresh;
  for (const Address& address : target.addresses)
    if (std::none_of(session.addresses.begin(), session.addresses.end(),
                     [&](const SessionAddress& entry) { return entry.address == address; }))
      fresh.push_back(address);
  if (session.addresses.size() + fresh.size() > kMaxAddresses)
    return Fail(ErrorKind::kInvalid, fmt::format("addresses: session {} would have more than {}",
                                                 session.id, kMaxAddresses));
  auto added = ReserveAll(fresh);
  if (!added) return Fail(added.error());

  int64_t old_expiry_ns = session.expires_boot_ns;
  session.expires_boot_ns = clock_.BootNs() + request.duration.count();
  RequestRecord record;
  if (auto stored = store_.Extend(session, *added, RecordOf(request, session.id, record));
      !stored) {
    for (const SessionAddress& entry : *added) map_.Release(entry.slot);
    return Fail(stored.error().kind, fmt::format("session store: {}", stored.error().message));
  }
  if (auto begun = BeginAll(*target.zone, *added, session.expires_boot_ns); !begun) {
    // The store must not promise what the map does not hold; the old end goes back.
    session.expires_boot_ns = old_expiry_ns;
    if (auto undone = store_.Shrink(session, *added); !undone)
      spdlog::error("session {} has addresses that are not in force: {}", session.id,
                    undone.error().message);
    return Fail(begun.error());
  }
  for (const SessionAddress& entry : session.addresses)
    if (entry.slot != kNoSlot) map_.SetExpiry(entry.slot, session.expires_boot_ns);
  session.addresses.insert(session.addresses.end(), added->begin(), added->end());
  ReadCounters(session);
  Audit("extended", session, request.creator, clock_.BootNs());
  return session;
}

Result<Session> Sessions::Authorise(const AuthoriseRequest& request) {
  std::lock_guard lock(mutex_);
  auto target = Check(request);
  if (!target) return Fail(target.error());
  auto repeated = Repeated(request);
  if (!repeated) return Fail(repeated.error());
  if (*repeated) return std::move(**repeated);
  auto existing = Existing(*target, request.extend_existing);
  if (!existing) return Fail(existing.error());
  auto session =
      *existing ? Extend(*target, std::move(**existing), request) : Create(*target, request);
  if (session && wake_) wake_();
  return session;
}

Outcome Sessions::End(std::span<Session> sessions) {
  size_t ended = 0;
  Outcome outcome;
  for (; ended < sessions.size(); ++ended) {
    Session& session = sessions[ended];
    for (const SessionAddress& entry : session.addresses)
      if (entry.slot != kNoSlot) map_.Revoke(entry.slot);
    if (auto deleted = store_.Delete(session.id); !deleted) {
      outcome = Fail(deleted.error().kind,
                     fmt::format("session store: {}; {} is cut off, but would come back with the "
                                 "next start of narthexd",
                                 deleted.error().message, AddressList(session)));
      break;
    }
  }
  map_.Settle();
  for (Session& session : sessions.first(ended)) {
    const ZoneConfig* zone = layout_.ZoneByName(session.zone);
    for (SessionAddress& entry : session.addresses)
      if (zone != nullptr && entry.slot != kNoSlot)
        entry.counters = map_.End(zone->id, entry.address, entry.slot);
  }
  return outcome;
}

Result<std::optional<Session>> Sessions::FindLocked(const std::string& name) {
  if (!name.starts_with(kCollection))
    return Fail(ErrorKind::kInvalid, "name: wanted sessions/ID or sessions/ADDRESS");
  std::string rest = name.substr(kCollection.size());
  if (IsId(rest)) return store_.FindById(rest);
  auto address = ParseAddress(rest);
  if (!address)
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}, nor a session's name", address.error().message));
  const ZoneConfig* zone = layout_.ZoneOf(*address);
  if (zone == nullptr)
    return Fail(ErrorKind::kNotFound,
                fmt::format("{} is in no zone of this gateway", address->ToString()));
  return store_.FindByAddress(zone->name, *address);
}

Result<Session> Sessions::Find(const std::string& name) {
  std::lock_guard lock(mutex_);
  auto session = FindLocked(name);
  if (!session) return Fail(session.error());
  if (!*session || !InForce(**session))
    return Fail(ErrorKind::kNotFound,
                fmt::format("{} has no session", name.substr(kCollection.size())));
  map_.Settle();
  ReadCounters(**session);
  return std::move(**session);
}

Result<std::optional<Session>> Sessions::FindByAddress(const Address& address) {
  std::lock_guard lock(mutex_);
  std::optional<Session> none;
  const ZoneConfig* zone = layout_.ZoneOf(address);
  if (zone == nullptr) return none;
  auto session = store_.FindByAddress(zone->name, address);
  if (!session) return session;
  if (!*session || !InForce(**session)) return none;
  map_.Settle();
  ReadCounters(**session);
  return session;
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
  auto session = FindLocked(name);
  if (!session) return Fail(session.error());
  if (!*session || !InForce(**session))
    return Fail(ErrorKind::kNotFound,
                fmt::format("{} has no session", name.substr(kCollection.size())));
  if (auto ended = End({&**session, 1}); !ended) return Fail(ended.error());
  Audit("terminated", **session, who, clock_.BootNs());
  return std::move(**session);
}

Result<uint64_t> Sessions::Count() {
  std::lock_guard lock(mutex_);
  return store_.Count(clock_.BootNs());
}

Result<std::optional<int64_t>> Sessions::EndExpired() {
  constexpr size_t kBatch = 64;  // between batches, others get the lock
  for (;;) {
    std::lock_guard lock(mutex_);
    auto expired = store_.Expired(clock_.BootNs(), kBatch);
    if (!expired) return Fail(expired.error());
    if (auto ended = End(*expired); !ended) return Fail(ended.error());
    for (const Session& session : *expired) Audit("expired", session, "time", clock_.BootNs());
    if (expired->size() < kBatch) return store_.NextExpiry();
  }
}

Outcome Sessions::SaveCounters() {
  constexpr size_t kBatch = 256;
  std::string after;
  for (;;) {
    std::lock_guard lock(mutex_);
    if (after.empty()) map_.Settle();
    auto sessions = store_.List(after, clock_.BootNs(), kBatch);
    if (!sessions) return Fail(sessions.error());
    std::map<std::string, std::vector<SessionAddress>> moved;  // by zone
    for (const Session& session : *sessions) {
      for (SessionAddress entry : session.addresses) {
        if (entry.slot == kNoSlot) continue;
        SessionCounters counters = map_.Read(entry.slot);
        if (counters == entry.counters) continue;
        entry.counters = counters;
        moved[session.zone].push_back(entry);
      }
    }
    for (const auto& [zone, entries] : moved)
      if (auto saved = store_.SaveAddresses(zone, entries); !saved) return saved;
    if (sessions->size() < kBatch) return store_.SaveAnchor();
    after = sessions->back().id;
  }
}

Outcome Sessions::InStore(const std::function<Outcome(SessionStore&)>& action) {
  std::lock_guard lock(mutex_);
  return action(store_);
}

}  // namespace narthex
