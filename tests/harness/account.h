// SPDX-License-Identifier: Apache-2.0
// An account's words as packets and bytes.
#ifndef NARTHEX_TESTS_HARNESS_ACCOUNT_H
#define NARTHEX_TESTS_HARNESS_ACCOUNT_H

#include <cstdint>

#include "bpf/abi.h"

namespace narthex::test {

struct Counted {
  uint64_t packets_up, bytes_up, packets_down, bytes_down;
  uint32_t first_seen_s, last_seen_s;
};

inline Counted CountedIn(const nx_account& account) {
  return {.packets_up = nx_traffic_packets(account.up, account.rounds_up),
          .bytes_up = nx_traffic_bytes(account.up, account.rounds_up),
          .packets_down = nx_traffic_packets(account.down, account.rounds_down),
          .bytes_down = nx_traffic_bytes(account.down, account.rounds_down),
          .first_seen_s = account.first_seen_s,
          .last_seen_s = account.last_seen_s};
}

}  // namespace narthex::test

#endif  // NARTHEX_TESTS_HARNESS_ACCOUNT_H
