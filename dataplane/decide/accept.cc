// SPDX-License-Identifier: Apache-2.0
#include "decide/accept.h"

#include <algorithm>
#include <array>

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

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The part before `separator`, which is removed from `rest` together with it.
std::string_view Take(std::string_view& rest, char separator) {
  const size_t bytes = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, bytes);
  rest.remove_prefix(std::min(bytes + 1, rest.size()));
  return Trim(part);
}

// qvalue in thousandths (RFC 9110 §12.4.2); what is none counts as 1.
int ReadWeight(std::string_view value) {
  if (value.empty() || value[0] != '0') return 1000;
  int thousandths = 0;
  int place = 100;
  for (size_t i = 2; i < value.size() && i < 5 && Is(value[i], kDigitChar); i++, place /= 10) {
    thousandths += (value[i] - '0') * place;
  }
  return thousandths;
}

int WeightOf(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = Take(parameters, ';');
    if (parameter.size() > 2 && (parameter[0] == 'q' || parameter[0] == 'Q') &&
        parameter[1] == '=') {
      return ReadWeight(parameter.substr(2));
    }
  }
  return 1000;
}

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

MediaType NegotiateMediaType(std::string_view accept) {
  // What browsers and curl begin with: named, at full weight, and first among equals.
  constexpr std::string_view kHtmlFirst = "text/html,";
  if (accept == "*/*" || accept.substr(0, kHtmlFirst.size()) == kHtmlFirst) {
    return MediaType::kHtml;
  }
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
  size_t best = 0;
  for (size_t i = 1; i < kMediaTypes; i++) {
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
