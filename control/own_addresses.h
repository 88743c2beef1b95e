// SPDX-License-Identifier: Apache-2.0
// The addresses that no client can have, because the gateway has them or its networks use them.
#ifndef NARTHEX_CONTROL_OWN_ADDRESSES_H
#define NARTHEX_CONTROL_OWN_ADDRESSES_H

#include <vector>

#include "control/address.h"
#include "control/config.h"

namespace narthex {

// Addresses of this host's interfaces, and the network and broadcast addresses of their IPv4
// networks, as far as they lie in the zone's pools or prefixes; ascending, at most NX_MAX_OWN.
// As they are now: narthexd reads them when it loads the classifier.
std::vector<Address> OwnAddresses(const ZoneConfig& zone);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_OWN_ADDRESSES_H
