// SPDX-License-Identifier: Apache-2.0
#include "control/session_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "control/store_rows.h"
#include "control/store_schema.h"

namespace narthex {
namespace {

constexpr int64_t kRequestMemoryNs = 86400 * kSecondNs;

constexpr char kColumns[] =
    "SELECT id, zone, creator, created_wall_ns, expires_boot_ns, policy, limits, used_up, "
    "used_down, used_seen_s, keys FROM session ";
constexpr char kCounters[] =
    "packets_up, bytes_up, packets_down, bytes_down, first_seen_ns, last_seen_ns ";

// 0 for what is no number.
int64_t Number(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

SessionCounters ReadCounters(const Query& query, int column) {
  SessionCounters counters;
  for (uint64_t* value : {&counters.packets_up, &counters.bytes_up, &counters.packets_down,
                          &counters.bytes_down, &counters.first_seen_ns, &counters.last_seen_ns})
    *value = static_cast<uint64_t>(query.Integer(column++));
  return counters;
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
                                                         const Clock& clock, const Layout* layout) {
  auto refuse = [&](const Error& error) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("session store {}: {}; make it readable and writable, or move it away "
                            "to start with no sessions",
                            path, error.message));
  };
  auto database = Database::Open(path);
  if (!database) return refuse(database.error());
  if (auto prepared = PrepareSchema(**database); !prepared) return refuse(prepared.error());
  std::unique_ptr<SessionStore> store(new SessionStore(std::move(*database), clock, layout));
  for (auto step :
       {&SessionStore::PrepareAll, &SessionStore::CarryOverReboot, &SessionStore::ReadIndex})
    if (auto done = (store.get()->*step)(); !done) return refuse(done.error());
  return store;
}

Outcome SessionStore::PrepareAll() {
  const std::string select = kColumns, counters = kCounters;
  const std::pair<Statement*, std::string> statements[] = {
      {&insert_session_, "INSERT INTO session VALUES (?,?,?,?,?,?,?,?,?,?,?)"},
      {&update_session_,
       "UPDATE session SET expires_boot_ns=?2, policy=?3, limits=?4, used_up=?5, used_down=?6, "
       "used_seen_s=?7, keys=?8 WHERE id=?1"},
      {&delete_session_, "DELETE FROM session WHERE id=? RETURNING expires_boot_ns, zone, keys"},
      {&end_of_, "SELECT expires_boot_ns FROM session WHERE id=?"},
      {&save_usage_,
       "UPDATE session SET limits=?2, used_up=?3, used_down=?4, used_seen_s=?5 WHERE id=?1"},
      {&keys_of_, "SELECT keys FROM session WHERE id=?"},
      {&save_keys_, "UPDATE session SET keys=?2 WHERE id=?1"},
      {&save_account_, "INSERT OR REPLACE INTO account VALUES (?,?,?,?,?,?,?,?)"},
      {&delete_account_, "DELETE FROM account WHERE zone=? AND key=?"},
      {&account_, "SELECT " + counters + "FROM account WHERE zone=? AND key=?"},
      {&all_accounts_, "SELECT zone, key, " + counters + "FROM account"},
      {&by_id_, select + "WHERE id=?"},
      {&list_, select + "WHERE id>? AND expires_boot_ns>? ORDER BY id LIMIT ?"},
      {&all_,
       "SELECT id, expires_boot_ns, zone, keys, policy, limits, used_up, used_down, "
       "used_seen_s FROM session ORDER BY id"},
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
                            "UPDATE account SET first_seen_ns=0, last_seen_ns=0 /*{}*/",
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

// What is looked up by key and by end, from the rows.
Outcome SessionStore::ReadIndex() {
  Query query(*database_, all_.get());
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return {};
    auto keys = DecodeKeys(query.Blob(3));
    if (!keys) return Fail(keys.error());
    if (auto taken = index_.AddKeys(query.Blob(2), *keys, query.Integer(0)))
      return Fail(fmt::format("it is damaged: two sessions have {}", taken->ToString()));
    index_.AddEnd(query.Integer(1), query.Integer(0));
  }
}

// Accounts in the order of sessions: those without one are left out.
Result<std::vector<SessionStore::Account>> SessionStore::Accounts() {
  std::vector<Account> accounts;
  Query query(*database_, all_accounts_.get());
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) break;
    auto key = KeyOfBlob(query.Blob(1));
    if (!key) return Fail(key.error());
    if (auto session = index_.Find(query.Blob(0), *key))
      accounts.push_back({*session, *key, ReadCounters(query, 2)});
  }
  std::sort(accounts.begin(), accounts.end(),
            [](const Account& a, const Account& b) { return a.session < b.session; });
  return accounts;
}

Outcome SessionStore::ForEachKey(int64_t now_boot_ns,
                                 const std::function<void(const StoredKey&)>& visit) {
  auto accounts = Accounts();
  if (!accounts) return Fail(accounts.error());
  auto next = accounts->begin();
  Query query(*database_, all_.get());
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return {};
    const int64_t number = query.Integer(0);
    while (next != accounts->end() && next->session < number) ++next;
    if (query.Integer(1) <= now_boot_ns) continue;
    auto keys = DecodeKeys(query.Blob(3));
    if (!keys) return Fail(keys.error());
    for (SessionKey& entry : *keys) {
      for (auto account = next; account != accounts->end() && account->session == number; ++account)
        if (account->key == entry.key) entry.counters = account->counters;
      visit({number, query.Blob(2), query.Blob(4), query.Integer(1),
             static_cast<uint32_t>(query.Integer(5)), ReadUsage(query, 6), entry});
    }
  }
}

Outcome SessionStore::ReadAccounts(Session& session) {
  for (SessionKey& entry : session.keys) {
    Query query(*database_, account_.get());
    auto row = BindKey(query.Bind(session.zone), entry.key).Step();
    if (!row) return Fail(row.error());
    if (*row) entry.counters = ReadCounters(query, 0);
  }
  return {};
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
    auto keys = DecodeKeys(query.Blob(10));
    if (!keys) return Fail(keys.error());
    session.keys = std::move(*keys);
    if (auto done = ReadAccounts(session); !done) return Fail(done.error());
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
  auto number = index_.Find(zone, key);
  if (!number) return std::optional<Session>();
  Query query(*database_, by_id_.get());
  return FirstOf(Read(query.Bind(*number)));
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
  std::vector<Session> expired;
  for (const auto& [end_ns, number] : index_.EndsBy(now_boot_ns, most)) {
    Query query(*database_, by_id_.get());
    auto session = FirstOf(Read(query.Bind(number)));
    if (!session) return Fail(session.error());
    if (*session)
      expired.push_back(std::move(**session));
    else
      index_.RemoveEnd(end_ns, number);
  }
  return expired;
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
