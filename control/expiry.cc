// SPDX-License-Identifier: Apache-2.0
#include "control/expiry.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

namespace narthex {
namespace {

constexpr int64_t kSaveEveryNs = 10 * kSecondNs;
constexpr int64_t kRetryNs = 5 * kSecondNs;

}  // namespace

Expiry::Expiry(Sessions& sessions, CookieKeys& cookie_keys, const Clock& clock)
    : sessions_(sessions), cookie_keys_(cookie_keys), clock_(clock), thread_([this] { Run(); }) {}

Expiry::~Expiry() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Expiry::Wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

int64_t Expiry::RunOnce() {
  int64_t now_ns = clock_.BootNs();
  auto next = sessions_.EndExpired();
  Outcome saved;
  if (now_ns >= next_look_ns_) {
    saved = sessions_.EndSpent();
    next_look_ns_ = now_ns + kSecondNs;
  }
  if (saved && now_ns >= next_save_ns_) {
    saved = sessions_.SaveCounters();
    next_save_ns_ = now_ns + kSaveEveryNs;
  }
  bool failed = !next || !saved;
  if (failed && !failing_)  // once, not every time
    spdlog::error("session store: {}; sessions still end on time, but cannot be changed",
                  !next ? next.error().message : saved.error().message);
  if (!failed && failing_) spdlog::info("session store: works again");
  failing_ = failed;

  int64_t due_ns = std::min({next_save_ns_, next_look_ns_, cookie_keys_.Renew(now_ns)});
  if (!next) return std::min(due_ns, now_ns + kRetryNs);
  return *next ? std::min(due_ns, **next) : due_ns;
}

void Expiry::Run() {
  for (;;) {
    int64_t wait_ns = std::max<int64_t>(RunOnce() - clock_.BootNs(), 1'000'000);
    std::unique_lock lock(mutex_);
    // The wait counts CLOCK_MONOTONIC: after a suspend it ends late, at most kSaveEveryNs.
    changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [&] { return stopping_ || woken_; });
    if (stopping_) return;
    woken_ = false;
  }
}

}  // namespace narthex
