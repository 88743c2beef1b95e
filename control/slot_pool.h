// SPDX-License-Identifier: Apache-2.0
// Numbers [first, end) of which each is taken or free. What was given back first is handed out
// first, so that a packet in flight with a stale number meets its next owner as late as possible.
#ifndef NARTHEX_CONTROL_SLOT_POOL_H
#define NARTHEX_CONTROL_SLOT_POOL_H

#include <cstdint>
#include <deque>
#include <optional>

namespace narthex {

class SlotPool {
 public:
  SlotPool(uint32_t first, uint32_t end) : untouched_(first), end_(end) {}

  // All free but those for which `used` is true.
  template <typename Used>
  void Reset(uint32_t first, Used used) {
    freed_.clear();
    untouched_ = end_;
    while (untouched_ > first && !used(untouched_ - 1)) --untouched_;
    for (uint32_t slot = first; slot < untouched_; ++slot)
      if (!used(slot)) freed_.push_back(slot);
  }
  std::optional<uint32_t> Take() {
    if (untouched_ < end_) return untouched_++;
    if (freed_.empty()) return std::nullopt;
    uint32_t slot = freed_.front();
    freed_.pop_front();
    return slot;
  }
  void Give(uint32_t slot) { freed_.push_back(slot); }

  uint32_t untouched() const { return untouched_; }  // none from here on was ever taken
  size_t free() const { return freed_.size() + (end_ - untouched_); }

 private:
  std::deque<uint32_t> freed_;
  uint32_t untouched_;
  uint32_t end_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_SLOT_POOL_H
