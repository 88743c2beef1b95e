// SPDX-License-Identifier: Apache-2.0
#include "control/store_schema.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <string>

#include "bpf/abi.h"

namespace narthex {
namespace {

// 1: addresses only, ids as text. 2: keys of all kinds, policies.
constexpr int64_t kVersion = 2;

// Ids ascend with time, so rows are appended. A key is the kind, the bits that count and the 16
// bytes of nx_key.
constexpr char kSchema[] = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE session (
  id INTEGER PRIMARY KEY,
  zone TEXT NOT NULL,
  creator TEXT NOT NULL,
  created_wall_ns INTEGER NOT NULL,
  expires_boot_ns INTEGER NOT NULL,
  policy TEXT NOT NULL,
  limits INTEGER NOT NULL,
  used_up INTEGER NOT NULL, used_down INTEGER NOT NULL,
  used_seen_s INTEGER NOT NULL
);
CREATE INDEX session_by_expiry ON session (expires_boot_ns);
CREATE TABLE session_key (
  zone TEXT NOT NULL,
  key BLOB NOT NULL,
  session_id INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  bound BLOB NOT NULL,
  packets_up INTEGER NOT NULL, bytes_up INTEGER NOT NULL,
  packets_down INTEGER NOT NULL, bytes_down INTEGER NOT NULL,
  first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
  PRIMARY KEY (zone, key)
) WITHOUT ROWID;
CREATE INDEX key_by_session ON session_key (session_id);
CREATE TABLE request (
  id TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  session_id TEXT NOT NULL,
  made_boot_ns INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

Result<int64_t> Version(Database& database) {
  auto statement = database.Prepare("PRAGMA user_version");
  if (!statement) return Fail(statement.error());
  Query query(database, statement->get());
  auto row = query.Step();
  if (!row) return Fail(row.error());
  return query.Integer(0);
}

// Damage is found here rather than by the first login that meets it.
Outcome CheckIntegrity(Database& database) {
  auto statement = database.Prepare("PRAGMA quick_check(1)");
  if (!statement) return Fail(statement.error());
  Query query(database, statement->get());
  auto row = query.Step();
  if (!row) return Fail(row.error());
  if (*row && query.Text(0) != "ok") return Fail("it is damaged: " + query.Text(0));
  return {};
}

// SQLite 3.40 cannot read hexadecimal text: the ids become numbers here.
Outcome NumberSessions(Database& database) {
  auto all = database.Prepare("SELECT id FROM old_session");
  auto set = database.Prepare("INSERT INTO number VALUES (?,?)");
  if (!all || !set) return Fail(!all ? all.error() : set.error());
  Query ids(database, all->get());
  for (;;) {
    auto row = ids.Step();
    if (!row) return Fail(row.error());
    if (!*row) return {};
    std::string id = ids.Text(0);
    uint64_t number = 0;
    std::from_chars(id.data(), id.data() + id.size(), number, 16);
    Query insert(database, set->get());
    if (auto done = insert.Bind(id).Bind(static_cast<int64_t>(number)).Run(); !done) return done;
  }
}

Outcome FromVersion1(Database& database) {
  static constexpr char kMove[] = R"sql(
ALTER TABLE session RENAME TO old_session;
DROP INDEX session_by_expiry;
ALTER TABLE address RENAME TO old_address;
DROP INDEX address_by_session;
ALTER TABLE request RENAME TO old_request;
ALTER TABLE meta RENAME TO old_meta;
CREATE TEMP TABLE number (id TEXT PRIMARY KEY, number INTEGER NOT NULL);
)sql";
  static constexpr char kCopy[] = R"sql(
INSERT INTO session SELECT number, zone, creator, created_wall_ns, expires_boot_ns, '', 0, 0, 0, 0
  FROM old_session JOIN number USING (id) ORDER BY number;
INSERT INTO session_key SELECT zone, CAST(x'{:02x}80' || address AS BLOB), number, slot, x'',
  packets_up, bytes_up, packets_down, bytes_down, first_seen_ns, last_seen_ns
  FROM old_address JOIN number ON number.id = session_id;
INSERT INTO request SELECT * FROM old_request;
INSERT INTO meta SELECT * FROM old_meta;
DROP TABLE old_address;
DROP TABLE old_session;
DROP TABLE old_request;
DROP TABLE old_meta;
DROP TABLE number;
)sql";
  if (auto done = database.Execute(kMove); !done) return done;
  if (auto done = database.Execute(kSchema); !done) return done;
  if (auto done = NumberSessions(database); !done) return done;
  return database.Execute(fmt::format(kCopy, int{NX_KEY_ADDRESS}));
}

}  // namespace

Outcome PrepareSchema(Database& database) {
  for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"})
    if (auto done = database.Execute(pragma); !done) return done;
  auto version = Version(database);
  if (!version) return Fail(version.error());
  if (*version > kVersion || *version < 0)
    return Fail(
        fmt::format("its schema is version {}, this narthexd knows {}", *version, kVersion));
  if (*version != 0)
    if (auto sound = CheckIntegrity(database); !sound) return sound;
  if (*version == kVersion) return {};
  auto transaction = Transaction::Begin(database);
  if (!transaction) return Fail(transaction.error());
  auto made = *version == 0 ? database.Execute(kSchema) : FromVersion1(database);
  if (!made) return made;
  if (auto done = database.Execute(fmt::format("PRAGMA user_version={}", kVersion)); !done)
    return done;
  return (*transaction)->Commit();
}

}  // namespace narthex
