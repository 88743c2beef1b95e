// SPDX-License-Identifier: Apache-2.0
#include "match/host_chain.h"

#include <array>
#include <bit>
#include <cstring>

#include "match/lower.h"
#include "match/pattern.h"

namespace narthex {
namespace {

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

// 0x80 in each byte that is zero.
uint64_t ZeroBytes(uint64_t word) {
  constexpr uint64_t kLow = kOnes * 0x7f;
  return ~(((word & kLow) + kLow) | word | kLow);
}

// The first bytes of a text, at most seven, in the highest bytes of a word, zeros below. Reads
// nothing outside the text.
uint64_t LoadBegin(std::string_view text, size_t bytes) {
  uint64_t word = 0;
  if (text.size() >= 8) {
    std::memcpy(&word, text.data(), 8);
    return word << 8 * (8 - bytes);
  }
  for (size_t i = 0; i < bytes; i++) {
    word |= uint64_t{static_cast<uint8_t>(text[i])} << 8 * (8 - bytes + i);
  }
  return word;
}

}  // namespace

// A domain's digest is the sum of its words, each times the key of its place: a multiplication for
// each word, and one for each domain that begins within a word.
HostChain::HostChain(std::string_view host) {
  const size_t bytes = host.size();
  if (bytes == 0 || bytes > kMaxValueBytes[0]) return;
  bytes_ = bytes;
  const size_t first = sizeof(text_) - bytes;
  uint64_t after = 0;  // the words behind the one in hand
  size_t domains = 0;
  const auto add = [&](size_t begin, uint64_t sum) {
    begins_[domains] = static_cast<uint16_t>(begin);
    digests_[domains++] = (sum ^ sum >> 32) * kFinalFactor;
  };
  const auto add_word = [&](size_t word, uint64_t text) {
    text = LowerWord(text);
    std::memcpy(text_ + 8 * word, &text, 8);
    for (uint64_t dots = ZeroBytes(text ^ kOnes * '.'); dots; dots &= dots - 1) {
      const uint64_t up_to_dot = dots ^ (dots - 1);
      const auto dot = static_cast<size_t>(std::countr_zero(dots)) / 8;
      add(8 * word + dot + 1, after + (text & ~up_to_dot) * kKeys[word]);
    }
    after += text * kKeys[word];
  };
  size_t word = kWords;
  size_t left = bytes;
  for (; left >= 8; left -= 8) {
    uint64_t text;
    std::memcpy(&text, host.data() + left - 8, 8);
    add_word(--word, text);
  }
  if (left) add_word(word - 1, LoadBegin(host, left));
  add(first, after);
  domains_ = domains;
}

}  // namespace narthex
