// SPDX-License-Identifier: Apache-2.0
// Which zone the keys of a request belong to, and whether that zone has sessions of their kind.
#ifndef NARTHEX_CONTROL_SESSION_TARGET_H
#define NARTHEX_CONTROL_SESSION_TARGET_H

#include <string>
#include <vector>

#include "control/config.h"
#include "control/error.h"
#include "control/key.h"
#include "control/layout.h"

namespace narthex {

struct SessionTarget {
  const ZoneConfig* zone = nullptr;
  std::vector<Key> keys;  // each once
};

inline constexpr size_t kMaxKeys = 16;  // of one session

// kPrecondition names the key of the configuration that would allow what is asked for.
Outcome CheckKeyInZone(const ZoneConfig& zone, const Key& key);

// `zone`: a name, or empty where the keys decide it. Addresses decide by themselves; MAC addresses
// and lines go with them, or into the one zone that has sessions of their kind.
Result<SessionTarget> ResolveTarget(const Layout& layout, const std::vector<std::string>& keys,
                                    const std::string& zone);

// The zones in which a key may have a session.
std::vector<const ZoneConfig*> ZonesOfKey(const Layout& layout, const Key& key);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SESSION_TARGET_H
