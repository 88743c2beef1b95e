// SPDX-License-Identifier: Apache-2.0
#include "control/cookie_keys.h"

#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "bpf/cookie.h"

namespace narthex {
namespace {

// Not at the edges of a slot: the classifier's clock is coarse, a worker reads its own.
constexpr int64_t kMarginNs = 1'000'000'000;

void Randomise(__u64 (&key)[2]) {
  __u64 fresh[2];
  if (getrandom(fresh, sizeof fresh, 0) != sizeof fresh) std::abort();
  for (int i = 0; i < 2; ++i) std::atomic_ref(key[i]).store(fresh[i], std::memory_order_relaxed);
}

}  // namespace

void CookieKeys::Start() {
  for (auto& key : keys_.key)
    if (key[0] == 0 && key[1] == 0) Randomise(key);
}

int64_t CookieKeys::Renew(int64_t now_boot_ns) {
  uint64_t slot = nx_cookie_slot(static_cast<uint64_t>(now_boot_ns));
  auto begin_ns = static_cast<int64_t>(slot * NX_COOKIE_SLOT_NS);
  auto end_ns = begin_ns + static_cast<int64_t>(NX_COOKIE_SLOT_NS);
  if (renewed_in_slot_ == slot || now_boot_ns > end_ns - kMarginNs) return end_ns + kMarginNs;
  if (now_boot_ns < begin_ns + kMarginNs) return begin_ns + kMarginNs;
  Randomise(keys_.key[(slot + 1) % 4]);
  renewed_in_slot_ = slot;
  return end_ns + kMarginNs;
}

}  // namespace narthex
