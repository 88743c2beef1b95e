// SPDX-License-Identifier: Apache-2.0
// What the classifier reports of keys that are used from another place: a line in the log for each,
// as many as a log can bear, and counters.
//
// Threads: one of its own, which reads the ring buffer; counters may be read by any.
#ifndef NARTHEX_CONTROL_ALARMS_H
#define NARTHEX_CONTROL_ALARMS_H

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "bpf/abi.h"
#include "control/bpf.h"
#include "control/layout.h"
#include "control/sessions.h"

namespace narthex {

// "alarm: session 0123456789abcdef: 10.51.1.2 came from VLAN 100.7 instead of 100 of zone 'lobby',
// MAC address 02:…"
std::string AlarmText(const nx_event& event, const Layout& layout,
                      const std::optional<SlotOwner>& owner);

class Alarms {
 public:
  // The references must outlive this; `events_fd` stays the caller's.
  static Result<std::unique_ptr<Alarms>> Start(int events_fd, Sessions& sessions,
                                               const Layout& layout);
  ~Alarms();

  // Takes one event; called by the thread.
  void Take(const nx_event& event, int64_t now_ns);

  uint64_t moved() const { return moved_; }
  uint64_t wrong_mac() const { return wrong_mac_; }
  uint64_t elsewhere() const { return elsewhere_; }

  Alarms(Sessions& sessions, const Layout& layout) : sessions_(sessions), layout_(layout) {}

 private:
  void Run();

  Sessions& sessions_;
  const Layout& layout_;
  std::unique_ptr<RingReader> reader_;
  std::atomic<uint64_t> moved_ = 0;
  std::atomic<uint64_t> wrong_mac_ = 0;
  std::atomic<uint64_t> elsewhere_ = 0;
  std::atomic<bool> stopping_ = false;
  int64_t second_ = 0;  // in which lines are being counted
  uint64_t lines_ = 0;  // of this second
  uint64_t withheld_ = 0;
  std::thread thread_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_ALARMS_H
