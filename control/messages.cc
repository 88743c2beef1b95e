// SPDX-License-Identifier: Apache-2.0
#include "control/messages.h"

#include <algorithm>

namespace narthex {
namespace {

void AddOnce(const std::string& text, google::protobuf::RepeatedPtrField<std::string>& list) {
  if (std::find(list.begin(), list.end(), text) == list.end()) *list.Add() = text;
}

}  // namespace

void ToMessage(int64_t wall_ns, google::protobuf::Timestamp& message) {
  message.set_seconds(wall_ns / kSecondNs);
  message.set_nanos(static_cast<int32_t>(wall_ns % kSecondNs));
}

void ToMessage(int64_t span_ns, google::protobuf::Duration& message) {
  message.set_seconds(span_ns / kSecondNs);
  message.set_nanos(static_cast<int32_t>(span_ns % kSecondNs));
}

void ToMessage(const Usage& usage, const PolicyConfig& policy, v1::Usage& message) {
  message.set_bytes_up(usage.bytes_up);
  message.set_bytes_down(usage.bytes_down);
  const std::pair<uint64_t, uint64_t> quotas[] = {
      {policy.quota_up, usage.bytes_up},
      {policy.quota_down, usage.bytes_down},
      {policy.quota_total, usage.bytes_up + usage.bytes_down}};
  for (const auto& [quota, used] : quotas) {
    if (quota == 0) continue;
    uint64_t left = used < quota ? quota - used : 0;
    message.set_bytes_left(message.has_bytes_left() ? std::min(left, message.bytes_left()) : left);
  }
}

void ToMessage(const PolicyConfig& policy, v1::Policy& message) {
  constexpr const char* kAtQuota[] = {"portal", "throttle", "block"};
  message.set_name(policy.name);
  message.set_rate_up_bits(policy.rate_up);
  message.set_rate_down_bits(policy.rate_down);
  message.set_quota_up_bytes(policy.quota_up);
  message.set_quota_down_bytes(policy.quota_down);
  message.set_quota_total_bytes(policy.quota_total);
  message.mutable_idle()->set_seconds(policy.idle.count());
  if (policy.HasQuota()) message.set_at_quota(kAtQuota[policy.at_quota]);
  message.set_throttle_up_bits(policy.throttle_up);
  message.set_throttle_down_bits(policy.throttle_down);
}

void ToMessage(const Session& session, const PolicyConfig* policy, const Clock& clock,
               v1::Session& message) {
  int64_t wall_minus_boot_ns = clock.WallNs() - clock.BootNs();
  message.set_name("sessions/" + session.id);
  message.set_zone(session.zone);
  message.set_creator(session.creator);
  ToMessage(session.created_wall_ns, *message.mutable_create_time());
  ToMessage(session.expires_boot_ns + wall_minus_boot_ns, *message.mutable_expire_time());
  SessionCounters sum;
  for (const SessionKey& entry : session.keys) {
    message.add_keys(entry.key.ToString());
    if (entry.key.IsAddress()) message.add_addresses(entry.key.ToString());
    if (!entry.bound.IsNone()) AddOnce(entry.bound.ToString(), *message.mutable_bound_macs());
    sum.bytes_up += entry.counters.bytes_up;
    sum.packets_up += entry.counters.packets_up;
    sum.bytes_down += entry.counters.bytes_down;
    sum.packets_down += entry.counters.packets_down;
    sum.last_seen_ns = std::max(sum.last_seen_ns, entry.counters.last_seen_ns);
    // The earliest; 0 is none, and becomes the latest.
    sum.first_seen_ns = std::min(sum.first_seen_ns - 1, entry.counters.first_seen_ns - 1) + 1;
  }
  message.set_bytes_up(sum.bytes_up);
  message.set_packets_up(sum.packets_up);
  message.set_bytes_down(sum.bytes_down);
  message.set_packets_down(sum.packets_down);
  message.set_policy(session.policy);
  if (policy != nullptr) ToMessage(session.usage, *policy, *message.mutable_usage());
  if (sum.first_seen_ns != 0)
    ToMessage(static_cast<int64_t>(sum.first_seen_ns) + wall_minus_boot_ns,
              *message.mutable_first_seen_time());
  if (sum.last_seen_ns != 0)
    ToMessage(static_cast<int64_t>(sum.last_seen_ns) + wall_minus_boot_ns,
              *message.mutable_last_seen_time());
}

}  // namespace narthex
