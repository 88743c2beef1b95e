// SPDX-License-Identifier: Apache-2.0
#include "worker/reassembly.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace narthex {

std::string_view Reassembly::Entry::Run() const {
  return {reinterpret_cast<const char*>(bytes_), ranges_[0].end};
}

Seq Reassembly::Entry::RunEnd() const { return base_ + ranges_[0].end + (FinReached() ? 1u : 0u); }

bool Reassembly::Entry::Add(Seq sequence, std::span<const uint8_t> piece, bool fin) {
  const int32_t offset = sequence - base_;
  const auto bytes = static_cast<uint32_t>(piece.size());
  if (offset < 0) {
    const auto missing = static_cast<uint32_t>(-offset);
    if (bytes < missing && range_count_ == kMaxRanges) return false;  // one gap too many
    if (!ShiftBase(missing)) return false;
    sightings_ = 0;
  }
  const uint32_t begin = offset < 0 ? 0 : static_cast<uint32_t>(offset);
  if (begin >= capacity_) return false;
  // What lies beyond the buffer is not kept, and so not acknowledged.
  const uint32_t kept = std::min(bytes, capacity_ - begin);
  if (!Insert({begin, begin + kept})) return false;
  std::memcpy(bytes_ + begin, piece.data(), kept);
  if (begin == 0 && sightings_ < kSightings) sightings_++;
  if (fin) {  // perhaps beyond the buffer: then it is never reached
    fin_ = sequence + bytes;
    fin_seen_ = true;
  }
  return true;
}

// Makes room for `bytes` before the base.
bool Reassembly::Entry::ShiftBase(uint32_t bytes) {
  const uint32_t held = range_count_ ? ranges_[range_count_ - 1].end : 0;
  if (bytes > capacity_ - held) return false;
  std::memmove(bytes_ + bytes, bytes_, held);
  for (int i = 0; i < range_count_; i++) {
    ranges_[i].begin += bytes;
    ranges_[i].end += bytes;
  }
  base_ = base_ - bytes;
  return true;
}

// Adds a range to the ordered list and merges what touches. After this ranges_[0] begins at 0
// unless a shift is being filled, which the caller does at once.
bool Reassembly::Entry::Insert(Range range) {
  std::array<Range, kMaxRanges + 1> merged;
  int count = 0;
  bool placed = false;
  for (int i = 0; i < range_count_; i++) {
    const Range& present = ranges_[i];
    if (present.end < range.begin) {
      merged[count++] = present;
    } else if (range.end < present.begin) {
      if (!placed) merged[count++] = range;
      placed = true;
      merged[count++] = present;
    } else {
      range = {std::min(range.begin, present.begin), std::max(range.end, present.end)};
    }
  }
  if (!placed) merged[count++] = range;
  if (count > kMaxRanges) return false;
  std::copy_n(merged.begin(), count, ranges_.begin());
  range_count_ = static_cast<uint8_t>(count);
  return true;
}

Reassembly::Reassembly(const ReassemblyLimits& limits, uint64_t secret0, uint64_t secret1)
    : limits_(limits),
      secret_{secret0, secret1},
      // Zeroed, so that every page is there from now on: no flood makes the process grow.
      bytes_(std::make_unique<uint8_t[]>(size_t{limits.entries} * limits.entry_bytes)),
      entries_(size_t{limits.entries} * (1 + kAnsweredForEachWaiting)),
      buckets_(std::bit_ceil(2 * entries_.size()), kNone),
      shares_(std::bit_ceil(4 * limits.entries)) {
  free_.reserve(entries_.size());
  for (auto i = static_cast<uint32_t>(entries_.size()); i-- > 0;) free_.push_back(i);
  free_bytes_.reserve(limits.entries);
  for (uint32_t i = limits.entries; i-- > 0;) {
    free_bytes_.push_back(&bytes_[size_t{i} * limits.entry_bytes]);
  }
}

uint32_t Reassembly::Bucket(const nx_flow& flow, Seq cookie) const {
  __u64 words[6];
  static_assert(sizeof(flow) == 5 * sizeof(words[0]));
  std::memcpy(words, &flow, sizeof(flow));
  words[5] = cookie.Value();
  return static_cast<uint32_t>(nx_siphash(reinterpret_cast<const __u64*>(secret_), words, 6) &
                               (buckets_.size() - 1));
}

// By the IPv4 address or the IPv6 /64.
uint32_t Reassembly::ShareOf(const nx_flow& flow) const {
  __u64 words[2];
  static_assert(sizeof(words) == sizeof(flow.client));
  std::memcpy(words, flow.client, sizeof(words));
  if (flow.ipv6) words[1] = 0;
  return static_cast<uint32_t>(nx_siphash(reinterpret_cast<const __u64*>(secret_), words, 2) &
                               (shares_.size() - 1));
}

Reassembly::Entry* Reassembly::Find(const nx_flow& flow, Seq cookie, Seq sequence) {
  if (size_ == 0) return nullptr;
  for (uint32_t i = buckets_[Bucket(flow, cookie)]; i != kNone; i = entries_[i].next_in_bucket_) {
    Entry& entry = entries_[i];
    if (entry.cookie_ != cookie || std::memcmp(&entry.flow_, &flow, sizeof(flow)) != 0) continue;
    // The cookie does not depend on the client's initial sequence number: a reused port within
    // one time slot gets the same one, but its numbers lie elsewhere.
    const auto reach = static_cast<int32_t>(limits_.entry_bytes);
    const Seq end = entry.answered_ ? entry.answered_end_ : entry.base_;
    if (sequence - entry.base_ >= -reach && sequence - end <= reach) return &entry;
    Remove(i);
    return nullptr;
  }
  return nullptr;
}

Reassembly::Entry* Reassembly::Create(const nx_flow& flow, Seq cookie, Seq sequence,
                                      uint64_t now_ns, bool& evicted) {
  const uint32_t share = ShareOf(flow);
  evicted = MakeRoom(share, flow.ipv6, false);
  const uint32_t index = free_.back();
  free_.pop_back();
  Entry& entry = entries_[index];
  entry.flow_ = flow;
  entry.cookie_ = cookie;
  entry.base_ = sequence;
  entry.capacity_ = limits_.entry_bytes;
  entry.bytes_ = free_bytes_.back();
  free_bytes_.pop_back();
  entry.ranges_[0] = {0, 0};
  entry.range_count_ = 0;
  entry.sightings_ = 0;
  entry.fin_seen_ = false;
  entry.answered_ = false;
  entry.share_ = share;
  uint32_t& bucket = buckets_[Bucket(flow, cookie)];
  entry.next_in_bucket_ = bucket;
  bucket = index;
  LinkNewest(index, now_ns);
  size_++;
  return &entry;
}

void Reassembly::MarkAnswered(Entry* entry, Decision decision, Seq end, uint64_t now_ns) {
  Unlink(IndexOf(entry));
  if (!entry->answered_) {
    free_bytes_.push_back(entry->bytes_);
    MakeRoom(entry->share_, entry->flow_.ipv6, true);
  }
  entry->answered_ = true;
  entry->decision_ = decision;
  entry->answered_end_ = end;
  LinkNewest(IndexOf(entry), now_ns);
}

// Room for one more entry, the oldest of its share or of all being removed where there is none.
// Returns whether it was needed.
bool Reassembly::MakeRoom(uint32_t share, bool ipv6, bool answered) {
  const uint32_t times = answered ? kAnsweredForEachWaiting : 1;
  const uint32_t most = times * (ipv6 ? limits_.entries_of_prefix : limits_.entries_of_ipv4);
  const Order& own = shares_[share][answered];
  const Order& all = ages_[answered];
  if (own.entries < most && all.entries < times * limits_.entries) return false;
  Remove(own.entries < most ? all.oldest : own.oldest);
  return true;
}

uint32_t Reassembly::Expire(uint64_t now_ns) {
  const uint32_t waiting = ages_[false].entries;
  for (const Order& order : ages_) {
    while (order.oldest != kNone && entries_[order.oldest].deadline_ns_ <= now_ns) {
      Remove(order.oldest);
    }
  }
  return waiting - ages_[false].entries;
}

void Reassembly::Append(Order& order, Entry::Links Entry::*links, uint32_t index) {
  entries_[index].*links = {.older = order.newest, .newer = kNone};
  (order.newest == kNone ? order.oldest : (entries_[order.newest].*links).newer) = index;
  order.newest = index;
  order.entries++;
}

void Reassembly::Take(Order& order, Entry::Links Entry::*links, uint32_t index) {
  const Entry::Links& own = entries_[index].*links;
  (own.older == kNone ? order.oldest : (entries_[own.older].*links).newer) = own.newer;
  (own.newer == kNone ? order.newest : (entries_[own.newer].*links).older) = own.older;
  order.entries--;
}

void Reassembly::Unlink(uint32_t index) {
  const Entry& entry = entries_[index];
  Take(ages_[entry.answered_], &Entry::by_age_, index);
  Take(shares_[entry.share_][entry.answered_], &Entry::in_share_, index);
}

void Reassembly::LinkNewest(uint32_t index, uint64_t now_ns) {
  Entry& entry = entries_[index];
  entry.deadline_ns_ = now_ns + limits_.timeout_ns;
  Append(ages_[entry.answered_], &Entry::by_age_, index);
  Append(shares_[entry.share_][entry.answered_], &Entry::in_share_, index);
}

void Reassembly::Remove(uint32_t index) {
  Unlink(index);
  Entry& entry = entries_[index];
  if (!entry.answered_) free_bytes_.push_back(entry.bytes_);
  uint32_t* link = &buckets_[Bucket(entry.flow_, entry.cookie_)];
  while (*link != index) link = &entries_[*link].next_in_bucket_;
  *link = entry.next_in_bucket_;
  free_.push_back(index);
  size_--;
}

}  // namespace narthex
