// SPDX-License-Identifier: Apache-2.0
// narthexd: wires the parts of the control plane together and waits for its end.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "control/alarms.h"
#include "control/api_server.h"
#include "control/bpf_dns.h"
#include "control/classifier.h"
#include "control/clock.h"
#include "control/config.h"
#include "control/expiry.h"
#include "control/garden_service.h"
#include "control/gateway_service.h"
#include "control/instance.h"
#include "control/interface_settings.h"
#include "control/interface_watch.h"
#include "control/log_sink.h"
#include "control/own_addresses.h"
#include "control/policy_check.h"
#include "control/policy_snapshot.h"
#include "control/reload.h"
#include "control/route_watch.h"
#include "control/rules_service.h"
#include "control/session_service.h"

namespace narthex {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitConfig = 78;  // EX_CONFIG

int Report(const Error& error, int code = kExitFailed) {
  std::fprintf(stderr, "narthexd: %s\n", error.message.c_str());
  return code;
}

void SetLogLevel(const std::string& level) {
  spdlog::default_logger()->set_level(spdlog::level::from_str(level));
}

void OpenLog(const std::string& level) {
  auto log = std::make_shared<spdlog::logger>("narthexd", std::make_shared<LogSink>(STDERR_FILENO));
  log->flush_on(spdlog::level::trace);
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::set_default_logger(log);
  SetLogLevel(level);
  RouteLibbpfMessages();
}

// The signals that mean something to narthexd; blocked in every thread, taken by
// ServeUntilSignal alone.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

MapIdentity KnownMaps(SessionStore& store) {
  auto id = store.Meta("sessions_map_id");
  auto boot = store.Meta("sessions_map_boot");
  auto layout = store.Meta("sessions_map_layout");
  if (!id || !boot || !layout || *boot != SystemClock().BootId()) return {};
  return {static_cast<uint32_t>(std::strtoul(id->c_str(), nullptr, 10)), *layout};
}

std::vector<SessionStore::MetaUpdate> MapsToRemember(const MapIdentity& identity) {
  return {{"sessions_map_id", std::to_string(identity.sessions_map_id)},
          {"sessions_map_boot", SystemClock().BootId()},
          {"sessions_map_layout", identity.layout}};
}

// Whether the dataplane would take this configuration: an error if not, kUnavailable if it did not
// say so in time; else empty, or why it could not be asked.
Result<std::string> AskDataplane(const Config& config, const std::string& path) {
  auto verdict = CheckPolicy(PolicyText(config, 1));
  if (!verdict && (verdict.error().kind == ErrorKind::kInvalid ||
                   verdict.error().kind == ErrorKind::kUnavailable))
    return Fail(verdict.error().kind, fmt::format("{}: {}", path, verdict.error().message));
  if (verdict && *verdict == PolicyVerdict::kGood) return std::string();
  return fmt::format(
      "sizes and templates are not checked: {}",
      verdict ? "there is no narthex-dataplane beside narthexd" : verdict.error().message);
}

// Until a signal says that it is enough; SIGHUP asks for a reload. Returns the signal.
int ServeUntilSignal(const sigset_t& signals, Reload& reload) {
  int number = 0;
  while (sigwait(&signals, &number) == 0 && number == SIGHUP)
    if (auto done = reload.Run("SIGHUP"); !done) continue;  // it is in the log
  return number;
}

// From what was in force to this start's: programs first, then what is in maps that both use, the
// store, the dataplane's snapshot. Unless it is kept, all of it goes back with this object. What
// was learned for names that are no longer in the garden does not: it is learned again.
class SwitchOver {
 public:
  SwitchOver(const Config& config, Classifier& classifier, BpfDnsTable& dns_table)
      : config_(config),
        classifier_(classifier),
        dns_table_(dns_table),
        garden_(classifier.ReadGarden()),
        dns_rules_(dns_table.Rules()) {}
  ~SwitchOver() {
    if (kept_) return;
    if (auto put = classifier_.PutGarden(garden_); !put) spdlog::error("{}", put.error().message);
    for (uint16_t zone = 0; zone < dns_rules_.size(); ++zone)
      dns_table_.SetRules(zone, dns_rules_[zone]);
  }
  SwitchOver(const SwitchOver&) = delete;
  SwitchOver& operator=(const SwitchOver&) = delete;

  struct Parts {
    Sessions& sessions;
    DnsWatch& dns_watch;
  };
  Outcome Run(const Parts& parts) {
    auto identity = classifier_.maps().Identity();
    if (!identity) return Fail(identity.error());
    auto fill = [&] { return classifier_.FillGarden(config_.zones); };
    // Programs that are to use a new map find it filled.
    if (classifier_.maps().IsNew("garden"))
      if (auto filled = fill(); !filled) return filled;
    if (auto attached = classifier_.Attach(); !attached) return attached;
    if (auto filled = fill(); !filled) return filled;
    if (auto applied = parts.dns_watch.Apply(config_.zones); !applied) return applied;
    return parts.sessions.SaveStart(MapsToRemember(*identity));
  }
  Outcome Keep(PolicyWriter& policy) {
    if (auto put = policy.PutInForce(config_); !put) return put;
    auto kept = classifier_.Keep();
    kept_ = kept.has_value();
    return kept;
  }

 private:
  const Config& config_;
  Classifier& classifier_;
  BpfDnsTable& dns_table_;
  const Classifier::Garden garden_;
  const std::vector<nx_dns_rules> dns_rules_;
  bool kept_ = false;
};

// None where no zone asks for routes.
Result<std::unique_ptr<RouteWatch>> WatchRoutes(const Config& config, const Clock& clock,
                                                Classifier& classifier) {
  if (std::none_of(config.zones.begin(), config.zones.end(),
                   [](const ZoneConfig& zone) { return zone.forwarding == Forwarding::kFib; }))
    return {};
  return RouteWatch::Start([&](bool plain) {
    classifier.SayRoutesPlain(plain ? static_cast<uint64_t>(clock.BootNs()) + NX_ROUTES_PLAIN_NS
                                    : 0);
  });
}

Outcome Serve(const Config& config, const std::string& path) {
  SystemClock clock;
  Layout layout(config);
  sigset_t signals = BlockSignals();
  if (auto ready = PreflightClassifier(config); !ready) return ready;
  for (const std::string& warning : InterfaceWarnings(config)) spdlog::warn("{}", warning);
  auto instance = Instance::Claim(config);
  if (!instance) return Fail(instance.error());
  std::string store_path = config.state_dir + "/sessions.db";
  for (const char* suffix : {"", "-wal", "-shm"}) (*instance)->Creates(store_path + suffix);
  auto store = SessionStore::Open(store_path, clock, &layout);
  if (!store) return Fail(store.error());

  auto classifier = Classifier::Load(config, layout, KnownMaps(**store));
  if (!classifier) return Fail(classifier.error());
  auto table =
      BpfSessionTable::Over((*classifier)->maps(), layout, (*classifier)->settle_program());
  if (!table) return Fail(table.error());
  SessionMap map(layout, **table);
  LimitMap limits(**table);
  PolicyTable policies(**store, **table);
  KernelNeighbours neighbours;
  Sessions sessions(
      {**store, map, limits, policies, layout, clock, neighbours, config.max_duration});
  auto reconciled = sessions.Start(config.policies);
  if (!reconciled) return Fail(reconciled.error());
  spdlog::info("sessions: {} kept, {} added, {} removed in the map", reconciled->kept,
               reconciled->added, reconciled->removed);
  BpfLearnedTable learned_table((*classifier)->maps(), (*classifier)->garden_blocks());
  HostAddresses host_addresses;
  LearnedGarden learned(learned_table, clock,
                        [&](const Address& address) { return host_addresses.Contains(address); });
  if (auto taken = learned.Start(); !taken) return taken;
  auto dns_table = BpfDnsTable::Over((*classifier)->maps());
  if (!dns_table) return Fail(dns_table.error());
  DnsWatch dns_watch(learned, **dns_table, clock);
  CookieKeys cookie_keys((*classifier)->cookie_keys());
  cookie_keys.Start();
  for (const std::string& each : {PolicyPath(config), NewPolicyPath(config)})
    (*instance)->Creates(each);
  PolicyWriter policy(sessions);
  if (auto prepared = policy.Prepare(config); !prepared) return prepared;

  Reload reload(path, config, [&](const Config& next) { return AskDataplane(next, path); });
  reload.Add("log",
             [](const Config& next) -> Outcome { return SetLogLevel(next.log_level), Outcome(); });
  reload.Add("garden", [&](const Config& next) { return (*classifier)->FillGarden(next.zones); });
  reload.Add("policies", [&](const Config& next) { return sessions.ApplyPolicies(next.policies); });
  reload.Add("policy", [&](const Config& next) { return policy.Write(next); });
  // Last: what was learned does not come back if a later part fails.
  reload.Add("garden by name", [&](const Config& next) { return dns_watch.Apply(next.zones); });
  Peers peers;
  SessionService session_service(sessions, clock, peers);
  auto alarms = Alarms::Start((*classifier)->maps().Descriptor("events"), sessions, layout);
  if (!alarms) return Fail(alarms.error());
  GatewayService gateway_service(
      {**classifier, sessions, layout, clock, peers, policy, reload, **alarms});
  GardenService garden_service(learned, dns_watch, reload, clock);
  RulesService rules_service(reload);
  auto api = ApiServer::Listen(
      config.socket_path, {&session_service, &gateway_service, &garden_service, &rules_service},
      peers);
  if (!api) return Fail(api.error());

  {
    SwitchOver switch_over(config, **classifier, **dns_table);
    if (auto done = switch_over.Run({sessions, dns_watch}); !done) return done;
    auto watch = InterfaceWatch::Start([&] {
      (*classifier)->FollowInterfaces();
      sessions.ReadOwnAddresses();
    });
    if (!watch) return Fail(watch.error());
    auto routes = WatchRoutes(config, clock, **classifier);
    if (!routes) return Fail(routes.error());
    auto answers = AnswerRing::Start((*classifier)->maps(),
                                     [&](const nx_dns_answer& answer) { dns_watch.Answer(answer); },
                                     [&] { dns_watch.Tick(); });
    if (!answers) return Fail(answers.error());
    if (auto kept = switch_over.Keep(policy); !kept) return kept;
    (*instance)->Keep();
    sessions.CatchUp();
    Expiry expiry(sessions, cookie_keys, clock);
    sessions.OnEarlierExpiry([&] { expiry.Wake(); });
    (*api)->Start();
    auto count = sessions.Count();
    spdlog::info("narthexd: ready, instance '{}', {} sessions in force, socket {}", config.instance,
                 count ? *count : 0, config.socket_path);
    sd_notify(0, "READY=1");
    int signal_number = ServeUntilSignal(signals, reload);
    spdlog::info("narthexd: {}: ending, the classifier stays attached", strsignal(signal_number));
    api->reset();
  }
  if (auto saved = sessions.SaveCounters(SIZE_MAX); !saved) return saved;
  return (*store)->Checkpoint();
}

Outcome Detach(const Config& config) {
  auto instance = Instance::Claim(config);
  if (!instance) return Fail(instance.error());
  auto freed = DetachClassifier(config.bpffs_dir);
  if (!freed) return Fail(freed.error());
  unlink(PolicyPath(config).c_str());
  std::printf("instance '%s': %s; the gateway no longer intercepts: everybody passes\n",
              config.instance.c_str(),
              freed->empty() ? "nothing was attached"
                             : fmt::format("detached from {}", fmt::join(*freed, ", ")).c_str());
  return {};
}

int Main(int argc, char** argv) {
  CLI::App app("narthexd: the control plane of the narthex captive-portal gateway");
  std::string path = "/etc/narthex/narthex.toml";
  bool check = false, detach = false;
  app.add_option("-c,--config", path, "Configuration file")->capture_default_str();
  app.add_flag("--check", check, "Check the configuration and exit");
  app.add_flag("--detach", detach, "Take the classifier off all interfaces and exit");
  app.set_version_flag("--version", "narthexd " NARTHEX_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return Report({ErrorKind::kInvalid, fmt::format("{}; see narthexd --help", error.what())},
                  kExitUsage);
  }
  auto config = LoadConfig(path);
  if (!config) return Report(config.error(), kExitConfig);
  auto unchecked = detach ? std::string() : AskDataplane(*config, path);
  // A machine that is too busy to check must not be without logins, too.
  const bool too_late = !unchecked && unchecked.error().kind == ErrorKind::kUnavailable;
  if (!unchecked && !(too_late && !check)) return Report(unchecked.error(), kExitConfig);
  if (too_late) unchecked = unchecked.error().message;
  if (check) {
    std::printf("%s: good, %zu zones\n", path.c_str(), config->zones.size());
    if (!unchecked->empty()) std::printf("%s: %s\n", path.c_str(), unchecked->c_str());
    return 0;
  }
  OpenLog(config->log_level);
  if (!unchecked->empty()) spdlog::warn("policy: {}", *unchecked);
  auto outcome = detach ? Detach(*config) : Serve(*config, path);
  return outcome ? 0 : Report(outcome.error());
}

}  // namespace
}  // namespace narthex

int main(int argc, char** argv) { return narthex::Main(argc, argv); }
