// SPDX-License-Identifier: Apache-2.0
#include "control/learned_garden.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "control/garden_name.h"
#include "control/learnable.h"

namespace narthex {
namespace {

constexpr size_t kMaxOutside = 8192;
constexpr size_t kMaxLogged = 1024;  // lines of one kind, ever

nx_key MapKey(uint16_t zone, const Address& address) {
  nx_key key{};
  std::memcpy(key.addr, address.bytes.data(), sizeof key.addr);
  key.zone = zone;
  key.kind = NX_KEY_ADDRESS;
  key.prefix_len = 128;
  return key;
}

// The last two labels.
std::string EndOf(const std::string& name) {
  size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0) return name;
  size_t before = name.rfind('.', dot - 1);
  return before == std::string::npos ? name : name.substr(before + 1);
}

void Open(nx_garden& open, const nx_port_range& range) {
  for (uint32_t i = 0; i < open.range_count; ++i)
    if (open.ranges[i].protocol == range.protocol && open.ranges[i].first <= range.first &&
        open.ranges[i].last >= range.last)
      return;
  // More than fit stay closed; the configuration is checked for it as far as it can be.
  if (open.range_count < NX_MAX_GARDEN_RANGES) open.ranges[open.range_count++] = range;
}

void Open(nx_garden& open, const GardenNameEntry& entry) {
  for (const PortRange& range : entry.tcp)
    Open(open, {.first = range.first, .last = range.last, .protocol = IPPROTO_TCP, .zero = {}});
  for (const PortRange& range : entry.udp)
    Open(open, {.first = range.first, .last = range.last, .protocol = IPPROTO_UDP, .zero = {}});
}

std::string TextOf(const nx_learned_name& name) {
  return std::string(name.text, strnlen(name.text, sizeof name.text));
}

}  // namespace

Outcome LearnedGarden::Start() {
  std::lock_guard lock(mutex_);
  auto rows = table_.All();
  if (!rows) return Fail(rows.error());
  for (const auto& [key, row] : *rows) {
    Address address;
    std::memcpy(address.bytes.data(), key.addr, sizeof key.addr);
    rows_[{key.zone, address}] = row;
  }
  return {};
}

Outcome LearnedGarden::Apply(const std::vector<ZoneConfig>& zones) {
  std::lock_guard lock(mutex_);
  zones_.clear();
  configs_ = zones;
  for (const ZoneConfig& config : configs_) {
    Zone& zone = zones_[config.id];
    zone.config = config;
    for (const GardenNameEntry& entry : zone.config.garden_names)
      zone.by_end[EndOf(entry.name)].push_back(&entry);
  }
  Outcome outcome;
  uint32_t now_s = NowS();
  for (auto row = rows_.begin(); row != rows_.end();) {
    auto next = std::next(row);
    nx_learned renewed = Renew(row->first.first, row->second, now_s);
    if (BelongsToZone(configs_, row->first.second)) renewed = {};
    if (auto stored = Store(Key(row->first), renewed); !stored) outcome = stored;
    row = next;
  }
  return outcome;
}

std::vector<const GardenNameEntry*> LearnedGarden::EntriesFor(uint16_t zone,
                                                              const std::string& name) const {
  std::vector<const GardenNameEntry*> entries;
  auto found = zones_.find(zone);
  if (found == zones_.end()) return entries;
  auto candidates = found->second.by_end.find(EndOf(name));
  if (candidates == found->second.by_end.end()) return entries;
  for (const GardenNameEntry* entry : candidates->second)
    if (MatchesGardenName(entry->name, name)) entries.push_back(entry);
  return entries;
}

// The row without the names whose time is up or that the garden no longer has; until_s is 0 if
// none is left.
nx_learned LearnedGarden::Renew(uint16_t zone, const nx_learned& row, uint32_t now_s) const {
  nx_learned renewed{};
  for (const nx_learned_name& name : row.names) {
    if (name.until_s <= now_s) continue;
    auto entries = EntriesFor(zone, TextOf(name));
    if (entries.empty()) continue;
    auto slot = std::find_if(std::begin(renewed.names), std::end(renewed.names),
                             [](const nx_learned_name& one) { return one.until_s == 0; });
    *slot = name;
    renewed.until_s = std::max(renewed.until_s, name.until_s);
    for (const GardenNameEntry* entry : entries) Open(renewed.open, *entry);
  }
  return renewed;
}

// Map and memory, if they differ from it.
Outcome LearnedGarden::Store(const Key& key, const nx_learned& row) {
  auto there = rows_.find(key);
  nx_key map_key = MapKey(key.first, key.second);
  if (row.until_s == 0) {
    if (there == rows_.end()) return {};
    if (auto deleted = table_.Delete(map_key); !deleted) return deleted;
    rows_.erase(there);
    return {};
  }
  if (there != rows_.end() && std::memcmp(&there->second, &row, sizeof row) == 0) return {};
  if (auto put = table_.Put(map_key, row); !put) return put;
  rows_.insert_or_assign(key, row);
  return {};
}

bool LearnedGarden::MayOpen(uint16_t zone, const DnsAnswer& answer, const Address& address) {
  Learning reason;
  if (!IsGlobalUnicast(address))
    reason = Learning::kNotGlobal;
  else if (BelongsToZone(configs_, address))
    reason = Learning::kClients;
  else if (is_own_(address))
    reason = Learning::kOwn;
  else
    return true;
  Count(reason);
  const std::string& name = answer.question.name;
  if (refused_.size() < kMaxLogged && refused_.insert(name + " " + address.ToString()).second)
    spdlog::warn("zone '{}': garden name {} is answered with {}, which a name does not open",
                 zones_.at(zone).config.name, name, address.ToString());
  return false;
}

bool LearnedGarden::Admit(const Key& key, const std::string& name, uint32_t until_s) {
  auto there = rows_.find(key);
  uint32_t now_s = NowS();
  if (there == rows_.end() && rows_.size() >= NX_MAX_LEARNED) {
    Count(Learning::kFull);
    if (refused_.insert("full").second)
      spdlog::warn("the garden has learned {} addresses, more are not admitted", NX_MAX_LEARNED);
    return false;
  }
  nx_learned row = there == rows_.end() ? nx_learned{} : Renew(key.first, there->second, now_s);
  // The slot of the same entry, or a free one, or the one that ends first.
  const GardenNameEntry* entry = EntriesFor(key.first, name).front();
  nx_learned_name* slot = std::begin(row.names);
  for (nx_learned_name& one : row.names) {
    if (one.until_s != 0 && EntriesFor(key.first, TextOf(one)).front() == entry) {
      slot = &one;
      break;
    }
    if (one.until_s < slot->until_s) slot = &one;
  }
  uint32_t before_s = slot->until_s != 0 && TextOf(*slot) == name ? slot->until_s : 0;
  *slot = {};
  slot->until_s = std::max(until_s, before_s);
  std::memcpy(slot->text, name.data(), std::min(name.size(), sizeof slot->text - 1));
  bool known = there != rows_.end();
  if (auto stored = Store(key, Renew(key.first, row, now_s)); !stored) {
    Count(Learning::kFull);
    if (refused_.insert("map").second) spdlog::error("garden: {}", stored.error().message);
    return false;
  }
  Count(known ? Learning::kRenewed : Learning::kAdmitted);
  return true;
}

bool LearnedGarden::Learn(uint16_t zone, const DnsAnswer& answer) {
  std::lock_guard lock(mutex_);
  auto config = zones_.find(zone);
  if (config == zones_.end() || answer.question.name.size() >= NX_NAME_BYTES) return false;
  if (EntriesFor(zone, answer.question.name).empty()) return NoteOutside(zone, answer), false;
  Count(Learning::kGardenAnswers);
  const DnsConfig& dns = config->second.config.dns;
  bool admitted = false;
  for (const DnsAnswer::Found& found : answer.addresses) {
    if (!MayOpen(zone, answer, found.address)) continue;
    auto ttl_s =
        std::clamp<int64_t>(found.ttl_s, dns.garden_ttl_min.count(), dns.garden_ttl_max.count());
    Key key{zone, found.address};
    // The second that has begun counts in full.
    if (!Admit(key, answer.question.name, NowS() + static_cast<uint32_t>(ttl_s) + 1)) continue;
    admitted = true;
    if (auto outside = outside_.find(key); outside != outside_.end())
      WarnShared(key, outside->second);
  }
  return admitted;
}

void LearnedGarden::WarnShared(const Key& key, const std::string& outside) {
  if (warned_.size() >= kMaxLogged || !warned_.insert(key).second) return;
  Count(Learning::kShared);
  spdlog::warn(
      "zone '{}': the garden admits {}, which {} has, too: clients reach that before they "
      "log in",
      zones_.at(key.first).config.name, key.second.ToString(), outside);
}

void LearnedGarden::NoteOutside(uint16_t zone, const DnsAnswer& answer) {
  const ZoneConfig& config = zones_.at(zone).config;
  for (const DnsAnswer::Found& found : answer.addresses) {
    Key key{zone, found.address};
    auto [there, fresh] = outside_.try_emplace(key, answer.question.name);
    bool admitted = rows_.contains(key);
    if (fresh) {
      outside_order_.push_back(key);
      admitted = admitted || std::any_of(config.garden.begin(), config.garden.end(),
                                         [&](const GardenEntry& entry) {
                                           return entry.prefix.Contains(found.address);
                                         });
    }
    if (admitted) WarnShared(key, there->second);
  }
  while (outside_.size() > kMaxOutside) {
    outside_.erase(outside_order_.front());
    outside_order_.pop_front();
  }
}

void LearnedGarden::Expire() {
  std::lock_guard lock(mutex_);
  uint32_t now_s = NowS();
  for (auto row = rows_.begin(); row != rows_.end();) {
    auto next = std::next(row);
    const auto& names = row->second.names;
    bool over = std::any_of(std::begin(names), std::end(names), [&](const nx_learned_name& name) {
      return name.until_s != 0 && name.until_s <= now_s;
    });
    if (over) {
      nx_learned left = Renew(row->first.first, row->second, now_s);
      if (auto stored = Store(Key(row->first), left); stored && left.until_s == 0)
        Count(Learning::kExpired);
    }
    row = next;
  }
}

std::vector<LearnedAddress> LearnedGarden::List() const {
  std::lock_guard lock(mutex_);
  std::vector<LearnedAddress> list;
  uint32_t now_s = NowS();
  for (const auto& [key, row] : rows_) {
    if (row.until_s <= now_s) continue;
    LearnedAddress& one = list.emplace_back();
    one.zone = key.first;
    one.address = key.second;
    one.ports.assign(row.open.ranges, row.open.ranges + row.open.range_count);
    for (const nx_learned_name& name : row.names) {
      if (name.until_s <= now_s) continue;
      auto entries = EntriesFor(key.first, TextOf(name));
      one.names.push_back(
          {TextOf(name), entries.empty() ? "" : entries.front()->name, name.until_s});
    }
    if (auto outside = outside_.find(key); outside != outside_.end())
      one.shared_with = outside->second;
  }
  return list;
}

std::string LearnedGarden::SharedWith(uint16_t zone, const Address& address) const {
  std::lock_guard lock(mutex_);
  auto outside = outside_.find({zone, address});
  return outside == outside_.end() ? std::string() : outside->second;
}

std::array<uint64_t, static_cast<size_t>(Learning::kCount)> LearnedGarden::Counters() const {
  std::array<uint64_t, static_cast<size_t>(Learning::kCount)> values{};
  for (size_t i = 0; i < values.size(); ++i) values[i] = counters_[i];
  return values;
}

}  // namespace narthex
