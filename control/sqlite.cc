// SPDX-License-Identifier: Apache-2.0
#include "control/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace narthex {

Query::Query(Database& database, sqlite3_stmt* statement)
    : database_(database), statement_(statement) {}

Query::~Query() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::Bind(std::string_view text) {
  sqlite3_bind_text(statement_, ++parameter_, text.data(), static_cast<int>(text.size()),
                    SQLITE_STATIC);
  return *this;
}

Query& Query::Bind(int64_t number) {
  sqlite3_bind_int64(statement_, ++parameter_, number);
  return *this;
}

Query& Query::BindBlob(const void* bytes, size_t size) {
  sqlite3_bind_blob(statement_, ++parameter_, bytes, static_cast<int>(size), SQLITE_TRANSIENT);
  return *this;
}

Result<bool> Query::Step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return Fail(database_.LastError());
  }
}

Outcome Query::Run() {
  auto row = Step();
  if (!row) return Fail(row.error());
  return {};
}

int64_t Query::Integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Query::Text(int column) const { return std::string(Blob(column)); }

std::string_view Query::Blob(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  size_t size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
  return bytes == nullptr ? std::string_view()
                          : std::string_view(static_cast<const char*>(bytes), size);
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

Result<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  // Statistics of SQLite's memory, which nobody reads, cost a lock for each allocation. Refused
  // once SQLite is in use, which is as well.
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3* handle = nullptr;
  int code = sqlite3_open_v2(
      path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  std::unique_ptr<Database> database(new Database(handle));
  if (code != SQLITE_OK) return Fail(database->LastError());
  sqlite3_busy_timeout(handle, 2000);
  return database;
}

Result<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    return Fail(LastError());
  return Statement(statement);
}

Outcome Database::Execute(const std::string& sql) {
  if (sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return Fail(LastError());
  return {};
}

int64_t Database::Changes() const { return sqlite3_changes64(handle()); }
int64_t Database::LastRowId() const { return sqlite3_last_insert_rowid(handle()); }

Error Database::LastError() const {
  return Error{ErrorKind::kUnavailable,
               handle_ ? fmt::format("{}", sqlite3_errmsg(handle())) : "out of memory"};
}

Result<std::unique_ptr<Transaction>> Transaction::Begin(Database& database) {
  if (auto begun = database.Execute("BEGIN IMMEDIATE"); !begun) return Fail(begun.error());
  return std::unique_ptr<Transaction>(new Transaction(database));
}

Transaction::~Transaction() {
  if (open_) (void)database_.Execute("ROLLBACK");
}

Outcome Transaction::Commit() {
  if (auto done = database_.Execute("COMMIT"); !done) return done;
  open_ = false;
  return {};
}

}  // namespace narthex
