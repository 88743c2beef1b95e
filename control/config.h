// SPDX-License-Identifier: Apache-2.0
// The configuration of one instance as plain values, and its parser. A Config that exists is
// valid: nobody checks it again. Every key is described in deploy/narthex.toml; which of them can
// change while narthexd runs is said in control/reload.cc.
#ifndef NARTHEX_CONTROL_CONFIG_H
#define NARTHEX_CONTROL_CONFIG_H

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/abi.h"
#include "control/address.h"
#include "control/error.h"
#include "control/rule.h"

namespace narthex {

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
  bool operator==(const PortRange&) const = default;
};

struct GardenEntry {
  Prefix prefix;
  std::vector<PortRange> tcp;
  std::vector<PortRange> udp;
  bool operator==(const GardenEntry&) const = default;
};

// A garden entry by name; its addresses are learned from the resolvers' answers.
struct GardenNameEntry {
  std::string name;  // as ParseGardenName gives it
  std::vector<PortRange> tcp;
  std::vector<PortRange> udp;
  bool operator==(const GardenNameEntry&) const = default;
};

enum class DnsMode { kOff, kObserve, kEnforce };

// What DNS may be like before the login, and how long its answers open the garden.
struct DnsConfig {
  DnsMode mode = DnsMode::kOff;
  uint8_t max_label = 63;      // bytes
  uint8_t max_name = 160;      // bytes as text
  uint16_t max_answer = 1232;  // bytes of an answer over UDP
  uint32_t tunnel_bytes = 2000;
  std::chrono::seconds tunnel_block = std::chrono::minutes(5);
  std::chrono::seconds garden_ttl_min = std::chrono::minutes(5);
  std::chrono::seconds garden_ttl_max = std::chrono::hours(1);
  bool operator==(const DnsConfig&) const = default;
};

enum class Mode { kEnforce, kMonitor, kBypass };
std::string_view ModeName(Mode mode);

// How packets that pass go on (bpf/forward.h).
enum class Forwarding { kKernel, kFib, kBridge };

// Outer and inner tag of a frame; 0: none. The only tag of a frame is the outer.
using VlanTags = std::array<uint16_t, 2>;

// What the responses say in one language. Texts are empty only for English without an entry.
struct LanguageConfig {
  std::string tag;
  std::string title;
  std::string message;
  std::string link_text;
  std::optional<TemplateConfig> page;
  std::optional<TemplateConfig> compact_page;
  bool operator==(const LanguageConfig&) const = default;
};
inline constexpr size_t kMaxLanguages = 16;  // of a zone

// What one session may use; 0: no limit. Bytes are those of frames, rates those of IP packets.
struct PolicyConfig {
  std::string name;
  uint64_t rate_up = 0;  // bits a second
  uint64_t rate_down = 0;
  uint64_t quota_up = 0;  // bytes
  uint64_t quota_down = 0;
  uint64_t quota_total = 0;
  std::chrono::seconds idle{0};
  nx_at_quota at_quota = NX_AT_QUOTA_PORTAL;
  uint64_t throttle_up = 0;  // bits a second, once a quota is used up
  uint64_t throttle_down = 0;

  bool HasQuota() const { return quota_up != 0 || quota_down != 0 || quota_total != 0; }
  bool operator==(const PolicyConfig&) const = default;
};

struct ZoneConfig {
  uint16_t id = 0;  // from 1, in order of the file
  std::string name;
  std::string interface;
  std::vector<uint16_t> vlans;  // outer tags of the zone's frames; empty: the rest of the interface
  uint32_t queues = 1;
  Mode mode = Mode::kEnforce;
  std::vector<Prefix> pools;          // IPv4, disjoint over all zones
  std::vector<Prefix> ipv6_prefixes;  // disjoint over all zones
  std::vector<uint16_t> intercept_ports = {80};
  std::vector<Address> resolvers;
  std::string network_name;
  std::string portal_url;
  std::string api_url;  // may be empty
  std::string default_media_type = "html";
  std::vector<LanguageConfig> languages;  // the first is for everybody else
  std::vector<GardenEntry> garden;
  std::vector<GardenNameEntry> garden_names;
  DnsConfig dns;
  Forwarding forwarding = Forwarding::kKernel;
  std::string bridge_uplink;  // one of the uplinks, of no other zone; empty unless kBridge
  VlanTags access_vlan{};     // both empty if kKernel
  VlanTags uplink_vlan{};
  bool mac_sessions = false;  // keys that sessions may have beside addresses
  bool line_sessions = false;
  std::vector<uint8_t> ipv6_session_lengths = {128};  // longest first
  bool bind_mac = false;
  bool bind_vlan = false;
  bool watch_moves = false;
  bool watch_ports = true;                     // keys that come by another zone's port
  uint8_t syn_per_second = NX_SYN_PER_SECOND;  // of one client before its login
  uint8_t rst_per_second = NX_RST_PER_SECOND;
  uint8_t icmp_per_second = NX_ICMP_PER_SECOND;
  uint8_t dns_per_second = NX_DNS_PER_SECOND;
  bool reject_tcp = true;  // refused with an answer rather than dropped
  bool reject_udp = true;

  bool HasPlaces() const { return bind_mac || bind_vlan || watch_moves; }
  bool HasVia() const { return mac_sessions || line_sessions; }
  bool operator==(const ZoneConfig&) const = default;
};

struct Config {
  std::string instance = "narthex";
  std::string state_dir;
  std::string run_dir;
  std::string bpffs_dir;
  std::string socket_path;
  std::string log_level = "info";
  uint32_t session_capacity = 1048576;
  std::chrono::seconds max_duration = std::chrono::hours(24 * 30);
  std::string hugepages = "auto";
  bool idle_backoff = true;
  std::vector<ZoneConfig> zones;
  std::vector<PolicyConfig> policies;
  std::vector<std::string> uplinks;  // interfaces towards the internet; none is a zone's
  std::vector<RuleConfig> rules;     // the first that holds decides
  bool operator==(const Config&) const = default;
};

const PolicyConfig* FindPolicy(const std::vector<PolicyConfig>& policies, std::string_view name);

// The message of an error is "FILE:LINE:COLUMN: key 'zone.pools': what is wrong".
Result<Config> LoadConfig(const std::string& path);
Result<Config> ParseConfig(std::string_view text, const std::string& file_name);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_CONFIG_H
