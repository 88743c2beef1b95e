// SPDX-License-Identifier: Apache-2.0
#include "policy/snapshot.h"

#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

#include "policy/members.h"
#include "policy/network.h"
#include "policy/rule_list.h"

namespace narthex {
namespace {

constexpr size_t kMaxSnapshotBytes = 128 << 20;

std::string Name(const json& object, const char* name, size_t max_bytes) {
  std::string text = Text(object, name, max_bytes);
  for (char c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && !std::strchr("-_.", c)) {
      throw BadSnapshot(std::string("\"") + name + "\" may hold letters, digits, '-', '_' and '.'");
    }
  }
  return text;
}

std::string InterfaceName(const json& object) {
  std::string text = Text(object, "interface", IFNAMSIZ - 1);
  // A comma would end the name in DPDK's device arguments.
  if (text.find_first_of("/,: ") != text.npos || text == "." || text == "..") {
    throw BadSnapshot("\"interface\" is no interface name");
  }
  return text;
}

std::vector<uint16_t> ReadVlans(const json& zone) {
  std::vector<uint16_t> vlans;
  if (!zone.contains("vlans")) return vlans;
  const json& list = zone["vlans"];
  if (!list.is_array() || list.size() >= NX_VLANS) throw BadSnapshot("\"vlans\" is no list");
  for (const json& vlan : list) {
    const uint64_t id = vlan.is_number_unsigned() ? vlan.get<uint64_t>() : 0;
    if (id < 1 || id > 4094) throw BadSnapshot("\"vlans\" holds what is no VLAN, 1 to 4094");
    vlans.push_back(static_cast<uint16_t>(id));
  }
  return vlans;
}

ZoneSnapshot ParseZone(const json& zone, const RuleList& rules) {
  if (!zone.is_object()) throw BadSnapshot("a zone is no object");
  const auto id = static_cast<uint16_t>(Number(zone, "id", 1, UINT16_MAX));
  const auto queues = static_cast<uint16_t>(Number(zone, "queues", 1, NX_MAX_QUEUES));
  const auto worker_base =
      static_cast<uint16_t>(Number(zone, "worker_base", 0, NX_MAX_WORKERS - queues));
  std::string error;
  NetworkDescription network = ReadNetwork(zone);
  network.rule_pages = rules.pages;
  network.redirects = rules.redirects;
  auto responses = ResponseSet::Render(network, error);
  if (!responses) throw BadSnapshot(error);
  return {id,          Name(zone, "name", 64), InterfaceName(zone), queues,
          worker_base, ReadVlans(zone),        *responses};
}

// How a message calls a zone.
std::string ZoneLabel(const json& zone, size_t index) {
  try {
    return "zone '" + Name(zone, "name", 64) + "'";
  } catch (const std::exception&) {
    return "zone " + std::to_string(index + 1);
  }
}

// Whether `zone` shares its interface with zones that came before; refuses it if they collide.
bool CheckNeighbours(const Snapshot& snapshot, const ZoneSnapshot& zone) {
  bool shared = false;
  for (const ZoneSnapshot& other : snapshot.zones) {
    if (other.interface != zone.interface) continue;
    shared = true;
    if (other.queues != zone.queues || other.worker_base != zone.worker_base) {
      throw BadSnapshot("\"queues\" and \"worker_base\" differ from '" + other.name + "'s");
    }
    bool collide = other.vlans.empty() && zone.vlans.empty();
    for (uint16_t vlan : zone.vlans) {
      collide |= std::find(other.vlans.begin(), other.vlans.end(), vlan) != other.vlans.end();
    }
    if (collide) throw BadSnapshot("\"interface\" is used twice for the same VLANs");
  }
  return shared;
}

void ParseZonesAndRules(const json& root, Snapshot& snapshot, Purpose purpose) {
  const json& zones = Member(root, "zones");
  if (!zones.is_array() || zones.empty() || zones.size() > NX_MAX_ZONES) {
    throw BadSnapshot("\"zones\" is no list of 1 to " + std::to_string(NX_MAX_ZONES) + " zones");
  }
  std::vector<std::string> names;
  for (const json& zone : zones) {
    names.push_back(zone.is_object() && zone.contains("name") ? Name(zone, "name", 64) : "");
  }
  RuleList rules = ReadRules(root, names);
  std::set<uint16_t> ids;
  std::set<uint32_t> workers;
  for (size_t i = 0; i < zones.size(); i++) {
    try {
      ZoneSnapshot zone = ParseZone(zones[i], rules);
      if (!ids.insert(zone.id).second) throw BadSnapshot("\"id\" is used twice");
      const bool shared = CheckNeighbours(snapshot, zone);
      for (uint32_t queue = 0; queue < zone.queues && !shared; queue++) {
        if (!workers.insert(zone.worker_base + queue).second) {
          throw BadSnapshot("\"worker_base\" overlaps another zone");
        }
      }
      snapshot.zones.push_back(std::move(zone));
    } catch (const BadSnapshot& bad) {
      throw BadSnapshot(ZoneLabel(zones[i], i) + ": " + bad.what());
    }
  }
  std::string error;
  snapshot.rules = RuleSet::Compile(std::move(rules.rules), error, purpose);
  if (!snapshot.rules) throw BadSnapshot(error);
  if (purpose == Purpose::kCheck) return;
  for (uint32_t i = 0; i < snapshot.WorkerCount(); i++) {
    snapshot.rule_states.push_back(std::make_unique<RuleState>(snapshot.rules->NewState()));
  }
}

}  // namespace

bool ZoneSnapshot::SameWorkers(const ZoneSnapshot& other) const {
  return id == other.id && interface == other.interface && queues == other.queues &&
         worker_base == other.worker_base && vlans == other.vlans;
}

std::vector<std::vector<size_t>> Snapshot::ZonesByInterface() const {
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < zones.size(); i++) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& one) {
      return zones[one[0]].interface == zones[i].interface;
    });
    if (group == groups.end()) group = groups.insert(groups.end(), std::vector<size_t>());
    group->push_back(i);
  }
  return groups;
}

uint32_t Snapshot::WorkerCount() const {
  uint32_t count = 0;
  for (const auto& group : ZonesByInterface()) count += zones[group[0]].queues;
  return count;
}

bool Snapshot::SameWorkers(const Snapshot& other) const {
  if (instance != other.instance || bpffs != other.bpffs || zones.size() != other.zones.size()) {
    return false;
  }
  for (size_t i = 0; i < zones.size(); i++) {
    if (!zones[i].SameWorkers(other.zones[i])) return false;
  }
  return true;
}

std::unique_ptr<const Snapshot> ParseSnapshot(std::string_view text, std::string& error,
                                              Purpose purpose) {
  try {
    const json root = json::parse(text);
    if (!root.is_object()) throw BadSnapshot("it is no object");
    auto snapshot = std::make_unique<Snapshot>();
    snapshot->version = static_cast<uint32_t>(Number(root, "version", 1, UINT32_MAX));
    snapshot->instance = Name(root, "instance", 32);
    snapshot->bpffs = Text(root, "bpffs");
    const std::string hugepages = Text(root, "hugepages");
    if (hugepages != "auto" && hugepages != "never") {
      throw BadSnapshot("\"hugepages\" is neither \"auto\" nor \"never\"");
    }
    snapshot->hugepages = hugepages == "auto";
    snapshot->idle_backoff = Flag(root, "idle_backoff");
    ParseZonesAndRules(root, *snapshot, purpose);
    return snapshot;
  } catch (const json::exception& bad) {
    error = std::string("no JSON: ") + bad.what();
  } catch (const BadSnapshot& bad) {
    error = bad.what();
  }
  return nullptr;
}

std::unique_ptr<const Snapshot> ReadSnapshot(const std::string& path, std::string& error,
                                             Purpose purpose) {
  std::ifstream file(path == "-" ? "/dev/stdin" : path, std::ios::binary);
  if (!file) {
    error =
        "no policy snapshot at " + path + " (" + std::strerror(errno) + "): start narthexd first";
    return nullptr;
  }
  std::string text;
  for (char buffer[65536]; text.size() <= kMaxSnapshotBytes && file;) {
    file.read(buffer, sizeof(buffer));
    text.append(buffer, static_cast<size_t>(file.gcount()));
  }
  if (text.size() > kMaxSnapshotBytes) {
    error = path + ": larger than " + std::to_string(kMaxSnapshotBytes) + " bytes";
    return nullptr;
  }
  auto snapshot = ParseSnapshot(text, error, purpose);
  if (!snapshot) error = path + ": " + error;
  return snapshot;
}

}  // namespace narthex
