// SPDX-License-Identifier: Apache-2.0
// The interfaces of a zone as the classifier must know them to forward frames itself. They change
// while narthexd runs (made anew, another MAC address, a VLAN interface more), so they are looked
// up again whenever the kernel reports a change.
#ifndef NARTHEX_CONTROL_PORTS_H
#define NARTHEX_CONTROL_PORTS_H

#include <string>
#include <vector>

#include "bpf/abi.h"
#include "control/config.h"

namespace narthex {

// An interface that is not there, or has no Ethernet address, has index 0: nothing is sent to it.
nx_ports PortsOf(const ZoneConfig& zone, const std::vector<std::string>& uplinks);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_PORTS_H
