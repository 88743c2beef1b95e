// SPDX-License-Identifier: Apache-2.0
// What an account says, as packets and bytes.
#ifndef NARTHEX_TESTS_HARNESS_ACCOUNT_H
#define NARTHEX_TESTS_HARNESS_ACCOUNT_H

#include <cstdint>

#include "bpf/abi.h"

namespace narthex::test {

struct Counted {
  uint64_t packets_up, bytes_up, packets_down, bytes_down;
};

inline Counted CountedIn(uint64_t up, uint64_t down, const nx_account& account) {
  return {.packets_up = nx_traffic_packets(up, account.rounds_up),
          .bytes_up = nx_traffic_bytes(up, account.rounds_up),
          .packets_down = nx_traffic_packets(down, account.rounds_down),
          .bytes_down = nx_traffic_bytes(down, account.rounds_down)};
}

}  // namespace narthex::test

#endif  // NARTHEX_TESTS_HARNESS_ACCOUNT_H
