// SPDX-License-Identifier: Apache-2.0
#include "control/store_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "control/session_blocks.h"
#include "control/session_store.h"
#include "control/store_rows.h"

namespace narthex {
namespace {

// 1: addresses only, ids as text. 2: keys of all kinds, policies. 3: a login is one row. 4: those
// of a crowd share one.
constexpr int64_t kVersion = 4;

// Ids ascend with time, so rows are appended; what is in them, session_blocks.h says. An account is
// there once its key has counted something.
constexpr char kSchema[] = R"sql(
CREATE TABLE session (first INTEGER PRIMARY KEY, sessions BLOB NOT NULL);
)sql";

constexpr char kAccountSchema[] = R"sql(
CREATE TABLE account (
  zone TEXT NOT NULL,
  key BLOB NOT NULL,
  packets_up INTEGER NOT NULL, bytes_up INTEGER NOT NULL,
  packets_down INTEGER NOT NULL, bytes_down INTEGER NOT NULL,
  first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
  PRIMARY KEY (zone, key)
) WITHOUT ROWID;
)sql";

constexpr char kCommonSchema[] = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE request (
  id TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  session_id TEXT NOT NULL,
  made_boot_ns INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

constexpr char kSchema3[] = R"sql(
CREATE TABLE session (
  id INTEGER PRIMARY KEY,
  zone TEXT NOT NULL,
  creator TEXT NOT NULL,
  created_wall_ns INTEGER NOT NULL,
  expires_boot_ns INTEGER NOT NULL,
  policy TEXT NOT NULL,
  limits INTEGER NOT NULL,
  used_up INTEGER NOT NULL, used_down INTEGER NOT NULL,
  used_seen_s INTEGER NOT NULL,
  keys BLOB NOT NULL
);
)sql";

constexpr char kSchema2[] = R"sql(
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
  for (const char* schema : {kCommonSchema, kSchema2})
    if (auto done = database.Execute(schema); !done) return done;
  if (auto done = NumberSessions(database); !done) return done;
  return database.Execute(fmt::format(kCopy, int{NX_KEY_ADDRESS}));
}

Result<std::vector<SessionKey>> KeysOfVersion2(Database& database, const Statement& keys_of,
                                               int64_t session) {
  std::vector<SessionKey> keys;
  Query query(database, keys_of.get());
  query.Bind(session);
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return keys;
    auto key = KeyOfBlob(query.Blob(0));
    if (!key) return Fail(key.error());
    SessionKey entry{*key, static_cast<uint32_t>(query.Integer(1)), {}, {}};
    std::string_view bound = query.Blob(2);
    if (bound.size() == entry.bound.bytes.size())
      std::copy(bound.begin(), bound.end(), entry.bound.bytes.begin());
    keys.push_back(entry);
  }
}

Outcome FromVersion2(Database& database) {
  static constexpr char kMove[] = R"sql(
ALTER TABLE session RENAME TO old_session;
DROP INDEX session_by_expiry;
)sql";
  static constexpr char kFinish[] = R"sql(
INSERT INTO account SELECT zone, key, packets_up, bytes_up, packets_down, bytes_down,
  first_seen_ns, last_seen_ns FROM session_key WHERE packets_up <> 0 OR packets_down <> 0;
DROP TABLE session_key;
DROP TABLE old_session;
)sql";
  for (const char* sql : {kMove, kSchema3, kAccountSchema})
    if (auto done = database.Execute(sql); !done) return done;
  auto all = database.Prepare("SELECT id FROM old_session ORDER BY id");
  auto keys_of =
      database.Prepare("SELECT key, slot, bound FROM session_key WHERE session_id=? ORDER BY key");
  auto copy = database.Prepare("INSERT INTO session SELECT *, ?2 FROM old_session WHERE id=?1");
  for (auto* prepared : {&all, &keys_of, &copy})
    if (!*prepared) return Fail(prepared->error());
  {
    Query ids(database, all->get());
    for (;;) {
      auto row = ids.Step();
      if (!row) return Fail(row.error());
      if (!*row) break;
      auto keys = KeysOfVersion2(database, *keys_of, ids.Integer(0));
      if (!keys) return Fail(keys.error());
      const std::string blob = EncodeKeys(*keys);
      Query insert(database, copy->get());
      if (auto done = insert.Bind(ids.Integer(0)).BindBlob(blob.data(), blob.size()).Run(); !done)
        return done;
    }
  }
  // A prepared statement keeps its tables.
  for (auto* prepared : {&all, &keys_of, &copy}) *prepared = Statement();
  return database.Execute(kFinish);
}

// What the rows of version 3 say, in blocks. Ids above kLargestNumber may come with others
// between them one day: each has a block of its own.
Outcome CopyVersion3(Database& database) {
  SessionBlocks blocks(database);
  if (auto prepared = blocks.Prepare(); !prepared) return prepared;
  auto all = database.Prepare("SELECT * FROM old_session ORDER BY id");
  if (!all) return Fail(all.error());
  Query row(database, all->get());
  SessionBlocks::Writer writer(blocks);
  for (;;) {
    auto there = row.Step();
    if (!there) return Fail(there.error());
    if (!*there) return writer.Finish();
    const int64_t number = row.Integer(0);
    if (number > kLargestNumber)
      if (auto done = writer.Finish(); !done) return done;
    auto added =
        writer.Add({number,
                    row.Integer(3),
                    row.Integer(4),
                    static_cast<uint32_t>(row.Integer(6)),
                    {static_cast<uint64_t>(row.Integer(7)), static_cast<uint64_t>(row.Integer(8)),
                     static_cast<uint32_t>(row.Integer(9))},
                    row.Blob(1),
                    row.Blob(2),
                    row.Blob(5),
                    row.Blob(10)});
    if (!added) return added;
  }
}

Outcome FromVersion3(Database& database) {
  if (auto done = database.Execute("ALTER TABLE session RENAME TO old_session"); !done) return done;
  if (auto done = database.Execute(kSchema); !done) return done;
  if (auto done = CopyVersion3(database); !done) return done;
  return database.Execute("DROP TABLE old_session");
}

// From `version`, step by step, to the newest.
Outcome Bring(Database& database, int64_t version) {
  if (version == 0) {
    for (const char* schema : {kCommonSchema, kAccountSchema, kSchema})
      if (auto made = database.Execute(schema); !made) return made;
    return {};
  }
  if (version < 2)
    if (auto done = FromVersion1(database); !done) return done;
  if (version < 3)
    if (auto done = FromVersion2(database); !done) return done;
  return FromVersion3(database);
}

}  // namespace

Outcome PrepareSchema(Database& database) {
  // 16 MiB of pages in memory, and of journal before it goes into the file.
  for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
                             "PRAGMA cache_size=-16384", "PRAGMA wal_autocheckpoint=4096"})
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
  if (auto made = Bring(database, *version); !made) return made;
  if (auto done = database.Execute(fmt::format("PRAGMA user_version={}", kVersion)); !done)
    return done;
  return (*transaction)->Commit();
}

}  // namespace narthex
