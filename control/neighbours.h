// SPDX-License-Identifier: Apache-2.0
// Which MAC address the kernel knows for an address of an interface: ARP and neighbour discovery
// run before the login, so a client that talks to its portal is there.
#ifndef NARTHEX_CONTROL_NEIGHBOURS_H
#define NARTHEX_CONTROL_NEIGHBOURS_H

#include <optional>
#include <string>

#include "control/address.h"
#include "control/key.h"

namespace narthex {

// Seam for tests. May be called from any thread.
class Neighbours {
 public:
  virtual ~Neighbours() = default;
  virtual std::optional<Mac> Find(const std::string& interface, const Address& address) const = 0;
};

// rtnetlink(7), one request for each call.
class KernelNeighbours : public Neighbours {
 public:
  std::optional<Mac> Find(const std::string& interface, const Address& address) const override;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_NEIGHBOURS_H
