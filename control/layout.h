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

namespace narthex {

class Layout {
 public:
  explicit Layout(const Config& config);

  // Entries of the `sessions` map: [0, pool_entries) are the pools'.
  uint32_t pool_entries() const { return pool_entries_; }
  uint32_t entries() const { return pool_entries_ + capacity_; }
  uint32_t capacity() const { return capacity_; }  // of `keys`
  // Words of `fast`: a bit for each pool entry, at least one word.
  uint32_t fast_words() const { return pool_entries_ / NX_FAST_BITS + 1; }

  const std::vector<ZoneConfig>& zones() const { return zones_; }
  const ZoneConfig* ZoneByName(const std::string& name) const;
  // The zone whose pools or prefixes hold the address; prefixes of zones are disjoint.
  const ZoneConfig* ZoneOf(const Address& address) const;
  // The fixed entry of a pool address; none for others.
  std::optional<uint32_t> PoolSlot(const Address& address) const;
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
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_LAYOUT_H
