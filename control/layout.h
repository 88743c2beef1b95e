// SPDX-License-Identifier: Apache-2.0
// Which zone an address belongs to, and where its entry in the `sessions` map lies: pool
// addresses at a fixed index, all others behind the pools in entries handed out one by one.
#ifndef NARTHEX_CONTROL_LAYOUT_H
#define NARTHEX_CONTROL_LAYOUT_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "control/config.h"
#include "control/key.h"

namespace narthex {

// Index in `workers` of queue 0 of the zone's interface; its zones have the same workers.
uint16_t WorkerBase(const std::vector<ZoneConfig>& zones, const ZoneConfig& zone);

class Layout {
 public:
  explicit Layout(const Config& config);

  // Entries of the `sessions` map: [0, pool_entries) are the pools'.
  uint32_t pool_entries() const { return pool_entries_; }
  uint32_t entries() const { return pool_entries_ + capacity_; }
  uint32_t capacity() const { return capacity_; }  // of `keys`
  // Words of `fast` and `held`: a bit for each pool entry, at least one word.
  uint32_t fast_words() const { return pool_entries_ / NX_FAST_BITS + 1; }

  // Rows of `limits`, `places` and `via`: one where nobody needs them.
  uint32_t limit_rows() const { return has_policies_ ? capacity_ + 1 : 1; }
  uint32_t place_rows() const { return has_places_ ? entries() : 1; }
  uint32_t via_rows() const { return has_via_ ? capacity_ : 1; }
  bool HasVia() const { return has_via_; }
  bool HasIpv6() const { return has_ipv6_; }
  bool Bridges() const { return bridges_; }

  const std::vector<ZoneConfig>& zones() const { return zones_; }
  const ZoneConfig* ZoneByName(const std::string& name) const;
  const ZoneConfig& ZoneById(uint16_t id) const { return zones_[id - 1u]; }
  // The zone whose pools or prefixes hold the address; prefixes of zones are disjoint.
  const ZoneConfig* ZoneOf(const Address& address) const;
  // Likewise for a key that is an address or a prefix: all of it lies in the zone. Null for others.
  const ZoneConfig* ZoneOf(const Key& key) const;
  // The fixed entry of a pool address; none for others.
  std::optional<uint32_t> PoolSlot(const Address& address) const;
  // The key of the address whose entry this is; `slot` below pool_entries().
  nx_key KeyOfPoolSlot(uint32_t slot) const;
  std::vector<nx_pool> PoolsOf(const ZoneConfig& zone) const;

  // Two layouts of the same text place every address alike: maps can be used on.
  std::string ToString() const;

  static uint64_t PoolAddresses(const std::vector<ZoneConfig>& zones);

 private:
  struct Pool {
    uint16_t zone;
    nx_pool pool;
  };

  std::vector<ZoneConfig> zones_;
  std::vector<Pool> pools_;
  uint32_t pool_entries_ = 0;
  uint32_t capacity_ = 0;
  bool has_policies_ = false;
  bool has_places_ = false;
  bool has_via_ = false;
  bool has_ipv6_ = false;
  bool bridges_ = false;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_LAYOUT_H
