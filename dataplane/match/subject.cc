// SPDX-License-Identifier: Apache-2.0
#include "match/subject.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

namespace narthex {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kFinalFactor = 0xc4ceb9fe1a85ec53;

// An odd key for each place of a word.
constexpr auto kKeys = [] {
  std::array<uint64_t, 32> keys{};
  uint64_t state = 0;
  for (uint64_t& key : keys) {
    uint64_t mixed = state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    key = (mixed ^ mixed >> 31) | 1;
  }
  return keys;
}();

constexpr char kChainBegin = 1;
constexpr char kChainEnd = 2;
// No field holds them: the parser refuses control characters other than HT.
constexpr char kBegin[kFields] = {3, 5, 14, 16, 18};
constexpr char kEnd[kFields] = {4, 6, 15, 17, 19};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string Lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), Lower);
  return out;
}

uint64_t Mix(uint64_t digest, uint64_t word) {
  digest = (digest ^ word) * 0xff51afd7ed558ccd;
  return digest ^ digest >> 32;
}

// At least 8 bytes must be readable beyond the end of `at`.
uint64_t Extend(uint64_t digest, const char* at, size_t bytes) {
  uint64_t word;
  digest += 0x9e3779b97f4a7c15;
  for (; bytes >= 8; at += 8, bytes -= 8) {
    std::memcpy(&word, at, 8);
    digest = Mix(digest, word);
  }
  std::memcpy(&word, at, 8);
  return Mix(digest, bytes ? word << (64 - 8 * bytes) : 0) * kFinalFactor;
}

uint64_t DigestOf(std::string_view text) {
  std::string padded(text);
  padded.append(8, '\0');
  return Extend(0, padded.data(), text.size());
}

void PutDigest(char* at, uint64_t digest) {
  const auto bits = static_cast<uint32_t>(digest >> 36);
  const uint32_t spread = (bits & 0x7f) | (bits & 0x3f80) << 1 | (bits & 0x1fc000) << 2 |
                          (bits & 0xfe00000) << 3 | 0x80808080;
  std::memcpy(at, &spread, kDigestBytes);
}

std::string DigestText(uint64_t digest) {
  char text[kDigestBytes];
  PutDigest(text, digest);
  return {text, kDigestBytes};
}

// Lower case, eight bytes at a time (ASCII; other bytes stay).
uint64_t LowerWord(uint64_t word) {
  const uint64_t seven = word & ~(kOnes * 0x80);
  const uint64_t from_a = seven + kOnes * (0x80 - 'A');
  const uint64_t after_z = seven + kOnes * (0x80 - 'Z' - 1);
  return word | ((from_a & ~after_z & ~word & kOnes * 0x80) >> 2);
}

// 0x80 in each byte that is zero.
uint64_t ZeroBytes(uint64_t word) {
  constexpr uint64_t kLow = kOnes * 0x7f;
  return ~(((word & kLow) + kLow) | word | kLow);
}

// The `bytes` from `at` on in the highest bytes of a word, zeros below. Reads nothing outside the
// text: only its first word is not whole.
uint64_t LoadWord(std::string_view text, const char* at, size_t bytes) {
  uint64_t word = 0;
  if (bytes == 8 || text.size() >= 8) {
    std::memcpy(&word, at, 8);
    return word << 8 * (8 - bytes);
  }
  for (size_t i = 0; i < bytes; i++) {
    word |= uint64_t{static_cast<uint8_t>(at[i])} << 8 * (8 - bytes + i);
  }
  return word;
}

// Reads nothing beyond the text. `to` has room for 8 bytes more.
void CopyLower(char* to, std::string_view text) {
  const char* from = text.data();
  size_t bytes = text.size();
  uint64_t word;
  if (bytes < 8) {
    for (size_t i = 0; i < bytes; i++) to[i] = Lower(from[i]);
    return;
  }
  for (; bytes >= 8; from += 8, to += 8, bytes -= 8) {
    std::memcpy(&word, from, 8);
    word = LowerWord(word);
    std::memcpy(to, &word, 8);
  }
  if (bytes == 0) return;
  // The last eight, some of them once more.
  std::memcpy(&word, from + bytes - 8, 8);
  word = LowerWord(word);
  std::memcpy(to + bytes - 8, &word, 8);
}

}  // namespace

// A domain's digest is the sum of its words, each times the key of its place: a multiplication for
// each word, and one for each domain that begins within a word.
void HostChain::Add(size_t begin, uint64_t sum) {
  begins_[domains_] = static_cast<uint16_t>(begin);
  digests_[domains_++] = (sum ^ sum >> 32) * kFinalFactor;
}

HostChain::HostChain(std::string_view host) {
  const size_t bytes = host.size();
  if (bytes == 0 || bytes > kMaxValueBytes[0]) return;
  bytes_ = bytes;
  const size_t first = sizeof(text_) - bytes;
  const char* end = host.data() + bytes;
  uint64_t after = 0;  // the words behind the one in hand
  for (size_t word = kWords; word-- > first / 8;) {
    const size_t there = std::min<size_t>(8, 8 * (word + 1) - first);  // bytes of the host in it
    end -= there;
    const uint64_t text = LowerWord(LoadWord(host, end, there));
    std::memcpy(text_ + 8 * word, &text, 8);
    for (uint64_t dots = ZeroBytes(text ^ kOnes * '.'); dots;) {
      const auto dot = static_cast<size_t>(63 - std::countl_zero(dots)) / 8;
      dots &= ~(uint64_t{0x80} << 8 * dot);
      // One that begins with the word behind is whole words.
      if (dot == 7) {
        Add(8 * (word + 1), after);
      } else {
        Add(8 * word + dot + 1, after + (text >> 8 * (dot + 1) << 8 * (dot + 1)) * kKeys[word]);
      }
    }
    after += text * kKeys[word];
  }
  Add(first, after);
}

Subject::Subject(const Sections& sections, const HostChain& host, const Values& values) {
  char* at = bytes_;
  if (sections.host_chain && host.Domains()) {
    *at++ = kChainBegin;
    size_t end = host.Host().size();
    for (size_t i = 0; i < host.Domains(); i++) {
      if (i) *at++ = '.';
      const size_t begin = host.Begin(i);
      std::memcpy(at, host.Host().data() + begin, end - begin);
      at += end - begin;
      PutDigest(at, host.Digest(i));
      at += kDigestBytes;
      end = begin ? begin - 1 : 0;
    }
    *at++ = kChainEnd;
  }
  size_ = static_cast<uint32_t>(at - bytes_);
  for (size_t f = 0; f < kFields; f++) {
    if (!sections.whole[f] || values[f].size() > kMaxValueBytes[f]) continue;
    bytes_[size_++] = kBegin[f];
    const uint32_t begin = size_;
    Append(values[f], IgnoresCase(static_cast<Field>(f)));
    std::memset(bytes_ + size_, 0, 8);
    const uint64_t digest = Extend(0, bytes_ + begin, size_ - begin);
    bytes_[size_++] = kEnd[f];
    PutDigest(bytes_ + size_, digest);
    size_ += kDigestBytes;
  }
}

void Subject::Append(std::string_view text, bool lower) {
  if (text.empty()) return;  // a field that is not there points to nothing
  if (lower) {
    CopyLower(bytes_ + size_, text);
  } else {
    std::memcpy(bytes_ + size_, text.data(), text.size());
  }
  size_ += static_cast<uint32_t>(text.size());
}

// ---- patterns ------------------------------------------------------------------------------

namespace {

std::string Escape(std::string_view bytes) {
  std::string out;
  for (char c : bytes) {
    char text[5];
    std::snprintf(text, sizeof(text), "\\x%02x", static_cast<unsigned char>(c));
    out += text;
  }
  return out;
}

// The chain up to the last label of `host`.
std::string ChainText(const std::string& host) {
  const HostChain chain(host);
  std::string out(1, kChainBegin);
  size_t end = host.size();
  for (size_t i = 0; i < chain.Domains(); i++) {
    const size_t begin = chain.Begin(i);
    out += (i ? "." : "") + host.substr(begin, end - begin) + DigestText(chain.Digest(i));
    end = begin ? begin - 1 : 0;
  }
  return out;
}

std::string GlobText(std::string_view glob) {
  std::string out;
  for (char c : glob) {
    if (c == '*') {
      // Two in a row say no more than one.
      if (!out.ends_with("]*")) out += "[^\\x00-\\x08\\x0a-\\x1f]*";
    } else if (c == '?') {
      out += "[^\\x00-\\x08\\x0a-\\x1f]";
    } else {
      out += Escape({&c, 1});
    }
  }
  return out;
}

// "text*" and "*text" are literals.
Expression GlobExpression(const std::string& text, std::string_view begin, std::string_view end) {
  const size_t wild = text.find_first_of("*?");
  const size_t last = text.find_last_of("*?");
  if (wild == text.npos)
    return {Escape(std::string(begin) + text + std::string(end)), true, false, false};
  if (wild == last && text[wild] == '*' && text.size() > 1) {
    if (wild == text.size() - 1) {
      return {Escape(std::string(begin) + text.substr(0, wild)), true, false, false};
    }
    if (wild == 0) return {Escape(text.substr(1) + std::string(end)), true, false, false};
  }
  return {Escape(begin) + GlobText(text) + Escape(end), false, false, false};
}

}  // namespace

bool InChain(const Pattern& pattern) {
  return pattern.field == Field::kHost &&
         (pattern.kind == Kind::kExact || pattern.kind == Kind::kSuffix);
}

uint64_t ChainDigest(const Pattern& pattern) {
  const HostChain chain(pattern.text);
  return chain.Domains() ? chain.Digest(chain.Domains() - 1) : 0;
}

Expression ExpressionOf(const Pattern& pattern) {
  const auto field = static_cast<size_t>(pattern.field);
  const std::string_view begin(&kBegin[field], 1);
  const std::string_view end(&kEnd[field], 1);
  const bool caseless = IgnoresCase(pattern.field);
  const std::string text = caseless ? Lowered(pattern.text) : pattern.text;
  if (InChain(pattern)) {
    const std::string chain = ChainText(text);
    return {Escape(pattern.kind == Kind::kExact ? chain + kChainEnd : chain), true, true, false};
  }
  switch (pattern.kind) {
    case Kind::kExact:
      return {Escape(std::string(begin) + text + std::string(end) + DigestText(DigestOf(text))),
              true, true, false};
    case Kind::kSuffix:
      return {Escape(text + std::string(end)), true, false, false};
    case Kind::kGlob:
      return GlobExpression(text, begin, end);
    case Kind::kRegex:
      break;
  }
  return {Escape(begin) + "(?:" + pattern.text + ")" + Escape(end), false, false, caseless};
}

}  // namespace narthex
