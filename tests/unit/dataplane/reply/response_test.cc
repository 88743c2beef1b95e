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
    return GetParam() ? set_.Full({answer}) : set_.Compact({answer});
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
  for (const char* unwanted : {"<form", "<script", "<img", "<input", "src=", "{{", "}}\n"}) {
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
  const std::string page = Split(set.Full({Answer::kHtml})).body;
  EXPECT_TRUE(Has(page, "A&amp;B &lt;&#34;&#39;\\&gt;"));
  EXPECT_TRUE(Has(page, "href=\"http://p.example/?a=1&amp;b=&#39;2&#39;\""));
  const auto problem = nlohmann::json::parse(Split(set.Compact({Answer::kJson})).body);
  EXPECT_EQ(problem["network"], "A&B <\"'\\>");
  EXPECT_EQ(problem["login_url"], "http://p.example/?a=1&b='2'");
}

TEST(RenderResponses, RefusesWhatDoesNotFitAndSaysByHowMuch) {
  NetworkDescription network{.network_name = "N", .portal_url = "http://p.example/"};
  std::string error;
  const auto fits = ResponseSet::Render(network, error);
  ASSERT_TRUE(fits);
  // HTML is the longest of the compact ones, and the URL is in it once.
  const size_t left = NX_COMPACT_RESPONSE_BYTES - fits->Compact({Answer::kHtml}).size;
  network.portal_url += std::string(left, 'x');
  EXPECT_TRUE(ResponseSet::Render(network, error)) << error;
  network.portal_url += "123";
  EXPECT_FALSE(ResponseSet::Render(network, error));
  EXPECT_TRUE(Has(error,
                  "compact HTML response in 'en' has 539 bytes with its header fields, 3 too "
                  "many for one segment (536)"))
      << error;
  EXPECT_TRUE(Has(error, "portal_url has " + std::to_string(network.portal_url.size()))) << error;
}

// REQ 1.api-member
TEST(RenderResponses, NamesTheApiInTheProblem) {
  std::string error;
  const auto set = ResponseSet::Render(
      {.network_name = "N", .portal_url = "http://p.example/", .api_url = "https://p.example/api"},
      error);
  ASSERT_TRUE(set);
  for (const Response* response : {&set->Full({Answer::kJson}), &set->Compact({Answer::kJson})}) {
    EXPECT_EQ(nlohmann::json::parse(Split(*response).body)["api_url"], "https://p.example/api");
  }
}

// A zone with English, and German with a page of its own.
NetworkDescription Bilingual() {
  NetworkDescription network{.network_name = "N & Co", .portal_url = "http://p.example/?a&b"};
  network.languages.push_back(
      {.tag = "de",
       .title = "Anmeldung n\u00f6tig",
       .message = "Bitte melden Sie sich an.",
       .link_text = "Anmelden",
       .page = PageTemplate{"/p.html",
                            "<!DOCTYPE html><html lang={{language}}><h1>{{title}}</h1>"
                            "<p>{{network_name}}<p>{{message}}<p><a "
                            "href='{{login_url}}'>{{link_text}}</a> {x} }}"}});
  return network;
}

TEST(RenderResponses, RendersEachLanguage) {
  std::string error;
  const auto set = ResponseSet::Render(Bilingual(), error);
  ASSERT_TRUE(set) << error;
  EXPECT_EQ(set->GetOffer().languages, (LanguageTags{"en", "de"}));
  EXPECT_TRUE(Has(Split(set->Full({Answer::kHtml, 0})).body, "<html lang=en>"));
  EXPECT_EQ(
      Split(set->Full({Answer::kHtml, 1})).body,
      "<!DOCTYPE html><html lang=de><h1>Anmeldung n\u00f6tig</h1><p>N &amp; Co<p>Bitte melden "
      "Sie sich an.<p><a href='http://p.example/?a&amp;b'>Anmelden</a> {x} }}");
  // The built-in compact page in the same language.
  EXPECT_TRUE(Has(Split(set->Compact({Answer::kHtml, 1})).body, "<html lang=de>"));
  EXPECT_EQ(Split(set->Full({Answer::kText, 1})).body,
            "Anmeldung n\u00f6tig.\n\nN & Co: Bitte melden Sie sich an.\n\nAnmelden: "
            "http://p.example/?a&b\n");
  EXPECT_EQ(nlohmann::json::parse(Split(set->Compact({Answer::kJson, 1})).body)["detail"],
            "Bitte melden Sie sich an.");
  EXPECT_EQ(Split(set->Full({Answer::kHtmlHead, 1})).fields,
            Split(set->Full({Answer::kHtml, 1})).fields);
  EXPECT_TRUE(Has(std::string(set->Full({Answer::kBadRequest}).View()), "400 Bad Request"));
}

struct BadTemplate {
  const char* text;
  const char* why;
};

TEST(RenderResponses, RefusesATemplateByItsFileAndLine) {
  const BadTemplate rows[] = {
      {"<!DOCTYPE html>\n<html lang=de>\n{{who}}",
       "/p.html:3: unknown placeholder {{who}}; known: "},
      {"<!DOCTYPE html>\n{{title", "/p.html:2: unknown placeholder {{title}}; known: "},
      {"<!DOCTYPE html>\n{{a\nb}}", "/p.html:2: unknown placeholder {{a?b}}; known: "},
      {"<!DOCTYPE html>\n<form>", "/p.html:2: a form: "},
      {"<!DOCTYPE html><html lang=de>", "/p.html: no link to the login page"},
      // What is filled in cannot bring in what the template may not have.
      {"<!DOCTYPE html><html lang=de><p title={{message}}>", "/p.html:1: attribute melden is not"},
  };
  for (const BadTemplate& row : rows) {
    NetworkDescription network = Bilingual();
    network.languages[1].page->text = row.text;
    std::string error;
    EXPECT_FALSE(ResponseSet::Render(network, error)) << row.text;
    EXPECT_EQ(error.substr(0, std::string(row.why).size()), row.why);
    network = Bilingual();
    network.languages[1].compact_page = PageTemplate{"/p.html", row.text};
    EXPECT_FALSE(ResponseSet::Render(network, error)) << row.text;
    EXPECT_EQ(error.substr(0, std::string(row.why).size()), row.why);
  }
}

TEST(RenderResponses, RefusesATemplateThatDoesNotFit) {
  NetworkDescription network = Bilingual();
  network.languages[1].page->text += std::string(1220, 'x');
  std::string error;
  EXPECT_FALSE(ResponseSet::Render(network, error));
  EXPECT_TRUE(Has(error, "/p.html: the full HTML response in 'de' has ")) << error;
}

}  // namespace
}  // namespace narthex
