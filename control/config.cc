// SPDX-License-Identifier: Apache-2.0
#include "control/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <set>
#include <sstream>

#include "bpf/abi.h"
#include "control/config_values.h"
#include "control/layout.h"

namespace narthex {
namespace {

constexpr uint32_t kMaxCapacity = 1u << 27;
constexpr size_t kMaxSocketPath = 107;  // sockaddr_un

// Leaves the parser; caught in ParseConfig, so that the walk below reads straight on.
struct Refusal {
  toml::source_region where;
  std::string key;
  std::string why;
};

std::string_view KindName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a floating-point number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

// One value and the name under which people know it.
class Value {
 public:
  Value(const toml::node& node, std::string key) : node_(node), key_(std::move(key)) {}

  [[noreturn]] void Refuse(std::string why) const { throw Refusal{node_.source(), key_, why}; }

  std::string String() const { return As<std::string>("a string"); }
  bool Bool() const { return As<bool>("true or false"); }
  int64_t Integer(int64_t low, int64_t high) const {
    int64_t value = As<int64_t>("an integer");
    if (value < low || value > high)
      Refuse(fmt::format("{} is not between {} and {}", value, low, high));
    return value;
  }
  std::vector<Value> List(size_t most) const {
    const toml::array* array = node_.as_array();
    if (array == nullptr) Refuse(fmt::format("wanted an array, this is {}", KindName(node_)));
    if (array->size() > most)
      Refuse(fmt::format("{} entries, at most {} are possible", array->size(), most));
    std::vector<Value> values;
    for (const toml::node& element : *array) values.emplace_back(element, key_);
    return values;
  }
  const toml::table& Table() const {
    const toml::table* table = node_.as_table();
    if (table == nullptr) Refuse(fmt::format("wanted a table, this is {}", KindName(node_)));
    return *table;
  }
  // What `parse` makes of the string, or its refusal at this place.
  template <typename Parser>
  auto Parsed(Parser parse) const {
    auto result = parse(String());
    if (!result) Refuse(result.error().message);
    return std::move(*result);
  }
  template <typename Checker>
  std::string Checked(Checker check) const {
    std::string text = String();
    if (auto outcome = check(text); !outcome) Refuse(outcome.error().message);
    return text;
  }
  std::string OneOf(std::initializer_list<std::string_view> choices) const {
    std::string text = String();
    if (std::find(choices.begin(), choices.end(), text) == choices.end())
      Refuse(fmt::format("'{}' is none of {}", text, fmt::join(choices, ", ")));
    return text;
  }

 private:
  template <typename T>
  T As(std::string_view wanted) const {
    if (!node_.is<T>()) Refuse(fmt::format("wanted {}, this is {}", wanted, KindName(node_)));
    return *node_.value<T>();
  }

  const toml::node& node_;
  std::string key_;
};

using Setter = std::function<void(const Value&)>;

// Hands each key of `table` to its setter; a key without one is unknown.
void ReadTable(const toml::table& table, const std::string& path,
               const std::vector<std::pair<std::string_view, Setter>>& setters) {
  for (const auto& [key, node] : table) {
    std::string full =
        path.empty() ? std::string(key.str()) : fmt::format("{}.{}", path, key.str());
    auto setter = std::find_if(setters.begin(), setters.end(),
                               [&](const auto& known) { return known.first == key.str(); });
    if (setter == setters.end()) {
      std::vector<std::string_view> names;
      for (const auto& known : setters) names.push_back(known.first);
      throw Refusal{key.source(), full,
                    fmt::format("unknown key; known here: {}", fmt::join(names, ", "))};
    }
    setter->second(Value(node, full));
  }
}

void RequireKey(const toml::table& table, const std::string& path, std::string_view key) {
  if (!table.contains(key))
    throw Refusal{table.source(), fmt::format("{}.{}", path, key), "is missing"};
}

std::vector<PortRange> ReadRanges(const Value& value) {
  std::vector<PortRange> ranges;
  for (const Value& text : value.List(NX_MAX_GARDEN_RANGES))
    ranges.push_back(text.Parsed(ParsePortRange));
  return ranges;
}

GardenEntry ReadGarden(const Value& value) {
  GardenEntry entry;
  const toml::table& table = value.Table();
  RequireKey(table, "zone.garden", "prefix");
  ReadTable(table, "zone.garden",
            {{"prefix", [&](const Value& v) { entry.prefix = v.Parsed(ParsePrefix); }},
             {"tcp", [&](const Value& v) { entry.tcp = ReadRanges(v); }},
             {"udp", [&](const Value& v) { entry.udp = ReadRanges(v); }}});
  size_t ranges = entry.tcp.size() + entry.udp.size();
  if (ranges == 0) value.Refuse("it opens nothing: name tcp or udp ports");
  if (ranges > NX_MAX_GARDEN_RANGES)
    value.Refuse(
        fmt::format("{} port ranges, at most {} are possible", ranges, NX_MAX_GARDEN_RANGES));
  return entry;
}

std::vector<Prefix> ReadPrefixes(const Value& value, bool v4, size_t most) {
  std::vector<Prefix> prefixes;
  for (const Value& text : value.List(most)) {
    Prefix prefix = text.Parsed(ParsePrefix);
    if (prefix.base.IsV4() != v4)
      text.Refuse(fmt::format("{} is not an {} prefix", prefix.ToString(), v4 ? "IPv4" : "IPv6"));
    if (v4 && prefix.bits < 128 - 24)
      text.Refuse(fmt::format("{} has more than 2^24 addresses", prefix.ToString()));
    for (const Prefix& earlier : prefixes)
      if (prefix.Overlaps(earlier))
        text.Refuse(fmt::format("{} overlaps {}", prefix.ToString(), earlier.ToString()));
    prefixes.push_back(prefix);
  }
  return prefixes;
}

std::vector<uint16_t> ReadPorts(const Value& value) {
  std::vector<uint16_t> ports;
  for (const Value& port : value.List(NX_MAX_PORTS))
    ports.push_back(static_cast<uint16_t>(port.Integer(1, 65535)));
  return ports;
}

std::vector<Address> ReadResolvers(const Value& value) {
  std::vector<Address> resolvers;
  for (const Value& text : value.List(NX_MAX_RESOLVERS))
    resolvers.push_back(text.Parsed(ParseAddress));
  return resolvers;
}

Mode ReadMode(const Value& value) {
  std::string name = value.OneOf({"enforce", "monitor", "bypass"});
  return name == "enforce" ? Mode::kEnforce : name == "monitor" ? Mode::kMonitor : Mode::kBypass;
}

// A portal named by address must be in the garden, or its page would never open.
void CheckPortalReachable(const ZoneConfig& zone, const Value& url_value) {
  PortalUrl url = url_value.Parsed(ParsePortalUrl);
  auto address = ParseAddress(url.host);
  if (!address) return;  // a host name; resolved by the clients
  for (const GardenEntry& entry : zone.garden) {
    if (!entry.prefix.Contains(*address)) continue;
    for (const PortRange& range : entry.tcp)
      if (url.port >= range.first && url.port <= range.last) return;
  }
  url_value.Refuse(
      fmt::format("clients cannot reach it: add prefix \"{}/{}\" with tcp = [\"{}\"] to "
                  "zone.garden",
                  url.host, address->IsV4() ? 32 : 128, url.port));
}

ZoneConfig ReadZone(const Value& value) {
  ZoneConfig zone;
  const toml::table& table = value.Table();
  for (std::string_view key : {"name", "interface", "network_name", "portal_url"})
    RequireKey(table, "zone", key);
  ReadTable(
      table, "zone",
      {{"name", [&](const Value& v) { zone.name = v.Checked(CheckZoneName); }},
       {"interface", [&](const Value& v) { zone.interface = v.Checked(CheckInterfaceName); }},
       {"queues",
        [&](const Value& v) { zone.queues = static_cast<uint32_t>(v.Integer(1, NX_MAX_QUEUES)); }},
       {"mode", [&](const Value& v) { zone.mode = ReadMode(v); }},
       {"pools", [&](const Value& v) { zone.pools = ReadPrefixes(v, true, NX_MAX_POOLS); }},
       {"ipv6_prefixes",
        [&](const Value& v) { zone.ipv6_prefixes = ReadPrefixes(v, false, NX_MAX_PREFIXES); }},
       {"intercept_ports", [&](const Value& v) { zone.intercept_ports = ReadPorts(v); }},
       {"resolvers", [&](const Value& v) { zone.resolvers = ReadResolvers(v); }},
       {"network_name", [&](const Value& v) { zone.network_name = v.Checked(CheckNetworkName); }},
       {"portal_url",
        [&](const Value& v) {
          v.Parsed(ParsePortalUrl);
          zone.portal_url = v.String();
        }},
       {"garden", [&](const Value& v) {
          for (const Value& entry : v.List(NX_MAX_GARDEN)) zone.garden.push_back(ReadGarden(entry));
        }}});
  CheckPortalReachable(zone, Value(*table.get("portal_url"), "zone.portal_url"));
  if (zone.pools.empty() && zone.ipv6_prefixes.empty())
    value.Refuse(fmt::format("zone '{}' has no clients: name pools or ipv6_prefixes", zone.name));
  return zone;
}

// What no zone sees alone: names, interfaces and addresses belong to one zone only.
void CheckAgainstEarlier(const std::vector<ZoneConfig>& earlier, const ZoneConfig& zone,
                         const toml::table& table) {
  auto refuse = [&](const char* key, std::string why) {
    Value(*table.get(key), fmt::format("zone.{}", key)).Refuse(std::move(why));
  };
  auto check_overlap = [&](const char* key, const ZoneConfig& other,
                           const std::vector<Prefix>& ours, const std::vector<Prefix>& theirs) {
    for (const Prefix& prefix : ours)
      for (const Prefix& taken : theirs)
        if (prefix.Overlaps(taken))
          refuse(key, fmt::format("{} overlaps {} of zone '{}'", prefix.ToString(),
                                  taken.ToString(), other.name));
  };
  for (const ZoneConfig& other : earlier) {
    if (zone.name == other.name) refuse("name", fmt::format("'{}' is taken already", zone.name));
    if (zone.interface == other.interface)
      refuse("interface",
             fmt::format("'{}' belongs to zone '{}' already", zone.interface, other.name));
    check_overlap("pools", other, zone.pools, other.pools);
    check_overlap("ipv6_prefixes", other, zone.ipv6_prefixes, other.ipv6_prefixes);
  }
}

void ReadZones(Config& config, const Value& value) {
  size_t garden_entries = 0;
  for (const Value& element : value.List(NX_MAX_ZONES)) {
    ZoneConfig zone = ReadZone(element);
    CheckAgainstEarlier(config.zones, zone, element.Table());
    zone.id = static_cast<uint16_t>(config.zones.size() + 1);
    garden_entries += zone.garden.size();
    config.zones.push_back(std::move(zone));
    if (Layout::PoolAddresses(config.zones) > (1u << 24))
      element.Refuse("the pools of all zones have more than 2^24 addresses");
    if (garden_entries > NX_MAX_GARDEN)
      element.Refuse(fmt::format("more than {} garden entries in all zones", NX_MAX_GARDEN));
  }
}

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
  for (const Value& name : value.List(NX_MAX_ZONES)) {
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
             {"zone", [&](const Value& v) { ReadZones(config, v); }}});
  for (const std::string& uplink : config.uplinks)
    for (const ZoneConfig& zone : config.zones)
      if (uplink == zone.interface)
        Value(*root.get("uplinks"), "uplinks")
            .Refuse(fmt::format("'{}' is the interface of zone '{}'", uplink, zone.name));
  if (config.zones.empty())
    throw Refusal{root.source(), "zone", "no access network: add at least one [[zone]]"};

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
  }
}

Result<Config> LoadConfig(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || file.bad())
    return Fail(ErrorKind::kInvalid, fmt::format("{}: cannot be read: {}; pass --config FILE", path,
                                                 std::strerror(errno)));
  return ParseConfig(text.str(), path);
}

}  // namespace narthex
