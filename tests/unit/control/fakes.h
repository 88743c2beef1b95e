// SPDX-License-Identifier: Apache-2.0
// What stands in for the kernel in these tests: clocks that are set, maps that are memory.
#ifndef NARTHEX_TESTS_UNIT_CONTROL_FAKES_H
#define NARTHEX_TESTS_UNIT_CONTROL_FAKES_H

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "control/clock.h"
#include "control/config.h"
#include "control/session_map.h"

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
  explicit FakeTable(uint32_t entries) : entries(entries), fast(entries / NX_FAST_BITS + 1) {}
  std::span<nx_session> Entries() override { return entries; }
  std::span<uint64_t> FastWords() override { return fast; }
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
  // As the classifier does for an address.
  uint64_t ExpiryOf(const Layout& layout, uint16_t zone, const std::string& text) {
    Address address = *ParseAddress(text);
    if (auto slot = layout.PoolSlot(address)) return entries[*slot].expires_ns;
    auto found = keys.find(AddressKey(zone, address));
    return found == keys.end() ? 0 : entries[found->second].expires_ns;
  }

  std::vector<nx_session> entries;
  std::vector<uint64_t> fast;
  int settled = 0;
  std::map<nx_key, uint32_t, KeyLess> keys;
  bool refuse_keys = false;
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
