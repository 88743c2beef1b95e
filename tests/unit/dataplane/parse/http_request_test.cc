// SPDX-License-Identifier: Apache-2.0
// REQUIREMENTS §2, line by line.
#include "parse/http_request.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/harness/guard_page.h"

namespace narthex {
namespace {

using namespace std::string_literals;

struct Row {
  const char* description;
  std::string input;
  HttpStatus status;
  HttpError error = HttpError::kNone;
};

constexpr auto kComplete = HttpStatus::kComplete;
constexpr auto kIncomplete = HttpStatus::kIncomplete;
constexpr auto kError = HttpStatus::kError;
constexpr auto k400 = HttpError::kBadRequest;

std::string Get(const std::string& fields) { return "GET / HTTP/1.1\r\n" + fields + "\r\n"; }

const std::vector<Row> kRows = {
    {"plain GET", Get("Host: a\r\n"), kComplete},
    {"leading CRLF is skipped (RFC 9112 §2.2)", "\r\n\r\n" + Get("Host: a\r\n"), kComplete},
    {"single LF ends a line (§2.2)", "GET / HTTP/1.1\nHost: a\n\n", kComplete},
    {"nothing", "", kIncomplete},
    {"only CRLF", "\r\n", kIncomplete},
    {"CR alone", "\r", kIncomplete},
    {"bare CR before the method", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", kError,
     HttpError::kNotHttp},

    {"absolute-form (§3.2.2)", "GET http://b.example/p HTTP/1.1\r\nHost: a\r\n\r\n", kComplete},
    {"absolute-form without path", "GET http://b.example HTTP/1.1\r\nHost: a\r\n\r\n", kComplete},
    {"absolute-form, https", "GET https://b.example/ HTTP/1.1\r\nHost: a\r\n\r\n", kComplete},
    {"absolute-form with another scheme", "GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", kError, k400},
    {"absolute-form with user information", "GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", kError,
     k400},
    {"absolute-form without authority", "GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n", kError, k400},
    {"absolute-form still needs Host", "GET http://b/ HTTP/1.1\r\n\r\n", kError, k400},
    {"asterisk-form (§3.2.4)", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", kComplete},
    {"asterisk with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", kError, k400},
    {"authority-form (§3.2.3)", "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", kComplete},
    {"CONNECT to IPv6", "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n", kComplete},
    {"CONNECT without port", "CONNECT a.example HTTP/1.1\r\nHost: a\r\n\r\n", kError, k400},
    {"CONNECT to a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", kError, k400},
    {"relative target", "GET index.html HTTP/1.1\r\nHost: a\r\n\r\n", kError, k400},

    {"missing Host in 1.1 (§3.2)", Get(""), kError, k400},
    {"missing Host in 1.0", "GET / HTTP/1.0\r\n\r\n", kComplete},
    {"duplicate Host", Get("Host: a\r\nHost: a\r\n"), kError, k400},
    {"empty Host is valid (RFC 9110 §7.2)", Get("Host:\r\n"), kComplete},
    {"Host with port", Get("Host: a.example:8080\r\n"), kComplete},
    {"Host, IPv6 literal", Get("Host: [2001:db8::1]:80\r\n"), kComplete},
    {"Host, percent-encoded", Get("Host: a%2Db\r\n"), kComplete},
    {"Host with a space", Get("Host: a b\r\n"), kError, k400},
    {"Host with a slash", Get("Host: a/b\r\n"), kError, k400},
    {"Host with user information", Get("Host: u@a\r\n"), kError, k400},
    {"Host with a comma list of names", Get("Host: a, b\r\n"), kError, k400},
    {"Host with a bad port", Get("Host: a:8x\r\n"), kError, k400},
    {"Host with a port too long", Get("Host: a:123456\r\n"), kError, k400},
    {"Host with an open bracket", Get("Host: [2001:db8::1\r\n"), kError, k400},
    {"Host with half a percent sign", Get("Host: a%2\r\n"), kError, k400},
    {"Host with quotes and tags", Get("Host: \"><script>\r\n"), kError, k400},

    {"space before the colon (RFC 9112 §5.1)", Get("Host : a\r\n"), kError, k400},
    {"tab before the colon", Get("Host\t: a\r\n"), kError, k400},
    {"obs-fold (§5.2)", Get("Host: a\r\nX: b\r\n c\r\n"), kError, k400},
    {"space before the first field", Get(" Host: a\r\n"), kError, k400},
    {"field without a name", Get(": a\r\n"), kError, k400},
    {"field without a colon", Get("Host: a\r\nfoo\r\n"), kError, k400},
    {"bare CR in a value (§2.2)", Get("Host: a\r\nX: b\rc\r\n"), kError, k400},
    {"NUL in a value (RFC 9110 §5.5)", Get("Host: a\r\nX: b\0c\r\n"s), kError, k400},
    {"NUL in a name", Get("Host: a\r\nX\0: b\r\n"s), kError, k400},
    {"control in a value", Get("Host: a\r\nX: b\x01\r\n"), kError, k400},
    {"DEL in a value", Get("Host: a\r\nX: b\x7f\r\n"), kError, k400},
    {"tab in a value", Get("Host: a\r\nX: b\tc\r\n"), kComplete},
    {"a value of tabs beyond one vector", Get("Host: a\r\nX: b" + std::string(40, '\t') + "c\r\n"),
     kComplete},
    {"obs-text in a value", Get("Host: a\r\nX: \xc3\xa9\r\n"), kComplete},
    {"empty value", Get("Host: a\r\nX:\r\n"), kComplete},
    {"value of spaces", Get("Host: a\r\nX:   \t \r\n"), kComplete},

    {"Content-Length", Get("Host: a\r\nContent-Length: 5\r\n"), kComplete},
    {"Content-Length twice, equal", Get("Host: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n"),
     kComplete},
    {"Content-Length conflicting (§6.3)",
     Get("Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n"), kError, k400},
    {"Content-Length list", Get("Host: a\r\nContent-Length: 5, 5\r\n"), kError, k400},
    {"Content-Length negative", Get("Host: a\r\nContent-Length: -5\r\n"), kError, k400},
    {"Content-Length with plus", Get("Host: a\r\nContent-Length: +5\r\n"), kError, k400},
    {"Content-Length hexadecimal", Get("Host: a\r\nContent-Length: 0x5\r\n"), kError, k400},
    {"Content-Length empty", Get("Host: a\r\nContent-Length:\r\n"), kError, k400},
    {"Content-Length beyond 64 bits", Get("Host: a\r\nContent-Length: 99999999999999999999\r\n"),
     kError, k400},
    {"Content-Length with Transfer-Encoding (§6.1)",
     Get("Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"), kError, k400},
    {"Transfer-Encoding first",
     Get("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"), kError, k400},
    {"Transfer-Encoding", Get("Host: a\r\nTransfer-Encoding: gzip, Chunked\r\n"), kComplete},
    {"Transfer-Encoding not ending in chunked", Get("Host: a\r\nTransfer-Encoding: gzip\r\n"),
     kError, k400},
    {"Transfer-Encoding of another name", Get("Host: a\r\nTransfer-Encoding: xchunked\r\n"), kError,
     k400},
    {"Transfer-Encoding in 1.0 (§6.1)", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
     kError, k400},

    {"longest target",
     "GET /" + std::string(kMaxTargetBytes - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", kComplete},
    {"overlong target",
     "GET /" + std::string(kMaxTargetBytes, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", kError,
     HttpError::kTargetTooLong},
    {"overlong target, unfinished", "GET /" + std::string(kMaxTargetBytes, 'a'), kError,
     HttpError::kTargetTooLong},
    {"control in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", kError, HttpError::kNotHttp},
    {"obs-text in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", kError,
     HttpError::kNotHttp},
    {"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", kError, HttpError::kNotHttp},
    {"two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", kError,
     HttpError::kNotHttp},

    {"version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", kError, HttpError::kVersionNotSupported},
    {"version 0.9 by name", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", kError,
     HttpError::kVersionNotSupported},
    {"version 3.0", "GET / HTTP/3.0\r\n\r\n", kError, HttpError::kVersionNotSupported},
    {"version 1.2 is 1.1 to us (RFC 9110 §2.5)", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", kComplete},
    {"version 1.", "GET / HTTP/1.\r\nHost: a\r\n\r\n", kError, k400},
    {"version 1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", kError, k400},
    {"lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", kError, HttpError::kNotHttp},
    {"space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", kError, k400},
    {"HTTP/0.9", "GET /\r\n", kError, HttpError::kNotHttp},
    {"HTTP/0.9, not ended", "GET /\r", kIncomplete},
    {"no HTTP: SSH", "SSH-2.0-OpenSSH_9.2\r\n", kError, HttpError::kNotHttp},
    {"no HTTP: SMTP", "EHLO client\r\n", kError, HttpError::kNotHttp},
    {"no HTTP: zeros", std::string(10, '\0'), kError, HttpError::kNotHttp},
    {"a method too long", std::string(kMaxMethodBytes + 1, 'A'), kError, HttpError::kNotHttp},
    {"an unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", kComplete},

    {"HTTP/2 preface (RFC 9113 §3.4)", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", kError,
     HttpError::kHttp2Preface},
    {"TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, kError, HttpError::kTls},
    {"first byte of a TLS record", "\x16", kIncomplete},
    {"0x16 and no TLS", "\x16\x16", kError, HttpError::kNotHttp},
};

// REQ 2.crlf, REQ 2.host, REQ 2.colon, REQ 2.fold, REQ 2.controls, REQ 2.length,
// REQ 2.long-target, REQ 2.version, REQ 2.not-http, REQ 2.http10, REQ 2.target
TEST(ParseHttpRequest, Table) {
  for (const Row& row : kRows) {
    HttpRequest request;
    const HttpResult result = ParseHttpRequest(row.input, request);
    EXPECT_EQ(static_cast<int>(result.status), static_cast<int>(row.status)) << row.description;
    EXPECT_EQ(static_cast<int>(result.error), static_cast<int>(row.error)) << row.description;
  }
}

// A prefix is incomplete, or says already what the whole will say.
TEST(ParseHttpRequest, EverySplitIsIncompleteOrTheFinalError) {
  test::GuardPage guard;
  for (const Row& row : kRows) {
    for (size_t bytes = 0; bytes < row.input.size(); bytes++) {
      HttpRequest request;
      const std::string_view part = guard.AtEnd(std::string_view(row.input).substr(0, bytes));
      const HttpResult result = ParseHttpRequest(part, request);
      if (result.status == HttpStatus::kIncomplete) continue;
      ASSERT_EQ(static_cast<int>(result.status), static_cast<int>(row.status))
          << row.description << ", " << bytes << " bytes";
      ASSERT_EQ(static_cast<int>(result.error), static_cast<int>(row.error))
          << row.description << ", " << bytes << " bytes";
    }
  }
}

TEST(ParseHttpRequest, ReadsWhatDecisionsNeed) {
  HttpRequest request;
  const std::string input =
      "GET /a/b?c=d HTTP/1.1\r\nhOST: \t Api.Example.TEST:80 \t\r\nACCEPT: text/html\r\n"
      "Accept-Language: de, en;q=0.5\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\nrest";
  ASSERT_EQ(ParseHttpRequest(input, request).status, kComplete);
  EXPECT_EQ(request.method, HttpMethod::kGet);
  EXPECT_EQ(request.method_name, "GET");
  EXPECT_EQ(request.target, "/a/b?c=d");
  EXPECT_EQ(request.path, "/a/b");
  EXPECT_EQ(request.host, "Api.Example.TEST:80");
  EXPECT_EQ(request.accept, "text/html");
  EXPECT_EQ(request.accept_language, "de, en;q=0.5");
  EXPECT_EQ(request.user_agent, "curl/7.88.1");
  EXPECT_FALSE(request.has_body);
  EXPECT_EQ(request.header_bytes, input.size() - 4);
}

TEST(ParseHttpRequest, AbsoluteFormOverridesHost) {
  HttpRequest request;
  ASSERT_EQ(
      ParseHttpRequest("GET HTTP://b.example:81?q HTTP/1.1\r\nHost: a\r\n\r\n", request).status,
      kComplete);
  EXPECT_EQ(request.host, "b.example:81");
  EXPECT_EQ(request.path, "/");
}

TEST(ParseHttpRequest, KnowsWhetherABodyFollows) {
  for (const auto& [fields, body] :
       std::vector<std::pair<std::string, bool>>{{"Content-Length: 0\r\n", false},
                                                 {"Content-Length: 000\r\n", false},
                                                 {"Content-Length: 10\r\n", true},
                                                 {"Transfer-Encoding: chunked\r\n", true},
                                                 {"", false}}) {
    HttpRequest request;
    ASSERT_EQ(ParseHttpRequest("POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n", request).status,
              kComplete);
    EXPECT_EQ(request.has_body, body) << fields;
  }
}

TEST(ParseHttpRequest, KeepsNothingOfTheRequestBefore) {
  HttpRequest request;
  ASSERT_EQ(
      ParseHttpRequest("OPTIONS http://b/p HTTP/1.0\r\nHost: a\r\nAccept: b\r\nUser-Agent: c\r\n"
                       "Accept-Language: d\r\nContent-Length: 1\r\n\r\n",
                       request)
          .status,
      kComplete);
  ASSERT_EQ(ParseHttpRequest("CONNECT e:1 HTTP/1.1\r\nHost: \t\r\n\r\n", request).status,
            kComplete);
  EXPECT_EQ(request.method, HttpMethod::kConnect);
  EXPECT_EQ(request.target_form, TargetForm::kAuthority);
  EXPECT_EQ(request.minor_version, 1);
  EXPECT_FALSE(request.has_body);
  for (std::string_view value :
       {request.host, request.path, request.accept, request.accept_language, request.user_agent}) {
    EXPECT_EQ(value, "");
  }
}

TEST(ParseHttpRequest, RemembersHeadInErrors) {
  HttpRequest request;
  EXPECT_TRUE(ParseHttpRequest("HEAD / HTTP/1.1\r\n\r\n", request).head);
  EXPECT_FALSE(ParseHttpRequest("GET / HTTP/1.1\r\n\r\n", request).head);
}

TEST(JudgeBeginning, TellsTheStartOfARequestFromALaterPiece) {
  for (const char* start : {"GET ", "GET /x", "\r\nPOST", "PROP", "PRI *", "\x16"}) {
    EXPECT_EQ(JudgeBeginning(start), Beginning::kCertain) << start;
  }
  for (const char* start :
       {"", "\r\n", "G", "GE", "GET", "\nPOS", "O", "BREW /", "EHLO x", "X", "ET / HTTP/1.1"}) {
    EXPECT_EQ(JudgeBeginning(start), Beginning::kPossible) << start;
  }
  for (const char* piece : {"ost: a\r\n\r\n", ": x", "a=b; c=d\r\n", "/1.1\r\nHost: a", " a",
                            "Host: a\r\n", "SSH-2.0", "\r\nHost: a\r\n"}) {
    EXPECT_EQ(JudgeBeginning(piece), Beginning::kUnlikely) << piece;
  }
}

}  // namespace
}  // namespace narthex
