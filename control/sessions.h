// SPDX-License-Identifier: Apache-2.0
// The domain: who is authorised. Owns the order of things: a session is in the store, then in
// the map, then acknowledged; an end likewise. All RPCs end in one call here.
//
// Thread-safe: one mutex, held for the length of a call; a call takes as long as one commit.
#ifndef NARTHEX_CONTROL_SESSIONS_H
#define NARTHEX_CONTROL_SESSIONS_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "control/clock.h"
#include "control/error.h"
#include "control/layout.h"
#include "control/limit_map.h"
#include "control/neighbours.h"
#include "control/policy_table.h"
#include "control/session.h"
#include "control/session_map.h"
#include "control/session_store.h"
#include "control/session_target.h"

namespace narthex {

struct AuthoriseRequest {
  std::vector<std::string> keys;
  std::string zone;  // empty: the keys decide
  std::chrono::nanoseconds duration{0};
  bool extend_existing = false;
  std::string request_id;  // empty: none
  std::string creator;
  std::string policy;  // empty: none, or the one that the session has
  std::string mac;     // what the zone binds to; empty: what the kernel knows
};

struct SessionPage {
  std::vector<Session> sessions;
  std::string next_page_token;  // empty: the last one
};

// Whose a slot of the maps is, for events.
struct SlotOwner {
  std::string session;  // id
  std::string key;
};

class Sessions {
 public:
  // All must outlive this.
  struct Parts {
    SessionStore& store;
    SessionMap& map;
    LimitMap& limits;
    PolicyTable& policies;
    const Layout& layout;
    const Clock& clock;
    const Neighbours& neighbours;
    std::chrono::seconds max_duration;
  };
  explicit Sessions(const Parts& parts);

  // Brings the maps to what the store and these policies say; once, before anything else.
  Result<ReconcileReport> Start(const std::vector<PolicyConfig>& policies);
  // Tells the store which entries and rows Start gave, and `metas` with them; once, as soon as
  // these maps are the ones in force; then policies that have changed are. A start that fails
  // before leaves what the maps that stay in force need.
  Outcome SaveStart(std::span<const SessionStore::MetaUpdate> metas = {});
  // Accounts have what the programs of before counted until they were replaced; once, after that.
  void CatchUp();

  Result<Session> Authorise(const AuthoriseRequest& request);
  // Each by itself, with one commit for all new sessions and one for all that are extended: an
  // answer for each, in order.
  std::vector<Result<Session>> AuthoriseAll(std::span<const AuthoriseRequest> requests);
  // `name` is "sessions/{id}" or "sessions/{key}". Counters are as of now.
  Result<Session> Find(const std::string& name);
  // The session that an address uses, whatever its key, if there is one.
  Result<std::optional<Session>> FindByAddress(const Address& address);
  Result<SessionPage> List(int page_size, const std::string& page_token);
  // Returns the session as it was when it ended.
  Result<Session> Terminate(const std::string& name, const std::string& who);
  // Gives a session another policy, empty: none; what it has used goes on.
  Result<Session> SetPolicy(const std::string& name, const std::string& policy,
                            const std::string& who);
  Result<uint64_t> Count();
  std::optional<SlotOwner> OwnerOf(uint32_t slot);

  // Puts changed policies in force. kPrecondition: one that sessions use is gone.
  Outcome ApplyPolicies(const std::vector<PolicyConfig>& policies);
  std::vector<PolicyConfig> Policies();
  // How many sessions in force have each policy.
  Result<std::vector<std::pair<std::string, uint64_t>>> PolicyUses();
  std::optional<PolicyConfig> FindPolicyOf(const Session& session);

  // Takes sessions whose time is over out of map and store; the classifier has stopped passing
  // them by itself. Returns when the next one ends (boot time), if there is one.
  Result<std::optional<int64_t>> EndExpired();
  // The same for those that were idle too long or have used up their quota, among a million rows of
  // `limits`: with more of them, it goes on there the next time.
  Outcome EndSpent();
  // Writes counters that moved since the last time to the store, at most `most` of each kind,
  // and forgets addresses that no MAC or line session uses any more.
  static constexpr size_t kSavedAtATime = 65536;
  Outcome SaveCounters(size_t most = kSavedAtATime);
  // Looks anew which addresses are the gateway's own.
  void ReadOwnAddresses();
  // For what others keep in the store: runs under the lock of the sessions.
  Outcome InStore(const std::function<Outcome(SessionStore&)>& action);
  // Called when a session with an earlier end than all others may have come.
  void OnEarlierExpiry(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  // An AuthoriseRequest, checked as far as that needs no lock.
  struct Target : SessionTarget {
    Mac mac;
    uint32_t policy = 0;  // row; set under the lock
  };
  // A session that is not in the store yet; its entries and its row are reserved.
  struct Pending {
    size_t request = 0;
    const ZoneConfig* zone = nullptr;
    Session session;
  };

  // A change of one that is; its new entries and its new row are reserved.
  struct Extension {
    size_t request = 0;
    const ZoneConfig* zone = nullptr;
    uint32_t policy = 0;  // row, if the request names one
    Session before;
    Session session;
    std::vector<SessionKey> added;
  };

  // The clocks, read once for all that a call does before its commit.
  struct Now {
    int64_t boot_ns = 0;
    int64_t wall_ns = 0;
  };

  Result<Target> Resolve(const AuthoriseRequest& request) const;
  // `done`: "created", "extended" for those that were.
  std::vector<Result<Session>> AuthoriseResolved(std::span<const AuthoriseRequest> requests,
                                                 std::span<Result<Target>> targets,
                                                 std::span<const char*> done);
  Outcome Check(const AuthoriseRequest& request, Target& target) const;
  Result<Mac> MacToBind(const ZoneConfig& zone, const Key& key, const Mac& given) const;
  Result<std::optional<Session>> Repeated(const AuthoriseRequest& request);
  Result<std::optional<Session>> Existing(const Target& target, bool extend);
  Result<Pending> Prepare(const Target& target, const AuthoriseRequest& request, const Now& now);
  void InsertAndBegin(std::span<Pending> pending, std::span<const AuthoriseRequest> requests,
                      std::vector<Result<Session>>& results);
  Result<Extension> PrepareExtension(const Target& target, Session session,
                                     const AuthoriseRequest& request, const Now& now);
  Outcome BeginExtension(Extension& extension, const AuthoriseRequest& request, int64_t begun_ns);
  void UpdateAndBegin(std::span<Extension> extensions, std::span<const AuthoriseRequest> requests,
                      std::vector<Result<Session>>& results);
  Result<std::vector<SessionKey>> ReserveAll(const Target& target, std::span<const Key> keys);
  void ReleaseAll(std::span<const SessionKey> keys);
  Outcome BeginAll(const ZoneConfig& zone, const Session& session, std::span<const SessionKey> keys,
                   int64_t begun_ns);
  Outcome ChangeLimits(Session& session, const std::string& policy, uint32_t policy_row);
  void EnforceLimits(const Session& session, uint32_t old_row);
  Result<std::optional<Session>> FindLocked(const std::string& name);
  Result<Session> FindInForce(const std::string& name);
  // Ends sessions everywhere; fills their last counters in. All of them, with one commit and one
  // Settle().
  Outcome End(std::span<Session> sessions);
  void ReadCounters(Session& session) const;
  bool InForce(const Session& session) const;
  std::string NewId(int64_t wall_ns);

  struct Restored;  // what Start knows of the sessions in the store
  Outcome ForgetExpired(int64_t now_ns);
  Result<Restored> ReadStore(int64_t now_ns);
  void RestoreLimits(Restored& restored);
  Outcome SaveRestored(const Restored& restored, std::span<const SessionStore::MetaUpdate> metas);
  Outcome SaveKeys(size_t most);
  Outcome SaveUsages(size_t most);

  mutable std::mutex mutex_;
  SessionStore& store_;
  SessionMap& map_;
  LimitMap& limits_;
  PolicyTable& policies_;
  const Layout& layout_;
  const Clock& clock_;
  const Neighbours& neighbours_;
  const std::chrono::seconds max_duration_;
  std::function<void()> wake_;
  std::function<Outcome(std::span<const SessionStore::MetaUpdate>)> save_start_;
  std::map<uint16_t, std::set<Address>> own_;  // by zone
  int64_t last_number_ = 0;                    // of the newest session
  bool homeless_ = false;                      // the store has keys that have no entry
  uint32_t next_key_ = 0, next_usage_ = 0;     // where SaveCounters goes on
  uint32_t next_spent_ = 0;                    // and EndSpent
};

// The store's error as callers see it.
Error StoreError(const Error& error);
// For the log: who did what to which session.
void Audit(std::string_view what, const Session& session, std::string_view who, int64_t now_ns);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSIONS_H
