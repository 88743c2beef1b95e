// SPDX-License-Identifier: Apache-2.0
// What the session store looks up without reading the disk: whose a key is, and which session ends
// next. Trees for that in the file would be written all over by each login of a random client; this
// is rebuilt from the rows at each start.
//
// Not thread-safe: SessionStore's caller sees to that.
#ifndef NARTHEX_CONTROL_STORE_INDEX_H
#define NARTHEX_CONTROL_STORE_INDEX_H

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/key.h"
#include "control/layout.h"
#include "control/session.h"

namespace narthex {

class StoreIndex {
 public:
  // With a layout, which must outlive this, the sessions of its pools' addresses are found by their
  // entries. Other keys are hashed into tables so many, and of so different shares, that no login
  // has to wait until more than one of 256 has grown.
  explicit StoreIndex(const Layout* layout);
  ~StoreIndex();
  StoreIndex(const StoreIndex&) = delete;
  StoreIndex& operator=(const StoreIndex&) = delete;

  // All of the keys, or none. Returns the key that has a session already.
  std::optional<Key> AddKeys(std::string_view zone, std::span<const SessionKey> keys,
                             int64_t session);
  // Those that are the session's.
  void RemoveKeys(std::string_view zone, std::span<const SessionKey> keys, int64_t session);
  std::optional<int64_t> Find(std::string_view zone, const Key& key) const;

  void AddEnd(int64_t end_ns, int64_t session);
  void RemoveEnd(int64_t end_ns, int64_t session);
  // Sessions that end by then, earliest first.
  std::vector<std::pair<int64_t, int64_t>> EndsBy(int64_t end_ns, size_t most) const;
  std::optional<int64_t> FirstEnd() const;
  size_t CountAfter(int64_t end_ns) const;

 private:
  struct Tables;
  uint16_t ZoneNumber(std::string_view zone);
  int64_t* PoolEntry(std::string_view zone, const Key& key) const;
  bool Add(std::string_view zone, uint16_t number, const Key& key, int64_t session);

  const Layout* layout_;
  std::vector<std::string> zones_;
  std::unique_ptr<Tables> tables_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_STORE_INDEX_H
