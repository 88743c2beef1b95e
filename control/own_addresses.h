// SPDX-License-Identifier: Apache-2.0
// The addresses that no client can have, because the gateway has them or its networks use them.
#ifndef NARTHEX_CONTROL_OWN_ADDRESSES_H
#define NARTHEX_CONTROL_OWN_ADDRESSES_H

#include <chrono>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "control/address.h"
#include "control/config.h"

namespace narthex {

// Addresses of this host's interfaces, and the network and broadcast addresses of their IPv4
// networks, as far as they lie in the zone's pools or prefixes; ascending, at most NX_MAX_OWN.
// As they are now: narthexd reads them when it loads the classifier, and its own copy anew after
// each change (InterfaceWatch).
std::vector<Address> OwnAddresses(const ZoneConfig& zone);

// The addresses of this host's interfaces as they are now; asks the kernel at most once a second.
// Thread-safe.
class HostAddresses {
 public:
  bool Contains(const Address& address);

 private:
  std::mutex mutex_;
  std::set<Address> addresses_;
  std::chrono::steady_clock::time_point read_at_;
};

// The addresses of the zone's interface that lie in the zone: clients see them as their gateway.
struct ZoneGateway {
  std::optional<Address> v4;
  std::optional<Address> v6;
};
ZoneGateway GatewayOf(const ZoneConfig& zone);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_OWN_ADDRESSES_H
