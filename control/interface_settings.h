// SPDX-License-Identifier: Apache-2.0
// What is set at the interfaces themselves (ethtool) and hides packets from narthex. Where an
// interface does not say, nothing is held against it.
#ifndef NARTHEX_CONTROL_INTERFACE_SETTINGS_H
#define NARTHEX_CONTROL_INTERFACE_SETTINGS_H

#include <string>
#include <vector>

#include "control/config.h"
#include "control/error.h"

namespace narthex {

// A line for each such setting, with the command that changes it: LRO anywhere; tags taken off
// (rxvlan) where a zone goes by tags; receive queues of an access interface that have no worker.
std::vector<std::string> InterfaceWarnings(const Config& config);

// Refuses a zone with more `queues` than its interface has.
Outcome CheckQueues(const ZoneConfig& zone);

// Why a driver may have refused a program, as far as the MTU tells; empty if it tells nothing.
std::string MtuHint(const std::string& interface);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_INTERFACE_SETTINGS_H
