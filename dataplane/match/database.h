// SPDX-License-Identifier: Apache-2.0
// All patterns of a policy: whole host names in a table, the others in one Hyperscan database
// (block mode). With database.cc the only user of Hyperscan.
//
// What a pattern may cost is bounded before it is compiled: its length, its repeats, how many
// expressions there are that are no spread literals (match/subject.h), the size of each alone and
// of all together.
//
// Threads: a Database is immutable, any number of readers, each with its own MatchScratch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "match/host_table.h"
#include "match/subject.h"

struct hs_database;
struct hs_scratch;

namespace narthex {

inline constexpr size_t kMaxPatterns = 262144;
inline constexpr size_t kMaxPlainPatterns = 1024;  // neither exact nor a host's suffix
inline constexpr size_t kMaxPatternBytes = 512;
inline constexpr size_t kMaxRepeat = 255;
inline constexpr size_t kMaxRegexDatabaseBytes = 1 << 20;
inline constexpr size_t kMaxDatabaseBytes = 256 << 20;

// What one reader needs for its scans.
class MatchScratch {
 public:
  ~MatchScratch();
  MatchScratch(MatchScratch&& other) noexcept;
  MatchScratch(const MatchScratch&) = delete;
  MatchScratch& operator=(const MatchScratch&) = delete;

 private:
  friend class Database;
  MatchScratch(hs_scratch* scratch, size_t patterns);
  // Each pattern matches once at most: its marks are in a subject once, its name is once in the
  // table. Should it not be so, the rest is left out.
  bool Note(uint32_t pattern) {
    if (count_ == found_.size()) return false;
    found_[count_++] = pattern;
    return true;
  }
  static int Add(unsigned pattern, unsigned long long from, unsigned long long to, unsigned flags,
                 void* self);
  hs_scratch* scratch_;
  uint32_t count_ = 0;
  std::vector<uint32_t> found_;
};

// kCheck leaves out what cannot fail, and is of no use afterwards: exact ones take Hyperscan long.
enum class Purpose { kUse, kCheck };

class Database {
 public:
  // Null, the index in `bad` and one line in `error` if a pattern cannot be used; `bad` is the
  // number of patterns if it is no single one.
  static std::unique_ptr<const Database> Compile(const std::vector<Pattern>& patterns, size_t& bad,
                                                 std::string& error,
                                                 Purpose purpose = Purpose::kUse);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  MatchScratch NewScratch() const;

  // The indexes of the patterns that match, in no order; valid until the next request.
  struct Found {
    const uint32_t* begin_;
    uint32_t count_;
    const uint32_t* begin() const { return begin_; }
    const uint32_t* end() const { return begin_ + count_; }
  };
  // All at once.
  Found Match(const Values& values, MatchScratch& scratch) const;

  // Or in two steps, so that the values need not be had if the host decides: first whole host
  // names, then, if there are others, those.
  Found FindHosts(const HostChain& host, MatchScratch& scratch) const {
    scratch.count_ = 0;
    hosts_.Find(host, [&](uint32_t pattern) { scratch.Note(pattern); });
    return {scratch.found_.data(), scratch.count_};
  }
  bool NeedsScan() const { return database_ != nullptr; }
  Found Scan(const Values& values, MatchScratch& scratch) const;  // adds to what FindHosts found

  size_t Bytes() const;

 private:
  Database() = default;
  hs_database* database_ = nullptr;
  HostTable hosts_;
  Sections sections_;
  size_t patterns_ = 0;
};

}  // namespace narthex
