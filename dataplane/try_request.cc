// SPDX-License-Identifier: Apache-2.0
#include "try_request.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "decide/decide.h"
#include "policy/snapshot.h"

namespace narthex {
namespace {

using nlohmann::json;

int Fail(const std::string& error) {
  std::fprintf(stderr, "narthex-dataplane: %s\n", error.c_str());
  return 1;
}

// Which of the rule's patterns match, a text for each.
json Because(const Rule& rule, const HttpRequest& request) {
  std::vector<Pattern> patterns;
  for (const RuleCondition& condition : rule.conditions) {
    patterns.insert(patterns.end(), condition.any.begin(), condition.any.end());
  }
  size_t bad = 0;
  std::string error;
  const auto database = Database::Compile(patterns, bad, error);
  json because = json::array();
  if (!database) return because;
  const Values values = ValuesOf(request);
  MatchScratch scratch = database->NewScratch();
  for (uint32_t index : database->Match(values, scratch)) {
    const Pattern& pattern = patterns[index];
    const auto field = static_cast<size_t>(pattern.field);
    because.push_back(std::string(kFieldNames[field]) + " '" + std::string(values[field]) +
                      "' is " + std::string(kKindNames[static_cast<size_t>(pattern.kind)]) + " '" +
                      pattern.text + "'");
  }
  return because;
}

void Describe(const ResponseSet& responses, Decision decision, json& answer) {
  if (decision.answer == Answer::kReset || decision.answer == Answer::kSilent) {
    answer["respond"] = decision.answer == Answer::kReset ? "reset" : "silent";
    return;
  }
  const std::string text(responses.Full(decision).View());
  answer["status"] = text.substr(0, text.find("\r\n"));
  const size_t location = text.find("\r\nLocation: ");
  if (location != text.npos) {
    answer["location"] =
        text.substr(location + 12, text.find("\r\n", location + 12) - location - 12);
  }
  answer["respond"] = IsNetworkAuthenticationRequired(decision.answer) ? "511"
                      : location != text.npos                          ? "redirect"
                                                                       : "error";
}

}  // namespace

int TryRequest(const std::string& policy_path, const std::string& zone_name) {
  std::string error;
  const auto snapshot = ReadSnapshot(policy_path, error);
  if (!snapshot) return Fail(error);
  const auto zone =
      std::find_if(snapshot->zones.begin(), snapshot->zones.end(),
                   [&](const auto& z) { return zone_name.empty() || z.name == zone_name; });
  if (zone == snapshot->zones.end()) return Fail("there is no zone '" + zone_name + "'");
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  HttpRequest request;
  const HttpResult result = ParseHttpRequest(text, request);
  json answer = {{"zone", zone->name}, {"rule", ""}, {"because", json::array()}};
  if (result.status == HttpStatus::kIncomplete) return Fail("the request is incomplete");
  if (result.status == HttpStatus::kError) {
    Describe(zone->responses, DecideError(result.error, result.head), answer);
  } else {
    RuleState& state = *snapshot->rule_states[0];
    const RuleView view{snapshot->rules.get(), &state,
                        static_cast<uint32_t>(zone - snapshot->zones.begin())};
    Describe(zone->responses, Decide(request, zone->responses.GetOffer(), view), answer);
    const uint32_t index = snapshot->rules->Find(request, view.zone, state);
    if (index != RuleSet::kNone) {
      answer["rule"] = snapshot->rules->Rules()[index].name;
      answer["because"] = Because(snapshot->rules->Rules()[index], request);
    }
  }
  std::cout << answer.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
  return 0;
}

}  // namespace narthex
