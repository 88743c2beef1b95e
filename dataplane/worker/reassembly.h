// SPDX-License-Identifier: Apache-2.0
// The pieces of requests that did not come in one segment.
//
// Bounded (entries, bytes of each, entries of one client), timed from the first piece, the oldest
// entry evicted when full; all memory is taken at construction. Keyed by flow and cookie, under a
// secret hash, so that no client can choose its bucket.
//
// A client with more connections than its share loses its own oldest, nobody else's. Shares are
// found by the same kind of hash and not compared: two clients in four thousand may have one.
//
// An entry outlives its answer, so that later segments (a lost response, a body in flight) draw
// the same one. It needs its bytes no more, and there is room for kAnsweredForEachWaiting times as
// many, in the table and in a share: a client on a bad link whose answered entry has gone would
// see the end of its request taken for a bad one.
//
// The responder keeps no client's initial sequence number, so the first piece is told by its
// content, not by its number: a run of bytes that begins like a request is one. Anything else
// waits, unacknowledged, for the piece before it; when the same lowest piece has come
// kSightings times and nothing before it, it is the beginning.
//
//       base                    base + run
//        |———— contiguous ————————|      |—— piece ——|      ranges
//
// Threads: one table belongs to one worker.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "bpf/cookie.h"
#include "decide/decide.h"
#include "wire/sequence.h"

namespace narthex {

// Of entries that wait for their answer.
struct ReassemblyLimits {
  uint32_t entries = 1024;
  uint32_t entry_bytes = NX_WINDOW_BYTES;  // a client has no more than this in flight
  uint64_t timeout_ns = 10'000'000'000;
  uint32_t entries_of_ipv4 = 32;     // of one address
  uint32_t entries_of_prefix = 256;  // of one IPv6 /64: all of a Wi-Fi may be in it
};

class Reassembly {
 public:
  static constexpr int kMaxRanges = 8;
  static constexpr int kSightings = 3;
  static constexpr uint32_t kAnsweredForEachWaiting = 8;

  // The two parts of the hash key are secrets of the process.
  Reassembly(const ReassemblyLimits& limits, uint64_t secret0, uint64_t secret1);

  struct Range {  // of bytes present, relative to base
    uint32_t begin;
    uint32_t end;
  };

  class Entry {
   public:
    // Bytes from the lowest piece on, without a gap.
    std::string_view Run() const;
    // The sequence number after Run(), and after the FIN if the run reaches it.
    Seq RunEnd() const;
    bool FinReached() const { return fin_seen_ && base_ + ranges_[0].end == fin_; }
    // The run has reached the end of the buffer.
    bool Full() const { return ranges_[0].end == capacity_; }
    // The lowest piece has been repeated so often that nothing comes before it.
    bool SeenOften() const { return sightings_ >= kSightings; }

    bool Answered() const { return answered_; }
    Decision GetDecision() const { return decision_; }
    // What the answer acknowledged; never goes back.
    Seq AnsweredEnd() const { return answered_end_; }
    void AdvanceAnsweredEnd(Seq end) {
      if (end > answered_end_) answered_end_ = end;
    }

    // Adds a piece; false if it does not fit (too far away, too many gaps).
    bool Add(Seq sequence, std::span<const uint8_t> piece, bool fin);

   private:
    friend class Reassembly;
    struct Links {
      uint32_t older;
      uint32_t newer;
    };
    bool ShiftBase(uint32_t bytes);
    bool Insert(Range range);

    nx_flow flow_;
    Seq cookie_;
    Seq base_;
    Seq fin_;
    Seq answered_end_;
    uint32_t capacity_;
    uint8_t* bytes_;
    std::array<Range, kMaxRanges> ranges_;  // ascending, never touching
    uint8_t range_count_;
    uint8_t sightings_;
    bool fin_seen_;
    bool answered_;
    Decision decision_;
    uint64_t deadline_ns_;
    Links by_age_;
    Links in_share_;
    uint32_t share_;
    uint32_t next_in_bucket_;
  };

  // The entry of a connection in whose stream `sequence` can lie, or null. An entry left by an
  // earlier connection of the same ports is removed.
  Entry* Find(const nx_flow& flow, Seq cookie, Seq sequence);

  // A new entry, whose stream is first known at `sequence`. Sets `evicted` if another that waits
  // had to go for it.
  Entry* Create(const nx_flow& flow, Seq cookie, Seq sequence, uint64_t now_ns, bool& evicted);

  // Marks an entry as answered up to `end`; its bytes are gone and its time begins anew.
  void MarkAnswered(Entry* entry, Decision decision, Seq end, uint64_t now_ns);

  // Removes what is out of time; returns how many of them were waiting.
  uint32_t Expire(uint64_t now_ns);

  uint32_t Size() const { return size_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Entries in the order of their age.
  struct Order {
    uint32_t oldest = kNone;
    uint32_t newest = kNone;
    uint32_t entries = 0;
  };
  using ByState = std::array<Order, 2>;  // waiting, answered

  uint32_t Bucket(const nx_flow& flow, Seq cookie) const;
  uint32_t IndexOf(const Entry* entry) const { return static_cast<uint32_t>(entry - &entries_[0]); }
  uint32_t ShareOf(const nx_flow& flow) const;
  void Append(Order& order, Entry::Links Entry::*links, uint32_t index);
  void Take(Order& order, Entry::Links Entry::*links, uint32_t index);
  void Unlink(uint32_t index);  // from the orders of age
  void LinkNewest(uint32_t index, uint64_t now_ns);
  bool MakeRoom(uint32_t share, bool ipv6, bool answered);
  void Remove(uint32_t index);

  const ReassemblyLimits limits_;
  const uint64_t secret_[2];
  std::unique_ptr<uint8_t[]> bytes_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  std::vector<uint8_t*> free_bytes_;
  std::vector<uint32_t> buckets_;  // power of two
  std::vector<ByState> shares_;    // power of two
  ByState ages_;
  uint32_t size_ = 0;
};

}  // namespace narthex
