// SPDX-License-Identifier: Apache-2.0
// The truth about sessions, on disk (SQLite, WAL, synchronous=FULL): what a call here has
// acknowledged survives kill -9 and loss of power. The maps are its projection.
//
// A login appends, a crowd's as many to a row as fit a page (session_blocks.h). Which session has a
// key, and which ends next, is in memory (store_index.h); counters have a table of their own, which
// only Save writes.
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
#include "control/session_blocks.h"
#include "control/sqlite.h"
#include "control/store_index.h"

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

// Numbers of sessions are times in nanoseconds (of the 22nd century at most), but for those that
// the first narthexd chose at random.
inline constexpr int64_t kLargestNumber = int64_t{1} << 62;

// The id as the store and the maps' owners keep it, and back.
int64_t SessionNumber(std::string_view id);
std::string SessionId(int64_t number);

class SessionStore {
 public:
  // Creates the file if there is none, brings an older one to the newest schema, and carries ends
  // over if the machine was rebooted. Errors name the file and what to do.
  // With a layout, which must outlive the store, its pools' addresses are found faster.
  static Result<std::unique_ptr<SessionStore>> Open(const std::string& path, const Clock& clock,
                                                    const Layout* layout = nullptr);

  // All or nothing; ids ascend and are above LastNumber(). `request` may be null.
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
  std::optional<int64_t> NextExpiry() const { return index_.FirstEnd(); }
  uint64_t Count(int64_t now_boot_ns) const { return index_.CountAfter(now_boot_ns); }
  // Names of policies, and how many sessions in force have each.
  Result<std::vector<std::pair<std::string, uint64_t>>> PolicyUses(int64_t now_boot_ns);
  // The largest number of a session that is not above kLargestNumber; 0 if there is none.
  int64_t LastNumber() const { return last_number_; }

  struct KeyUpdate {
    std::string_view zone;
    const SessionKey* key = nullptr;
  };
  struct UsageUpdate {
    int64_t session = 0;
    uint32_t limits = 0;
    Usage usage;
  };
  struct SlotUpdate {
    int64_t session = 0;
    Key key;
    uint32_t slot = kNoSlot;
  };
  using MetaUpdate = std::pair<std::string, std::string>;  // key, value
  // Counters of keys, rows and usage of sessions, slots of keys, what SetMeta sets; all or nothing.
  struct Saved {
    std::span<const KeyUpdate> keys;
    std::span<const UsageUpdate> usages;
    std::span<const SlotUpdate> slots;  // those of one session one after the other
    std::span<const MetaUpdate> metas;
  };
  Outcome Save(const Saved& saved);
  // Saves the anchor of both clocks and forgets request ids older than a day.
  Outcome SaveAnchor();

  Result<std::string> Meta(std::string_view key);  // empty: not there
  Outcome SetMeta(std::string_view key, std::string_view value);
  // Moves the journal into the file.
  Outcome Checkpoint();

 private:
  SessionStore(std::unique_ptr<Database> database, const Clock& clock, const Layout* layout)
      : database_(std::move(database)), clock_(clock), index_(layout), blocks_(*database_) {}

  struct Deleted {
    int64_t number;
    int64_t end_ns;
    std::string zone;
    std::vector<SessionKey> keys;
  };
  struct Account {
    int64_t session;
    Key key;
    SessionCounters counters;
  };

  Outcome PrepareAll();
  Outcome CarryOverReboot();
  Outcome ReadIndex();
  Outcome InsertSession(SessionBlocks::Writer& writer, const Session& session);
  Outcome SaveAccount(std::string_view zone, const SessionKey& entry);
  Outcome DeleteAccount(std::string_view zone, const Key& key);
  Outcome InsertRequest(const RequestRecord* request);
  Outcome DeleteRequest(const std::string& id);
  Result<int64_t> UpdateSession(SessionBlocks::Editor& editor, const Session& session,
                                std::span<const SessionKey> added);
  Outcome DeleteSession(SessionBlocks::Editor& editor, int64_t number,
                        std::vector<Deleted>& deleted);
  Outcome SaveSlots(SessionBlocks::Editor& editor, std::span<const SlotUpdate> updates);
  Outcome IndexKeys(const Session& session, std::span<const SessionKey> keys);
  void MoveEnd(const Session& session, int64_t old_end_ns);
  void Forget(std::span<const Deleted> deleted);
  Result<std::vector<Account>> Accounts();
  Result<Session> Read(const StoredSession& stored);
  Result<std::optional<Session>> FindByNumber(int64_t number);
  Outcome ReadAccounts(Session& session);

  std::unique_ptr<Database> database_;
  const Clock& clock_;
  StoreIndex index_;
  SessionBlocks blocks_;
  int64_t last_number_ = 0;
  Statement save_account_, delete_account_, account_, all_accounts_;
  Statement insert_request_, delete_request_, find_request_, forget_requests_, get_meta_, set_meta_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_STORE_H
