// SPDX-License-Identifier: Apache-2.0
#include "control/messages.h"

#include <algorithm>

namespace narthex {

void ToMessage(int64_t wall_ns, google::protobuf::Timestamp& message) {
  message.set_seconds(wall_ns / kSecondNs);
  message.set_nanos(static_cast<int32_t>(wall_ns % kSecondNs));
}

void ToMessage(int64_t span_ns, google::protobuf::Duration& message) {
  message.set_seconds(span_ns / kSecondNs);
  message.set_nanos(static_cast<int32_t>(span_ns % kSecondNs));
}

void ToMessage(const Session& session, const Clock& clock, v1::Session& message) {
  int64_t wall_minus_boot_ns = clock.WallNs() - clock.BootNs();
  message.set_name("sessions/" + session.id);
  message.set_zone(session.zone);
  message.set_creator(session.creator);
  ToMessage(session.created_wall_ns, *message.mutable_create_time());
  ToMessage(session.expires_boot_ns + wall_minus_boot_ns, *message.mutable_expire_time());
  SessionCounters sum;
  for (const SessionAddress& entry : session.addresses) {
    message.add_addresses(entry.address.ToString());
    sum.bytes_up += entry.counters.bytes_up;
    sum.packets_up += entry.counters.packets_up;
    sum.bytes_down += entry.counters.bytes_down;
    sum.packets_down += entry.counters.packets_down;
    sum.last_seen_ns = std::max(sum.last_seen_ns, entry.counters.last_seen_ns);
  }
  message.set_bytes_up(sum.bytes_up);
  message.set_packets_up(sum.packets_up);
  message.set_bytes_down(sum.bytes_down);
  message.set_packets_down(sum.packets_down);
  if (sum.last_seen_ns != 0)
    ToMessage(static_cast<int64_t>(sum.last_seen_ns) + wall_minus_boot_ns,
              *message.mutable_last_seen_time());
}

}  // namespace narthex
