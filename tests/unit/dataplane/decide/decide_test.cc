// SPDX-License-Identifier: Apache-2.0
#include "decide/decide.h"

#include <gtest/gtest.h>

#include "decide/accept.h"

namespace narthex {
namespace {

struct Row {
  const char* accept;
  MediaType wanted;
};

const Row kRows[] = {
    {"", MediaType::kHtml},
    {"*/*", MediaType::kHtml},
    {"text/html", MediaType::kHtml},
    {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
     MediaType::kHtml},
    {"image/avif,image/webp,*/*", MediaType::kHtml},
    {"image/png", MediaType::kHtml},
    {"application/json", MediaType::kJson},
    {"application/problem+json", MediaType::kJson},
    {"APPLICATION/JSON", MediaType::kJson},
    {"application/json, */*", MediaType::kJson},
    {"application/json, text/plain, */*", MediaType::kJson},
    {"application/*", MediaType::kJson},
    {"application/json;charset=utf-8", MediaType::kJson},
    {"text/plain", MediaType::kText},
    {"text/plain, */*;q=0.1", MediaType::kText},
    {"text/plain, */*", MediaType::kText},
    {"text/*", MediaType::kHtml},
    {"text/*, text/html;q=0", MediaType::kText},
    {"text/html;q=0.5, application/json;q=0.8", MediaType::kJson},
    {"text/html;q=0.8, application/json;q=0.5", MediaType::kHtml},
    {"text/html;q=0.001, application/json;q=0.002", MediaType::kJson},
    {"*/*;q=0.1, text/plain;q=0", MediaType::kHtml},
    {"text/html;q=0, */*;q=0.5", MediaType::kJson},
    {"text/html;q=0, application/json;q=0, text/plain;q=0", MediaType::kHtml},
    {"text/html; level=1 ; Q=0.3 , text/plain ; q=0.4", MediaType::kText},
    {",,, ;;q=, text/plain", MediaType::kText},
    {"*", MediaType::kHtml},
    {"text/htmlx, text/plain", MediaType::kText},
};

// REQ 1.negotiation
TEST(NegotiateMediaType, Table) {
  for (const Row& row : kRows) {
    EXPECT_EQ(static_cast<int>(NegotiateMediaType(row.accept)), static_cast<int>(row.wanted))
        << row.accept;
  }
}

TEST(Decide, GivesHeadTheHeaderSectionOnly) {
  HttpRequest request;
  request.method = HttpMethod::kHead;
  EXPECT_EQ(Decide(request), Answer::kHtmlHead);
  request.accept = "application/json";
  EXPECT_EQ(Decide(request), Answer::kJsonHead);
  request.method = HttpMethod::kConnect;
  EXPECT_EQ(Decide(request), Answer::kJson);
}

TEST(DecideError, Table) {
  EXPECT_EQ(DecideError(HttpError::kNotHttp, false), Answer::kBadRequest);
  EXPECT_EQ(DecideError(HttpError::kBadRequest, true), Answer::kBadRequestHead);
  EXPECT_EQ(DecideError(HttpError::kTargetTooLong, false), Answer::kTargetTooLong);
  EXPECT_EQ(DecideError(HttpError::kVersionNotSupported, false), Answer::kVersionNotSupported);
  EXPECT_EQ(DecideError(HttpError::kHttp2Preface, false), Answer::kHttp2GoAway);
  EXPECT_EQ(DecideError(HttpError::kTls, false), Answer::kReset);
  EXPECT_EQ(DecideTooLarge(true), Answer::kFieldsTooLargeHead);
}

}  // namespace
}  // namespace narthex
