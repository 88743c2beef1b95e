// SPDX-License-Identifier: Apache-2.0
#include "worker/lcore.h"

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_random.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

namespace narthex {
namespace {

constexpr uint64_t kHeartbeatsPerSecond =
    40;  // at least one every 50 ms, bursts and sleep included
constexpr uint32_t kEmptyPollsBeforeSleep = 256;
constexpr unsigned kIdleSleep_us = 50;
// After this many sleeps nothing is under way: a longer one costs nobody much.
constexpr uint32_t kEmptyPollsBeforeLongSleep = kEmptyPollsBeforeSleep + 400;
constexpr unsigned kLongIdleSleep_us = 250;

uint64_t BootTimeNs() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Lcore::Lcore(const Snapshot& snapshot, const WorkerPlace& place, std::unique_ptr<EalPort> port,
             SharedMaps& maps)
    : worker_index_(place.index),
      idle_backoff_(snapshot.idle_backoff),
      port_(std::move(port)),
      entry_(maps.Worker(snapshot.zones[place.zones[0]].worker_base + place.queue)),
      responders_(snapshot, place.zones,
                  [&](const ZoneSnapshot& zone) {
                    return std::make_unique<Responder>(zone.id, maps.CookieKeys(), entry_,
                                                       ReassemblyLimits{}, rte_rand(), rte_rand());
                  }),
      worker_(*port_, responders_, entry_) {
  policy_.Offer(&snapshot);
}

bool Lcore::Launch(unsigned lcore_id) { return rte_eal_remote_launch(Run, this, lcore_id) == 0; }

int Lcore::Run(void* self) {
  static_cast<Lcore*>(self)->Loop();
  return 0;
}

void Lcore::Loop() {
  prctl(PR_SET_TIMERSLACK, 1000);  // ns: a short sleep shall be short
  const uint64_t hz = rte_get_tsc_hz();
  const uint64_t heartbeat_cycles = hz / kHeartbeatsPerSecond;
  ns_per_cycle_ = (1'000'000'000ull << 32) / hz;
  Counters::Store(entry_.cycles_per_s, hz);
  entry_.pid = static_cast<__u32>(getpid());
  busy_cycles_ = entry_.busy_cycles;
  idle_cycles_ = entry_.idle_cycles;
  TakePolicy();
  Heartbeat();
  Counters::Store(entry_.started_ns, heartbeat_ns_);

  uint32_t empty_polls = 0;
  uint64_t before = heartbeat_tsc_;
  while (!stop_.load(std::memory_order_relaxed)) {
    TakePolicy();
    if (before - heartbeat_tsc_ > heartbeat_cycles) Heartbeat();
    const uint32_t packets = worker_.RunBurst(Now(before));
    if (packets == 0 && idle_backoff_ && ++empty_polls >= kEmptyPollsBeforeSleep) {
      const bool quiet = empty_polls >= kEmptyPollsBeforeLongSleep;
      rte_delay_us_sleep(quiet ? kLongIdleSleep_us : kIdleSleep_us);
    }
    const uint64_t after = rte_rdtsc();
    if (packets) {
      empty_polls = 0;
      Counters::Store(entry_.busy_cycles, busy_cycles_ += after - before);
    } else {
      Counters::Store(entry_.idle_cycles, idle_cycles_ += after - before);
    }
    before = after;
  }
  // No new connections for a worker that is gone.
  Counters::Store(entry_.heartbeat_ns, 0);
  __atomic_store_n(&entry_.pid, 0, __ATOMIC_RELAXED);
}

// The only reader of the clock: bursts in between take their time from the TSC.
void Lcore::Heartbeat() {
  heartbeat_tsc_ = rte_rdtsc();
  heartbeat_ns_ = BootTimeNs();
  Counters::Store(entry_.heartbeat_ns, heartbeat_ns_);
  responders_.Expire(Now(heartbeat_tsc_));
  timespec wall;
  clock_gettime(CLOCK_REALTIME_COARSE, &wall);
  responders_.SetWallTime(wall.tv_sec);
}

Instant Lcore::Now(uint64_t tsc) const {
  // `tsc` may have been read just before the heartbeat.
  const uint64_t cycles = tsc > heartbeat_tsc_ ? tsc - heartbeat_tsc_ : 0;
  return Instant::FromNs(heartbeat_ns_ + (cycles * ns_per_cycle_ >> 32));
}

void Lcore::TakePolicy() {
  const Snapshot* snapshot = policy_.Take();
  if (!snapshot) return;
  responders_.Use(*snapshot, worker_index_);
  __atomic_store_n(&entry_.policy_version, snapshot->version, __ATOMIC_RELAXED);
  policy_.Taken(snapshot);
}

}  // namespace narthex
