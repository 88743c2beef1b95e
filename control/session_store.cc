// SPDX-License-Identifier: Apache-2.0
#include "control/session_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

#include "control/store_schema.h"

namespace narthex {
namespace {

constexpr int64_t kRequestMemoryNs = 86400 * kSecondNs;
constexpr size_t kKeyBytes = 18;

constexpr char kColumns[] =
    "SELECT id, zone, creator, created_wall_ns, expires_boot_ns, policy, limits, used_up, "
    "used_down, used_seen_s FROM session ";
constexpr char kKeyColumns[] =
    "key, slot, bound, packets_up, bytes_up, packets_down, bytes_down, first_seen_ns, "
    "last_seen_ns ";

// 0 for what is no number.
int64_t Number(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Kind, bits, bytes; as in store_schema.cc.
std::array<uint8_t, kKeyBytes> BlobOf(const Key& key) {
  std::array<uint8_t, kKeyBytes> blob;
  blob[0] = static_cast<uint8_t>(key.kind);
  blob[1] = key.bits;
  std::copy(key.bytes.begin(), key.bytes.end(), blob.begin() + 2);
  return blob;
}

Query& BindKey(Query& query, const Key& key) {
  auto blob = BlobOf(key);
  return query.BindBlob(blob.data(), blob.size());
}

Query& BindMac(Query& query, const Mac& mac) {
  return query.BindBlob(mac.bytes.data(), mac.IsNone() ? 0 : mac.bytes.size());
}

void BindCounters(Query& query, const SessionCounters& counters) {
  for (uint64_t value : {counters.packets_up, counters.bytes_up, counters.packets_down,
                         counters.bytes_down, counters.first_seen_ns, counters.last_seen_ns})
    query.Bind(static_cast<int64_t>(value));
}

void BindUsage(Query& query, const Usage& usage) {
  query.Bind(static_cast<int64_t>(usage.bytes_up)).Bind(static_cast<int64_t>(usage.bytes_down));
  query.Bind(int64_t{usage.last_seen_s});
}

// The columns of kKeyColumns, from `column` on.
Result<SessionKey> ReadKey(const Query& query, int column) {
  SessionKey entry;
  std::string_view blob = query.Blob(column++);
  if (blob.size() != kKeyBytes) return Fail("a key is damaged");
  entry.key.kind = static_cast<KeyKind>(blob[0]);
  entry.key.bits = static_cast<uint8_t>(blob[1]);
  std::memcpy(entry.key.bytes.data(), blob.data() + 2, entry.key.bytes.size());
  entry.slot = static_cast<uint32_t>(query.Integer(column++));
  std::string_view bound = query.Blob(column++);
  if (bound.size() == entry.bound.bytes.size())
    std::memcpy(entry.bound.bytes.data(), bound.data(), bound.size());
  SessionCounters& counters = entry.counters;
  for (uint64_t* value : {&counters.packets_up, &counters.bytes_up, &counters.packets_down,
                          &counters.bytes_down, &counters.first_seen_ns, &counters.last_seen_ns})
    *value = static_cast<uint64_t>(query.Integer(column++));
  return entry;
}

Usage ReadUsage(const Query& query, int column) {
  return {static_cast<uint64_t>(query.Integer(column)),
          static_cast<uint64_t>(query.Integer(column + 1)),
          static_cast<uint32_t>(query.Integer(column + 2))};
}

}  // namespace

int64_t SessionNumber(std::string_view id) {
  uint64_t number = 0;
  std::from_chars(id.data(), id.data() + id.size(), number, 16);
  return static_cast<int64_t>(number);
}

std::string SessionId(int64_t number) {
  return fmt::format("{:016x}", static_cast<uint64_t>(number));
}

Result<std::unique_ptr<SessionStore>> SessionStore::Open(const std::string& path,
                                                         const Clock& clock) {
  auto refuse = [&](const Error& error) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("session store {}: {}; make it readable and writable, or move it away "
                            "to start with no sessions",
                            path, error.message));
  };
  auto database = Database::Open(path);
  if (!database) return refuse(database.error());
  if (auto prepared = PrepareSchema(**database); !prepared) return refuse(prepared.error());
  std::unique_ptr<SessionStore> store(new SessionStore(std::move(*database), clock));
  for (auto step : {&SessionStore::PrepareAll, &SessionStore::CarryOverReboot})
    if (auto done = (store.get()->*step)(); !done) return refuse(done.error());
  return store;
}

Outcome SessionStore::PrepareAll() {
  const std::string select = kColumns, keys = kKeyColumns;
  const std::pair<Statement*, std::string> statements[] = {
      {&insert_session_, "INSERT INTO session VALUES (?,?,?,?,?,?,?,?,?,?)"},
      {&update_session_,
       "UPDATE session SET expires_boot_ns=?2, policy=?3, limits=?4, used_up=?5, used_down=?6, "
       "used_seen_s=?7 WHERE id=?1"},
      {&delete_session_, "DELETE FROM session WHERE id=?"},
      {&save_usage_,
       "UPDATE session SET limits=?2, used_up=?3, used_down=?4, used_seen_s=?5 WHERE id=?1"},
      {&insert_key_, "INSERT INTO session_key VALUES (?,?,?,?,?,?,?,?,?,?,?)"},
      {&save_key_,
       "UPDATE session_key SET slot=?3, packets_up=?4, bytes_up=?5, packets_down=?6, "
       "bytes_down=?7, first_seen_ns=?8, last_seen_ns=?9 WHERE zone=?1 AND key=?2"},
      {&bind_key_, "UPDATE session_key SET bound=?3 WHERE zone=?1 AND key=?2"},
      {&delete_key_, "DELETE FROM session_key WHERE zone=? AND key=?"},
      {&delete_keys_, "DELETE FROM session_key WHERE session_id=?"},
      {&by_id_, select + "WHERE id=?"},
      {&by_key_, select + "WHERE id=(SELECT session_id FROM session_key WHERE zone=? AND key=?)"},
      {&list_, select + "WHERE id>? AND expires_boot_ns>? ORDER BY id LIMIT ?"},
      {&expired_, select + "WHERE expires_boot_ns<=? ORDER BY expires_boot_ns LIMIT ?"},
      {&next_expiry_, "SELECT expires_boot_ns FROM session ORDER BY expires_boot_ns LIMIT 1"},
      {&count_, "SELECT count(*) FROM session WHERE expires_boot_ns>?"},
      {&keys_, "SELECT " + keys + "FROM session_key WHERE session_id=? ORDER BY key"},
      // One walk over the keys; CROSS JOIN keeps SQLite from turning it round.
      {&all_keys_,
       "SELECT session_key.session_id, session_key.zone, policy, expires_boot_ns, limits, used_up, "
       "used_down, used_seen_s, " +
           keys +
           "FROM session_key CROSS JOIN session ON session.id=session_key.session_id WHERE "
           "expires_boot_ns>?"},
      {&policy_uses_,
       "SELECT policy, count(*) FROM session WHERE policy<>'' AND expires_boot_ns>? GROUP BY "
       "policy"},
      {&last_number_, "SELECT max(id) FROM session"},
      {&insert_request_, "INSERT INTO request VALUES (?,?,?,?)"},
      {&delete_request_, "DELETE FROM request WHERE id=?"},
      {&find_request_, "SELECT id, digest, session_id FROM request WHERE id=?"},
      {&forget_requests_, "DELETE FROM request WHERE made_boot_ns<?"},
      {&get_meta_, "SELECT value FROM meta WHERE key=?"},
      {&set_meta_, "INSERT OR REPLACE INTO meta VALUES (?,?)"},
  };
  for (const auto& [statement, sql] : statements) {
    auto prepared = database_->Prepare(sql);
    if (!prepared) return Fail(prepared.error());
    *statement = std::move(*prepared);
  }
  return {};
}

// Boot time has begun anew: what had N seconds left by the wall clock has N seconds left. A
// wall clock that went back over the reboot (no battery) lengthens nothing.
Outcome SessionStore::CarryOverReboot() {
  std::string saved[3];
  const char* keys[] = {"boot_id", "anchor_boot_ns", "anchor_wall_ns"};
  for (int i = 0; i < 3; ++i) {
    auto value = Meta(keys[i]);
    if (!value) return Fail(value.error());
    saved[i] = *value;
  }
  if (!saved[0].empty() && saved[0] != clock_.BootId()) {
    int64_t old_boot_ns = Number(saved[1]);
    int64_t off_ns = std::max<int64_t>(0, clock_.WallNs() - Number(saved[2]));
    int64_t shift_ns = clock_.BootNs() - off_ns - old_boot_ns;
    auto transaction = Transaction::Begin(*database_);
    if (!transaction) return Fail(transaction.error());
    for (const char* sql : {"UPDATE session SET expires_boot_ns=expires_boot_ns+({})",
                            "UPDATE request SET made_boot_ns=made_boot_ns+({})",
                            "UPDATE session_key SET first_seen_ns=0, last_seen_ns=0 /*{}*/",
                            "UPDATE session SET used_seen_s=0 /*{}*/"})
      if (auto done = database_->Execute(fmt::format(fmt::runtime(sql), shift_ns)); !done)
        return done;
    if (auto done = SaveAnchor(); !done) return done;
    return (*transaction)->Commit();
  }
  return SaveAnchor();
}

Outcome SessionStore::SaveAnchor() {
  Query forget(*database_, forget_requests_.get());
  if (auto done = forget.Bind(clock_.BootNs() - kRequestMemoryNs).Run(); !done) return done;
  if (auto done = SetMeta("boot_id", clock_.BootId()); !done) return done;
  if (auto done = SetMeta("anchor_boot_ns", std::to_string(clock_.BootNs())); !done) return done;
  return SetMeta("anchor_wall_ns", std::to_string(clock_.WallNs()));
}

Outcome SessionStore::InsertSession(const Session& session) {
  Query query(*database_, insert_session_.get());
  query.Bind(SessionNumber(session.id)).Bind(session.zone).Bind(session.creator);
  query.Bind(session.created_wall_ns).Bind(session.expires_boot_ns);
  query.Bind(session.policy).Bind(int64_t{session.limits});
  BindUsage(query, session.usage);
  return query.Run();
}

Outcome SessionStore::InsertKeys(const Session& session, std::span<const SessionKey> keys) {
  for (const SessionKey& entry : keys) {
    Query query(*database_, insert_key_.get());
    BindKey(query.Bind(session.zone), entry.key);
    query.Bind(SessionNumber(session.id)).Bind(int64_t{entry.slot});
    BindMac(query, entry.bound);
    BindCounters(query, entry.counters);
    if (auto done = query.Run(); !done) return done;
  }
  return {};
}

Outcome SessionStore::InsertRequest(const RequestRecord* request) {
  if (request == nullptr) return {};
  Query query(*database_, insert_request_.get());
  query.Bind(request->id).Bind(request->digest).Bind(request->session_id).Bind(clock_.BootNs());
  return query.Run();
}

Outcome SessionStore::Insert(const Session& session, const RequestRecord* request) {
  return InsertAll({&session, 1}, {request, request == nullptr ? 0u : 1u});
}

Outcome SessionStore::InsertAll(std::span<const Session> sessions,
                                std::span<const RequestRecord> requests) {
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  for (const Session& session : sessions) {
    if (auto done = InsertSession(session); !done) return done;
    if (auto done = InsertKeys(session, session.keys); !done) return done;
  }
  for (const RequestRecord& request : requests)
    if (auto done = InsertRequest(&request); !done) return done;
  return (*transaction)->Commit();
}

Outcome SessionStore::UpdateSession(const Session& session) {
  Query query(*database_, update_session_.get());
  query.Bind(SessionNumber(session.id)).Bind(session.expires_boot_ns);
  query.Bind(session.policy).Bind(int64_t{session.limits});
  BindUsage(query, session.usage);
  return query.Run();
}

Outcome SessionStore::UpdateAll(std::span<const SessionUpdate> updates,
                                std::span<const RequestRecord> requests) {
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  for (const auto& [session, added] : updates) {
    if (auto done = UpdateSession(*session); !done) return done;
    if (auto done = BindKeys(*session); !done) return done;
    if (auto done = InsertKeys(*session, added); !done) return done;
  }
  for (const RequestRecord& request : requests)
    if (auto done = InsertRequest(&request); !done) return done;
  return (*transaction)->Commit();
}

Outcome SessionStore::Update(const Session& session) {
  const SessionUpdate update{&session, {}};
  return UpdateAll({&update, 1}, {});
}

Outcome SessionStore::BindKeys(const Session& session) {
  for (const SessionKey& entry : session.keys) {
    Query query(*database_, bind_key_.get());
    BindMac(BindKey(query.Bind(session.zone), entry.key), entry.bound);
    if (auto done = query.Run(); !done) return done;
  }
  return {};
}

Outcome SessionStore::Shrink(const Session& session, std::span<const SessionKey> removed,
                             const std::string& request_id) {
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  if (auto done = UpdateSession(session); !done) return done;
  if (auto done = BindKeys(session); !done) return done;
  if (auto done = DeleteRequest(request_id); !done) return done;
  for (const SessionKey& entry : removed) {
    Query query(*database_, delete_key_.get());
    if (auto done = BindKey(query.Bind(session.zone), entry.key).Run(); !done) return done;
  }
  return (*transaction)->Commit();
}

// None has the empty id.
Outcome SessionStore::DeleteRequest(const std::string& id) {
  Query query(*database_, delete_request_.get());
  return query.Bind(id).Run();
}

Outcome SessionStore::DeleteSession(int64_t number) {
  for (const Statement* statement : {&delete_keys_, &delete_session_}) {
    Query query(*database_, statement->get());
    if (auto done = query.Bind(number).Run(); !done) return done;
  }
  return {};
}

Outcome SessionStore::Retract(const std::string& id, const std::string& request_id) {
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  if (auto done = DeleteSession(SessionNumber(id)); !done) return done;
  if (auto done = DeleteRequest(request_id); !done) return done;
  return (*transaction)->Commit();
}

Outcome SessionStore::DeleteAll(std::span<const Session> sessions) {
  if (sessions.empty()) return {};
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  for (const Session& session : sessions)
    if (auto done = DeleteSession(SessionNumber(session.id)); !done) return done;
  return (*transaction)->Commit();
}

Outcome SessionStore::ReadKeys(Session& session) {
  Query query(*database_, keys_.get());
  query.Bind(SessionNumber(session.id));
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return {};
    auto key = ReadKey(query, 0);
    if (!key) return Fail(key.error());
    session.keys.push_back(*key);
  }
}

Outcome SessionStore::ForEachKey(int64_t now_boot_ns,
                                 const std::function<void(const StoredKey&)>& visit) {
  Query query(*database_, all_keys_.get());
  query.Bind(now_boot_ns);
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return {};
    auto key = ReadKey(query, 8);
    if (!key) return Fail(key.error());
    visit({query.Integer(0), query.Blob(1), query.Blob(2), query.Integer(3),
           static_cast<uint32_t>(query.Integer(4)), ReadUsage(query, 5), *key});
  }
}

Result<std::vector<Session>> SessionStore::Read(Query& query) {
  std::vector<Session> sessions;
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return sessions;
    Session session;
    session.id = SessionId(query.Integer(0));
    session.zone = query.Text(1);
    session.creator = query.Text(2);
    session.created_wall_ns = query.Integer(3);
    session.expires_boot_ns = query.Integer(4);
    session.policy = query.Text(5);
    session.limits = static_cast<uint32_t>(query.Integer(6));
    session.usage = ReadUsage(query, 7);
    if (auto done = ReadKeys(session); !done) return Fail(done.error());
    sessions.push_back(std::move(session));
  }
}

namespace {
Result<std::optional<Session>> FirstOf(Result<std::vector<Session>> sessions) {
  if (!sessions) return Fail(sessions.error());
  if (sessions->empty()) return std::optional<Session>();
  return std::optional<Session>(std::move(sessions->front()));
}
}  // namespace

Result<std::optional<Session>> SessionStore::FindById(const std::string& id) {
  Query query(*database_, by_id_.get());
  return FirstOf(Read(query.Bind(SessionNumber(id))));
}

Result<std::optional<Session>> SessionStore::FindByKey(const std::string& zone, const Key& key) {
  Query query(*database_, by_key_.get());
  return FirstOf(Read(BindKey(query.Bind(zone), key)));
}

Result<std::optional<RequestRecord>> SessionStore::FindRequest(const std::string& id) {
  Query query(*database_, find_request_.get());
  auto row = query.Bind(id).Step();
  if (!row) return Fail(row.error());
  if (!*row) return std::optional<RequestRecord>();
  return std::optional<RequestRecord>({query.Text(0), query.Text(1), query.Text(2)});
}

Result<std::vector<Session>> SessionStore::List(const std::string& after_id, int64_t now_boot_ns,
                                                size_t most) {
  Query query(*database_, list_.get());
  query.Bind(after_id.empty() ? std::numeric_limits<int64_t>::min() : SessionNumber(after_id));
  return Read(query.Bind(now_boot_ns).Bind(static_cast<int64_t>(most)));
}

Result<std::vector<Session>> SessionStore::Expired(int64_t now_boot_ns, size_t most) {
  Query query(*database_, expired_.get());
  return Read(query.Bind(now_boot_ns).Bind(static_cast<int64_t>(most)));
}

Result<std::optional<int64_t>> SessionStore::NextExpiry() {
  Query query(*database_, next_expiry_.get());
  auto row = query.Step();
  if (!row) return Fail(row.error());
  if (!*row) return std::optional<int64_t>();
  return std::optional<int64_t>(query.Integer(0));
}

Result<uint64_t> SessionStore::Count(int64_t now_boot_ns) {
  Query query(*database_, count_.get());
  auto row = query.Bind(now_boot_ns).Step();
  if (!row) return Fail(row.error());
  return static_cast<uint64_t>(query.Integer(0));
}

Result<std::vector<std::pair<std::string, uint64_t>>> SessionStore::PolicyUses(
    int64_t now_boot_ns) {
  std::vector<std::pair<std::string, uint64_t>> uses;
  Query query(*database_, policy_uses_.get());
  query.Bind(now_boot_ns);
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return uses;
    uses.emplace_back(query.Text(0), static_cast<uint64_t>(query.Integer(1)));
  }
}

Result<int64_t> SessionStore::LastNumber() {
  Query query(*database_, last_number_.get());
  auto row = query.Step();
  if (!row) return Fail(row.error());
  return query.Integer(0);
}

Outcome SessionStore::Save(std::span<const KeyUpdate> keys, std::span<const UsageUpdate> usages) {
  if (keys.empty() && usages.empty()) return {};
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  for (const KeyUpdate& update : keys) {
    Query query(*database_, save_key_.get());
    BindKey(query.Bind(update.zone), update.key->key).Bind(int64_t{update.key->slot});
    BindCounters(query, update.key->counters);
    if (auto done = query.Run(); !done) return done;
  }
  for (const UsageUpdate& update : usages) {
    Query query(*database_, save_usage_.get());
    query.Bind(update.session).Bind(int64_t{update.limits});
    BindUsage(query, update.usage);
    if (auto done = query.Run(); !done) return done;
  }
  return (*transaction)->Commit();
}

Result<std::string> SessionStore::Meta(std::string_view key) {
  Query query(*database_, get_meta_.get());
  auto row = query.Bind(key).Step();
  if (!row) return Fail(row.error());
  return *row ? query.Text(0) : std::string();
}

Outcome SessionStore::SetMeta(std::string_view key, std::string_view value) {
  Query query(*database_, set_meta_.get());
  return query.Bind(key).Bind(value).Run();
}

Outcome SessionStore::Checkpoint() { return database_->Execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

}  // namespace narthex
