// SPDX-License-Identifier: Apache-2.0
// A key in a zone, for tables of absl's.
#ifndef NARTHEX_CONTROL_ZONE_KEY_H
#define NARTHEX_CONTROL_ZONE_KEY_H

#include <cstdint>
#include <utility>

#include "control/key.h"

namespace narthex {

struct ZoneKey {
  Key key;
  uint16_t zone = 0;  // number; whose, the table's owner knows

  bool operator==(const ZoneKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const ZoneKey& from) {
    hash = H::combine(std::move(hash), from.zone, from.key.kind, from.key.bits);
    return H::combine_contiguous(std::move(hash), from.key.bytes.data(), from.key.bytes.size());
  }
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_ZONE_KEY_H
