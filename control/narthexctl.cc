// SPDX-License-Identifier: Apache-2.0
// narthexctl: what people and scripts say to narthexd.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "control/config_values.h"
#include "control/ctl/bulk.h"
#include "control/ctl/client.h"
#include "control/ctl/garden.h"
#include "control/ctl/mistype.h"
#include "control/ctl/output.h"
#include "control/ctl/rules.h"

namespace narthex::ctl {
namespace {

enum ExitCode { kOk = 0, kFailed = 1, kUsage = 2, kNotFound = 3, kUnreachable = 4, kRefused = 5 };

constexpr char kExamples[] = R"(
Examples:
  narthexctl session authorize 10.51.1.2 --for 1h
  narthexctl session authorize 10.51.1.2 2001:db8:51:1::2 --for 12h
  narthexctl session authorize 02:00:00:00:00:01 --zone lobby --for 7d --policy gold
  narthexctl session authorize --from clients.txt --for 4h
  narthexctl session set-policy 10.51.1.2 silver
  narthexctl session list -o json
  narthexctl session terminate 10.51.1.2 --yes
  narthexctl explain 10.51.1.2
  narthexctl status
  narthexctl reload
  narthexctl rules test 'GET http://captive.apple.com/hotspot-detect.html'
  narthexctl garden list
  narthexctl garden test idp.example.com:443

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such session, not in the garden, 4 narthexd not reachable,
5 refused (not permitted, or the session table is full).
)";

struct Options {
  std::string socket;
  std::string output = "table";
  std::string timeout = "10s";
  std::vector<std::string> keys;
  std::string from;
  std::string name;
  std::string policy;
  std::string mac;
  std::string zone;
  std::string duration;
  std::string user_agent;
  std::string language;
  bool yes = false;

  bool json() const { return output == "json"; }
};

int Report(const std::string& message, int code) {
  std::fprintf(stderr, "narthexctl: %s\n", message.c_str());
  return code;
}

int Report(const grpc::Status& status, const Options& options) {
  // What gRPC itself says when there is nobody: the daemon's own UNAVAILABLE names the store.
  bool unreachable = status.error_code() == grpc::StatusCode::UNAVAILABLE &&
                     !status.error_message().starts_with("session store");
  if (unreachable)
    return Report(fmt::format("no narthexd answers at {}: start narthexd, or pass --socket PATH",
                              options.socket),
                  kUnreachable);
  switch (status.error_code()) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Report(
          fmt::format("narthexd at {} did not answer within {}", options.socket, options.timeout),
          kUnreachable);
    case grpc::StatusCode::NOT_FOUND:
      return Report(status.error_message(), kNotFound);
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return Report(status.error_message(), kRefused);
    default:
      return Report(status.error_message(), kFailed);
  }
}

void Print(const std::string& text) { std::fputs(text.c_str(), stdout); }

template <typename Message>
void Show(const Options& options, const Message& message) {
  Print(options.json() ? Json(message) : Table(message));
}

int AuthoriseFile(Client& client, const Options& options, const SessionWish& common) {
  std::ifstream file(options.from == "-" ? "/dev/stdin" : options.from);
  if (!file)
    return Report(fmt::format("{} cannot be read: {}", options.from, std::strerror(errno)), kUsage);
  std::vector<size_t> lines;
  std::vector<SessionWish> wishes = ReadWishes(file, common, lines);
  BulkReport report;
  auto status = AuthoriseAll(client, wishes, lines, report);
  for (const std::string& refused : report.refused)
    Report(fmt::format("{}:{}", options.from, refused), kFailed);
  if (options.json())
    Print(fmt::format("{{\"authorised\": {}, \"refused\": {}}}\n", report.authorised,
                      report.refused.size()));
  else
    Print(fmt::format("{} authorised, {} refused\n", report.authorised, report.refused.size()));
  if (!status.ok()) return Report(status, options);
  return report.refused.empty() ? kOk : kFailed;
}

int Authorise(Client& client, const Options& options) {
  auto duration = ParseDuration(options.duration);
  if (!duration) return Report("--for: " + duration.error().message, kUsage);
  if (options.keys.empty() == options.from.empty())
    return Report("session authorize: name keys, or a file with --from", kUsage);
  SessionWish wish{options.keys, options.zone, options.policy, options.mac, *duration};
  if (!options.from.empty()) return AuthoriseFile(client, options, wish);
  v1::Session session;
  auto status = client.Authorise(wish, session);
  if (!status.ok()) return Report(status, options);
  Show(options, session);
  if (!options.json())
    Print(fmt::format("in force after {}\n", Milliseconds(session.in_force_after())));
  return kOk;
}

int Get(Client& client, const Options& options) {
  v1::Session session;
  auto status = client.Get(options.name, session);
  if (!status.ok()) return Report(status, options);
  Show(options, session);
  return kOk;
}

int List(Client& client, const Options& options) {
  std::vector<v1::Session> sessions;
  auto status = client.List(sessions);
  if (!status.ok()) return Report(status, options);
  Show(options, sessions);
  return kOk;
}

int Terminate(Client& client, const Options& options) {
  if (!options.yes) {
    if (isatty(STDIN_FILENO) == 0)
      return Report("this ends the client's access; pass --yes to confirm", kUsage);
    std::fprintf(stderr, "End the session of %s now? [y/N] ", options.name.c_str());
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != "y" && answer != "Y" && answer != "yes") return Report("nothing done", kFailed);
  }
  v1::TerminateSessionResponse response;
  auto status = client.Terminate(options.name, response);
  if (!status.ok()) return Report(status, options);
  if (options.json())
    Print(Json(response));
  else
    Print(fmt::format("ended {}\nin force after {}\n", response.session().name(),
                      Milliseconds(response.in_force_after())));
  return kOk;
}

int SetPolicy(Client& client, const Options& options) {
  v1::Session session;
  auto status =
      client.SetPolicy(options.name, options.policy == "none" ? "" : options.policy, session);
  if (!status.ok()) return Report(status, options);
  Show(options, session);
  return kOk;
}

int ListPolicies(Client& client, const Options& options) {
  v1::ListPoliciesResponse answer;
  auto status = client.ListPolicies(answer);
  if (!status.ok()) return Report(status, options);
  Show(options, answer);
  return kOk;
}

int ShowPolicy(Client& client, const Options& options) {
  v1::ListPoliciesResponse answer;
  auto status = client.ListPolicies(answer);
  if (!status.ok()) return Report(status, options);
  for (const v1::Policy& policy : answer.policies()) {
    if (policy.name() != options.name) continue;
    Show(options, policy);
    return kOk;
  }
  return Report(fmt::format("there is no policy '{}'", options.name), kNotFound);
}

int Status(Client& client, const Options& options) {
  v1::Status answer;
  auto status = client.GetStatus(answer);
  if (!status.ok()) return Report(status, options);
  Show(options, answer);
  return kOk;
}

int Reload(Client& client, const Options& options) {
  v1::ReloadResponse answer;
  auto status = client.Reload(answer);
  if (!status.ok()) return Report(status, options);
  Show(options, answer);
  if (answer.has_in_force_after()) return kOk;
  return Report(fmt::format("{} of {} workers have not taken policy version {} yet",
                            answer.workers_running() - answer.workers_in_force(),
                            answer.workers_running(), answer.policy_version()),
                kFailed);
}

int GardenList(Client& client, const Options& options) {
  v1::ListGardenResponse answer;
  auto status = client.ListGarden(answer);
  if (!status.ok()) return Report(status, options);
  Show(options, answer);
  return kOk;
}

int GardenTest(Client& client, const Options& options) {
  v1::TestGardenRequest request;
  if (!ParseHostPort(options.name, request))
    return Report(
        fmt::format("'{}' is no HOST[:PORT]; IPv6 with a port is [ADDRESS]:PORT", options.name),
        kUsage);
  request.set_zone(options.zone);
  v1::TestGardenResponse answer;
  auto status = client.TestGarden(request, answer);
  if (!status.ok()) return Report(status, options);
  Show(options, answer);
  return answer.admitted() ? kOk : kNotFound;
}

int Explain(Client& client, const Options& options) {
  v1::Explanation answer;
  auto status = client.Explain(options.name, answer);
  if (!status.ok()) return Report(status, options);
  Show(options, answer);
  return kOk;
}

int RulesList(Client& client, const Options& options) {
  v1::ListRulesResponse answer;
  auto status = client.ListRules(answer);
  if (!status.ok()) return Report(status, options);
  Show(options, answer);
  return kOk;
}

int RulesTest(Client& client, const Options& options) {
  v1::TestRuleRequest request;
  ParseRequestLine(options.name, request);
  request.set_user_agent(options.user_agent);
  request.set_language(options.language);
  request.set_zone(options.zone);
  v1::TestRuleResponse answer;
  auto status = client.TestRule(request, answer);
  if (!status.ok()) return Report(status, options);
  Show(options, answer);
  return kOk;
}

int RulesCheck(Client& client, const Options& options) {
  v1::CheckRulesResponse answer;
  auto status = client.CheckRules(answer);
  if (!status.ok()) return Report(status, options);
  Show(options, answer);
  return kOk;
}

using Command = std::function<int(Client&, const Options&)>;

// The command tree; the chosen leaf puts itself into `chosen`.
void Describe(CLI::App& app, Options& options, Command& chosen) {
  auto leaf = [&](CLI::App& parent, const char* name, const char* text, Command command) {
    CLI::App* sub = parent.add_subcommand(name, text);
    sub->callback([&chosen, command] { chosen = command; });
    return sub;
  };
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(kExamples);
  app.set_version_flag("--version", "narthexctl " NARTHEX_VERSION);
  app.add_option("--socket", options.socket, "API socket of narthexd")
      ->envname("NARTHEX_SOCKET")
      ->default_val("/run/narthex/api.sock");
  app.add_option("-o,--output", options.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--timeout", options.timeout, "Longest wait for an answer")->capture_default_str();

  CLI::App* session = app.add_subcommand("session", "Who may pass, and until when");
  session->require_subcommand(1);
  session->fallthrough();
  CLI::App* authorise = leaf(*session, "authorize",
                             "Let a client pass; extends its session if it has one", Authorise);
  authorise->alias("authorise");
  authorise->add_option("KEY", options.keys,
                        "Addresses, prefixes, MAC addresses, lines (line:100.7) of one client");
  authorise->add_option("--from", options.from,
                        "File with the keys of a client a line; - is stdin");
  authorise->add_option("--for", options.duration, "How long: 30m, 12h, 7d")->required();
  authorise->add_option("--policy", options.policy, "Policy; none, or as it is, otherwise");
  authorise->add_option("--mac", options.mac,
                        "MAC address to bind to; the kernel's neighbour decides it otherwise");
  authorise->add_option("--zone", options.zone, "Zone; the keys decide it otherwise");
  CLI::App* get = leaf(*session, "get", "Show one session", Get);
  get->add_option("KEY", options.name, "Key, or name of the session")->required();
  leaf(*session, "list", "Show all sessions", List);
  CLI::App* terminate = leaf(*session, "terminate", "End a session now", Terminate);
  terminate->add_option("KEY", options.name, "Key, or name of the session")->required();
  terminate->add_flag("--yes", options.yes, "Do not ask");
  CLI::App* set_policy = leaf(*session, "set-policy", "Give a session another policy", SetPolicy);
  set_policy->add_option("KEY", options.name, "Key, or name of the session")->required();
  set_policy->add_option("POLICY", options.policy, "Name of a policy, or none")->required();
  CLI::App* policy = app.add_subcommand("policy", "What sessions may use");
  policy->require_subcommand(1);
  leaf(*policy, "list", "Show all policies", ListPolicies);
  CLI::App* show = leaf(*policy, "show", "Show one policy", ShowPolicy);
  show->add_option("NAME", options.name, "Name of the policy")->required();
  leaf(app, "status", "Sessions, interfaces, workers and counters", Status);
  leaf(app, "reload", "Read the configuration again and put it in force", Reload);
  CLI::App* garden = app.add_subcommand("garden", "What clients reach before they log in");
  garden->require_subcommand(1);
  leaf(*garden, "list", "Entries, and the addresses learned for names", GardenList)->fallthrough();
  CLI::App* test = leaf(*garden, "test", "Whether the garden admits a host, and why", GardenTest);
  test->add_option("HOST", options.name, "HOST|ADDRESS[:PORT]")->required();
  test->add_option("--zone", options.zone, "In this zone only");
  test->fallthrough();
  CLI::App* rules = app.add_subcommand("rules", "What chooses the response to a request");
  rules->require_subcommand(1);
  leaf(*rules, "list", "The rules in force, and how often each has decided", RulesList)
      ->fallthrough();
  leaf(*rules, "check", "Check the configured rules as they are in their files now", RulesCheck)
      ->fallthrough();
  CLI::App* rules_test =
      leaf(*rules, "test", "Which rule decides a request, with which response, and why", RulesTest);
  rules_test->add_option("REQUEST", options.name, "'[METHOD] http://host/path'")->required();
  rules_test->add_option("--user-agent", options.user_agent, "User-Agent of the request");
  rules_test->add_option("--language", options.language, "Accept-Language of the request");
  rules_test->add_option("--zone", options.zone, "In this zone; by default the first");
  rules_test->fallthrough();
  CLI::App* explain = leaf(app, "explain", "What happens to a client's packets, and why", Explain);
  explain->add_option("ADDRESS", options.name, "Address of the client")->required();
  for (CLI::App* each : {authorise, get, terminate, explain}) each->fallthrough();
  for (CLI::App* each : app.get_subcommands([](CLI::App*) { return true; })) each->fallthrough();
  for (CLI::App* parent : {session, policy})
    for (CLI::App* each : parent->get_subcommands([](CLI::App*) { return true; }))
      each->fallthrough();
}

int Main(int argc, char** argv) {
  CLI::App app("narthexctl: control a narthex captive-portal gateway");
  Options options;
  Command command;
  Describe(app, options, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::string mistyped = MistypedCommand(app);
    return Report(
        fmt::format("{}; see narthexctl --help", mistyped.empty() ? error.what() : mistyped),
        kUsage);
  }
  auto timeout = ParseDuration(options.timeout);
  if (!timeout) return Report("--timeout: " + timeout.error().message, kUsage);
  Client client(options.socket, *timeout);
  return command(client, options);
}

}  // namespace
}  // namespace narthex::ctl

int main(int argc, char** argv) { return narthex::ctl::Main(argc, argv); }
