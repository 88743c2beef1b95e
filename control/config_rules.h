// SPDX-License-Identifier: Apache-2.0
// The [rules] of a configuration, and the files of rules.
#ifndef NARTHEX_CONTROL_CONFIG_RULES_H
#define NARTHEX_CONTROL_CONFIG_RULES_H

#include "control/config.h"
#include "control/config_reader.h"

namespace narthex {

// Reads the table, the files that it names and, unless switched off, the built-in probe pack.
// Throws Refusal for the table, Error for what stands in another file.
void ReadRules(Config& config, const Value& value);
// As if there were an empty table.
void AddDefaultRules(Config& config);

// What rules can say only of the whole configuration: zones that exist. Throws Error.
void CheckRuleZones(const Config& config);

// The message of an error is "FILE:LINE:COLUMN: key 'rule.host': what is wrong".
Result<std::vector<RuleConfig>> ParseRules(std::string_view text, const std::string& file_name);
Result<std::vector<RuleConfig>> LoadRules(const std::string& path);

// The probe pack, deploy/rules/probes.toml.
std::string_view ProbeRules();
inline constexpr char kProbeRulesName[] = "built-in probes.toml";

}  // namespace narthex

#endif  // NARTHEX_CONTROL_CONFIG_RULES_H
