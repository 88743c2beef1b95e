// SPDX-License-Identifier: Apache-2.0
#include "match/subject.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "match/lower.h"

namespace narthex {
namespace {

constexpr uint64_t kFinalFactor = 0xc4ceb9fe1a85ec53;

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

Subject::Subject(const Sections& sections, const Values& values) {
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

Expression ExpressionOf(const Pattern& pattern) {
  const auto field = static_cast<size_t>(pattern.field);
  const std::string_view begin(&kBegin[field], 1);
  const std::string_view end(&kEnd[field], 1);
  const bool caseless = IgnoresCase(pattern.field);
  const std::string text = caseless ? Lowered(pattern.text) : pattern.text;
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
