// SPDX-License-Identifier: Apache-2.0
// Chooses the response to a request: what the first rule that holds says (decide/rules.h), or the
// 511.
//
// Threads: pure functions of their arguments, but for the worker's own RuleState.
#pragma once

#include <cstddef>
#include <cstdint>

#include "decide/accept.h"
#include "decide/language.h"
#include "decide/rules.h"
#include "parse/http_request.h"

namespace narthex {

// Every response that a zone has rendered. The ones with a body come in pairs: the response, and
// the same header section alone for HEAD (RFC 9110 §9.3.2).
enum class Answer : uint8_t {
  kHtml,
  kHtmlHead,
  kJson,
  kJsonHead,
  kText,
  kTextHead,
  kBadRequest,
  kBadRequestHead,
  kTargetTooLong,
  kTargetTooLongHead,
  kFieldsTooLarge,
  kFieldsTooLargeHead,
  kVersionNotSupported,
  kVersionNotSupportedHead,
  kHttp2GoAway,  // frames, not text: has no HEAD
  // Rendered once for each URL.
  kRedirect,
  kRedirectHead,
  // Nothing rendered.
  kReset,
  kSilent,
};
inline constexpr size_t kRenderedAnswers = static_cast<size_t>(Answer::kRedirect);
// The first of them are rendered in each language of a zone.
inline constexpr size_t kLocalisedAnswers = static_cast<size_t>(Answer::kBadRequest);

constexpr bool IsNetworkAuthenticationRequired(Answer answer) {
  return answer <= Answer::kTextHead;
}

// What a zone's response is chosen by: one of the above in one of the zone's languages. Errors
// have one language only. `variant`: which page of a 511, which URL of a redirect; 0 is the zone's.
struct Decision {
  Answer answer;
  uint8_t language = 0;
  uint16_t variant = 0;

  bool operator==(const Decision&) const = default;
};

// What a zone has to choose from.
struct Offer {
  MediaType default_media_type = MediaType::kHtml;
  LanguageTags languages = {"en"};  // lower case; the first is for everybody else
};

// The rules that a worker asks, and what it writes while it does; null: none.
struct RuleView {
  const RuleSet* rules = nullptr;
  RuleState* state = nullptr;
  uint32_t zone = 0;  // index of the zone
};

// As below, but a rule may say otherwise; counts its hit.
[[nodiscard]] Decision Decide(const HttpRequest& request, const Offer& offer,
                              const RuleView& rules);

// The answer to a complete request: 511 in the form that `Accept` prefers (RFC 9110 §12.5.1) and
// the language that `Accept-Language` does (§12.5.4).
[[nodiscard]] Decision Decide(const HttpRequest& request, const Offer& offer);

// The answer to what cannot become a request. `head`: the method was HEAD.
[[nodiscard]] Decision DecideError(HttpError error, bool head);

// The answer to a request whose header section does not fit the reassembly buffer (RFC 6585 §5).
[[nodiscard]] Decision DecideTooLarge(bool head);

}  // namespace narthex
