// SPDX-License-Identifier: Apache-2.0
// The truth about sessions, on disk (SQLite, WAL, synchronous=FULL): what a call here has
// acknowledged survives kill -9 and loss of power. The maps are its projection.
//
// Ends are kept in boot time. An anchor, one instant in both clocks, is saved along; after a
// reboot the time that was left by the wall clock is left still, and never more than that.
//
// Not thread-safe: Sessions calls it under its lock.
#ifndef NARTHEX_CONTROL_SESSION_STORE_H
#define NARTHEX_CONTROL_SESSION_STORE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/clock.h"
#include "control/error.h"
#include "control/session.h"
#include "control/sqlite.h"

namespace narthex {

// A request id that was used: what was asked for, and the session it led to.
struct RequestRecord {
  std::string id;
  std::string digest;
  std::string session_id;
};

class SessionStore {
 public:
  // Creates the file if there is none, and carries ends over if the machine was rebooted.
  // Errors name the file and what to do.
  static Result<std::unique_ptr<SessionStore>> Open(const std::string& path, const Clock& clock);

  // All or nothing. `request` may be null.
  Outcome Insert(const Session& session, const RequestRecord* request);
  // New end, and addresses that are not yet in the store.
  Outcome Extend(const Session& session, const std::vector<SessionAddress>& added,
                 const RequestRecord* request);
  // Undoes Extend: the session's end as given, without these addresses.
  Outcome Shrink(const Session& session, const std::vector<SessionAddress>& removed);
  Outcome Delete(const std::string& id);

  Result<std::optional<Session>> FindById(const std::string& id);
  Result<std::optional<Session>> FindByAddress(const std::string& zone, const Address& address);
  Result<std::optional<RequestRecord>> FindRequest(const std::string& id);
  // In order of ids, after `after_id`, those that end after `now_boot_ns`.
  Result<std::vector<Session>> List(const std::string& after_id, int64_t now_boot_ns, size_t most);
  Result<std::vector<Session>> All();
  // Sessions that ended by `now_boot_ns`, earliest first.
  Result<std::vector<Session>> Expired(int64_t now_boot_ns, size_t most);
  Result<std::optional<int64_t>> NextExpiry();
  Result<uint64_t> Count(int64_t now_boot_ns);

  // Writes slots and counters of these addresses, as known in `zone`.
  Outcome SaveAddresses(const std::string& zone, const std::vector<SessionAddress>& addresses);
  // Saves the anchor of both clocks and forgets request ids older than a day.
  Outcome SaveAnchor();

  Result<std::string> Meta(std::string_view key);  // empty: not there
  Outcome SetMeta(std::string_view key, std::string_view value);
  // Moves the journal into the file.
  Outcome Checkpoint();

 private:
  SessionStore(std::unique_ptr<Database> database, const Clock& clock)
      : database_(std::move(database)), clock_(clock) {}

  Outcome CreateSchema();
  Outcome CheckIntegrity();
  Outcome PrepareAll();
  Outcome CarryOverReboot();
  Outcome InsertAddresses(const Session& session, const std::vector<SessionAddress>& addresses);
  Outcome InsertRequest(const RequestRecord* request);
  Result<std::vector<Session>> Read(Query& query);
  Outcome ReadAddresses(Session& session);

  std::unique_ptr<Database> database_;
  const Clock& clock_;
  Statement insert_session_, extend_session_, delete_session_, insert_address_, save_address_,
      delete_address_;
  Statement by_id_, by_address_, list_, expired_, next_expiry_, count_, addresses_;
  Statement insert_request_, find_request_, forget_requests_, get_meta_, set_meta_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_STORE_H
