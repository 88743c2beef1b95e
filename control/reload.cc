// SPDX-License-Identifier: Apache-2.0
#include "control/reload.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace narthex {
namespace {

// ---- which keys need a restart -------------------------------------------------------------

// What a running narthexd can change, taken from `now` into `next`. Everything else is fixed.
void IgnoreRuntimeKeys(const ZoneConfig& now, ZoneConfig& next) {
  next.network_name = now.network_name;
  next.portal_url = now.portal_url;
  next.api_url = now.api_url;
  next.default_media_type = now.default_media_type;
  next.languages = now.languages;
  next.garden = now.garden;
  next.garden_names = now.garden_names;
  next.dns = now.dns;
}

void IgnoreRuntimeKeys(const Config& now, Config& next) {
  next.log_level = now.log_level;
  next.rules = now.rules;
  // The first policy needs room in the maps.
  if (now.policies.empty() == next.policies.empty()) next.policies = now.policies;
  for (size_t i = 0; i < next.zones.size() && i < now.zones.size(); ++i)
    IgnoreRuntimeKeys(now.zones[i], next.zones[i]);
}

// The names of the fixed ones, for the message.
template <typename T>
struct ConfigKey {
  const char* name;
  bool (*same)(const T&, const T&);
};

template <auto member, typename T>
bool Same(const T& a, const T& b) {
  return a.*member == b.*member;
}

bool SameIdentities(const ZoneConfig& a, const ZoneConfig& b) {
  return a.mac_sessions == b.mac_sessions && a.line_sessions == b.line_sessions;
}
bool SameBindings(const ZoneConfig& a, const ZoneConfig& b) {
  return a.bind_mac == b.bind_mac && a.bind_vlan == b.bind_vlan;
}

constexpr ConfigKey<Config> kFixed[] = {
    {"instance", Same<&Config::instance, Config>},
    {"uplinks", Same<&Config::uplinks, Config>},
    {"paths.state", Same<&Config::state_dir, Config>},
    {"paths.run", Same<&Config::run_dir, Config>},
    {"paths.bpffs", Same<&Config::bpffs_dir, Config>},
    {"api.socket", Same<&Config::socket_path, Config>},
    {"sessions.capacity", Same<&Config::session_capacity, Config>},
    {"sessions.max_duration", Same<&Config::max_duration, Config>},
    {"dataplane.hugepages", Same<&Config::hugepages, Config>},
    {"dataplane.idle_backoff", Same<&Config::idle_backoff, Config>},
    {"policy (the first, or the last)", Same<&Config::policies, Config>},
};

constexpr ConfigKey<ZoneConfig> kFixedOfZone[] = {
    {"name", Same<&ZoneConfig::name, ZoneConfig>},
    {"interface", Same<&ZoneConfig::interface, ZoneConfig>},
    {"vlans", Same<&ZoneConfig::vlans, ZoneConfig>},
    {"queues", Same<&ZoneConfig::queues, ZoneConfig>},
    {"mode", Same<&ZoneConfig::mode, ZoneConfig>},
    {"pools", Same<&ZoneConfig::pools, ZoneConfig>},
    {"ipv6_prefixes", Same<&ZoneConfig::ipv6_prefixes, ZoneConfig>},
    {"intercept_ports", Same<&ZoneConfig::intercept_ports, ZoneConfig>},
    {"resolvers", Same<&ZoneConfig::resolvers, ZoneConfig>},
    {"forwarding", Same<&ZoneConfig::forwarding, ZoneConfig>},
    {"bridge_uplink", Same<&ZoneConfig::bridge_uplink, ZoneConfig>},
    {"access_vlan", Same<&ZoneConfig::access_vlan, ZoneConfig>},
    {"uplink_vlan", Same<&ZoneConfig::uplink_vlan, ZoneConfig>},
    {"identities", SameIdentities},
    {"ipv6_session_lengths", Same<&ZoneConfig::ipv6_session_lengths, ZoneConfig>},
    {"bind", SameBindings},
    {"watch_moves", Same<&ZoneConfig::watch_moves, ZoneConfig>},
    {"watch_ports", Same<&ZoneConfig::watch_ports, ZoneConfig>},
    {"syn_per_second", Same<&ZoneConfig::syn_per_second, ZoneConfig>},
    {"rst_per_second", Same<&ZoneConfig::rst_per_second, ZoneConfig>},
    {"icmp_per_second", Same<&ZoneConfig::icmp_per_second, ZoneConfig>},
    {"dns_per_second", Same<&ZoneConfig::dns_per_second, ZoneConfig>},
    {"refuse_tcp", Same<&ZoneConfig::reject_tcp, ZoneConfig>},
    {"refuse_udp", Same<&ZoneConfig::reject_udp, ZoneConfig>},
};

}  // namespace

std::vector<std::string> KeysThatNeedARestart(const Config& now, const Config& next) {
  Config fixed = next;
  IgnoreRuntimeKeys(now, fixed);
  if (fixed == now) return {};
  std::vector<std::string> keys;
  for (const auto& key : kFixed)
    if (!key.same(now, fixed)) keys.emplace_back(key.name);
  const bool as_many = now.zones.size() == fixed.zones.size();
  if (!as_many) keys.emplace_back("zone (their number)");
  for (size_t i = 0; as_many && i < now.zones.size(); ++i)
    for (const auto& key : kFixedOfZone)
      if (!key.same(now.zones[i], fixed.zones[i]))
        keys.push_back(fmt::format("zone.{} of '{}'", key.name, now.zones[i].name));
  // Somebody added a key and named it nowhere here.
  if (keys.empty()) keys.emplace_back("a key without a name");
  return keys;
}

// ---- the reload ----------------------------------------------------------------------------

std::shared_ptr<const Config> Reload::Current() const {
  std::lock_guard lock(current_mutex_);
  return current_;
}

Outcome Reload::ApplyAll(const Config& next, const Config& now) {
  for (size_t i = 0; i < parts_.size(); ++i) {
    auto applied = parts_[i].apply(next);
    if (applied) continue;
    // The one that failed, too: it may have come half the way.
    for (size_t done = i + 1; done-- > 0;)
      if (auto undone = parts_[done].apply(now); !undone)
        spdlog::error("reload: {} cannot be put back: {}", parts_[done].name,
                      undone.error().message);
    return Fail(applied.error().kind,
                fmt::format("{}: {}", parts_[i].name, applied.error().message));
  }
  return {};
}

Result<Config> Reload::Read() const {
  auto next = LoadConfig(path_);
  if (!next) return next;
  if (auto keys = KeysThatNeedARestart(*Current(), *next); !keys.empty())
    return Fail(ErrorKind::kPrecondition,
                fmt::format("{}: needs a restart of narthexd: {}", path_, fmt::join(keys, ", ")));
  auto warning = check_(*next);
  if (!warning) return Fail(warning.error());
  if (!warning->empty()) spdlog::warn("policy: {}", *warning);
  return next;
}

Result<bool> Reload::Replace() {
  auto next = Read();
  if (!next) return Fail(next.error());
  auto now = Current();
  // Even without a change: an earlier reload may have been cut short, and parts work by difference.
  if (auto applied = ApplyAll(*next, *now); !applied) return Fail(applied.error());
  bool changed = !(*next == *now);
  std::lock_guard lock(current_mutex_);
  current_ = std::make_shared<const Config>(std::move(*next));
  return changed;
}

Result<bool> Reload::Run(const std::string& who) {
  std::lock_guard lock(running_);
  auto changed = Replace();
  if (changed)
    spdlog::info("reload by {}: {}", who,
                 *changed ? "the new configuration is in force" : "nothing has changed");
  else
    spdlog::error("reload by {}: refused, the configuration before stays in force: {}", who,
                  changed.error().message);
  return changed;
}

}  // namespace narthex
