// SPDX-License-Identifier: Apache-2.0
// Does the configuration of a zone's garden open a host, by its name or by its address?
#ifndef NARTHEX_CONTROL_GARDEN_COVERS_H
#define NARTHEX_CONTROL_GARDEN_COVERS_H

#include <string_view>

#include "control/config.h"

namespace narthex {

// `host`: a host name in any case, with or without a final dot, or an address (IPv6 without
// brackets). An address is covered by prefixes alone: what names have taught is not asked.
bool GardenCoversHost(const ZoneConfig& zone, std::string_view host);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_GARDEN_COVERS_H
