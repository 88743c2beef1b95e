// SPDX-License-Identifier: Apache-2.0
// A session as narthexd knows it: who may pass, where, until when, and what was counted.
#ifndef NARTHEX_CONTROL_SESSION_H
#define NARTHEX_CONTROL_SESSION_H

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "control/key.h"

namespace narthex {

// What the classifier counted for one key, and when narthexd found it. Times are CLOCK_BOOTTIME of
// this boot.
struct SessionCounters {
  uint64_t packets_up = 0;
  uint64_t bytes_up = 0;
  uint64_t packets_down = 0;
  uint64_t bytes_down = 0;
  uint64_t first_seen_ns = 0;  // 0: no packet yet
  uint64_t last_seen_ns = 0;

  bool operator==(const SessionCounters&) const = default;
};

// An entry that has no place: its zone or its address is not in the configuration.
inline constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();

// One key of a session and its entry in the `sessions` map.
struct SessionKey {
  Key key;
  uint32_t slot = kNoSlot;
  SessionCounters counters;
  Mac bound;  // the only MAC address that may use it; none: any
};

// What all keys of a session with a policy have used together, of its quota.
struct Usage {
  uint64_t bytes_up = 0;
  uint64_t bytes_down = 0;
  uint32_t last_seen_s = 0;  // boot time
  bool operator==(const Usage&) const = default;
};

struct Session {
  std::string id;    // 16 hexadecimal digits, ascending in the order of logins
  std::string zone;  // name
  std::string creator;
  int64_t created_wall_ns = 0;
  int64_t expires_boot_ns = 0;  // CLOCK_BOOTTIME of this boot; the only end that counts
  std::string policy;           // name; empty: no limits
  uint32_t limits = 0;          // row of `limits`; 0: none
  Usage usage;                  // only with a policy
  std::vector<SessionKey> keys;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_H
