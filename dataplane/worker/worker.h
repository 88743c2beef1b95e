// SPDX-License-Identifier: Apache-2.0
// The burst loop: receive, answer in place, transmit. Every buffer that the port hands over
// leaves by exactly one of TxBurst or Free.
//
// A Port is any class with
//   using Buffer = …;                               one received frame, owned by its holder
//   uint32_t RxBurst(Buffer*, uint32_t max)         passes ownership to the worker
//   uint32_t TxBurst(Buffer*, uint32_t count)       takes ownership of the first n returned
//   void Free(Buffer*, uint32_t count)              takes ownership of all
//   static uint8_t* Data(Buffer); static uint32_t Length(Buffer), Room(Buffer);
//   static void SetLength(Buffer, uint32_t); static void Prefetch(Buffer)
// An Answerer is a Responder, or whatever else has its Handle.
//
// Threads: one worker, one lcore.
#pragma once

#include <cstdint>

#include "worker/counters.h"
#include "worker/responder.h"

namespace narthex {

template <class Port, class Answerer = Responder>
class Worker {
 public:
  static constexpr uint32_t kBurst = 32;

  Worker(Port& port, Answerer& responder, nx_worker& entry)
      : port_(port), responder_(responder), counters_(entry) {}

  // Returns how many packets there were.
  uint32_t RunBurst(Instant now) {
    Buffer received[kBurst];
    const uint32_t count = port_.RxBurst(received, kBurst);
    if (count == 0) return 0;
    for (uint32_t i = 0; i < count; i++) Port::Prefetch(received[i]);

    Buffer replies[kBurst];
    Buffer silent[kBurst];
    uint32_t reply_count = 0;
    uint32_t silent_count = 0;
    for (uint32_t i = 0; i < count; i++) {
      Buffer buffer = received[i];
      const uint32_t bytes =
          responder_.Handle(Port::Data(buffer), Port::Length(buffer), Port::Room(buffer), now);
      if (bytes == 0) {
        silent[silent_count++] = buffer;
        continue;
      }
      Port::SetLength(buffer, bytes);
      replies[reply_count++] = buffer;
    }
    Send(replies, reply_count);
    if (silent_count) port_.Free(silent, silent_count);
    counters_.Add(NX_WORKER_RX, count);
    return count;
  }

 private:
  using Buffer = typename Port::Buffer;

  // The client repeats its request when a reply did not fit the ring.
  void Send(Buffer* replies, uint32_t count) {
    const uint32_t sent = count ? port_.TxBurst(replies, count) : 0;
    counters_.Add(NX_WORKER_TX, sent);
    if (sent == count) return;
    counters_.Add(NX_WORKER_TX_FULL, count - sent);
    port_.Free(replies + sent, count - sent);
  }

  Port& port_;
  Answerer& responder_;
  Counters counters_;
};

}  // namespace narthex
