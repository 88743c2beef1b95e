// SPDX-License-Identifier: Apache-2.0
// Which addresses an answer may open. A resolver, or whoever has a name of the garden, must not
// be able to open the gateway, other clients or the operator's inner networks: those are opened by
// prefix, by the operator, or not at all.
#ifndef NARTHEX_CONTROL_LEARNABLE_H
#define NARTHEX_CONTROL_LEARNABLE_H

#include <vector>

#include "control/address.h"
#include "control/config.h"

namespace narthex {

// Global unicast (IANA's special-purpose registries, RFC 6890): not private, shared, loopback,
// link-local, multicast, reserved. Documentation prefixes count as global. Of NAT64 (64:ff9b::/96)
// the IPv4 address inside decides.
bool IsGlobalUnicast(const Address& address);

// Lies in the pools or prefixes of any zone, or is one of its resolvers.
bool BelongsToZone(const std::vector<ZoneConfig>& zones, const Address& address);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_LEARNABLE_H
