// SPDX-License-Identifier: Apache-2.0
// The access networks of a configuration file. For config*.cc alone.
#ifndef NARTHEX_CONTROL_CONFIG_ZONE_H
#define NARTHEX_CONTROL_CONFIG_ZONE_H

#include "control/config.h"
#include "control/config_reader.h"

namespace narthex {

// Reads the array of [[zone]] tables; throws Refusal.
void ReadZones(Config& config, const Value& value);

// The uplinks that the zone's forwarding needs are there; throws Refusal.
void CheckUplinksOf(const ZoneConfig& zone, const std::vector<std::string>& uplinks,
                    const Value& zone_value);

// The text of a page, also of a rule's; what it may hold is the dataplane's to say
// (control/policy_check.h).
TemplateConfig ReadTemplate(const Value& value);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_CONFIG_ZONE_H
