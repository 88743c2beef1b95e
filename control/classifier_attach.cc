// SPDX-License-Identifier: Apache-2.0
// Attaching: how the classifier gets onto its interfaces, from one version to the next, and off.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "bpf/skeleton.h"
#include "control/classifier.h"
#include "control/interface_settings.h"

namespace narthex {
namespace {

namespace fs = std::filesystem;

std::string LinkPath(const std::string& bpffs_dir, const std::string& interface) {
  return fmt::format("{}/{}/link", bpffs_dir, interface);
}

// True if the link is the one that holds what is attached to the interface now. A link whose
// device went away has index 0; one of another network namespace holds another program.
bool HoldsInterface(int link_fd, uint32_t ifindex) {
  auto info = LinkInfo(link_fd);
  return info && info->type == BPF_LINK_TYPE_XDP && info->xdp.ifindex == ifindex &&
         info->prog_id == ProgramOn(ifindex).id;
}

Error Occupied(const std::string& place, const std::string& interface, uint32_t program_id) {
  return {ErrorKind::kPrecondition,
          fmt::format("{0}: interface {1} already has XDP program '{2}' (id {3}); remove it "
                      "with 'ip link set dev {1} xdp off' or choose another interface",
                      place, interface, ProgramName(program_id), program_id)};
}

Outcome CheckPermission() {
  rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_MEMLOCK, &unlimited);  // kernels before 5.11 count maps against it
  Fd probe(bpf_map_create(BPF_MAP_TYPE_ARRAY, "nx_probe", 4, 4, 1, nullptr));
  if (probe) return {};
  if (errno == EPERM)
    return Fail(ErrorKind::kPrecondition,
                "not permitted to load BPF programs: run as root, or with CAP_BPF, CAP_NET_ADMIN "
                "and CAP_PERFMON");
  return Fail(WithErrno("this kernel refuses BPF maps", errno));
}

// The interface is there, and free or ours.
Outcome CheckInterface(const Config& config, const std::string& place, const std::string& name) {
  uint32_t ifindex = if_nametoindex(name.c_str());
  if (ifindex == 0)
    return Fail(
        ErrorKind::kPrecondition,
        fmt::format("{}: there is no interface {}; 'ip link' lists those there are", place, name));
  Fd link = OpenPin(LinkPath(config.bpffs_dir, name));
  uint32_t there = ProgramOn(ifindex).id;
  if (there != 0 && !(link && HoldsInterface(link.get(), ifindex)))
    return Fail(Occupied(place, name, there));
  return {};
}

// Detaches an interface's link, even if somebody holds it open, and unpins what is there.
void RemoveInterface(const fs::path& directory) {
  std::error_code ignored;
  if (Fd link = OpenPin(directory / "link")) bpf_link_detach(link.get());
  fs::remove(directory / "link", ignored);
  for (const char* name : {"xsks_map", "xsks_map-new", "vlan_zones", "vlan_zones-new"})
    fs::remove(directory / name, ignored);
  fs::remove(directory, ignored);
}

}  // namespace

Outcome PreflightClassifier(const Config& config) {
  if (auto permitted = CheckPermission(); !permitted) return permitted;
  if (!IsOnBpffs(config.bpffs_dir)) {
    std::string parent = fs::path(config.bpffs_dir).parent_path();
    return Fail(ErrorKind::kPrecondition,
                fmt::format("bpffs is not mounted at {0}: mount -t bpf bpf {0}", parent));
  }
  for (const ZoneConfig& zone : config.zones) {
    if (auto usable = CheckInterface(config, fmt::format("zone '{}'", zone.name), zone.interface);
        !usable)
      return usable;
    if (auto enough = CheckQueues(zone); !enough) return enough;
  }
  for (const std::string& uplink : config.uplinks)
    if (auto usable = CheckInterface(config, "uplink", uplink); !usable) return usable;
  return {};
}

// Two instances in one directory would detach each other's interfaces.
Outcome Classifier::LockPins() {
  pins_lock_ = Fd(open(config_.bpffs_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!pins_lock_) return Fail(WithErrno(config_.bpffs_dir, errno));
  if (flock(pins_lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  return Fail(ErrorKind::kPrecondition,
              fmt::format("another narthexd uses {}: give each instance its own paths.bpffs",
                          config_.bpffs_dir));
}

Outcome Classifier::PinAll() {
  if (auto made = created_.MakeDirectory(config_.bpffs_dir); !made) return made;
  if (auto locked = LockPins(); !locked) return locked;
  if (auto pinned = maps_.PinNew(created_); !pinned) return pinned;
  for (Interface& interface : interfaces_) {
    if (auto made = created_.MakeDirectory(Directory(interface)); !made) return made;
    if (auto pinned = PinVlanTable(interface); !pinned) return pinned;
    if (interface.sockets < 0) continue;
    std::string path = Directory(interface) + "/xsks_map";
    Fd pin = OpenPin(path);
    auto pinned = MapInfo(pin.get());
    auto ours = MapInfo(interface.sockets);
    if (pinned && ours && pinned->id == ours->id) continue;
    // One that does not fit stays until this start has succeeded.
    auto done =
        pin ? created_.PinAside(interface.sockets, path) : created_.Pin(interface.sockets, path);
    if (!done) return done;
  }
  return {};
}

// The kernel empties a table of programs when its last pin or descriptor goes, so the new one is
// pinned before its program is attached, and the old one stays until then. So does one that a start
// has attached, but was killed before it gave it its name.
Outcome Classifier::PinVlanTable(Interface& interface) {
  std::string path = Directory(interface) + "/vlan_zones-new";
  interface.left_table = OpenPin(path);
  unlink(path.c_str());
  if (interface.vlan_table < 0) return {};
  return created_.Pin(interface.vlan_table, path);
}

void Classifier::SettleVlanTable(Interface& interface) {
  interface.left_table = Fd();
  std::string path = Directory(interface) + "/vlan_zones";
  if (interface.vlan_table < 0)
    unlink(path.c_str());
  else if (rename((path + "-new").c_str(), path.c_str()) != 0)
    spdlog::warn("{}", WithErrno(fmt::format("pin {}", path), errno));
}

Outcome Classifier::SwitchLink(Interface& interface, Fd link) {
  auto info = LinkInfo(link.get());
  if (!info) return Fail(info.error());
  interface.old_program = ProgramById(info->prog_id);
  if (int error = bpf_link_update(link.get(), interface.program, nullptr); error != 0)
    return Fail(WithErrno(
        fmt::format("{}: the classifier on {} cannot be switched", interface.place, interface.name),
        error));
  interface.link = std::move(link);
  return {};
}

Outcome Classifier::NewLink(Interface& interface) {
  interface.link =
      Fd(bpf_link_create(interface.program, static_cast<int>(interface.ifindex), BPF_XDP, nullptr));
  if (!interface.link) {
    int error = errno;
    uint32_t there = ProgramOn(interface.ifindex).id;
    if (error == EBUSY && there != 0) return Fail(Occupied(interface.place, interface.name, there));
    return Fail(WithErrno(fmt::format("{}: the classifier cannot be attached to {}",
                                      interface.place, interface.name),
                          error) +
                MtuHint(interface.name));
  }
  interface.new_link = true;
  return created_.Pin(interface.link.get(), LinkPath(config_.bpffs_dir, interface.name));
}

Outcome Classifier::AttachOne(Interface& interface) {
  std::string path = LinkPath(config_.bpffs_dir, interface.name);
  Fd link = OpenPin(path);
  if (link && HoldsInterface(link.get(), interface.ifindex))
    return SwitchLink(interface, std::move(link));
  if (link) {
    spdlog::info("interface {} was created anew: its old link goes", interface.name);
    unlink(path.c_str());
  }
  return NewLink(interface);
}

Outcome Classifier::AttachAgain(Interface& interface, uint32_t ifindex) {
  std::string path = LinkPath(config_.bpffs_dir, interface.name);
  interface.ifindex = ifindex;  // tried once for each new interface
  interface.link =
      Fd(bpf_link_create(interface.program, static_cast<int>(ifindex), BPF_XDP, nullptr));
  if (!interface.link)
    return Fail(WithErrno(fmt::format("{}: the classifier cannot be attached to the new {}",
                                      interface.place, interface.name),
                          errno) +
                MtuHint(interface.name));
  unlink(path.c_str());
  if (int error = bpf_obj_pin(interface.link.get(), path.c_str()); error != 0)
    return Fail(WithErrno(fmt::format("pin {}", path), error));
  return {};
}

void Classifier::FollowInterfaces() {
  std::lock_guard lock(links_mutex_);
  for (Interface& interface : interfaces_) {
    WritePorts(interface);
    uint32_t ifindex = if_nametoindex(interface.name.c_str());
    if (ifindex == 0 || ifindex == interface.ifindex) continue;
    auto attached = AttachAgain(interface, ifindex);
    if (attached)
      spdlog::warn("{}: interface {} was made anew, the classifier is on it again", interface.place,
                   interface.name);
    else
      spdlog::error("{}; until narthexd is restarted everybody there passes",
                    attached.error().message);
  }
}

void Classifier::SayRoutesPlain(uint64_t until_ns) {
  std::lock_guard lock(links_mutex_);
  for (Interface& interface : interfaces_) {
    if (interface.access) interface.access->bss->routes_plain_until_ns = until_ns;
    if (interface.uplink) interface.uplink->bss->routes_plain_until_ns = until_ns;
    for (const VlanZone& one : interface.vlan_zones)
      one.access->bss->routes_plain_until_ns = until_ns;
  }
}

Classifier::~Classifier() {
  if (!kept_) Undo();
}

void Classifier::Undo() {
  for (Interface& interface : interfaces_) {
    if (!interface.link || interface.new_link) continue;  // a new link goes with its pin
    if (interface.old_program)
      bpf_link_update(interface.link.get(), interface.old_program.get(), nullptr);
  }
}

Outcome Classifier::Attach() {
  if (auto pinned = PinAll(); !pinned) return pinned;
  for (Interface& interface : interfaces_)
    if (auto attached = AttachOne(interface); !attached) return attached;
  return {};
}

Outcome Classifier::Keep() {
  // Nothing gives the clock back to the programs that were there before: it comes last.
  if (auto started = StartClock(); !started) return started;
  kept_ = true;
  created_.Keep();
  for (Interface& interface : interfaces_) SettleVlanTable(interface);
  DropRemovedInterfaces();
  return {};
}

void Classifier::DropRemovedInterfaces() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(config_.bpffs_dir, ignored)) {
    std::string name = entry.path().filename();
    bool wanted = std::any_of(interfaces_.begin(), interfaces_.end(),
                              [&](const Interface& one) { return one.name == name; });
    if (!entry.is_directory(ignored) || wanted) continue;
    RemoveInterface(entry.path());
    spdlog::warn("interface {} is in no zone any more: detached, everybody there passes", name);
  }
}

Result<std::vector<std::string>> DetachClassifier(const std::string& bpffs_dir) {
  if (auto permitted = CheckPermission(); !permitted) return Fail(permitted.error());
  std::vector<std::string> freed;
  std::error_code error;
  if (!fs::exists(bpffs_dir, error)) return freed;
  if (!IsOnBpffs(bpffs_dir)) return Fail(fmt::format("{} is not on a bpffs", bpffs_dir));
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(bpffs_dir, error))
    entries.push_back(entry.path());
  // Programs first, maps after them: a program whose clock stands still would be worse.
  for (const fs::path& path : entries) {
    if (!fs::is_directory(path, error)) continue;
    bool had_link = fs::exists(path / "link", error);
    RemoveInterface(path);
    if (had_link) freed.push_back(path.filename());
  }
  for (const fs::path& path : entries) fs::remove(path, error);
  fs::remove(bpffs_dir, error);
  if (error) return Fail(fmt::format("{}: {}", bpffs_dir, error.message()));
  std::sort(freed.begin(), freed.end());
  return freed;
}

}  // namespace narthex
