// SPDX-License-Identifier: Apache-2.0
// The bytes that Hyperscan reads for a request: the fields that some pattern asks about, each
// between two marks that no field can hold, so that one scan answers for all of them.
//
//   host       01 com dddd .example dddd .www dddd 02      labels from the right, for exact and
//   suffix host       03 www.example.com 04 dddd                  for globs and regular expressions
//   path       05 /index.html 06 dddd                      and so on, a pair of marks for each
//   field
//
// dddd is a digest of what lies before it in its section, in bytes from 0x80 on. Why it is there:
// Hyperscan finds literals by their last eight bytes. Ten thousand hosts that end in ".example\n"
// share them, and each scan then tries all of them (measured: 24 µs; any list of real names is 6
// times slower at 10,000 than at 100). Behind a digest no two share them, and a scan costs the same
// however many there are. The digest only spreads; the literal contains the whole text, so a match
// is exact.
//
// Threads: pure; a Subject belongs to its caller.
#pragma once

#include <cstdint>
#include <string>

#include "match/pattern.h"

namespace narthex {

// Which sections the patterns of a set need.
struct Sections {
  bool host_chain = false;
  std::array<bool, kFields> whole{};
};

inline constexpr size_t kDigestBytes = 4;

// A host in lower case, and a digest of each domain that it lies in: com, example.com,
// www.example.com. The text lies at the end of its memory, so that a domain has the same words
// and the same digest in every host.
class HostChain {
 public:
  // Empty for a value that is too long.
  explicit HostChain(std::string_view host);

  size_t Domains() const { return domains_; }
  uint64_t Digest(size_t domain) const { return digests_[domain]; }
  std::string_view Host() const { return {text_ + sizeof(text_) - bytes_, bytes_}; }
  // Where the domain begins in Host().
  size_t Begin(size_t domain) const { return begins_[domain] - (sizeof(text_) - bytes_); }

 private:
  static constexpr size_t kWords = 32;
  void Add(size_t begin, uint64_t sum);

  size_t bytes_ = 0;
  size_t domains_ = 0;
  alignas(8) char text_[8 * kWords];
  uint16_t begins_[8 * kWords];  // in text_
  uint64_t digests_[8 * kWords];
};

class Subject {
 public:
  Subject(const Sections& sections, const HostChain& host, const Values& values);
  const char* Data() const { return bytes_; }
  uint32_t Bytes() const { return size_; }

 private:
  static constexpr size_t kMaxBytes = 255 + 256 * (1 + kDigestBytes) + 2 +  // the chain
                                      255 + 2048 + 32 + 512 + 35 + kFields * (2 + kDigestBytes);
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

// Of the host patterns that are found by the chain: the digest that a host must have.
uint64_t ChainDigest(const Pattern& pattern);
bool InChain(const Pattern& pattern);

}  // namespace narthex
