// SPDX-License-Identifier: Apache-2.0
#include "control/clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <fstream>

namespace narthex {
namespace {

// The system call itself: a library that fakes the C functions (faketime in tests) must not
// tear narthexd's boot time from the classifier's.
int64_t Read(clockid_t clock) {
  timespec now{};
  syscall(SYS_clock_gettime, clock, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

}  // namespace

int64_t SystemClock::BootNs() const { return Read(CLOCK_BOOTTIME); }

int64_t SystemClock::WallNs() const {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

std::string SystemClock::BootId() const {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace narthex
