// SPDX-License-Identifier: Apache-2.0
#include "decide/decide.h"

#include "decide/accept.h"

namespace narthex {
namespace {

// Each answer with a body is followed by its twin for HEAD.
Answer ForMethod(Answer answer, bool head) {
  return head ? static_cast<Answer>(static_cast<uint8_t>(answer) + 1) : answer;
}

}  // namespace

Answer Decide(const HttpRequest& request) {
  const bool head = request.method == HttpMethod::kHead;
  switch (NegotiateMediaType(request.accept)) {
    case MediaType::kJson:
      return ForMethod(Answer::kJson, head);
    case MediaType::kText:
      return ForMethod(Answer::kText, head);
    case MediaType::kHtml:
      break;
  }
  return ForMethod(Answer::kHtml, head);
}

Answer DecideError(HttpError error, bool head) {
  switch (error) {
    case HttpError::kTargetTooLong:
      return ForMethod(Answer::kTargetTooLong, head);
    case HttpError::kVersionNotSupported:
      return ForMethod(Answer::kVersionNotSupported, head);
    case HttpError::kHttp2Preface:
      return Answer::kHttp2GoAway;
    case HttpError::kTls:
      // RST at once: the client then knows that this is no place for TLS.
      return Answer::kReset;
    case HttpError::kNone:
    case HttpError::kNotHttp:
    case HttpError::kBadRequest:
      break;
  }
  return ForMethod(Answer::kBadRequest, head);
}

Answer DecideTooLarge(bool head) { return ForMethod(Answer::kFieldsTooLarge, head); }

}  // namespace narthex
