// SPDX-License-Identifier: Apache-2.0
// What a NIC does to frames before XDP sees them, where that hides something from the classifier.
#ifndef NARTHEX_CONTROL_OFFLOADS_H
#define NARTHEX_CONTROL_OFFLOADS_H

#include <string>
#include <vector>

#include "control/config.h"

namespace narthex {

// A line for each interface of the configuration that has such an offload on, with the command that
// switches it off: LRO anywhere; tags taken off (rxvlan) where a zone goes by tags.
std::vector<std::string> OffloadWarnings(const Config& config);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_OFFLOADS_H
