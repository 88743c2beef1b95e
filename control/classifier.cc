// SPDX-License-Identifier: Apache-2.0
#include "control/classifier.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "bpf/skeleton.h"
#include "control/garden.h"
#include "control/own_addresses.h"
#include "control/ports.h"

namespace narthex {
namespace {

nx_mode AbiMode(Mode mode) {
  switch (mode) {
    case Mode::kEnforce:
      return NX_MODE_ENFORCE;
    case Mode::kMonitor:
      return NX_MODE_MONITOR;
    case Mode::kBypass:
      return NX_MODE_BYPASS;
  }
  return NX_MODE_ENFORCE;
}

nx_forwarding AbiForwarding(Forwarding forwarding) {
  switch (forwarding) {
    case Forwarding::kKernel:
      return NX_FORWARD_KERNEL;
    case Forwarding::kFib:
      return NX_FORWARD_FIB;
    case Forwarding::kBridge:
      return NX_FORWARD_BRIDGE;
  }
  return NX_FORWARD_KERNEL;
}

nx_prefix AbiPrefix(const Prefix& prefix) {
  std::array<uint8_t, 16> mask{};
  for (size_t bit = 0; bit < prefix.bits; ++bit) mask[bit / 8] |= 0x80 >> (bit % 8);
  nx_prefix out{};
  std::memcpy(out.addr, prefix.base.bytes.data(), sizeof out.addr);
  std::memcpy(out.mask, mask.data(), sizeof out.mask);
  return out;
}

void SetForwarding(nx_zone_config& constants, const ZoneConfig& zone,
                   const std::vector<std::string>& uplinks) {
  constants.forwarding = static_cast<uint8_t>(AbiForwarding(zone.forwarding));
  std::copy(zone.access_vlan.begin(), zone.access_vlan.end(), constants.access_vlan);
  std::copy(zone.uplink_vlan.begin(), zone.uplink_vlan.end(), constants.uplink_vlan);
  constants.uplink_count = static_cast<uint32_t>(uplinks.size());
  if (zone.forwarding == Forwarding::kBridge)
    constants.peer = static_cast<uint32_t>(
        std::find(uplinks.begin(), uplinks.end(), zone.bridge_uplink) - uplinks.begin());
}

// Half of each limit lies in the sieve, in equal parts for the interface's queues.
void SetLimitsBeforeLogin(nx_zone_config& constants, const ZoneConfig& zone) {
  constants.per_second[NX_BEFORE_SYN] = zone.syn_per_second;
  constants.per_second[NX_BEFORE_RST] = zone.rst_per_second;
  constants.per_second[NX_BEFORE_ICMP] = zone.icmp_per_second;
  constants.per_second[NX_BEFORE_DNS] = zone.dns_per_second;
  for (int what = 0; what < NX_BEFORE_COUNT; ++what)
    constants.sieved[what] = static_cast<uint8_t>(constants.per_second[what] / 2 / zone.queues);
}

nx_zone_config ZoneConstants(const ZoneConfig& zone, const Layout& layout,
                             const std::vector<std::string>& uplinks) {
  nx_zone_config constants{};
  constants.zone = zone.id;
  constants.worker_base = WorkerBase(layout.zones(), zone);
  constants.mode = static_cast<uint8_t>(AbiMode(zone.mode));
  for (const nx_pool& pool : layout.PoolsOf(zone)) constants.pools[constants.pool_count++] = pool;
  for (const Prefix& prefix : zone.ipv6_prefixes)
    constants.prefixes[constants.prefix_count++] = AbiPrefix(prefix);
  for (const Address& own : OwnAddresses(zone))
    std::memcpy(constants.own[constants.own_count++], own.bytes.data(), 16);
  for (uint8_t length : zone.ipv6_session_lengths)
    constants.key_lengths[constants.key_length_count++] = length;
  auto bit = [](bool set, int bits) { return static_cast<uint8_t>(set ? bits : 0); };
  constants.kinds = bit(zone.mac_sessions, NX_KIND_MAC) | bit(zone.line_sessions, NX_KIND_LINE);
  constants.bind = bit(zone.bind_mac, NX_BIND_MAC) | bit(zone.bind_vlan, NX_BIND_VLAN) |
                   bit(zone.watch_moves, NX_WATCH_MOVES);
  constants.reject = bit(zone.reject_tcp, NX_REJECT_TCP) | bit(zone.reject_udp, NX_REJECT_UDP);
  SetLimitsBeforeLogin(constants, zone);
  ZoneGateway gateway = GatewayOf(zone);
  if (gateway.v4) std::memcpy(constants.gateway[0], gateway.v4->bytes.data(), 16);
  if (gateway.v6) std::memcpy(constants.gateway[1], gateway.v6->bytes.data(), 16);
  SetForwarding(constants, zone, uplinks);
  for (uint16_t port : zone.intercept_ports) constants.ports[constants.port_count++] = port;
  for (const Address& resolver : zone.resolvers)
    std::memcpy(constants.resolvers[constants.resolver_count++], resolver.bytes.data(), 16);
  return constants;
}

// The keys that would be strangers' in this zone, and are not.
nx_others OtherZones(const ZoneConfig& zone, const Layout& layout) {
  nx_others others{};
  for (const ZoneConfig& other : layout.zones()) {
    if (other.id == zone.id || !other.watch_ports) continue;
    for (const nx_pool& pool : layout.PoolsOf(other))
      others.pools[others.pool_count++] = {pool, other.id};
    for (const Prefix& prefix : other.ipv6_prefixes) {
      nx_other_prefix& row = others.prefixes[others.prefix_count++];
      row.prefix = AbiPrefix(prefix);
      row.zone = other.id;
      for (uint8_t length : other.ipv6_session_lengths)
        row.key_lengths[row.key_length_count++] = length;
    }
    if (other.mac_sessions) others.mac_zones[others.mac_zone_count++] = other.id;
  }
  return others;
}

// What the verifier says last is why it refused.
Error LoadError(const std::string& place, int error) {
  auto messages = TakeLibbpfMessages();
  size_t from = messages.size() > 12 ? messages.size() - 12 : 0;
  for (size_t i = from; i < messages.size(); ++i) spdlog::error("{}", messages[i]);
  return {ErrorKind::kFailed,
          WithErrno(fmt::format("{}: the kernel refuses the classifier", place), error)};
}

}  // namespace

void Classifier::Skeleton::operator()(narthex_access* skeleton) const {
  narthex_access__destroy(skeleton);
}

void Classifier::Skeleton::operator()(narthex_uplink* skeleton) const {
  narthex_uplink__destroy(skeleton);
}

Result<std::unique_ptr<Classifier>> Classifier::Load(const Config& config, const Layout& layout,
                                                     MapIdentity known) {
  std::unique_ptr<Classifier> classifier(new Classifier(config, layout, std::move(known)));
  for (const ZoneConfig& zone : config.zones) {
    if (classifier->Find(zone.interface) != nullptr) continue;
    if (auto loaded = classifier->LoadAccess(zone.interface); !loaded) return Fail(loaded.error());
  }
  for (const std::string& uplink : config.uplinks)
    if (auto loaded = classifier->LoadUplink(uplink); !loaded) return Fail(loaded.error());
  // A clock that ticks for the programs in force is taken over when they are ours (Attach).
  if (!classifier->maps_.HadClock())
    if (auto started = classifier->StartClock(); !started) return Fail(started.error());
  if (auto mapped = classifier->MapWorkers(); !mapped) return Fail(mapped.error());
  if (auto mapped = classifier->MapGardenBlocks(); !mapped) return Fail(mapped.error());
  return classifier;
}

// `sockets`: the interface's xsks_map, or -1 if it has none yet.
Result<Classifier::Access> Classifier::LoadProgram(const ZoneConfig& zone,
                                                   nx_vlan_dispatch dispatch, int sockets) {
  std::string place = fmt::format("zone '{}'", zone.name);
  Access access(narthex_access__open());
  if (!access) return Fail(LoadError(place, errno));
  nx_zone_config constants = ZoneConstants(zone, layout_, config_.uplinks);
  static_assert(sizeof access->rodata->zone_config == sizeof constants);
  std::memcpy(const_cast<nx_zone_config*>(&access->rodata->zone_config), &constants,
              sizeof constants);
  nx_others others = OtherZones(zone, layout_);
  static_assert(sizeof access->rodata->others == sizeof others);
  std::memcpy(const_cast<nx_others*>(&access->rodata->others), &others, sizeof others);
  const_cast<uint32_t&>(access->rodata->fast_words) = layout_.fast_words();
  const_cast<uint8_t&>(access->rodata->vlan_dispatch) = static_cast<uint8_t>(dispatch);
  bpf_map__set_max_entries(access->maps.sieve, zone.queues);
  if (dispatch == NX_VLAN_NONE) bpf_map__set_max_entries(access->maps.vlan_zones, 1);

  if (auto offered = maps_.Offer(access->obj); !offered) return Fail(offered.error());
  auto info = MapInfo(sockets);
  if (info && info->type == BPF_MAP_TYPE_XSKMAP &&
      info->max_entries == bpf_map__max_entries(access->maps.xsks_map))
    bpf_map__reuse_fd(access->maps.xsks_map, sockets);
  TakeLibbpfMessages();
  if (int error = narthex_access__load(access.get()); error != 0)
    return Fail(LoadError(place, error));
  if (auto adopted = maps_.Adopt(access->obj); !adopted) return Fail(adopted.error());
  return access;
}

// The interface's zones: the one for the rest, if there is one, has the program to be attached.
Outcome Classifier::LoadAccess(const std::string& name) {
  const ZoneConfig* attached = nullptr;
  std::vector<const ZoneConfig*> tagged;
  for (const ZoneConfig& zone : config_.zones) {
    if (zone.interface != name) continue;
    if (zone.vlans.empty())
      attached = &zone;
    else
      tagged.push_back(&zone);
  }
  nx_vlan_dispatch dispatch = attached ? NX_VLAN_REST : NX_VLAN_ONLY;
  if (tagged.empty()) dispatch = NX_VLAN_NONE;
  Interface interface;
  interface.zone = attached ? attached : tagged.front();
  interface.place = fmt::format("zone '{}'", interface.zone->name);
  interface.name = name;
  interface.ifindex = if_nametoindex(name.c_str());
  Fd sockets = OpenPin(Directory(interface) + "/xsks_map");
  auto access = LoadProgram(*interface.zone, dispatch, sockets.get());
  if (!access) return Fail(access.error());
  interface.access = std::move(*access);
  interface.program = bpf_program__fd(interface.access->progs.xsk_def_prog);
  interface.sockets = bpf_map__fd(interface.access->maps.xsks_map);
  if (auto loaded = LoadVlanZones(interface, tagged); !loaded) return loaded;
  WritePorts(interface);
  interfaces_.push_back(std::move(interface));
  return {};
}

Outcome Classifier::LoadVlanZones(Interface& interface,
                                  const std::vector<const ZoneConfig*>& zones) {
  if (zones.empty()) return {};
  interface.vlan_table = bpf_map__fd(interface.access->maps.vlan_zones);
  for (const ZoneConfig* zone : zones) {
    auto access = LoadProgram(*zone, NX_VLAN_NONE, interface.sockets);
    if (!access) return Fail(access.error());
    int program = bpf_program__fd((*access)->progs.xsk_def_prog);
    interface.vlan_zones.push_back({zone, std::move(*access)});
    for (uint32_t vlan : zone->vlans)
      if (int error = bpf_map_update_elem(interface.vlan_table, &vlan, &program, BPF_ANY);
          error != 0)
        return Fail(WithErrno(fmt::format("zone '{}': VLAN {}", zone->name, vlan), error));
  }
  return {};
}

Outcome Classifier::LoadUplink(const std::string& name) {
  Interface interface;
  interface.place = "uplink";
  interface.name = name;
  interface.ifindex = if_nametoindex(name.c_str());
  interface.uplink.reset(narthex_uplink__open());
  if (!interface.uplink) return Fail(LoadError(interface.place, errno));
  narthex_uplink& skeleton = *interface.uplink;
  auto& constants = const_cast<nx_uplink_config&>(skeleton.rodata->uplink_config);
  constants.uplink = static_cast<uint16_t>(
      std::find(config_.uplinks.begin(), config_.uplinks.end(), name) - config_.uplinks.begin());
  for (const ZoneConfig& zone : config_.zones) {
    constants.zones[constants.zone_count++] = ZoneConstants(zone, layout_, config_.uplinks);
    constants.forwards |= static_cast<uint8_t>(1u << AbiForwarding(zone.forwarding));
    if (zone.bridge_uplink == name) constants.bridged = static_cast<uint8_t>(constants.zone_count);
  }
  if (auto offered = maps_.Offer(skeleton.obj); !offered) return offered;
  TakeLibbpfMessages();
  if (int error = narthex_uplink__load(&skeleton); error != 0)
    return Fail(LoadError(interface.place, error));
  interface.program = bpf_program__fd(skeleton.progs.nx_uplink);
  WritePorts(interface);
  interfaces_.push_back(std::move(interface));
  return {};
}

void Classifier::WritePorts(const Interface& interface) {
  if (interface.zone != nullptr) {
    interface.access->bss->ports = PortsOf(*interface.zone, config_.uplinks);
    for (const VlanZone& one : interface.vlan_zones)
      one.access->bss->ports = PortsOf(*one.zone, config_.uplinks);
    return;
  }
  for (size_t i = 0; i < config_.zones.size(); ++i)
    interface.uplink->bss->ports[i] = PortsOf(config_.zones[i], config_.uplinks);
}

// The timer ticks on in the pinned map; its callback becomes this program's.
Outcome Classifier::StartClock() {
  narthex_access& skeleton = *interfaces_.front().access;
  LIBBPF_OPTS(bpf_test_run_opts, run);
  int error = bpf_prog_test_run_opts(bpf_program__fd(skeleton.progs.start_clock), &run);
  if (error != 0) return Fail(WithErrno("the classifier's clock cannot be started", error));
  if (run.retval != 0)
    return Fail(fmt::format("the classifier's clock does not start (step {})", run.retval));
  return {};
}

int Classifier::settle_program() const {
  return bpf_program__fd(interfaces_.front().access->progs.settle);
}

Outcome Classifier::MapWorkers() {
  auto keys = Mapping::Of(maps_.Descriptor("cookie_keys"), sizeof(nx_cookie_keys));
  if (!keys) return Fail(keys.error());
  cookie_keys_ = std::move(*keys);
  auto workers = Mapping::Of(maps_.Descriptor("workers"), sizeof(nx_worker) * NX_MAX_WORKERS);
  if (!workers) return Fail(workers.error());
  workers_ = std::move(*workers);
  return {};
}

// Sets them to what there is in `garden` and `learned`, which nobody writes yet.
Outcome Classifier::MapGardenBlocks() {
  auto mapped = Mapping::Of(maps_.Descriptor("garden_blocks"), NX_GARDEN_BLOCKS / 8);
  if (!mapped) return Fail(mapped.error());
  garden_blocks_ = std::move(*mapped);
  std::vector<uint64_t> words(NX_GARDEN_BLOCKS / 64);
  GardenBlocks needed(words);
  for (const auto& [key, row] : ReadGarden())
    needed.Add(key.addr, key.prefix_len - NX_GARDEN_PREFIX_BASE);
  nx_key key{}, previous{};
  int fd = maps_.Descriptor("learned");
  for (const void* from = nullptr; bpf_map_get_next_key(fd, from, &key) == 0; from = &previous) {
    needed.Add(key.addr, key.prefix_len);
    previous = key;
  }
  garden_blocks().Become(needed);
  return {};
}

Classifier::Garden Classifier::ReadGarden() {
  int fd = maps_.Descriptor("garden");
  Garden rows;
  nx_garden_key key{}, previous{};
  for (const void* from = nullptr; bpf_map_get_next_key(fd, from, &key) == 0; from = &previous) {
    nx_garden row{};
    if (bpf_map_lookup_elem(fd, &key, &row) == 0) rows.emplace_back(key, row);
    previous = key;
  }
  return rows;
}

Outcome Classifier::FillGarden(const std::vector<ZoneConfig>& zones) {
  auto rows = GardenRows(zones);
  if (!rows) return Fail(rows.error());
  return PutGarden(*rows);
}

Outcome Classifier::PutGarden(const Garden& rows) {
  int fd = maps_.Descriptor("garden");
  auto less = [](const nx_garden_key& a, const nx_garden_key& b) {
    return std::memcmp(&a, &b, sizeof a) < 0;
  };
  std::map<nx_garden_key, nx_garden, decltype(less)> wanted(rows.begin(), rows.end(), less);
  std::vector<nx_garden_key> surplus;
  for (const auto& [key, row] : ReadGarden()) {
    auto found = wanted.find(key);
    if (found == wanted.end())
      surplus.push_back(key);
    else if (std::memcmp(&found->second, &row, sizeof row) == 0)
      wanted.erase(found);
  }
  GardenBlocks blocks = garden_blocks();
  for (const auto& [key, row] : wanted) {
    blocks.Add(key.addr, key.prefix_len - NX_GARDEN_PREFIX_BASE);
    if (int error = bpf_map_update_elem(fd, &key, &row, BPF_ANY); error != 0)
      return Fail(WithErrno("map 'garden'", error));
  }
  for (const nx_garden_key& key : surplus)
    if (int error = bpf_map_delete_elem(fd, &key); error != 0 && error != -ENOENT)
      return Fail(WithErrno("map 'garden'", error));
  return {};
}

Classifier::Interface* Classifier::Find(const std::string& name) {
  auto found = std::find_if(interfaces_.begin(), interfaces_.end(),
                            [&](const Interface& one) { return one.name == name; });
  return found == interfaces_.end() ? nullptr : &*found;
}

Result<std::vector<uint64_t>> Classifier::Counters() {
  int cpus = libbpf_num_possible_cpus();
  if (cpus < 1) return Fail("the number of CPUs is unknown");
  std::vector<uint64_t> totals(NX_REASON_COUNT), values(static_cast<size_t>(cpus));
  for (uint32_t reason = 0; reason < NX_REASON_COUNT; ++reason) {
    if (int error = bpf_map_lookup_elem(maps_.Descriptor("counters"), &reason, values.data());
        error != 0)
      return Fail(WithErrno("map 'counters'", error));
    for (uint64_t value : values) totals[reason] += value;
  }
  return totals;
}

InterfaceState Classifier::Attachment(const std::string& name) {
  std::lock_guard lock(links_mutex_);
  InterfaceState state;
  Interface* interface = Find(name);
  if (interface == nullptr) return state;
  auto link = LinkInfo(interface->link.get());
  if (!link || link->xdp.ifindex == 0) return state;
  state.ifindex = link->xdp.ifindex;
  state.program_id = link->prog_id;
  state.attach = ProgramOn(link->xdp.ifindex).native ? "native" : "generic";
  return state;
}

std::vector<nx_worker> Classifier::Workers(const ZoneConfig& zone) {
  auto all = workers_.As<nx_worker>().subspan(WorkerBase(config_.zones, zone), zone.queues);
  return {all.begin(), all.end()};
}

}  // namespace narthex
