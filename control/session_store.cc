// SPDX-License-Identifier: Apache-2.0
#include "control/session_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace narthex {
namespace {

constexpr int kSchemaVersion = 1;
constexpr int64_t kRequestMemoryNs = 86400 * kSecondNs;

constexpr char kSchema[] = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE session (
  id TEXT PRIMARY KEY,
  zone TEXT NOT NULL,
  creator TEXT NOT NULL,
  created_wall_ns INTEGER NOT NULL,
  expires_boot_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_by_expiry ON session (expires_boot_ns);
CREATE TABLE address (
  zone TEXT NOT NULL,
  address BLOB NOT NULL,
  session_id TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
  slot INTEGER NOT NULL,
  packets_up INTEGER NOT NULL, bytes_up INTEGER NOT NULL,
  packets_down INTEGER NOT NULL, bytes_down INTEGER NOT NULL,
  first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
  PRIMARY KEY (zone, address)
) WITHOUT ROWID;
CREATE INDEX address_by_session ON address (session_id);
CREATE TABLE request (
  id TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  session_id TEXT NOT NULL,
  made_boot_ns INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

constexpr char kColumns[] =
    "SELECT id, zone, creator, created_wall_ns, expires_boot_ns FROM session ";

// 0 for what is no number.
int64_t Number(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void BindCounters(Query& query, const SessionCounters& counters) {
  for (uint64_t value : {counters.packets_up, counters.bytes_up, counters.packets_down,
                         counters.bytes_down, counters.first_seen_ns, counters.last_seen_ns})
    query.Bind(static_cast<int64_t>(value));
}

}  // namespace

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
  std::unique_ptr<SessionStore> store(new SessionStore(std::move(*database), clock));
  for (auto step :
       {&SessionStore::CreateSchema, &SessionStore::PrepareAll, &SessionStore::CarryOverReboot})
    if (auto done = (store.get()->*step)(); !done) return refuse(done.error());
  return store;
}

Outcome SessionStore::CreateSchema() {
  for (const char* pragma :
       {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"})
    if (auto done = database_->Execute(pragma); !done) return done;

  int64_t version = 0;
  {
    auto statement = database_->Prepare("PRAGMA user_version");
    if (!statement) return Fail(statement.error());
    Query query(*database_, statement->get());
    auto row = query.Step();
    if (!row) return Fail(row.error());
    version = query.Integer(0);
  }
  if (version == kSchemaVersion) return CheckIntegrity();
  if (version != 0)
    return Fail(
        fmt::format("its schema is version {}, this narthexd knows {}", version, kSchemaVersion));
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  if (auto done = database_->Execute(kSchema); !done) return done;
  if (auto done = database_->Execute(fmt::format("PRAGMA user_version={}", kSchemaVersion)); !done)
    return done;
  return (*transaction)->Commit();
}

// Damage is found here rather than by the first login that meets it.
Outcome SessionStore::CheckIntegrity() {
  auto statement = database_->Prepare("PRAGMA quick_check(1)");
  if (!statement) return Fail(statement.error());
  Query query(*database_, statement->get());
  auto row = query.Step();
  if (!row) return Fail(row.error());
  if (*row && query.Text(0) != "ok") return Fail("it is damaged: " + query.Text(0));
  return {};
}

Outcome SessionStore::PrepareAll() {
  const std::string select = kColumns;
  const std::pair<Statement*, std::string> statements[] = {
      {&insert_session_, "INSERT INTO session VALUES (?,?,?,?,?)"},
      {&extend_session_, "UPDATE session SET expires_boot_ns=?2 WHERE id=?1"},
      {&delete_session_, "DELETE FROM session WHERE id=?"},
      {&insert_address_, "INSERT INTO address VALUES (?,?,?,?,?,?,?,?,?,?)"},
      {&save_address_,
       "UPDATE address SET slot=?3, packets_up=?4, bytes_up=?5, packets_down=?6, bytes_down=?7, "
       "first_seen_ns=?8, last_seen_ns=?9 WHERE zone=?1 AND address=?2"},
      {&delete_address_, "DELETE FROM address WHERE zone=? AND address=?"},
      {&by_id_, select + "WHERE id=?"},
      {&by_address_,
       select + "WHERE id=(SELECT session_id FROM address WHERE zone=? AND address=?)"},
      {&list_, select + "WHERE id>? AND expires_boot_ns>? ORDER BY id LIMIT ?"},
      {&expired_, select + "WHERE expires_boot_ns<=? ORDER BY expires_boot_ns LIMIT ?"},
      {&next_expiry_, "SELECT expires_boot_ns FROM session ORDER BY expires_boot_ns LIMIT 1"},
      {&count_, "SELECT count(*) FROM session WHERE expires_boot_ns>?"},
      {&addresses_,
       "SELECT address, slot, packets_up, bytes_up, packets_down, bytes_down, first_seen_ns, "
       "last_seen_ns FROM address WHERE session_id=? ORDER BY address"},
      {&insert_request_, "INSERT INTO request VALUES (?,?,?,?)"},
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
                            "UPDATE address SET first_seen_ns=0, last_seen_ns=0 /*{}*/"})
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

Outcome SessionStore::InsertAddresses(const Session& session,
                                      const std::vector<SessionAddress>& addresses) {
  for (const SessionAddress& entry : addresses) {
    Query query(*database_, insert_address_.get());
    query.Bind(session.zone).BindBlob(entry.address.bytes.data(), 16).Bind(session.id);
    query.Bind(int64_t{entry.slot});
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
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  {
    Query query(*database_, insert_session_.get());
    query.Bind(session.id).Bind(session.zone).Bind(session.creator);
    query.Bind(session.created_wall_ns).Bind(session.expires_boot_ns);
    if (auto done = query.Run(); !done) return done;
  }
  if (auto done = InsertAddresses(session, session.addresses); !done) return done;
  if (auto done = InsertRequest(request); !done) return done;
  return (*transaction)->Commit();
}

Outcome SessionStore::Extend(const Session& session, const std::vector<SessionAddress>& added,
                             const RequestRecord* request) {
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  {
    Query query(*database_, extend_session_.get());
    if (auto done = query.Bind(session.id).Bind(session.expires_boot_ns).Run(); !done) return done;
  }
  if (auto done = InsertAddresses(session, added); !done) return done;
  if (auto done = InsertRequest(request); !done) return done;
  return (*transaction)->Commit();
}

Outcome SessionStore::Shrink(const Session& session, const std::vector<SessionAddress>& removed) {
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  {
    Query query(*database_, extend_session_.get());
    if (auto done = query.Bind(session.id).Bind(session.expires_boot_ns).Run(); !done) return done;
  }
  for (const SessionAddress& entry : removed) {
    Query query(*database_, delete_address_.get());
    query.Bind(session.zone).BindBlob(entry.address.bytes.data(), 16);
    if (auto done = query.Run(); !done) return done;
  }
  return (*transaction)->Commit();
}

Outcome SessionStore::Delete(const std::string& id) {
  Query query(*database_, delete_session_.get());
  return query.Bind(id).Run();
}

Outcome SessionStore::ReadAddresses(Session& session) {
  Query query(*database_, addresses_.get());
  query.Bind(session.id);
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return {};
    SessionAddress entry;
    std::string_view bytes = query.Blob(0);
    if (bytes.size() != entry.address.bytes.size()) return Fail("an address is damaged");
    std::memcpy(entry.address.bytes.data(), bytes.data(), bytes.size());
    entry.slot = static_cast<uint32_t>(query.Integer(1));
    SessionCounters& counters = entry.counters;
    int column = 2;
    for (uint64_t* value : {&counters.packets_up, &counters.bytes_up, &counters.packets_down,
                            &counters.bytes_down, &counters.first_seen_ns, &counters.last_seen_ns})
      *value = static_cast<uint64_t>(query.Integer(column++));
    session.addresses.push_back(entry);
  }
}

Result<std::vector<Session>> SessionStore::Read(Query& query) {
  std::vector<Session> sessions;
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return sessions;
    Session session;
    session.id = query.Text(0);
    session.zone = query.Text(1);
    session.creator = query.Text(2);
    session.created_wall_ns = query.Integer(3);
    session.expires_boot_ns = query.Integer(4);
    if (auto done = ReadAddresses(session); !done) return Fail(done.error());
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
  return FirstOf(Read(query.Bind(id)));
}

Result<std::optional<Session>> SessionStore::FindByAddress(const std::string& zone,
                                                           const Address& address) {
  Query query(*database_, by_address_.get());
  return FirstOf(Read(query.Bind(zone).BindBlob(address.bytes.data(), 16)));
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
  return Read(query.Bind(after_id).Bind(now_boot_ns).Bind(static_cast<int64_t>(most)));
}

Result<std::vector<Session>> SessionStore::All() {
  return List("", std::numeric_limits<int64_t>::min(), std::numeric_limits<int32_t>::max());
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

Outcome SessionStore::SaveAddresses(const std::string& zone,
                                    const std::vector<SessionAddress>& addresses) {
  if (addresses.empty()) return {};
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  for (const SessionAddress& entry : addresses) {
    Query query(*database_, save_address_.get());
    query.Bind(zone).BindBlob(entry.address.bytes.data(), 16).Bind(int64_t{entry.slot});
    BindCounters(query, entry.counters);
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
