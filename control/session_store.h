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
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

// One key with what is needed of its session; the views hold until the callback returns.
struct StoredKey {
  int64_t session = 0;  // SessionNumber of its id
  std::string_view zone;
  std::string_view policy;
  int64_t expires_boot_ns = 0;
  uint32_t limits = 0;
  Usage usage;
  SessionKey key;
};

// The id as the store and the maps' owners keep it, and back.
int64_t SessionNumber(std::string_view id);
std::string SessionId(int64_t number);

class SessionStore {
 public:
  // Creates the file if there is none, brings an older one to the newest schema, and carries ends
  // over if the machine was rebooted. Errors name the file and what to do.
  static Result<std::unique_ptr<SessionStore>> Open(const std::string& path, const Clock& clock);

  // All or nothing. `request` may be null.
  Outcome Insert(const Session& session, const RequestRecord* request);
  Outcome InsertAll(std::span<const Session> sessions, std::span<const RequestRecord> requests);
  // New end, policy and row of limits, keys that are not yet in the store, and what the others are
  // bound to.
  struct SessionUpdate {
    const Session* session = nullptr;
    std::span<const SessionKey> added;
  };
  Outcome UpdateAll(std::span<const SessionUpdate> updates,
                    std::span<const RequestRecord> requests);
  Outcome Update(const Session& session);  // of one
  // Undoes Update: the session as given, without these keys, its request never made.
  Outcome Shrink(const Session& session, std::span<const SessionKey> removed,
                 const std::string& request_id);
  // Undoes Insert, for one session.
  Outcome Retract(const std::string& id, const std::string& request_id);
  Outcome DeleteAll(std::span<const Session> sessions);

  Result<std::optional<Session>> FindById(const std::string& id);
  Result<std::optional<Session>> FindByKey(const std::string& zone, const Key& key);
  Result<std::optional<RequestRecord>> FindRequest(const std::string& id);
  // In order of ids, after `after_id`, those that end after `now_boot_ns`.
  Result<std::vector<Session>> List(const std::string& after_id, int64_t now_boot_ns, size_t most);
  // Every key of sessions that end after `now_boot_ns`.
  Outcome ForEachKey(int64_t now_boot_ns, const std::function<void(const StoredKey&)>& visit);
  // Sessions that ended by `now_boot_ns`, earliest first.
  Result<std::vector<Session>> Expired(int64_t now_boot_ns, size_t most);
  Result<std::optional<int64_t>> NextExpiry();
  Result<uint64_t> Count(int64_t now_boot_ns);
  // Names of policies, and how many sessions in force have each.
  Result<std::vector<std::pair<std::string, uint64_t>>> PolicyUses(int64_t now_boot_ns);
  // The largest number of a session, 0 if there is none.
  Result<int64_t> LastNumber();

  struct KeyUpdate {
    std::string_view zone;
    const SessionKey* key = nullptr;
  };
  struct UsageUpdate {
    int64_t session = 0;
    uint32_t limits = 0;
    Usage usage;
  };
  // Writes slots and counters of keys, rows and usage of sessions; all or nothing.
  Outcome Save(std::span<const KeyUpdate> keys, std::span<const UsageUpdate> usages);
  // Saves the anchor of both clocks and forgets request ids older than a day.
  Outcome SaveAnchor();

  Result<std::string> Meta(std::string_view key);  // empty: not there
  Outcome SetMeta(std::string_view key, std::string_view value);
  // Moves the journal into the file.
  Outcome Checkpoint();

 private:
  SessionStore(std::unique_ptr<Database> database, const Clock& clock)
      : database_(std::move(database)), clock_(clock) {}

  Outcome PrepareAll();
  Outcome CarryOverReboot();
  Outcome InsertSession(const Session& session);
  Outcome InsertKeys(const Session& session, std::span<const SessionKey> keys);
  Outcome InsertRequest(const RequestRecord* request);
  Outcome DeleteRequest(const std::string& id);
  Outcome BindKeys(const Session& session);
  Outcome UpdateSession(const Session& session);
  Outcome DeleteSession(int64_t number);
  Result<std::vector<Session>> Read(Query& query);
  Outcome ReadKeys(Session& session);

  std::unique_ptr<Database> database_;
  const Clock& clock_;
  Statement insert_session_, update_session_, delete_session_, save_usage_;
  Statement insert_key_, save_key_, bind_key_, delete_key_, delete_keys_;
  Statement by_id_, by_key_, list_, expired_, next_expiry_, count_, keys_, all_keys_, policy_uses_,
      last_number_;
  Statement insert_request_, delete_request_, find_request_, forget_requests_, get_meta_, set_meta_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_STORE_H
