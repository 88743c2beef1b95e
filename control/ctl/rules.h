// SPDX-License-Identifier: Apache-2.0
// How narthexctl asks for the rules, and shows them.
#ifndef NARTHEX_CONTROL_CTL_RULES_H
#define NARTHEX_CONTROL_CTL_RULES_H

#include <string>
#include <string_view>

#include "narthex.pb.h"

namespace narthex::ctl {

// "GET http://host/path", or the URL alone, into the request.
void ParseRequestLine(std::string_view text, v1::TestRuleRequest& request);

std::string Table(const v1::ListRulesResponse& rules);
std::string Table(const v1::TestRuleResponse& answer);
std::string Table(const v1::CheckRulesResponse& answer);

}  // namespace narthex::ctl

#endif  // NARTHEX_CONTROL_CTL_RULES_H
