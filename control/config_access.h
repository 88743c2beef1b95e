// SPDX-License-Identifier: Apache-2.0
// Reading the keys of a zone that say by what its sessions are known, where they may be used, and
// what a client may do before its login. For config*.cc alone.
#ifndef NARTHEX_CONTROL_CONFIG_ACCESS_H
#define NARTHEX_CONTROL_CONFIG_ACCESS_H

#include <string_view>
#include <utility>
#include <vector>

#include "control/config.h"
#include "control/config_reader.h"

namespace narthex {

// `zone` must outlive the setters.
void AddAccessKeys(ZoneConfig& zone, std::vector<std::pair<std::string_view, Setter>>& setters);

// Each of the zone's prefixes must hold sessions of each length.
void CheckSessionLengths(const ZoneConfig& zone, const toml::table& table);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_CONFIG_ACCESS_H
