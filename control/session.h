// SPDX-License-Identifier: Apache-2.0
// A session as narthexd knows it: who may pass, where, until when, and what was counted.
#ifndef NARTHEX_CONTROL_SESSION_H
#define NARTHEX_CONTROL_SESSION_H

#include <cstdint>
#include <string>
#include <vector>

#include "control/address.h"

namespace narthex {

// What the classifier counted for one address. Times are CLOCK_BOOTTIME of this boot.
struct SessionCounters {
  uint64_t packets_up = 0;
  uint64_t bytes_up = 0;
  uint64_t packets_down = 0;
  uint64_t bytes_down = 0;
  uint64_t first_seen_ns = 0;  // 0: no packet yet
  uint64_t last_seen_ns = 0;

  bool operator==(const SessionCounters&) const = default;
};

// One address of a session and its entry in the `sessions` map.
struct SessionAddress {
  Address address;
  uint32_t slot = 0;
  SessionCounters counters;
};

struct Session {
  std::string id;    // 16 hexadecimal digits
  std::string zone;  // name
  std::string creator;
  int64_t created_wall_ns = 0;
  int64_t expires_boot_ns = 0;  // CLOCK_BOOTTIME of this boot; the only end that counts
  std::vector<SessionAddress> addresses;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_H
