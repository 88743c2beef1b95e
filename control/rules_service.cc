// SPDX-License-Identifier: Apache-2.0
#include "control/rules_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>

#include "control/api_server.h"
#include "control/policy_check.h"
#include "control/policy_snapshot.h"
#include "control/rule_lint.h"

namespace narthex {
namespace {

constexpr size_t kMostValues = 10;  // of a condition, in an answer

void Describe(const RuleConfig& rule, v1::Rule& message) {
  message.set_name(rule.name);
  message.set_place(rule.place);
  message.set_source(rule.source);
  message.set_respond(rule.respond);
  message.set_location(rule.location);
  for (const std::string& tag : rule.tags) message.add_tags(tag);
  for (size_t field = 0; field < kRuleFields.size(); ++field)
    for (size_t kind = 0; kind < kPatternKinds.size(); ++kind) {
      const auto& texts = rule.fields[field].texts[kind];
      if (texts.empty()) continue;
      auto end = texts.begin() + static_cast<std::ptrdiff_t>(std::min(texts.size(), kMostValues));
      message.add_conditions(fmt::format(
          "{}.{}: {}{}", kRuleFields[field], kPatternKinds[kind],
          fmt::join(texts.begin(), end, ", "),
          texts.size() > kMostValues ? fmt::format(" and {} more", texts.size() - kMostValues)
                                     : ""));
    }
}

// What the dataplane has counted (dataplane/policy/rule_hits.h); nothing if it never ran.
nlohmann::json ReadHits(const Config& config) {
  std::ifstream file(config.run_dir + "/rule_hits.json");
  auto json = nlohmann::json::parse(file, nullptr, false);
  return json.is_object() ? json.value("hits", nlohmann::json::object()) : nlohmann::json::object();
}

}  // namespace

Result<std::string> RequestText(const v1::TestRuleRequest& request) {
  std::string_view url = request.url();
  if (!url.starts_with("http://"))
    return Fail(ErrorKind::kInvalid,
                fmt::format("'{}' is no http URL: wanted http://host/path", url));
  url.remove_prefix(7);
  std::string_view host = url.substr(0, url.find('/'));
  std::string_view path = url.substr(host.size());
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n",
                                 request.method().empty() ? "GET" : request.method(),
                                 path.empty() ? "/" : path, host);
  if (!request.user_agent().empty())
    text += fmt::format("User-Agent: {}\r\n", request.user_agent());
  if (!request.language().empty())
    text += fmt::format("Accept-Language: {}\r\n", request.language());
  return text + "\r\n";
}

grpc::Status RulesService::ListRules(grpc::ServerContext*, const v1::ListRulesRequest* request,
                                     v1::ListRulesResponse* response) {
  auto config = reload_.Current();
  size_t begin = 0;
  const std::string& token = request->page_token();
  auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), begin);
  if (!token.empty() && (error != std::errc() || end != token.data() + token.size()))
    return ToStatus({ErrorKind::kInvalid, "page_token is not one of ours"});
  if (request->page_size() < 0 || request->page_size() > 1000)
    return ToStatus({ErrorKind::kInvalid, "page_size must be 0 to 1000"});
  const size_t size = request->page_size() == 0 ? 100 : static_cast<size_t>(request->page_size());
  const size_t past = std::min(config->rules.size(), begin + size);
  const nlohmann::json hits = ReadHits(*config);
  for (size_t i = begin; i < past; ++i) {
    v1::Rule& message = *response->add_rules();
    Describe(config->rules[i], message);
    if (auto found = hits.find(config->rules[i].name);
        found != hits.end() && found->is_number_unsigned())
      message.set_hits(found->get<uint64_t>());
  }
  if (past < config->rules.size()) response->set_next_page_token(std::to_string(past));
  return grpc::Status::OK;
}

grpc::Status RulesService::TestRule(grpc::ServerContext*, const v1::TestRuleRequest* request,
                                    v1::TestRuleResponse* response) {
  auto config = reload_.Current();
  auto text = RequestText(*request);
  if (!text) return ToStatus(text.error());
  auto line = AskDecision(PolicyPath(*config), request->zone(), *text);
  if (!line) return ToStatus(line.error());
  auto answer = nlohmann::json::parse(*line, nullptr, false);
  if (!answer.is_object())
    return ToStatus({ErrorKind::kFailed, "the dataplane's answer is no JSON"});
  response->set_rule(answer.value("rule", ""));
  response->set_zone(answer.value("zone", ""));
  response->set_respond(answer.value("respond", ""));
  response->set_status_line(answer.value("status", ""));
  response->set_location(answer.value("location", ""));
  for (const auto& reason : answer.value("because", nlohmann::json::array()))
    response->add_because(reason.get<std::string>());
  for (const RuleConfig& rule : config->rules)
    if (rule.name == response->rule()) response->set_place(rule.place);
  return grpc::Status::OK;
}

grpc::Status RulesService::CheckRules(grpc::ServerContext*, const v1::CheckRulesRequest*,
                                      v1::CheckRulesResponse* response) {
  auto next = reload_.Read();
  if (!next) return ToStatus(next.error());
  response->set_rules(static_cast<uint32_t>(next->rules.size()));
  for (std::string& warning : LintRules(*next)) response->add_warnings(std::move(warning));
  return grpc::Status::OK;
}

}  // namespace narthex
