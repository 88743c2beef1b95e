// SPDX-License-Identifier: Apache-2.0
// Time as the control plane needs it: boot time decides when a session ends (no step of the
// wall clock moves it), wall time is for people and for the way across a reboot.
#ifndef NARTHEX_CONTROL_CLOCK_H
#define NARTHEX_CONTROL_CLOCK_H

#include <cstdint>
#include <string>

namespace narthex {

inline constexpr int64_t kSecondNs = 1'000'000'000;

// Seam for tests. Implementations may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t BootNs() const = 0;  // CLOCK_BOOTTIME
  virtual int64_t WallNs() const = 0;  // since 1970, CLOCK_REALTIME
  // Names the period in which BootNs() counts from the same point.
  virtual std::string BootId() const = 0;
};

class SystemClock : public Clock {
 public:
  int64_t BootNs() const override;
  int64_t WallNs() const override;
  std::string BootId() const override;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_CLOCK_H
