// SPDX-License-Identifier: Apache-2.0
#include "control/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "bpf/abi.h"
#include "control/config_policy.h"
#include "control/config_reader.h"
#include "control/config_rules.h"
#include "control/config_values.h"
#include "control/config_zone.h"

namespace narthex {
namespace {

constexpr uint32_t kMaxCapacity = 1u << 27;
constexpr size_t kMaxSocketPath = 107;  // sockaddr_un

void ReadPaths(Config& config, const Value& value) {
  ReadTable(value.Table(), "paths",
            {{"state", [&](const Value& v) { config.state_dir = v.Checked(CheckAbsolutePath); }},
             {"run", [&](const Value& v) { config.run_dir = v.Checked(CheckAbsolutePath); }},
             {"bpffs", [&](const Value& v) { config.bpffs_dir = v.Checked(CheckAbsolutePath); }}});
}

void ReadSessions(Config& config, const Value& value) {
  ReadTable(
      value.Table(), "sessions",
      {{"capacity",
        [&](const Value& v) {
          config.session_capacity = static_cast<uint32_t>(v.Integer(1, kMaxCapacity));
        }},
       {"max_duration", [&](const Value& v) { config.max_duration = v.Parsed(ParseDuration); }}});
}

void ReadDataplane(Config& config, const Value& value) {
  ReadTable(value.Table(), "dataplane",
            {{"hugepages",
              [&](const Value& v) {
                config.hugepages = v.OneOf({"auto", "never"});
              }},
             {"idle_backoff", [&](const Value& v) { config.idle_backoff = v.Bool(); }}});
}

void ReadLog(Config& config, const Value& value) {
  ReadTable(value.Table(), "log",
            {{"level", [&](const Value& v) {
                config.log_level = v.OneOf({"trace", "debug", "info", "warn", "error"});
              }}});
}

void ReadApi(Config& config, const Value& value) {
  ReadTable(
      value.Table(), "api",
      {{"socket", [&](const Value& v) { config.socket_path = v.Checked(CheckAbsolutePath); }}});
}

std::vector<std::string> ReadUplinks(const Value& value) {
  std::vector<std::string> uplinks;
  for (const Value& name : value.List(NX_MAX_UPLINKS)) {
    std::string uplink = name.Checked(CheckInterfaceName);
    if (std::find(uplinks.begin(), uplinks.end(), uplink) != uplinks.end())
      name.Refuse(fmt::format("'{}' is named twice", uplink));
    uplinks.push_back(std::move(uplink));
  }
  return uplinks;
}

Config ReadRoot(const toml::table& root) {
  Config config;
  ReadTable(root, "",
            {{"instance", [&](const Value& v) { config.instance = v.Checked(CheckInstanceName); }},
             {"paths", [&](const Value& v) { ReadPaths(config, v); }},
             {"api", [&](const Value& v) { ReadApi(config, v); }},
             {"log", [&](const Value& v) { ReadLog(config, v); }},
             {"sessions", [&](const Value& v) { ReadSessions(config, v); }},
             {"dataplane", [&](const Value& v) { ReadDataplane(config, v); }},
             {"uplinks", [&](const Value& v) { config.uplinks = ReadUplinks(v); }},
             {"rules", [&](const Value& v) { ReadRules(config, v); }},
             {"policy", [&](const Value& v) { config.policies = ReadPolicies(v); }},
             {"zone", [&](const Value& v) { ReadZones(config, v); }}});
  for (const ZoneConfig& zone : config.zones)
    if (!zone.garden_names.empty() && config.uplinks.empty())
      Value(*root.get("zone"), "zone.garden.name")
          .Refuse(fmt::format("zone '{}' has a garden by name: name the uplinks, where the "
                              "resolvers' answers arrive",
                              zone.name));
  for (const std::string& uplink : config.uplinks)
    for (const ZoneConfig& zone : config.zones)
      if (uplink == zone.interface)
        Value(*root.get("uplinks"), "uplinks")
            .Refuse(fmt::format("'{}' is the interface of zone '{}'", uplink, zone.name));
  for (size_t i = 0; i < config.zones.size(); ++i)
    CheckUplinksOf(config.zones[i], config.uplinks,
                   Value(*root.get_as<toml::array>("zone")->get(i), "zone"));
  if (config.zones.empty())
    throw Refusal{root.source(), "zone", "no access network: add at least one [[zone]]"};

  if (!root.contains("rules")) AddDefaultRules(config);
  CheckRuleZones(config);

  auto fill = [&](std::string& path, const char* parent) {
    if (path.empty()) path = fmt::format("{}/{}", parent, config.instance);
  };
  fill(config.state_dir, "/var/lib");
  fill(config.run_dir, "/run");
  fill(config.bpffs_dir, "/sys/fs/bpf");
  bool socket_named = !config.socket_path.empty();
  if (!socket_named) config.socket_path = config.run_dir + "/api.sock";
  if (config.socket_path.size() > kMaxSocketPath) {
    const toml::node* named = root.at_path(socket_named ? "api.socket" : "paths.run").node();
    throw Refusal{named ? named->source() : root.source(),
                  socket_named ? "api.socket" : "paths.run",
                  fmt::format("socket path '{}' has {} bytes, at most {} are possible",
                              config.socket_path, config.socket_path.size(), kMaxSocketPath)};
  }
  return config;
}

}  // namespace

std::string_view ModeName(Mode mode) {
  switch (mode) {
    case Mode::kEnforce:
      return "enforce";
    case Mode::kMonitor:
      return "monitor";
    case Mode::kBypass:
      return "bypass";
  }
  return "";
}

const PolicyConfig* FindPolicy(const std::vector<PolicyConfig>& policies, std::string_view name) {
  auto found = std::find_if(policies.begin(), policies.end(),
                            [&](const PolicyConfig& each) { return each.name == name; });
  return found == policies.end() ? nullptr : &*found;
}

Result<Config> ParseConfig(std::string_view text, const std::string& file_name) {
  try {
    return ReadRoot(toml::parse(text));
  } catch (const toml::parse_error& error) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}:{}:{}: not TOML: {}", file_name, error.source().begin.line,
                            error.source().begin.column, error.description()));
  } catch (const Refusal& refusal) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}:{}:{}: key '{}': {}", file_name, refusal.where.begin.line,
                            refusal.where.begin.column, refusal.key, refusal.why));
  } catch (const Error& error) {  // of a file that this one names
    return Fail(error);
  }
}

Result<Config> LoadConfig(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))
    return Fail(ErrorKind::kInvalid, fmt::format("{}: is not a file; pass --config FILE", path));
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || file.bad())
    return Fail(ErrorKind::kInvalid, fmt::format("{}: cannot be read: {}; pass --config FILE", path,
                                                 std::strerror(errno)));
  return ParseConfig(text.str(), path);
}

}  // namespace narthex
