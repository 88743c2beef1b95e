// SPDX-License-Identifier: Apache-2.0
#include "control/config_zone.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "bpf/abi.h"
#include "control/config_access.h"
#include "control/config_values.h"
#include "control/garden_name.h"
#include "control/layout.h"

namespace narthex {
namespace {

constexpr size_t kMaxVlans = 256;        // of one zone
constexpr uint16_t kLargestVlan = 4094;  // IEEE 802.1Q: 4095 is reserved

std::vector<PortRange> ReadRanges(const Value& value) {
  std::vector<PortRange> ranges;
  for (const Value& text : value.List(NX_MAX_GARDEN_RANGES))
    ranges.push_back(text.Parsed(ParsePortRange));
  return ranges;
}

// A prefix, or a name whose addresses are learned.
void ReadGarden(const Value& value, ZoneConfig& zone) {
  std::optional<Prefix> prefix;
  GardenNameEntry entry;
  const toml::table& table = value.Table();
  if (table.contains("name") == table.contains("prefix"))
    value.Refuse("wanted prefix = \"ADDRESS/LENGTH\" or name = \"HOST\", one of them");
  ReadTable(table, "zone.garden",
            {{"prefix", [&](const Value& v) { prefix = v.Parsed(ParsePrefix); }},
             {"name", [&](const Value& v) { entry.name = v.Parsed(ParseGardenName); }},
             {"tcp", [&](const Value& v) { entry.tcp = ReadRanges(v); }},
             {"udp", [&](const Value& v) { entry.udp = ReadRanges(v); }}});
  size_t ranges = entry.tcp.size() + entry.udp.size();
  if (ranges == 0) value.Refuse("it opens nothing: name tcp or udp ports");
  if (ranges > NX_MAX_GARDEN_RANGES)
    value.Refuse(
        fmt::format("{} port ranges, at most {} are possible", ranges, NX_MAX_GARDEN_RANGES));
  if (!prefix) return zone.garden_names.push_back(std::move(entry));
  zone.garden.push_back({*prefix, std::move(entry.tcp), std::move(entry.udp)});
}

DnsConfig ReadDns(const Value& value) {
  DnsConfig dns;
  auto seconds = [](const Value& v) { return v.Parsed(ParseDuration); };
  const toml::table& table = value.Table();
  ReadTable(
      table, "zone.dns",
      {{"mode",
        [&](const Value& v) {
          std::string mode = v.OneOf({"off", "observe", "enforce"});
          dns.mode = mode == "off"       ? DnsMode::kOff
                     : mode == "observe" ? DnsMode::kObserve
                                         : DnsMode::kEnforce;
        }},
       {"max_label",
        [&](const Value& v) { dns.max_label = static_cast<uint8_t>(v.Integer(1, 63)); }},
       {"max_name",
        [&](const Value& v) { dns.max_name = static_cast<uint8_t>(v.Integer(1, 253)); }},
       {"max_answer",
        [&](const Value& v) { dns.max_answer = static_cast<uint16_t>(v.Integer(512, 65535)); }},
       {"tunnel_bytes",
        [&](const Value& v) {
          dns.tunnel_bytes = static_cast<uint32_t>(v.Integer(200, 1'000'000));
        }},
       {"tunnel_block", [&](const Value& v) { dns.tunnel_block = seconds(v); }},
       {"garden_ttl_min", [&](const Value& v) { dns.garden_ttl_min = seconds(v); }},
       {"garden_ttl_max", [&](const Value& v) { dns.garden_ttl_max = seconds(v); }}});
  if (dns.garden_ttl_max < dns.garden_ttl_min)
    value.Refuse("garden_ttl_max is shorter than garden_ttl_min");
  return dns;
}

// Names are of use only where answers can be read.
void CheckNames(const ZoneConfig& zone, const Value& value) {
  if (zone.garden_names.empty()) return;
  if (zone.resolvers.empty())
    value.Refuse(fmt::format("zone '{}' has a garden by name, but no resolvers", zone.name));
  for (const GardenNameEntry& entry : zone.garden_names) {
    size_t ranges = 0;
    for (const GardenNameEntry& other : zone.garden_names)
      if (MatchesGardenName(other.name, entry.name) || other.name == entry.name)
        ranges += other.tcp.size() + other.udp.size();
    if (ranges > NX_MAX_GARDEN_RANGES)
      value.Refuse(
          fmt::format("garden name '{}' has {} port ranges, those of other entries that "
                      "match it included; at most {} are possible",
                      entry.name, ranges, NX_MAX_GARDEN_RANGES));
  }
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

Forwarding ReadForwarding(const Value& value) {
  std::string name = value.OneOf({"kernel", "fib", "bridge"});
  return name == "fib"      ? Forwarding::kFib
         : name == "bridge" ? Forwarding::kBridge
                            : Forwarding::kKernel;
}

// Keys that mean something with certain kinds of forwarding only.
void CheckForwarding(const ZoneConfig& zone, const Value& zone_value) {
  const toml::table& table = zone_value.Table();
  bool bridge = zone.forwarding == Forwarding::kBridge;
  auto refuse = [&](const char* key, const char* why) {
    if (table.get(key)) Value(*table.get(key), fmt::format("zone.{}", key)).Refuse(why);
  };
  if (!bridge) refuse("bridge_uplink", "only with forwarding = \"bridge\"");
  if (bridge) RequireKey(table, "zone", "bridge_uplink");
  if (zone.forwarding != Forwarding::kKernel) return;
  for (const char* key : {"access_vlan", "uplink_vlan"})
    refuse(key, "only with forwarding = \"fib\" or \"bridge\": the kernel has VLAN interfaces");
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

}  // namespace

TemplateConfig ReadTemplate(const Value& value) {
  constexpr std::streamsize kMost = 65536;  // far beyond any page that fits a segment
  TemplateConfig page{value.Checked(CheckAbsolutePath), ""};
  std::error_code error;
  if (std::filesystem::is_directory(page.file, error)) value.Refuse(page.file + " is a directory");
  std::ifstream file(page.file, std::ios::binary);
  if (!file) value.Refuse(fmt::format("{} cannot be read: {}", page.file, std::strerror(errno)));
  page.text.resize(kMost);
  file.read(page.text.data(), kMost);
  page.text.resize(static_cast<size_t>(file.gcount()));
  return page;
}

namespace {

LanguageConfig ReadLanguage(const Value& value) {
  LanguageConfig language;
  const toml::table& table = value.Table();
  for (std::string_view key : {"tag", "title", "message", "link_text"})
    RequireKey(table, "zone.language", key);
  ReadTable(
      table, "zone.language",
      {{"tag", [&](const Value& v) { language.tag = v.Checked(CheckLanguageTag); }},
       {"title", [&](const Value& v) { language.title = v.Checked(CheckPageText); }},
       {"message", [&](const Value& v) { language.message = v.Checked(CheckPageText); }},
       {"link_text", [&](const Value& v) { language.link_text = v.Checked(CheckPageText); }},
       {"template", [&](const Value& v) { language.page = ReadTemplate(v); }},
       {"template_compact", [&](const Value& v) { language.compact_page = ReadTemplate(v); }}});
  return language;
}

std::vector<LanguageConfig> ReadLanguages(const Value& value) {
  std::vector<LanguageConfig> languages;
  for (const Value& entry : value.List(kMaxLanguages)) {
    LanguageConfig language = ReadLanguage(entry);
    for (const LanguageConfig& earlier : languages)
      if (earlier.tag == language.tag)
        entry.Refuse(fmt::format("language '{}' is there twice", language.tag));
    languages.push_back(std::move(language));
  }
  return languages;
}

// Puts the zone's default language first. English needs no entry: the dataplane has its texts.
void OrderLanguages(ZoneConfig& zone, const std::string& first, const toml::table& table) {
  auto found = std::find_if(zone.languages.begin(), zone.languages.end(),
                            [&](const LanguageConfig& each) { return each.tag == first; });
  if (found != zone.languages.end()) {
    std::rotate(zone.languages.begin(), found, found + 1);
    return;
  }
  if (first != "en")
    Value(*table.get("default_language"), "zone.default_language")
        .Refuse(fmt::format("there is no [[zone.language]] with tag = \"{}\"", first));
  if (zone.languages.size() == kMaxLanguages)
    Value(*table.get("language"), "zone.language")
        .Refuse(fmt::format("{} languages with English, at most {} are possible", kMaxLanguages + 1,
                            kMaxLanguages));
  zone.languages.insert(zone.languages.begin(), LanguageConfig{.tag = "en"});
}

std::vector<uint16_t> ReadVlans(const Value& value) {
  std::vector<uint16_t> vlans;
  for (const Value& entry : value.List(kMaxVlans)) {
    auto vlan = static_cast<uint16_t>(entry.Integer(1, kLargestVlan));
    if (std::find(vlans.begin(), vlans.end(), vlan) != vlans.end())
      entry.Refuse(fmt::format("VLAN {} is named twice", vlan));
    vlans.push_back(vlan);
  }
  if (vlans.empty())
    value.Refuse("wanted at least one VLAN; without the key the zone has the rest");
  return vlans;
}

ZoneConfig ReadZone(const Value& value) {
  ZoneConfig zone;
  std::string default_language = "en";
  std::optional<TemplateConfig> page, compact_page;
  const toml::table& table = value.Table();
  for (std::string_view key : {"name", "interface", "network_name", "portal_url"})
    RequireKey(table, "zone", key);
  std::vector<std::pair<std::string_view, Setter>> setters = {
      {"name", [&](const Value& v) { zone.name = v.Checked(CheckZoneName); }},
      {"interface", [&](const Value& v) { zone.interface = v.Checked(CheckInterfaceName); }},
      {"vlans", [&](const Value& v) { zone.vlans = ReadVlans(v); }},
      {"queues",
       [&](const Value& v) { zone.queues = static_cast<uint32_t>(v.Integer(1, NX_MAX_QUEUES)); }},
      {"mode", [&](const Value& v) { zone.mode = ReadMode(v); }},
      {"pools", [&](const Value& v) { zone.pools = ReadPrefixes(v, true, NX_MAX_POOLS); }},
      {"ipv6_prefixes",
       [&](const Value& v) { zone.ipv6_prefixes = ReadPrefixes(v, false, NX_MAX_PREFIXES); }},
      {"intercept_ports", [&](const Value& v) { zone.intercept_ports = ReadPorts(v); }},
      {"forwarding", [&](const Value& v) { zone.forwarding = ReadForwarding(v); }},
      {"bridge_uplink",
       [&](const Value& v) { zone.bridge_uplink = v.Checked(CheckInterfaceName); }},
      {"access_vlan", [&](const Value& v) { zone.access_vlan = v.Parsed(ParseVlanTags); }},
      {"uplink_vlan", [&](const Value& v) { zone.uplink_vlan = v.Parsed(ParseVlanTags); }},
      {"resolvers", [&](const Value& v) { zone.resolvers = ReadResolvers(v); }},
      {"network_name", [&](const Value& v) { zone.network_name = v.Checked(CheckNetworkName); }},
      {"portal_url",
       [&](const Value& v) {
         v.Parsed(ParsePortalUrl);
         zone.portal_url = v.String();
       }},
      {"api_url",
       [&](const Value& v) {
         if (!v.String().starts_with("https://")) v.Refuse("RFC 8908 wants an https URL");
         v.Parsed(ParsePortalUrl);
         zone.api_url = v.String();
       }},
      {"default_media_type",
       [&](const Value& v) {
         zone.default_media_type = v.OneOf({"html", "text"});
       }},
      {"default_language", [&](const Value& v) { default_language = v.Checked(CheckLanguageTag); }},
      {"language", [&](const Value& v) { zone.languages = ReadLanguages(v); }},
      {"template", [&](const Value& v) { page = ReadTemplate(v); }},
      {"template_compact", [&](const Value& v) { compact_page = ReadTemplate(v); }},
      {"garden",
       [&](const Value& v) {
         for (const Value& entry : v.List(NX_MAX_GARDEN)) ReadGarden(entry, zone);
       }},
      {"dns", [&](const Value& v) { zone.dns = ReadDns(v); }}};
  AddAccessKeys(zone, setters);
  ReadTable(table, "zone", setters);
  OrderLanguages(zone, default_language, table);
  for (LanguageConfig& language : zone.languages) {
    if (!language.page) language.page = page;
    if (!language.compact_page) language.compact_page = compact_page;
  }
  CheckForwarding(zone, value);
  CheckPortalReachable(zone, Value(*table.get("portal_url"), "zone.portal_url"));
  CheckNames(zone, value);
  if (zone.pools.empty() && zone.ipv6_prefixes.empty())
    value.Refuse(fmt::format("zone '{}' has no clients: name pools or ipv6_prefixes", zone.name));
  CheckSessionLengths(zone, table);
  return zone;
}

// Two zones on one interface are told apart by the outer VLAN tag.
template <class Refuse>
void CheckSharedInterface(const ZoneConfig& zone, const ZoneConfig& other, Refuse refuse) {
  if (zone.vlans.empty() && other.vlans.empty())
    refuse("interface", fmt::format("'{}' belongs to zone '{}' already; several zones on one "
                                    "interface are told apart by their vlans",
                                    zone.interface, other.name));
  for (uint16_t vlan : zone.vlans)
    if (std::find(other.vlans.begin(), other.vlans.end(), vlan) != other.vlans.end())
      refuse("vlans", fmt::format("VLAN {} of {} belongs to zone '{}' already", vlan,
                                  zone.interface, other.name));
  if (zone.queues != other.queues)
    refuse("interface", fmt::format("'{}' has queues = {} in zone '{}', {} here", zone.interface,
                                    other.queues, other.name, zone.queues));
  if (zone.forwarding == Forwarding::kBridge || other.forwarding == Forwarding::kBridge)
    refuse("interface", fmt::format("'{}' cannot be a bridge's port and shared with zone '{}'",
                                    zone.interface, other.name));
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
    if (zone.interface == other.interface) CheckSharedInterface(zone, other, refuse);
    if (!zone.bridge_uplink.empty() && zone.bridge_uplink == other.bridge_uplink)
      refuse("bridge_uplink", fmt::format("'{}' is the other port of zone '{}' already",
                                          zone.bridge_uplink, other.name));
    check_overlap("pools", other, zone.pools, other.pools);
    check_overlap("ipv6_prefixes", other, zone.ipv6_prefixes, other.ipv6_prefixes);
  }
}

}  // namespace

void CheckUplinksOf(const ZoneConfig& zone, const std::vector<std::string>& uplinks,
                    const Value& zone_value) {
  const toml::table& table = zone_value.Table();
  if (zone.forwarding == Forwarding::kFib && uplinks.empty())
    Value(*table.get("forwarding"), "zone.forwarding")
        .Refuse("\"fib\" sends to uplinks, and 'uplinks' names none");
  if (zone.forwarding == Forwarding::kBridge &&
      std::find(uplinks.begin(), uplinks.end(), zone.bridge_uplink) == uplinks.end())
    Value(*table.get("bridge_uplink"), "zone.bridge_uplink")
        .Refuse(fmt::format("'{}' is not among 'uplinks'", zone.bridge_uplink));
}

void ReadZones(Config& config, const Value& value) {
  size_t garden_entries = 0;
  for (const Value& element : value.List(NX_MAX_ZONES)) {
    ZoneConfig zone = ReadZone(element);
    CheckAgainstEarlier(config.zones, zone, element.Table());
    zone.id = static_cast<uint16_t>(config.zones.size() + 1);
    garden_entries += zone.garden.size() + zone.garden_names.size();
    config.zones.push_back(std::move(zone));
    if (Layout::PoolAddresses(config.zones) > (1u << 24))
      element.Refuse("the pools of all zones have more than 2^24 addresses");
    if (garden_entries > NX_MAX_GARDEN)
      element.Refuse(fmt::format("more than {} garden entries in all zones", NX_MAX_GARDEN));
  }
}

}  // namespace narthex
