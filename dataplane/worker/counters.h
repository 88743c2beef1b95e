// SPDX-License-Identifier: Apache-2.0
// Counters of one worker, in the shared map entry of which it is the only writer. Readers in
// other processes see each value whole.
#pragma once

#include <cstdint>

#include "bpf/abi.h"

namespace narthex {

class Counters {
 public:
  explicit Counters(nx_worker& entry) : entry_(&entry) {}

  void Add(nx_worker_counter counter, uint64_t count = 1) {
    Store(entry_->counters[counter], entry_->counters[counter] + count);
  }
  static void Store(__u64& field, uint64_t value) {
    __atomic_store_n(&field, value, __ATOMIC_RELAXED);
  }

 private:
  nx_worker* entry_;
};

}  // namespace narthex
