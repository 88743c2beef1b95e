// SPDX-License-Identifier: Apache-2.0
// What stands in for the kernel in these tests: clocks that are set, maps that are memory.
#ifndef NARTHEX_TESTS_UNIT_CONTROL_FAKES_H
#define NARTHEX_TESTS_UNIT_CONTROL_FAKES_H

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/clock.h"
#include "control/config.h"
#include "control/neighbours.h"
#include "control/session_map.h"
#include "tests/harness/account.h"

namespace narthex {

class FakeClock : public Clock {
 public:
  int64_t BootNs() const override { return boot_ns; }
  int64_t WallNs() const override { return wall_ns; }
  std::string BootId() const override { return boot_id; }
  void Advance(int64_t seconds) {
    boot_ns += seconds * kSecondNs;
    wall_ns += seconds * kSecondNs;
  }

  int64_t boot_ns = 1000 * kSecondNs;
  int64_t wall_ns = 1'700'000'000 * kSecondNs;
  std::string boot_id = "boot-1";
};

struct KeyLess {
  bool operator()(const nx_key& a, const nx_key& b) const {
    return std::memcmp(&a, &b, sizeof a) < 0;
  }
};

class FakeTable : public SessionTable {
 public:
  explicit FakeTable(const Layout& layout)
      : entries(layout.entries()),
        up(layout.entries()),
        down(layout.entries()),
        accounts(layout.entries()),
        fast(layout.fast_words()),
        held(layout.fast_words()),
        limits(layout.limit_rows()),
        policies(NX_MAX_POLICIES),
        places(layout.place_rows()) {}
  std::span<nx_limits> Limits() override { return limits; }
  std::span<nx_policy> Policies() override { return policies; }
  std::span<nx_place> Places() override { return places; }
  Result<std::vector<std::pair<nx_key, nx_via>>> Via() override {
    return std::vector<std::pair<nx_key, nx_via>>(via.begin(), via.end());
  }
  std::optional<nx_via> FindVia(const nx_key& key) override {
    auto found = via.find(key);
    return found == via.end() ? std::nullopt : std::optional(found->second);
  }
  Outcome DeleteVia(const nx_key& key) override {
    via.erase(key);
    return {};
  }
  const nx_session* Replaced(uint32_t slot) override {
    return slot < replaced.size() ? &replaced[slot] : nullptr;
  }
  std::optional<AccountFields> ReplacedAccount(uint32_t slot) override {
    if (slot >= replaced_accounts.size()) return std::nullopt;
    return AccountFields{replaced_up[slot], replaced_down[slot], replaced_accounts[slot]};
  }
  std::vector<nx_ledger_entry> ReplacedNotes() override { return replaced_notes; }
  void ReleaseReplaced() override { replaced.clear(); }
  const nx_limits* ReplacedLimits(uint32_t row) override {
    return row < replaced_limits.size() ? &replaced_limits[row] : nullptr;
  }
  std::span<nx_session> Entries() override { return entries; }
  std::span<uint64_t> TrafficUp() override { return up; }
  std::span<uint64_t> TrafficDown() override { return down; }
  std::span<nx_account> Accounts() override { return accounts; }
  std::span<uint64_t> FastWords() override { return fast; }
  std::span<uint64_t> HeldWords() override { return held; }
  Outcome Settle() override {
    ++settled;
    return {};
  }
  Outcome PutKey(const nx_key& key, uint32_t slot) override {
    if (refuse_keys) return Fail(ErrorKind::kExhausted, "no keys");
    keys[key] = slot;
    return {};
  }
  Outcome DeleteKey(const nx_key& key) override {
    keys.erase(key);
    return {};
  }
  Result<std::vector<std::pair<nx_key, uint32_t>>> Keys() override {
    return std::vector<std::pair<nx_key, uint32_t>>(keys.begin(), keys.end());
  }
  // As the classifier does for a key.
  nx_session* Find(const Layout& layout, uint16_t zone, const std::string& text) {
    Key key = *ParseKey(text);
    if (auto slot = layout.PoolSlot(key.address())) return &entries[*slot];
    auto found = keys.find(key.InZone(zone));
    return found == keys.end() ? nullptr : &entries[found->second];
  }
  uint32_t SlotOf(const Layout& layout, uint16_t zone, const std::string& text) {
    return static_cast<uint32_t>(Find(layout, zone, text) - entries.data());
  }
  test::Counted CountedAt(uint32_t slot) const {
    return test::CountedIn(up[slot], down[slot], accounts[slot]);
  }
  // The maps of before this start, with as many entries.
  void Replace(size_t count) {
    replaced.assign(count, {});
    replaced_up.assign(count, 0);
    replaced_down.assign(count, 0);
    replaced_accounts.assign(count, {});
  }
  uint64_t ExpiryOf(const Layout& layout, uint16_t zone, const std::string& text) {
    nx_session* entry = Find(layout, zone, text);
    return entry == nullptr ? 0 : entry->expires_ns;
  }

  std::vector<nx_session> entries;
  std::vector<uint64_t> up, down;
  std::vector<nx_account> accounts;
  std::vector<uint64_t> fast;
  std::vector<uint64_t> held;
  std::vector<nx_limits> limits;
  std::vector<nx_policy> policies;
  std::vector<nx_place> places;
  std::vector<nx_session> replaced;  // by slot
  std::vector<uint64_t> replaced_up, replaced_down;
  std::vector<nx_account> replaced_accounts;
  std::vector<nx_limits> replaced_limits;
  std::vector<nx_ledger_entry> replaced_notes;
  int settled = 0;
  std::map<nx_key, uint32_t, KeyLess> keys;
  std::map<nx_key, nx_via, KeyLess> via;
  bool refuse_keys = false;
};

class FakeNeighbours : public Neighbours {
 public:
  std::optional<Mac> Find(const std::string& interface, const Address& address) const override {
    auto found = known.find({interface, address});
    return found == known.end() ? std::nullopt : std::optional(found->second);
  }
  std::map<std::pair<std::string, Address>, Mac> known;
};

// A directory that goes with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/narthex-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline Prefix P(const std::string& text) { return *ParsePrefix(text); }

// Two zones; `capacity` entries behind 256 + 4 pool addresses.
inline Config TwoZones(uint32_t capacity) {
  Config config;
  config.session_capacity = capacity;
  ZoneConfig lobby, stands;
  lobby.id = 1;
  lobby.name = "lobby";
  lobby.interface = "lan0";
  lobby.pools = {P("10.51.1.0/24")};
  lobby.ipv6_prefixes = {P("2001:db8:51:1::/64")};
  stands.id = 2;
  stands.name = "stands";
  stands.interface = "lan1";
  stands.pools = {P("10.52.0.0/30")};
  stands.ipv6_prefixes = {P("2001:db8:52::/64")};
  config.zones = {lobby, stands};
  return config;
}

}  // namespace narthex

#endif  // NARTHEX_TESTS_UNIT_CONTROL_FAKES_H
