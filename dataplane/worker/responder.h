// SPDX-License-Identifier: Apache-2.0
// One worker's mind: a frame in, the reply to it out in the same buffer, or nothing.
//
// It knows no port, no clock and no process, so tests, benchmarks and fuzzers run exactly what
// the worker runs. Nothing is answered without a valid cookie, whatever the classifier checked.
//
// Threads: one responder belongs to one worker.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "bpf/cookie.h"
#include "parse/http_request.h"
#include "parse/packet.h"
#include "reply/response.h"
#include "reply/segment.h"
#include "worker/counters.h"
#include "worker/reassembly.h"

namespace narthex {

// The time of a burst, CLOCK_BOOTTIME.
struct Instant {
  uint64_t ns;
  uint64_t slot;  // of cookies

  static Instant FromNs(uint64_t ns) { return {ns, nx_cookie_slot(ns)}; }
};

class Responder {
 public:
  // `keys` is written by narthexd at any time; `entry` is this worker's own.
  Responder(uint16_t zone, const nx_cookie_keys& keys, nx_worker& entry,
            const ReassemblyLimits& limits, uint64_t secret0, uint64_t secret1)
      : zone_(zone), keys_(keys), counters_(entry), reassembly_(limits, secret0, secret1) {}

  // The responses to give from now on, and the rules to ask; they must stay until others are set.
  void Use(const ResponseSet& responses, const RuleView& rules = {}) {
    responses_ = &responses;
    rules_ = rules;
  }

  // The time for Date fields; to be called at least once a second.
  void SetWallTime(int64_t wall_s) { date_.Set(wall_s); }

  // Reads the frame and writes the reply over it. `room` is what the buffer holds from `frame`
  // on. Returns the reply's length, 0 for silence.
  uint32_t Handle(uint8_t* frame, uint32_t bytes, uint32_t room, Instant now);

  // Drops requests that never completed. To be called a few times a second.
  void Expire(Instant now);

 private:
  uint32_t HandleRequest(uint8_t* frame, const Packet& packet, Instant now);
  uint32_t HandlePiece(uint8_t* frame, const Packet& packet, const HttpResult& alone, Instant now);
  uint32_t JudgeRun(uint8_t* frame, const Packet& packet, Reassembly::Entry* entry, Instant now);
  uint32_t AnswerEntry(uint8_t* frame, const Packet& packet, Reassembly::Entry* entry,
                       Decision decision, Instant now);
  uint32_t Remember(uint8_t* frame, const Packet& packet, Decision decision, Instant now);
  uint32_t Reply(uint8_t* frame, const Packet& packet, Decision decision, Seq acknowledge);
  uint32_t Acknowledge(uint8_t* frame, const Packet& packet, Seq acknowledge);
  Reassembly::Entry* CreateEntry(const Packet& packet, Instant now);

  const uint16_t zone_;
  const nx_cookie_keys& keys_;
  Counters counters_;
  const ResponseSet* responses_ = nullptr;
  RuleView rules_;
  DateText date_;
  Reassembly reassembly_;
  // Of the packet in hand. A request of its own for each would be cleared by `rep stos`, which
  // takes 10 ns to begin.
  HttpRequest request_;
  uint32_t mss_class_ = NX_MSS_TINY;
};

}  // namespace narthex
