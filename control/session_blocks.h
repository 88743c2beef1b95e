// SPDX-License-Identifier: Apache-2.0
// The sessions in the store's file. A row is a block: sessions that came in one call, as many as
// fit a page of the file, so that a crowd's logins cost a page each 53 and not a row each. A
// session that logs in alone has a block of its own.
//
//   session:  first (of the block, once)  |  session, session, ... in ascending order
//
// Blocks do not overlap, so the last one whose `first` is not above a number is the one that has
// it, if any. What changes a session writes its block anew, a page as before.
//
// Not thread-safe: SessionStore's caller sees to that.
#ifndef NARTHEX_CONTROL_SESSION_BLOCKS_H
#define NARTHEX_CONTROL_SESSION_BLOCKS_H

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "control/error.h"
#include "control/sqlite.h"
#include "control/store_rows.h"

namespace narthex {

class SessionBlocks {
 public:
  // Both outlive this.
  explicit SessionBlocks(Database& database) : database_(database) {}
  Outcome Prepare();

  // Appends sessions, in a transaction; their numbers ascend and are above all in the file.
  class Writer {
   public:
    explicit Writer(SessionBlocks& blocks) : blocks_(blocks) {}
    Outcome Add(const StoredSession& session);
    Outcome Finish();  // what is not finished is not written

   private:
    SessionBlocks& blocks_;
    int64_t first_ = 0;
    std::string block_;
  };

  // Changes sessions, in a transaction. Neighbours that are changed one after the other cost one
  // write.
  class Editor {
   public:
    explicit Editor(SessionBlocks& blocks) : blocks_(blocks) {}
    // `change` may set all but the number; what its views then name outlives the call of it. False:
    // the session is not there.
    Result<bool> Change(int64_t number, const std::function<void(StoredSession&)>& change);
    // `visit` sees the session as it was.
    Result<bool> Remove(int64_t number, const std::function<Outcome(const StoredSession&)>& visit);
    Outcome Finish();  // what is not finished is not written

   private:
    struct Place {
      StoredSession session;
      size_t begin = 0, end = 0;  // in the block
    };
    Result<std::optional<Place>> Find(int64_t number);

    SessionBlocks& blocks_;
    bool loaded_ = false, changed_ = false;
    int64_t first_ = 0;
    std::string block_;
    // The session that was last changed or removed, and what is behind it.
    int64_t last_ = 0;
    size_t behind_ = 0;
  };

  // False: the session is not there.
  Result<bool> Find(int64_t number, const std::function<Outcome(const StoredSession&)>& visit);
  // In ascending order, from this number on, while `visit` says so.
  Outcome ForEachFrom(int64_t number,
                      const std::function<Result<bool>(const StoredSession&)>& visit);
  // Every one, in a transaction.
  Outcome ChangeAll(const std::function<void(StoredSession&)>& change);

 private:
  Result<std::optional<int64_t>> Load(int64_t number, std::string& block);  // its `first`
  Outcome Write(int64_t first, std::string_view block);

  Database& database_;
  Statement insert_, update_, delete_, block_of_, from_, firsts_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_BLOCKS_H
