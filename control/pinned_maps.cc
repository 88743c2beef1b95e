// SPDX-License-Identifier: Apache-2.0
#include "control/pinned_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <tuple>

namespace narthex {
namespace {

constexpr const char* kSharedMaps[] = {
    "sessions",    "fast",          "fast_due",      "ledger",       "keys",        "via",
    "limits",      "policies",      "places",        "before_login", "garden",      "cookie_keys",
    "events",      "clock",         "workers",       "counters",     "learned",     "dns_rules",
    "dns_answers", "dns_unread",    "dns_offenders", "elsewhere",    "dhcp_asked",  "held",
    "accounts",    "garden_blocks", "ticker",        "traffic_up",   "traffic_down"};
// Their contents depend on the order of zones and pools.
constexpr std::array<std::string_view, 20> kLaidOut = {
    "sessions",   "fast",   "fast_due", "ledger",        "keys",       "via",           "limits",
    "places",     "garden", "learned",  "dns_rules",     "dns_unread", "dns_offenders", "elsewhere",
    "dhcp_asked", "held",   "accounts", "garden_blocks", "traffic_up", "traffic_down"};
constexpr char kAbiVersion[] = "abi_version";

// A map, or a variable in a section of its own.
bpf_map* FindMap(const bpf_object* object, const std::string& name) {
  bpf_map* map = bpf_object__find_map_by_name(object, name.c_str());
  return map != nullptr ? map : bpf_object__find_map_by_name(object, (".data." + name).c_str());
}

bool IsLaidOut(std::string_view name) {
  return std::find(kLaidOut.begin(), kLaidOut.end(), name) != kLaidOut.end();
}

bool Fits(const bpf_map_info& info, const bpf_map* map) {
  return info.type == static_cast<uint32_t>(bpf_map__type(map)) &&
         info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
         info.max_entries == bpf_map__max_entries(map) && info.map_flags == bpf_map__map_flags(map);
}

// Of a map that no zone needs.
constexpr uint32_t kUnused = 1;

// Entries that the configuration decides; 0: as declared.
uint32_t EntriesOf(std::string_view name, const Layout& layout) {
  if (name == "sessions" || name == "accounts") return layout.entries();
  if (name == "traffic_up" || name == "traffic_down") return layout.entries();
  if (name == "fast" || name == "fast_due" || name == "held") return layout.fast_words();
  if (name == "keys") return layout.capacity();
  if (name == "limits") return layout.limit_rows();
  if (name == "places") return layout.place_rows();
  if (name == "via") return layout.via_rows();
  if (name == "before_login" && !layout.HasIpv6()) return kUnused;
  if (name == "dhcp_asked" && !layout.Bridges()) return kUnused;
  return 0;
}

// All of a hash map, many at a time. A bucket that does not fit in the room asks for more of it.
template <typename K, typename V>
Result<std::vector<std::pair<K, V>>> ReadAll(int fd, const char* name) {
  std::vector<std::pair<K, V>> all;
  std::vector<K> keys(4096);
  std::vector<V> values(keys.size());
  uint32_t at = 0;
  for (void* from = nullptr;;) {
    auto count = static_cast<uint32_t>(keys.size());
    int error = bpf_map_lookup_batch(fd, from, &at, keys.data(), values.data(), &count, nullptr);
    if (error == -ENOSPC) {
      keys.resize(keys.size() * 2);
      values.resize(keys.size());
      continue;
    }
    if (error != 0 && error != -ENOENT)
      return Fail(WithErrno(fmt::format("map '{}'", name), error));
    for (uint32_t i = 0; i < count; ++i) all.emplace_back(keys[i], values[i]);
    if (error == -ENOENT) return all;
    from = &at;
  }
}

}  // namespace

CreatedPaths::~CreatedPaths() {
  for (auto path = paths_.rbegin(); path != paths_.rend(); ++path)
    if (unlink(path->c_str()) != 0) rmdir(path->c_str());
}

Outcome CreatedPaths::MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) {
    paths_.push_back(path);
    return {};
  }
  if (errno == EEXIST) return {};
  return Fail(WithErrno(path, errno));
}

Outcome CreatedPaths::Pin(int fd, const std::string& path) {
  if (int error = bpf_obj_pin(fd, path.c_str()); error != 0)
    return Fail(WithErrno(fmt::format("pin {}", path), error));
  paths_.push_back(path);
  return {};
}

Outcome CreatedPaths::PinAside(int fd, const std::string& path) {
  unlink((path + "-new").c_str());  // of a start that was killed
  if (auto pinned = Pin(fd, path + "-new"); !pinned) return pinned;
  aside_.push_back(path);
  return {};
}

void CreatedPaths::Keep() {
  for (const std::string& path : aside_) {
    if (rename((path + "-new").c_str(), path.c_str()) == 0) continue;
    spdlog::error("{}", WithErrno(fmt::format("pin {}", path), errno));
    break;  // what comes after may tell the next start that all were moved
  }
  aside_.clear();
  paths_.clear();
}

// 0: none.
uint32_t PinnedMaps::PinnedAbi() const {
  Fd pin = OpenPin(Path(kAbiVersion));
  uint32_t zero = 0, version = 0;
  return pin && bpf_map_lookup_elem(pin.get(), &zero, &version) == 0 ? version : 0;
}

Outcome PinnedMaps::Offer(bpf_object* object) {
  if (first_) {
    const uint32_t abi = PinnedAbi();
    abi_matched_ = abi == NX_ABI_VERSION;
    accounts_matched_ = NX_ACCOUNTS_OF(abi) == NX_ACCOUNTS_VERSION;
  }
  for (const char* name : kSharedMaps) {
    bpf_map* map = FindMap(object, name);
    if (map == nullptr && first_) return Fail(fmt::format("the classifier has no map '{}'", name));
    if (map == nullptr) continue;
    if (uint32_t entries = EntriesOf(name, layout_)) bpf_map__set_max_entries(map, entries);
    SharedMap& shared = maps_[name];
    if (first_) {
      Fd pin = OpenPin(Path(name));
      auto info = MapInfo(pin.get());
      bool fits = pin && info && abi_matched_ && Fits(*info, map);
      if (std::string_view(name) == "sessions")
        fits = fits && info->id == known_.sessions_map_id && known_.layout == layout_.ToString();
      // They go together: the others hold indexes into `sessions`, zones count in all.
      if (IsLaidOut(name) && std::string_view(name) != "sessions")
        fits = fits && maps_["sessions"].pinned;
      if (pin && !fits) spdlog::info("pinned map '{}' does not fit this configuration", name);
      (fits ? shared.fd : shared.old_fd) = std::move(pin);
      shared.pinned = fits;
    }
    if (!shared.fd) continue;
    if (int error = bpf_map__reuse_fd(map, shared.fd.get()); error != 0)
      return Fail(WithErrno(fmt::format("map '{}'", name), error));
  }
  return {};
}

Outcome PinnedMaps::Adopt(bpf_object* object) {
  if (!first_) return {};
  first_ = false;
  // `keys` or `garden` alone may be unfit while `sessions` fits: keys are rebuilt then, too.
  for (const char* name : kSharedMaps) {
    SharedMap& shared = maps_[name];
    if (!shared.fd) shared.fd = Fd::Duplicate(bpf_map__fd(FindMap(object, name)));
  }
  LIBBPF_OPTS(bpf_map_create_opts, options);
  abi_version_ = Fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "nx_abi_version", 4, 4, 1, &options));
  uint32_t zero = 0, version = NX_ABI_VERSION;
  if (!abi_version_ || bpf_map_update_elem(abi_version_.get(), &zero, &version, BPF_ANY) != 0)
    return Fail(WithErrno("map 'abi_version'", errno));
  return {};
}

// `sessions` last: by its identity the others are taken for what goes with it (Offer), so who is
// killed while the pins are moved must leave the old one.
Outcome PinnedMaps::PinNew(CreatedPaths& created) {
  std::vector<decltype(maps_)::value_type*> in_order;
  for (auto& named : maps_) in_order.push_back(&named);
  std::stable_partition(in_order.begin(), in_order.end(),
                        [](const auto* named) { return named->first != "sessions"; });
  for (auto* named : in_order) {
    auto& [name, shared] = *named;
    if (shared.pinned) continue;
    auto pinned = shared.old_fd ? created.PinAside(shared.fd.get(), Path(name))
                                : created.Pin(shared.fd.get(), Path(name));
    if (!pinned) return pinned;
    shared.pinned = true;
  }
  if (access(Path(kAbiVersion).c_str(), F_OK) != 0)
    return created.Pin(abi_version_.get(), Path(kAbiVersion));
  return abi_matched_ ? Outcome() : created.PinAside(abi_version_.get(), Path(kAbiVersion));
}

// Accounts of another version mean something else: their counters come from the store.
int PinnedMaps::ReplacedSessions() const {
  int fd = maps_.at("sessions").old_fd.get();
  auto info = MapInfo(fd);
  return info && accounts_matched_ && info->id == known_.sessions_map_id ? fd : -1;
}

int PinnedMaps::ReplacedWithSessions(const std::string& name) const {
  return ReplacedSessions() < 0 ? -1 : maps_.at(name).old_fd.get();
}

Result<MapIdentity> PinnedMaps::Identity() const {
  auto info = MapInfo(Descriptor("sessions"));
  if (!info) return Fail(info.error());
  return MapIdentity{info->id, layout_.ToString()};
}

std::vector<std::pair<std::string, uint64_t>> PinnedMaps::Memory() const {
  std::vector<std::pair<std::string, uint64_t>> memory;
  for (const auto& [name, shared] : maps_) memory.emplace_back(name, MapMemory(shared.fd.get()));
  return memory;
}

Result<std::unique_ptr<BpfSessionTable>> BpfSessionTable::Over(const PinnedMaps& maps,
                                                               const Layout& layout,
                                                               int settle_fd) {
  auto table = std::make_unique<BpfSessionTable>();
  table->keys_fd_ = maps.Descriptor("keys");
  table->settle_fd_ = settle_fd;
  table->via_fd_ = maps.Descriptor("via");
  table->policies_in_force_ = !maps.IsNew("policies");
  const std::tuple<Mapping*, const char*, size_t> mappings[] = {
      {&table->fast_words_, "fast", layout.fast_words() * sizeof(uint64_t)},
      {&table->held_words_, "held", layout.fast_words() * sizeof(uint64_t)},
      {&table->entries_, "sessions", layout.entries() * sizeof(nx_session)},
      {&table->traffic_up_, "traffic_up", layout.entries() * sizeof(uint64_t)},
      {&table->traffic_down_, "traffic_down", layout.entries() * sizeof(uint64_t)},
      {&table->accounts_, "accounts", layout.entries() * sizeof(nx_account)},
      {&table->limits_, "limits", layout.limit_rows() * sizeof(nx_limits)},
      {&table->policies_, "policies", NX_MAX_POLICIES * sizeof(nx_policy)},
      {&table->places_, "places", layout.place_rows() * sizeof(nx_place)},
  };
  for (const auto& [mapping, name, bytes] : mappings) {
    auto mapped = Mapping::Of(maps.Descriptor(name), bytes);
    if (!mapped) return Fail(mapped.error());
    *mapping = std::move(*mapped);
  }
  if (auto replaced = table->MapReplaced(maps); !replaced) return Fail(replaced.error());
  return table;
}

Outcome BpfSessionTable::MapReplaced(const PinnedMaps& maps) {
  const std::tuple<Mapping*, int, size_t> mappings[] = {
      {&replaced_, maps.ReplacedSessions(), sizeof(nx_session)},
      {&replaced_up_, maps.ReplacedWithSessions("traffic_up"), sizeof(uint64_t)},
      {&replaced_down_, maps.ReplacedWithSessions("traffic_down"), sizeof(uint64_t)},
      {&replaced_accounts_, maps.ReplacedWithSessions("accounts"), sizeof(nx_account)},
      {&replaced_limits_, maps.ReplacedWithSessions("limits"), sizeof(nx_limits)},
  };
  for (const auto& [mapping, fd, bytes] : mappings) {
    auto info = MapInfo(fd);
    if (fd < 0 || !info || info->value_size != bytes) continue;
    auto mapped = Mapping::Of(fd, info->max_entries * bytes);
    if (!mapped) return Fail(mapped.error());
    *mapping = std::move(*mapped);
  }
  const int ledger = maps.ReplacedWithSessions("ledger");
  auto info = MapInfo(ledger);
  if (ledger >= 0 && info && info->value_size == sizeof(nx_ledger))
    replaced_ledger_ = Fd(fcntl(ledger, F_DUPFD_CLOEXEC, 0));
  return {};
}

Outcome BpfSessionTable::PutKey(const nx_key& key, uint32_t slot) {
  int error = bpf_map_update_elem(keys_fd_, &key, &slot, BPF_ANY);
  if (error == -E2BIG || error == -ENOSPC)
    return Fail(ErrorKind::kExhausted, "the key table is full: raise sessions.capacity");
  if (error == -ENOMEM) return Fail(ErrorKind::kExhausted, "the kernel is out of memory for keys");
  if (error != 0) return Fail(WithErrno("map 'keys'", error));
  return {};
}

Outcome BpfSessionTable::DeleteKey(const nx_key& key) {
  int error = bpf_map_delete_elem(keys_fd_, &key);
  if (error != 0 && error != -ENOENT) return Fail(WithErrno("map 'keys'", error));
  return {};
}

Result<std::vector<std::pair<nx_key, uint32_t>>> BpfSessionTable::Keys() {
  return ReadAll<nx_key, uint32_t>(keys_fd_, "keys");
}

Result<std::vector<std::pair<nx_key, nx_via>>> BpfSessionTable::Via() {
  return ReadAll<nx_key, nx_via>(via_fd_, "via");
}

std::optional<nx_via> BpfSessionTable::FindVia(const nx_key& key) {
  nx_via row{};
  if (bpf_map_lookup_elem(via_fd_, &key, &row) != 0) return std::nullopt;
  return row;
}

Outcome BpfSessionTable::DeleteVia(const nx_key& key) {
  int error = bpf_map_delete_elem(via_fd_, &key);
  if (error != 0 && error != -ENOENT) return Fail(WithErrno("map 'via'", error));
  return {};
}

const nx_session* BpfSessionTable::Replaced(uint32_t slot) {
  auto entries = replaced_.As<nx_session>();
  return slot < entries.size() ? &entries[slot] : nullptr;
}

std::optional<AccountFields> BpfSessionTable::ReplacedAccount(uint32_t slot) {
  auto up = replaced_up_.As<uint64_t>(), down = replaced_down_.As<uint64_t>();
  auto accounts = replaced_accounts_.As<nx_account>();
  if (slot >= std::min({up.size(), down.size(), accounts.size()})) return std::nullopt;
  return AccountFields{up[slot], down[slot], accounts[slot]};
}

const nx_limits* BpfSessionTable::ReplacedLimits(uint32_t row) {
  auto rows = replaced_limits_.As<nx_limits>();
  return row < rows.size() ? &rows[row] : nullptr;
}

std::vector<nx_ledger_entry> BpfSessionTable::ReplacedNotes() {
  std::vector<nx_ledger_entry> notes;
  std::vector<nx_ledger> ledgers(static_cast<size_t>(std::max(1, libbpf_num_possible_cpus())));
  const uint32_t zero = 0;
  if (!replaced_ledger_ || bpf_map_lookup_elem(replaced_ledger_.get(), &zero, ledgers.data()) != 0)
    return notes;
  for (const nx_ledger& ledger : ledgers)
    for (uint32_t at = 0; at < std::min<uint32_t>(ledger.count, NX_LEDGER_ENTRIES); ++at)
      notes.push_back(ledger.entries[at]);
  return notes;
}

void BpfSessionTable::ReleaseReplaced() {
  replaced_ = {};
  replaced_up_ = {};
  replaced_down_ = {};
  replaced_accounts_ = {};
  replaced_limits_ = {};
  replaced_ledger_ = {};
}

}  // namespace narthex
