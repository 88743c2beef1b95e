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
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/clock.h"
#include "control/error.h"
#include "control/layout.h"
#include "control/session.h"
#include "control/session_map.h"
#include "control/session_store.h"

namespace narthex {

struct AuthoriseRequest {
  std::vector<std::string> addresses;
  std::string zone;  // empty: the addresses decide
  std::chrono::nanoseconds duration{0};
  bool extend_existing = false;
  std::string request_id;  // empty: none
  std::string creator;
};

struct SessionPage {
  std::vector<Session> sessions;
  std::string next_page_token;  // empty: the last one
};

class Sessions {
 public:
  // All references must outlive this.
  Sessions(SessionStore& store, SessionMap& map, const Layout& layout, const Clock& clock,
           std::chrono::seconds max_duration)
      : store_(store), map_(map), layout_(layout), clock_(clock), max_duration_(max_duration) {}

  // Brings the maps to what the store says; once, before anything else.
  Result<ReconcileReport> Start();

  Result<Session> Authorise(const AuthoriseRequest& request);
  // `name` is "sessions/{id}" or "sessions/{address}". Counters are as of now.
  Result<Session> Find(const std::string& name);
  // The session of an address, if it has one.
  Result<std::optional<Session>> FindByAddress(const Address& address);
  Result<SessionPage> List(int page_size, const std::string& page_token);
  // Returns the session as it was when it ended.
  Result<Session> Terminate(const std::string& name, const std::string& who);
  Result<uint64_t> Count();

  // Takes sessions whose time is over out of map and store; the classifier has stopped passing
  // them by itself. Returns when the next one ends (boot time), if there is one.
  Result<std::optional<int64_t>> EndExpired();
  // Writes counters that moved since the last time to the store.
  Outcome SaveCounters();
  // For what others keep in the store: runs under the lock of the sessions.
  Outcome InStore(const std::function<Outcome(SessionStore&)>& action);
  // Called when a session with an earlier end than all others may have come.
  void OnEarlierExpiry(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  struct Target {  // an AuthoriseRequest, checked
    const ZoneConfig* zone = nullptr;
    std::vector<Address> addresses;
  };

  Result<Target> Check(const AuthoriseRequest& request) const;
  Result<std::optional<Session>> Repeated(const AuthoriseRequest& request);
  Result<std::optional<Session>> Existing(const Target& target, bool extend);
  Result<Session> Create(const Target& target, const AuthoriseRequest& request);
  Result<Session> Extend(const Target& target, Session session, const AuthoriseRequest& request);
  Result<std::vector<SessionAddress>> ReserveAll(const std::vector<Address>& addresses);
  Outcome BeginAll(const ZoneConfig& zone, const std::vector<SessionAddress>& entries,
                   int64_t expires_ns);
  Result<std::optional<Session>> FindLocked(const std::string& name);
  // Ends a session everywhere; fills its last counters in.
  // All of them, with one Settle(); those before the first that the store refuses.
  Outcome End(std::span<Session> sessions);
  void ReadCounters(Session& session) const;
  bool InForce(const Session& session) const;

  std::mutex mutex_;
  SessionStore& store_;
  SessionMap& map_;
  const Layout& layout_;
  const Clock& clock_;
  const std::chrono::seconds max_duration_;
  std::function<void()> wake_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSIONS_H
