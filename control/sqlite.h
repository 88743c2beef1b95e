// SPDX-License-Identifier: Apache-2.0
// SQLite with ownership: a database, prepared statements and a transaction that rolls back
// unless it was committed. Only sqlite.cc includes sqlite3.h. Not
// thread-safe: session_store.h says who may call.
#ifndef NARTHEX_CONTROL_SQLITE_H
#define NARTHEX_CONTROL_SQLITE_H

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "control/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace narthex {

class Database;

// One execution of a prepared statement; resets it when it goes.
class Query {
 public:
  explicit Query(Database& database, sqlite3_stmt* statement);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& Bind(std::string_view text);  // which outlives the last step
  Query& Bind(int64_t number);
  Query& BindBlob(const void* bytes, size_t size);

  // True: a row is there. An error ends the query.
  Result<bool> Step();
  // Steps a statement that returns no rows.
  Outcome Run();

  int64_t Integer(int column) const;
  std::string Text(int column) const;
  std::string_view Blob(int column) const;  // until the next step

 private:
  Database& database_;
  sqlite3_stmt* statement_;
  int parameter_ = 0;
};

class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  sqlite3_stmt* get() const { return statement_.get(); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  static Result<std::unique_ptr<Database>> Open(const std::string& path);

  Result<Statement> Prepare(std::string_view sql);
  Outcome Execute(const std::string& sql);
  int64_t Changes() const;
  int64_t LastRowId() const;

  // The error of the last call, as one of ours.
  Error LastError() const;
  sqlite3* handle() const { return handle_.get(); }

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

class Transaction {
 public:
  static Result<std::unique_ptr<Transaction>> Begin(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Outcome Commit();

 private:
  explicit Transaction(Database& database) : database_(database) {}
  Database& database_;
  bool open_ = true;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SQLITE_H
