// SPDX-License-Identifier: Apache-2.0
#include "decide/accept.h"

#include <algorithm>
#include <array>

#include "decide/weighted_list.h"
#include "parse/http_chars.h"

namespace narthex {
namespace {

constexpr size_t kMediaTypes = 3;

// How well a media range names one of our types; a more specific range overrides a less one.
enum Specificity : int { kNone, kAny, kWholeType, kNamed };

struct Preference {
  int specificity = kNone;
  int thousandths = 0;
};

std::array<int, kMediaTypes> Match(std::string_view range) {
  if (EqualsIgnoringCase(range, "text/html") ||
      EqualsIgnoringCase(range, "application/xhtml+xml")) {
    return {kNamed, kNone, kNone};
  }
  if (EqualsIgnoringCase(range, "application/problem+json") ||
      EqualsIgnoringCase(range, "application/json")) {
    return {kNone, kNamed, kNone};
  }
  if (EqualsIgnoringCase(range, "text/plain")) return {kNone, kNone, kNamed};
  if (EqualsIgnoringCase(range, "*/*")) return {kAny, kAny, kAny};
  if (EqualsIgnoringCase(range, "text/*")) return {kWholeType, kNone, kWholeType};
  if (EqualsIgnoringCase(range, "application/*")) return {kNone, kWholeType, kNone};
  return {};
}

}  // namespace

MediaType NegotiateMediaType(std::string_view accept, MediaType fallback) {
  // What curl sends, and what browsers begin with: named, at full weight, first among equals.
  if (accept.empty() || accept == "*/*") return fallback;
  constexpr std::string_view kHtmlFirst = "text/html,";
  if (fallback == MediaType::kHtml && accept.starts_with(kHtmlFirst)) return MediaType::kHtml;
  std::array<Preference, kMediaTypes> preferences{};
  while (!accept.empty()) {
    std::string_view parameters = Take(accept, ',');
    const std::array<int, kMediaTypes> match = Match(Take(parameters, ';'));
    if (match == std::array<int, kMediaTypes>{}) continue;
    const int weight = WeightOf(parameters);
    for (size_t i = 0; i < kMediaTypes; i++) {
      Preference& preference = preferences[i];
      if (match[i] == kNone || match[i] < preference.specificity) continue;
      if (match[i] == preference.specificity && weight <= preference.thousandths) continue;
      preference = {match[i], weight};
    }
  }
  auto best = static_cast<size_t>(fallback);
  for (size_t i = 0; i < kMediaTypes; i++) {
    const Preference& challenger = preferences[i];
    const Preference& champion = preferences[best];
    if (challenger.thousandths > champion.thousandths ||
        (challenger.thousandths == champion.thousandths && challenger.thousandths > 0 &&
         challenger.specificity > champion.specificity)) {
      best = i;
    }
  }
  return static_cast<MediaType>(best);
}

}  // namespace narthex
