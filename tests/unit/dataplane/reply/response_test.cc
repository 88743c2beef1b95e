// SPDX-License-Identifier: Apache-2.0
// REQUIREMENTS §1: what every response says, and that it fits one segment.
#include "reply/response.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "reply/page.h"
#include "tests/harness/gateway.h"

namespace narthex {
namespace {

struct Message {
  std::string status_line;
  std::string fields;  // each "Name: value\r\n"
  std::string body;
};

Message Split(const Response& response) {
  const std::string text(response.View());
  const size_t line = text.find("\r\n");
  const size_t end = text.find("\r\n\r\n");
  return {text.substr(0, line), text.substr(line + 2, end - line), text.substr(end + 4)};
}

bool Has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

class Responses : public testing::TestWithParam<bool> {
 protected:
  const Response& Get(Answer answer) const {
    return GetParam() ? set_.Full(answer) : set_.Compact(answer);
  }
  const ResponseSet set_ = test::RenderResponses();
};
INSTANTIATE_TEST_SUITE_P(Sizes, Responses, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Full" : "Compact");
});

TEST_P(Responses, FitOneSegmentAndHaveTheRightSum) {
  const size_t limit = GetParam() ? NX_FULL_RESPONSE_BYTES : NX_COMPACT_RESPONSE_BYTES;
  for (size_t i = 0; i < kRenderedAnswers; i++) {
    const Response& response = Get(static_cast<Answer>(i));
    EXPECT_GT(response.size, 0) << i;
    EXPECT_LE(response.size, limit) << i;
    EXPECT_EQ(response.sum, ChecksumAdd(response.bytes.data(), response.size)) << i;
  }
}

// REQ 1.status, REQ 1.no-store, REQ 1.fields
TEST_P(Responses, NetworkAuthenticationRequiredIsExact) {
  const std::pair<Answer, std::string> kTypes[] = {
      {Answer::kHtml, "text/html; charset=utf-8"},
      {Answer::kJson, "application/problem+json; charset=utf-8"},
      {Answer::kText, "text/plain; charset=utf-8"}};
  for (const auto& [answer, type] : kTypes) {
    const Message message = Split(Get(answer));
    EXPECT_EQ(message.status_line, "HTTP/1.1 511 Network Authentication Required");
    EXPECT_EQ(message.fields, "Content-Type: " + type +
                                  "\r\nContent-Length: " + std::to_string(message.body.size()) +
                                  "\r\nCache-Control: no-store\r\nConnection: close\r\n");
    EXPECT_TRUE(Has(message.body, "You need to log in to this network before you can use it"));
    EXPECT_TRUE(Has(message.body, "Stadium Wi-Fi"));
    EXPECT_TRUE(Has(message.body, "http://198.51.100.20/login"));
  }
}

// REQ 2.head
TEST_P(Responses, HeadIsTheHeaderSectionOfItsTwin) {
  for (size_t i = 0; i + 1 < static_cast<size_t>(Answer::kHttp2GoAway); i += 2) {
    const Message whole = Split(Get(static_cast<Answer>(i)));
    const Message head = Split(Get(static_cast<Answer>(i + 1)));
    EXPECT_EQ(head.status_line, whole.status_line);
    EXPECT_EQ(head.fields, whole.fields);
    EXPECT_EQ(head.body, "");
    EXPECT_NE(whole.body, "");
  }
}

// REQ 1.body, REQ 1.no-imitation
TEST_P(Responses, PageHoldsALinkAndNoForm) {
  const std::string page = Split(Get(Answer::kHtml)).body;
  EXPECT_TRUE(Has(page, "<a href=\"http://198.51.100.20/login\">"));
  EXPECT_TRUE(Has(page, "<title>Network login required</title>"));
  EXPECT_TRUE(Has(page, "Network login required."));
  EXPECT_TRUE(Has(page, "<html lang=en>"));
  EXPECT_TRUE(Has(page, "name=viewport"));
  for (const char* unwanted : {"<form", "<script", "<img", "<input", "src=", "@N", "@U", "@S"}) {
    EXPECT_FALSE(Has(page, unwanted)) << unwanted;
  }
}

// REQ 1.problem
TEST_P(Responses, ProblemIsJson) {
  const auto problem = nlohmann::json::parse(Split(Get(Answer::kJson)).body);
  EXPECT_EQ(problem["status"], 511);
  EXPECT_EQ(problem["title"], "Network Authentication Required");
  EXPECT_EQ(problem["login_url"], "http://198.51.100.20/login");
}

TEST_P(Responses, ErrorsNameTheirStatus) {
  const std::pair<Answer, std::string> kErrors[] = {
      {Answer::kBadRequest, "400 Bad Request"},
      {Answer::kTargetTooLong, "414 URI Too Long"},
      {Answer::kFieldsTooLarge, "431 Request Header Fields Too Large"},
      {Answer::kVersionNotSupported, "505 HTTP Version Not Supported"}};
  for (const auto& [answer, status] : kErrors) {
    const Message message = Split(Get(answer));
    EXPECT_EQ(message.status_line, "HTTP/1.1 " + status);
    EXPECT_TRUE(Has(message.fields, "Connection: close\r\n"));
    EXPECT_TRUE(Has(message.fields, "Cache-Control: no-store\r\n"));
  }
}

// REQ 2.http2
TEST_P(Responses, Http2GoAwayAsksForHttp11) {
  const std::string frames(Get(Answer::kHttp2GoAway).View());
  // SETTINGS, empty; then GOAWAY on stream 0 whose error code is 0xd.
  EXPECT_EQ(frames.substr(0, 9), std::string("\0\0\0\4\0\0\0\0\0", 9));
  ASSERT_GE(frames.size(), 26u);
  const size_t payload = static_cast<uint8_t>(frames[10]) << 8 | static_cast<uint8_t>(frames[11]);
  EXPECT_EQ(frames.substr(12, 6), std::string("\7\0\0\0\0\0", 6));
  EXPECT_EQ(frames.substr(18, 8), std::string("\0\0\0\0\0\0\0\x0d", 8));
  EXPECT_EQ(frames.size(), 18 + payload);
}

TEST(RenderResponses, EscapesWhatTheOperatorWrites) {
  const ResponseSet set = test::RenderResponses("A&B <\"'\\>", "http://p.example/?a=1&b='2'");
  const std::string page = Split(set.Full(Answer::kHtml)).body;
  EXPECT_TRUE(Has(page, "A&amp;B &lt;&#34;&#39;\\&gt;"));
  EXPECT_TRUE(Has(page, "href=\"http://p.example/?a=1&amp;b=&#39;2&#39;\""));
  const auto problem = nlohmann::json::parse(Split(set.Compact(Answer::kJson)).body);
  EXPECT_EQ(problem["network"], "A&B <\"'\\>");
  EXPECT_EQ(problem["login_url"], "http://p.example/?a=1&b='2'");
}

TEST(RenderResponses, RefusesWhatDoesNotFit) {
  std::string error;
  EXPECT_FALSE(ResponseSet::Render(
      {.network_name = std::string(200, 'n'), .portal_url = "http://p.example/"}, error));
  EXPECT_TRUE(Has(error, "too long")) << error;
  EXPECT_TRUE(Has(error, "536")) << error;
}

}  // namespace
}  // namespace narthex
