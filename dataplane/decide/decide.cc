// SPDX-License-Identifier: Apache-2.0
#include "decide/decide.h"

namespace narthex {
namespace {

// Each answer with a body is followed by its twin for HEAD.
Answer ForMethod(Answer answer, bool head) {
  return head ? static_cast<Answer>(static_cast<uint8_t>(answer) + 1) : answer;
}

Answer AnswerIn(MediaType type) {
  switch (type) {
    case MediaType::kJson:
      return Answer::kJson;
    case MediaType::kText:
      return Answer::kText;
    case MediaType::kHtml:
      break;
  }
  return Answer::kHtml;
}

}  // namespace

Decision Decide(const HttpRequest& request, const Offer& offer) {
  const MediaType type = NegotiateMediaType(request.accept, offer.default_media_type);
  const bool head = request.method == HttpMethod::kHead;
  const uint8_t language = offer.languages.size() == 1
                               ? uint8_t{0}
                               : ChooseLanguage(request.accept_language, offer.languages);
  return {ForMethod(AnswerIn(type), head), language};
}

Decision Decide(const HttpRequest& request, const Offer& offer, const RuleView& view) {
  if (!view.rules) return Decide(request, offer);
  const uint32_t index = view.rules->Find(request, view.zone, *view.state);
  if (index == RuleSet::kNone) return Decide(request, offer);
  std::atomic<uint64_t>& hits = view.state->hits[index];
  hits.store(hits.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const RuleSet::Outcome& rule = view.rules->OutcomeOf(index);
  switch (rule.respond) {
    case Respond::kRedirect:
      return {ForMethod(Answer::kRedirect, request.method == HttpMethod::kHead), 0, rule.variant};
    case Respond::kReset:
      return {Answer::kReset};
    case Respond::kSilent:
      return {Answer::kSilent};
    case Respond::kNetworkAuthenticationRequired:
      break;
  }
  Decision decision = Decide(request, offer);
  decision.variant = rule.variant;
  return decision;
}

Decision DecideError(HttpError error, bool head) {
  switch (error) {
    case HttpError::kTargetTooLong:
      return {ForMethod(Answer::kTargetTooLong, head)};
    case HttpError::kVersionNotSupported:
      return {ForMethod(Answer::kVersionNotSupported, head)};
    case HttpError::kHttp2Preface:
      return {Answer::kHttp2GoAway};
    case HttpError::kTls:
      // RST at once: the client then knows that this is no place for TLS.
      return {Answer::kReset};
    case HttpError::kNone:
    case HttpError::kNotHttp:
    case HttpError::kBadRequest:
      break;
  }
  return {ForMethod(Answer::kBadRequest, head)};
}

Decision DecideTooLarge(bool head) { return {ForMethod(Answer::kFieldsTooLarge, head)}; }

}  // namespace narthex
