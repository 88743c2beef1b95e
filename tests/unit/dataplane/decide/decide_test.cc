// SPDX-License-Identifier: Apache-2.0
#include "decide/decide.h"

#include <gtest/gtest.h>

namespace narthex {
namespace {

TEST(Decide, GivesHeadTheHeaderSectionOnly) {
  HttpRequest request;
  request.method = HttpMethod::kHead;
  EXPECT_EQ(Decide(request, {}).answer, Answer::kHtmlHead);
  request.accept = "application/json";
  EXPECT_EQ(Decide(request, {}).answer, Answer::kJsonHead);
  request.method = HttpMethod::kConnect;
  EXPECT_EQ(Decide(request, {}).answer, Answer::kJson);
}

TEST(Decide, NegotiatesFormAndLanguageTogether) {
  const Offer offer{MediaType::kText, {"en", "de"}};
  HttpRequest request;
  EXPECT_EQ(Decide(request, offer), (Decision{Answer::kText, 0}));
  request.accept_language = "de-AT,de;q=0.9";
  EXPECT_EQ(Decide(request, offer), (Decision{Answer::kText, 1}));
  request.accept = "text/html,*/*;q=0.1";
  EXPECT_EQ(Decide(request, offer), (Decision{Answer::kHtml, 1}));
  EXPECT_EQ(Decide(request, {MediaType::kText, {"en"}}), (Decision{Answer::kHtml, 0}));
}

TEST(DecideError, Table) {
  EXPECT_EQ(DecideError(HttpError::kNotHttp, false), Decision{Answer::kBadRequest});
  EXPECT_EQ(DecideError(HttpError::kBadRequest, true), Decision{Answer::kBadRequestHead});
  EXPECT_EQ(DecideError(HttpError::kTargetTooLong, false), Decision{Answer::kTargetTooLong});
  EXPECT_EQ(DecideError(HttpError::kVersionNotSupported, false),
            Decision{Answer::kVersionNotSupported});
  EXPECT_EQ(DecideError(HttpError::kHttp2Preface, false), Decision{Answer::kHttp2GoAway});
  EXPECT_EQ(DecideError(HttpError::kTls, false), Decision{Answer::kReset});
  EXPECT_EQ(DecideTooLarge(true), Decision{Answer::kFieldsTooLargeHead});
}

}  // namespace
}  // namespace narthex
