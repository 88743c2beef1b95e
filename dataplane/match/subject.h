// SPDX-License-Identifier: Apache-2.0
// The bytes that Hyperscan reads for a request: the fields that some pattern asks about, each
// between two marks that no field can hold, so that one scan answers for all of them.
//
//   host       03 www.example.com 04 dddd                  for globs and regular expressions
//   path       05 /index.html 06 dddd                      and so on, a pair of marks for each
//   field
//
// dddd is a digest of what lies before it in its section, in bytes from 0x80 on. Why it is there:
// Hyperscan finds literals by their last eight bytes. Ten thousand paths that end in "/index.html"
// share them, and each scan then tries all of them. Behind a digest no two share them, and a scan
// costs the same however many there are. The digest only spreads; the literal contains the whole
// text, so a match is exact. Whole host names are not looked for here (match/host_table.h).
//
// Threads: pure; a Subject belongs to its caller.
#pragma once

#include <cstdint>
#include <string>

#include "match/pattern.h"

namespace narthex {

// Which sections the patterns of a set need.
struct Sections {
  std::array<bool, kFields> whole{};
};

inline constexpr size_t kDigestBytes = 4;

class Subject {
 public:
  Subject(const Sections& sections, const Values& values);
  const char* Data() const { return bytes_; }
  uint32_t Bytes() const { return size_; }

 private:
  static constexpr size_t kMaxBytes = 255 + 2048 + 32 + 512 + 35 + kFields * (2 + kDigestBytes);
  void Append(std::string_view text, bool lower);

  uint32_t size_ = 0;
  char bytes_[kMaxBytes + 16];
};

// What a pattern looks like in a Subject: a literal where possible.
struct Expression {
  std::string text;  // of PCRE
  bool literal;      // found by Hyperscan at no cost of its own
  bool spread;       // ends in a digest: as many as there may be
  bool caseless;
};
Expression ExpressionOf(const Pattern& pattern);

}  // namespace narthex
