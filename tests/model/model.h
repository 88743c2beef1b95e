// SPDX-License-Identifier: Apache-2.0
// What sessions are, in the fewest words: no maps, no caches, no order of writes. A session is a
// set of keys, an end, a policy and what it has used; a packet belongs to the first key of its
// sender that a session in force has.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/config.h"

namespace narthex::test {

struct ModelSession {
  std::map<std::string, std::pair<uint64_t, uint64_t>> bytes;  // by key: up, down
  int64_t expires_ns = 0;
  std::string policy;                   // empty: none
  uint64_t used_up = 0, used_down = 0;  // under a policy
};

enum class Fate { kPasses, kBlocked, kStranger };

// A packet as the model sees it: who sent it, or whom it is for.
struct ModelPacket {
  std::string address;
  std::string mac;  // of the sender; downlink: not known
  bool down = false;
  uint64_t bytes = 0;
};

class Model {
 public:
  void SetPolicies(const std::vector<PolicyConfig>& policies) { policies_ = policies; }
  // Sessions that hold one of the keys, in force or not yet ended by narthexd.
  std::vector<std::shared_ptr<ModelSession>> Holders(const std::vector<std::string>& keys) const;
  void Add(std::shared_ptr<ModelSession> session) { sessions_.push_back(std::move(session)); }
  void Remove(const std::shared_ptr<ModelSession>& session);
  // Those whose time is over, or whose quota has sent them back to the portal.
  void EndExpired(int64_t now_ns);
  void EndSpent();
  const std::vector<std::shared_ptr<ModelSession>>& sessions() const { return sessions_; }

  // What becomes of the packet, and its account.
  Fate Pass(const ModelPacket& packet, int64_t now_ns);

 private:
  using Owner = std::pair<std::shared_ptr<ModelSession>, std::string>;  // with the key

  const PolicyConfig* PolicyOf(const ModelSession& session) const;
  bool IsSpent(const ModelSession& session) const;
  bool Authorises(const ModelSession& session, int64_t now_ns) const;
  std::optional<Owner> OwnerOf(const ModelPacket& packet, int64_t now_ns);

  std::vector<PolicyConfig> policies_;
  std::vector<std::shared_ptr<ModelSession>> sessions_;
  std::map<std::string, Owner> users_;  // of addresses, by MAC address
};

}  // namespace narthex::test
