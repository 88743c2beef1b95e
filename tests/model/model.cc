// SPDX-License-Identifier: Apache-2.0
#include "tests/model/model.h"

#include <algorithm>

namespace narthex::test {

std::vector<std::shared_ptr<ModelSession>> Model::Holders(
    const std::vector<std::string>& keys) const {
  std::vector<std::shared_ptr<ModelSession>> holders;
  for (const auto& session : sessions_)
    if (std::any_of(keys.begin(), keys.end(),
                    [&](const std::string& key) { return session->bytes.contains(key); }))
      holders.push_back(session);
  return holders;
}

void Model::Remove(const std::shared_ptr<ModelSession>& session) {
  std::erase(sessions_, session);
  session->expires_ns = 0;
}

void Model::EndExpired(int64_t now_ns) {
  auto sessions = sessions_;
  for (const auto& session : sessions)
    if (session->expires_ns <= now_ns) Remove(session);
}

void Model::EndSpent() {
  auto sessions = sessions_;
  for (const auto& session : sessions) {
    const PolicyConfig* policy = PolicyOf(*session);
    if (policy && policy->at_quota == NX_AT_QUOTA_PORTAL && IsSpent(*session)) Remove(session);
  }
}

const PolicyConfig* Model::PolicyOf(const ModelSession& session) const {
  for (const PolicyConfig& policy : policies_)
    if (policy.name == session.policy) return &policy;
  return nullptr;
}

bool Model::IsSpent(const ModelSession& session) const {
  const PolicyConfig* policy = PolicyOf(session);
  if (!policy) return false;
  auto reached = [](uint64_t quota, uint64_t used) { return quota != 0 && used >= quota; };
  return reached(policy->quota_up, session.used_up) ||
         reached(policy->quota_down, session.used_down) ||
         reached(policy->quota_total, session.used_up + session.used_down);
}

bool Model::Authorises(const ModelSession& session, int64_t now_ns) const {
  if (session.expires_ns <= now_ns) return false;
  const PolicyConfig* policy = PolicyOf(session);
  return !policy || policy->at_quota != NX_AT_QUOTA_PORTAL || !IsSpent(session);
}

std::optional<Model::Owner> Model::OwnerOf(const ModelPacket& packet, int64_t now_ns) {
  std::vector<std::string> keys = {packet.address};
  if (packet.address.find(':') != std::string::npos) keys.push_back("2001:db8:51:1::/64");
  if (!packet.down) keys.push_back(packet.mac);
  for (const std::string& key : keys)
    for (const auto& session : sessions_)
      if (session->bytes.contains(key) && Authorises(*session, now_ns)) {
        if (key == packet.mac) users_[packet.address] = {session, key};
        return Owner{session, key};
      }
  auto user = users_.find(packet.address);
  if (!packet.down || user == users_.end() || !Authorises(*user->second.first, now_ns))
    return std::nullopt;
  return user->second;
}

Fate Model::Pass(const ModelPacket& packet, int64_t now_ns) {
  auto owner = OwnerOf(packet, now_ns);
  if (!owner) return Fate::kStranger;
  auto& [session, key] = *owner;
  if (IsSpent(*session)) return Fate::kBlocked;
  (packet.down ? session->bytes[key].second : session->bytes[key].first) += packet.bytes;
  if (PolicyOf(*session)) (packet.down ? session->used_down : session->used_up) += packet.bytes;
  return Fate::kPasses;
}

}  // namespace narthex::test
