// SPDX-License-Identifier: Apache-2.0
// Keeps the keys of the connection cookies fresh: in time slot s it renews key (s + 1) % 4,
// which nobody uses then (bpf/abi.h). Called from the housekeeping thread only.
#ifndef NARTHEX_CONTROL_COOKIE_KEYS_H
#define NARTHEX_CONTROL_COOKIE_KEYS_H

#include <cstdint>
#include <optional>

#include "bpf/abi.h"

namespace narthex {

class CookieKeys {
 public:
  explicit CookieKeys(nx_cookie_keys& keys) : keys_(keys) {}

  // Fills keys that were never set; keys in use stay.
  void Start();
  // Renews the next slot's key if this was not done in this slot. Returns when (boot time) it
  // wants to be called again.
  int64_t Renew(int64_t now_boot_ns);

 private:
  nx_cookie_keys& keys_;
  std::optional<uint64_t> renewed_in_slot_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_COOKIE_KEYS_H
