// SPDX-License-Identifier: Apache-2.0
#include "decide/language.h"

#include <algorithm>

#include "decide/weighted_list.h"
#include "parse/http_chars.h"

namespace narthex {
namespace {

// People list a few; a longer list is somebody's attempt to keep a worker busy.
constexpr int kMaxRanges = 32;

// RFC 4647 §3.4: the range without its last subtag, and without a single letter before that.
std::string_view Shorten(std::string_view range) {
  const size_t dash = range.rfind('-');
  if (dash == range.npos) return {};
  if (dash >= 2 && range[dash - 2] == '-') return range.substr(0, dash - 2);
  return range.substr(0, dash);
}

size_t LookUp(std::string_view range, const LanguageTags& tags) {
  if (range.size() > kMaxLanguageTagBytes) return tags.size();
  for (; !range.empty(); range = Shorten(range)) {
    for (size_t i = 0; i < tags.size(); i++) {
      if (EqualsIgnoringCase(range, tags[i])) return i;
    }
  }
  return tags.size();
}

}  // namespace

uint8_t ChooseLanguage(std::string_view accept_language, const LanguageTags& tags) {
  constexpr int kFullWeight = 1000;
  size_t chosen = 0;
  int highest = 0;
  for (int i = 0; i < kMaxRanges && !accept_language.empty() && highest < kFullWeight; i++) {
    std::string_view parameters = Take(accept_language, ',');
    const std::string_view range = Take(parameters, ';');
    const int weight = WeightOf(parameters);
    if (weight <= highest) continue;
    const size_t found = LookUp(range, tags);
    if (found == tags.size()) continue;
    chosen = found;
    highest = weight;
  }
  return static_cast<uint8_t>(chosen);
}

std::string_view PreferredLanguage(std::string_view accept_language) {
  constexpr int kFullWeight = 1000;
  std::string_view preferred;
  int highest = 0;
  for (int i = 0; i < kMaxRanges && !accept_language.empty() && highest < kFullWeight; i++) {
    std::string_view parameters = Take(accept_language, ',');
    const std::string_view range = Take(parameters, ';');
    const int weight = WeightOf(parameters);
    if (weight <= highest || range.empty()) continue;
    preferred = range;
    highest = weight;
  }
  return preferred;
}

}  // namespace narthex
