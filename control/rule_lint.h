// SPDX-License-Identifier: Apache-2.0
// What is valid in the rules, but hardly meant. One line each.
#ifndef NARTHEX_CONTROL_RULE_LINT_H
#define NARTHEX_CONTROL_RULE_LINT_H

#include <string>
#include <vector>

#include "control/config.h"

namespace narthex {

// Rules that an earlier one covers as far as can be decided (exact values and domains, equal globs
// and expressions); gardens that cover the host of a probe (a rule with the tag "probe"), so that
// no login sheet opens; portals that the garden does not cover.
std::vector<std::string> LintRules(const Config& config);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_RULE_LINT_H
