// SPDX-License-Identifier: Apache-2.0
// What rules and languages make of an answer.
#include <gtest/gtest.h>

#include "responder_fixture.h"
#include "worker/responder.h"

namespace narthex::test {
namespace {

// ---- rules --------------------------------------------------------------------------------

class RulesTest : public ResponderTest {
 protected:
  RulesTest() {
    auto rule = [](const char* name, const char* host, Respond respond, uint16_t variant = 0) {
      Rule made;
      made.name = name;
      made.conditions = {{Field::kHost, {{Field::kHost, Kind::kExact, host}}}};
      made.respond = respond;
      made.variant = variant;
      return made;
    };
    std::string error;
    rules_ =
        RuleSet::Compile({rule("login", "probe.test", Respond::kRedirect),
                          rule("other", "other.test", Respond::kRedirect, 1),
                          rule("page", "page.test", Respond::kNetworkAuthenticationRequired, 1),
                          rule("reset", "reset.test", Respond::kReset),
                          rule("silent", "silent.test", Respond::kSilent)},
                         error);
    responses_ = ResponseSet::Render(
        {.network_name = "N",
         .portal_url = "http://198.51.100.20/login?a&b",
         .rule_pages = {{PageTemplate{"f",
                                      "<!DOCTYPE html><html lang={{language}}><p>Own page<a "
                                      "href={{login_url}}>x</a>"},
                         std::nullopt}},
         .redirects = {"https://other.test/"}},
        error);
    EXPECT_TRUE(rules_ && responses_) << error;
    state_ = std::make_unique<RuleState>(rules_->NewState());
    gateway_.responder.Use(*responses_, {rules_.get(), state_.get(), 0});
    gateway_.responder.SetWallTime(784111777);
  }
  std::string Ask(const Connection& connection, const std::string& host,
                  const std::string& method = "GET") {
    const auto reply =
        gateway_.Answer(connection.Data(0, method + " /x HTTP/1.1\r\nHost: " + host + "\r\n\r\n"));
    return !reply ? "silence" : reply->flags == kRst ? "reset" : reply->payload;
  }

  std::unique_ptr<const RuleSet> rules_;
  std::optional<ResponseSet> responses_;
  std::unique_ptr<RuleState> state_;
};

// REQ 1.no-store-302, REQ 1.date
TEST_F(RulesTest, RedirectSaysWhereAndWhen) {
  // The example of RFC 9110 §5.6.7. ReadSegment has checked the checksum.
  const std::string head =
      "HTTP/1.1 302 Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Location: http://198.51.100.20/login?a&b\r\n";
  const std::string rest = "Cache-Control: no-store\r\nConnection: close\r\n\r\n";
  const std::string body =
      "<!DOCTYPE html><a href=\"http://198.51.100.20/login?a&amp;b\">Log in</a>\n";
  const std::string full = head + "Content-Type: text/html; charset=utf-8\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n" + rest;
  for (Connection connection : {v4_, v6_}) {
    EXPECT_EQ(Ask(connection, "probe.test"), full + body);
    EXPECT_EQ(Ask(connection, "probe.test", "HEAD"), full);
    connection.mss_class = NX_MSS_COMPACT;
    EXPECT_EQ(Ask(connection, "probe.test"), head + "Content-Length: 0\r\n" + rest);
  }
  gateway_.responder.SetWallTime(784111778);
  EXPECT_NE(Ask(v4_, "probe.test").find("08:49:38 GMT"), std::string::npos);
  EXPECT_EQ(gateway_.Count(NX_WORKER_REDIRECT), 7u);
  EXPECT_EQ(state_->hits[0], 7u);
  EXPECT_EQ(state_->hits[1], 0u);
}

TEST_F(RulesTest, EachResponseIsGivenAndCounted) {
  EXPECT_NE(Ask(v4_, "other.test").find("Location: https://other.test/\r\n"), std::string::npos);
  const std::string page = Ask(v4_, "page.test");
  EXPECT_TRUE(page.starts_with("HTTP/1.1 511 ")) << page;
  EXPECT_NE(page.find("Own page"), std::string::npos);
  EXPECT_EQ(Ask(v4_, "reset.test"), "reset");
  EXPECT_EQ(Ask(v4_, "silent.test"), "silence");
  EXPECT_EQ(Ask(v4_, "nobody.test").find("Own page"), std::string::npos);
  EXPECT_EQ(gateway_.Count(NX_WORKER_REDIRECT), 1u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_NETWORK_AUTHENTICATION_REQUIRED), 2u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_RST), 1u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_SILENT), 1u);
  for (size_t i = 1; i < 5; i++) EXPECT_EQ(state_->hits[i], 1u) << i;
}

TEST_F(RulesTest, DecisionsOutliveTheirPolicy) {
  const std::string post = "POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 9\r\n\r\n";
  EXPECT_NE(gateway_.Answer(v4_.Data(0, post))->payload.find("https://other.test/"),
            std::string::npos);
  std::string error;
  const auto fewer =
      ResponseSet::Render({.network_name = "N", .portal_url = "http://198.51.100.20/login"}, error);
  gateway_.responder.Use(*fewer);
  const auto reply = gateway_.Answer(v4_.Data(static_cast<uint32_t>(post.size()), "body"));
  EXPECT_NE(reply->payload.find("Location: http://198.51.100.20/login\r\n"), std::string::npos);
}

// ---- languages --------------------------------------------------------------------------

ResponseSet Bilingual() {
  std::string error;
  return *ResponseSet::Render(
      {.network_name = "N",
       .portal_url = "http://198.51.100.20/login",
       .languages = {{}, {.tag = "de", .title = "t", .message = "m", .link_text = "l"}}},
      error);
}

TEST_F(ResponderTest, AnswersInTheLanguageAskedFor) {
  const ResponseSet set = Bilingual();
  gateway_.responder.Use(set);
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Language: de-AT\r\n\r\n";
  const std::string german(set.Full({narthex::Answer::kHtml, 1}).View());
  ExpectResponse(gateway_.Answer(v4_.Data(0, get)), german, get.size(), v4_);
  // In pieces, and repeated.
  for (int i = 0; i < 2; i++) {
    gateway_.Answer(v6_.Data(0, get.substr(0, 20)));
    ExpectResponse(gateway_.Answer(v6_.Data(20, get.substr(20))), german, get.size(), v6_);
  }
}

TEST_F(ResponderTest, AnAnswerOutlivesALanguageThatIsGone) {
  const ResponseSet set = Bilingual();
  gateway_.responder.Use(set);
  const std::string post =
      "POST / HTTP/1.1\r\nHost: a\r\nAccept-Language: de\r\nContent-Length: 9\r\n\r\n";
  ASSERT_TRUE(gateway_.Answer(v4_.Data(0, post)));
  gateway_.responder.Use(gateway_.responses);
  ExpectResponse(gateway_.Answer(v4_.Data(static_cast<uint32_t>(post.size()), "123456789")),
                 Full(narthex::Answer::kHtml), post.size() + 9, v4_);
}

}  // namespace
}  // namespace narthex::test
