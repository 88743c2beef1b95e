// SPDX-License-Identifier: Apache-2.0
#include "control/ctl/rules.h"

#include <fmt/format.h>

#include "control/ctl/output.h"

namespace narthex::ctl {

void ParseRequestLine(std::string_view text, v1::TestRuleRequest& request) {
  if (size_t space = text.find(' '); space != text.npos) {
    request.set_method(std::string(text.substr(0, space)));
    text.remove_prefix(space + 1);
  }
  request.set_url(std::string(text));
}

std::string Table(const v1::ListRulesResponse& rules) {
  std::vector<Row> rows = {{"RULE", "HITS", "RESPONSE", "CONDITIONS", "PLACE"}};
  for (const v1::Rule& rule : rules.rules())
    rows.push_back({rule.name(), std::to_string(rule.hits()),
                    rule.location().empty() ? rule.respond() : "redirect " + rule.location(),
                    fmt::format("{}", fmt::join(rule.conditions(), "; ")), rule.place()});
  return Align(rows, {false, true, false, false, false});
}

std::string Table(const v1::TestRuleResponse& answer) {
  std::string text = answer.rule().empty() ? fmt::format("zone {}: no rule holds\n", answer.zone())
                                           : fmt::format("zone {}: rule {} ({})\n", answer.zone(),
                                                         answer.rule(), answer.place());
  for (const std::string& reason : answer.because()) text += fmt::format("  {}\n", reason);
  text += fmt::format("response: {}", answer.respond());
  if (!answer.status_line().empty()) text += fmt::format(", {}", answer.status_line());
  if (!answer.location().empty()) text += fmt::format(", Location: {}", answer.location());
  return text + "\n";
}

std::string Table(const v1::CheckRulesResponse& answer) {
  std::string text;
  for (const std::string& warning : answer.warnings())
    text += fmt::format("warning: {}\n", warning);
  return text + fmt::format("{} rules, {} warnings\n", answer.rules(), answer.warnings_size());
}

}  // namespace narthex::ctl
