// SPDX-License-Identifier: Apache-2.0
// Reading [[policy]]. For config*.cc alone.
#ifndef NARTHEX_CONTROL_CONFIG_POLICY_H
#define NARTHEX_CONTROL_CONFIG_POLICY_H

#include <vector>

#include "control/config.h"
#include "control/config_reader.h"

namespace narthex {

std::vector<PolicyConfig> ReadPolicies(const Value& value);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_CONFIG_POLICY_H
