// SPDX-License-Identifier: Apache-2.0
#include "control/session_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

#include "control/store_rows.h"
#include "control/store_schema.h"

namespace narthex {
namespace {

constexpr int64_t kRequestMemoryNs = 86400 * kSecondNs;
constexpr int64_t kFirstNumber = std::numeric_limits<int64_t>::min();

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
  const std::string counters = kCounters;
  const std::pair<Statement*, std::string> statements[] = {
      {&save_account_, "INSERT OR REPLACE INTO account VALUES (?,?,?,?,?,?,?,?)"},
      {&delete_account_, "DELETE FROM account WHERE zone=? AND key=?"},
      {&account_, "SELECT " + counters + "FROM account WHERE zone=? AND key=?"},
      {&all_accounts_, "SELECT zone, key, " + counters + "FROM account"},
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
  return blocks_.Prepare();
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
    auto shifted = blocks_.ChangeAll([&](StoredSession& stored) {
      stored.expires_boot_ns += shift_ns;
      stored.usage.last_seen_s = 0;
    });
    if (!shifted) return shifted;
    for (const char* sql : {"UPDATE request SET made_boot_ns=made_boot_ns+({})",
                            "UPDATE account SET first_seen_ns=0, last_seen_ns=0 /*{}*/"})
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
  return blocks_.ForEachFrom(kFirstNumber, [&](const StoredSession& stored) -> Result<bool> {
    auto keys = DecodeKeys(stored.keys);
    if (!keys) return Fail(keys.error());
    if (auto taken = index_.AddKeys(stored.zone, *keys, stored.number))
      return Fail(fmt::format("it is damaged: two sessions have {}", taken->ToString()));
    index_.AddEnd(stored.expires_boot_ns, stored.number);
    if (stored.number <= kLargestNumber) last_number_ = std::max(last_number_, stored.number);
    return true;
  });
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
  return blocks_.ForEachFrom(kFirstNumber, [&](const StoredSession& stored) -> Result<bool> {
    while (next != accounts->end() && next->session < stored.number) ++next;
    if (stored.expires_boot_ns <= now_boot_ns) return true;
    auto keys = DecodeKeys(stored.keys);
    if (!keys) return Fail(keys.error());
    for (SessionKey& entry : *keys) {
      for (auto account = next; account != accounts->end() && account->session == stored.number;
           ++account)
        if (account->key == entry.key) entry.counters = account->counters;
      visit({stored.number, stored.zone, stored.policy, stored.expires_boot_ns, stored.limits,
             stored.usage, entry});
    }
    return true;
  });
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

Result<Session> SessionStore::Read(const StoredSession& stored) {
  Session session;
  session.id = SessionId(stored.number);
  session.zone = stored.zone;
  session.creator = stored.creator;
  session.created_wall_ns = stored.created_wall_ns;
  session.expires_boot_ns = stored.expires_boot_ns;
  session.policy = stored.policy;
  session.limits = stored.limits;
  session.usage = stored.usage;
  auto keys = DecodeKeys(stored.keys);
  if (!keys) return Fail(keys.error());
  session.keys = std::move(*keys);
  if (auto done = ReadAccounts(session); !done) return Fail(done.error());
  return session;
}

Result<std::optional<Session>> SessionStore::FindByNumber(int64_t number) {
  std::optional<Session> found;
  auto there = blocks_.Find(number, [&](const StoredSession& stored) -> Outcome {
    auto session = Read(stored);
    if (!session) return Fail(session.error());
    found = std::move(*session);
    return {};
  });
  if (!there) return Fail(there.error());
  return found;
}

Result<std::optional<Session>> SessionStore::FindById(const std::string& id) {
  return FindByNumber(SessionNumber(id));
}

Result<std::optional<Session>> SessionStore::FindByKey(const std::string& zone, const Key& key) {
  auto number = index_.Find(zone, key);
  if (!number) return std::optional<Session>();
  return FindByNumber(*number);
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
  std::vector<Session> sessions;
  const int64_t after = after_id.empty() ? kFirstNumber : SessionNumber(after_id);
  auto visited = blocks_.ForEachFrom(after, [&](const StoredSession& stored) -> Result<bool> {
    if (sessions.size() == most) return false;
    if (stored.expires_boot_ns <= now_boot_ns) return true;
    if (stored.number == after && !after_id.empty()) return true;
    auto session = Read(stored);
    if (!session) return Fail(session.error());
    sessions.push_back(std::move(*session));
    return true;
  });
  if (!visited) return Fail(visited.error());
  return sessions;
}

Result<std::vector<Session>> SessionStore::Expired(int64_t now_boot_ns, size_t most) {
  std::vector<Session> expired;
  for (const auto& [end_ns, number] : index_.EndsBy(now_boot_ns, most)) {
    auto session = FindByNumber(number);
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
  std::map<std::string, uint64_t, std::less<>> uses;
  auto visited =
      blocks_.ForEachFrom(kFirstNumber, [&](const StoredSession& stored) -> Result<bool> {
        if (stored.policy.empty() || stored.expires_boot_ns <= now_boot_ns) return true;
        auto found = uses.find(stored.policy);
        if (found == uses.end()) found = uses.emplace(stored.policy, 0).first;
        ++found->second;
        return true;
      });
  if (!visited) return Fail(visited.error());
  return std::vector<std::pair<std::string, uint64_t>>(uses.begin(), uses.end());
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
