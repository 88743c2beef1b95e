// SPDX-License-Identifier: Apache-2.0
// The host patterns that say a whole name: exact, and a domain with all below it. As many as there
// may be, a host costs a look at the filter for each domain that it lies in; one that a pattern
// names, a slot of a hash table and a comparison more.
//
// Threads: immutable once built.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "match/host_chain.h"
#include "match/pattern.h"

namespace narthex {

class HostTable {
 public:
  static bool Takes(const Pattern& pattern) {
    return pattern.field == Field::kHost &&
           (pattern.kind == Kind::kExact || pattern.kind == Kind::kSuffix);
  }

  // Of `patterns` those that it takes.
  void Build(const std::vector<Pattern>& patterns);

  // Calls note(index) for each pattern that the host satisfies.
  template <class Note>
  void Find(const HostChain& host, Note note) const {
    if (slots_.empty()) return;
    for (size_t domain = 0; domain < host.Domains(); domain++) {
      const uint64_t digest = host.Digest(domain);
      if (!MayHold(filter_[digest >> filter_shift_], digest)) continue;
      const std::string_view name = host.Host().substr(host.Begin(domain));
      const bool whole = host.Begin(domain) == 0;
      for (size_t at = digest >> slot_shift_; slots_[at].bytes; at = Next(at)) {
        const Slot& slot = slots_[at];
        if (slot.digest != static_cast<uint32_t>(digest) || slot.bytes != name.size() ||
            (slot.exact && !whole) ||
            std::memcmp(&text_[slot.text], name.data(), name.size()) != 0) {
          continue;
        }
        note(slot.pattern);
      }
    }
  }

  size_t Bytes() const {
    return slots_.size() * sizeof(Slot) + filter_.size() * sizeof(filter_[0]) + text_.size();
  }

 private:
  struct Slot {
    uint32_t digest;  // its lower half
    uint32_t text;    // where the name begins in text_
    uint32_t pattern;
    uint16_t bytes;  // of the name; 0: the slot is free
    bool exact;
  };
  static_assert(sizeof(Slot) == 16);

  // Three bits of one word: few hosts share all of them with one that a pattern names.
  static uint64_t FilterBits(uint64_t digest) {
    return uint64_t{1} << (digest >> 8 & 63) | uint64_t{1} << (digest >> 14 & 63) |
           uint64_t{1} << (digest >> 20 & 63);
  }
  static bool MayHold(uint64_t word, uint64_t digest) {
    return word >> (digest >> 8 & 63) & word >> (digest >> 14 & 63) & word >> (digest >> 20 & 63) &
           1;
  }
  size_t Next(size_t at) const { return (at + 1) & (slots_.size() - 1); }

  std::vector<Slot> slots_;  // power of two, never full; empty: no pattern
  uint32_t slot_shift_ = 0;
  std::vector<uint64_t> filter_;  // a word for one or two names: it stays in the cache
  uint32_t filter_shift_ = 0;
  std::string text_;
};

}  // namespace narthex
