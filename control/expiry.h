// SPDX-License-Identifier: Apache-2.0
// The housekeeping thread: takes expired sessions out of store and map (the classifier has
// stopped passing them by its own clock), each second those that their policy has ended, writes
// counters to the store, renews cookie keys. Sleeps until the earliest of these is due.
#ifndef NARTHEX_CONTROL_EXPIRY_H
#define NARTHEX_CONTROL_EXPIRY_H

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "control/clock.h"
#include "control/cookie_keys.h"
#include "control/sessions.h"

namespace narthex {

class Expiry {
 public:
  // Starts the thread; the destructor ends and joins it. The references must outlive this.
  Expiry(Sessions& sessions, CookieKeys& cookie_keys, const Clock& clock);
  ~Expiry();

  // Looks again: something may end earlier than was known.
  void Wake();

 private:
  void Run();
  int64_t RunOnce();  // returns when the next one is due

  Sessions& sessions_;
  CookieKeys& cookie_keys_;
  const Clock& clock_;
  int64_t next_save_ns_ = 0;
  int64_t next_look_ns_ = 0;  // for sessions that their policy has ended
  bool failing_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_EXPIRY_H
