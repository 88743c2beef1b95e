// SPDX-License-Identifier: Apache-2.0
// The parser against a plain one: requests put together of pieces, changed, cut off, at the end of
// memory.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/harness/guard_page.h"
#include "tests/harness/plain_http.h"

namespace narthex {
namespace {

constexpr std::string_view kStarts[] = {
    "GET /a?b HTTP/1.1\r\n",      "HEAD / HTTP/1.0\n",
    "CONNECT a:1 HTTP/1.1\r\n",   "OPTIONS * HTTP/1.1\r\n",
    "GET hTTp://h:80 HTTP/1.1\n", "PRI * HTTP/2.0\r\n",
    "\r\nBREW /x?y HTTP/1.1\r\n", "\x16\x03",
    "GET / HTTP/3.0\r\n",
};
constexpr std::string_view kLines[] = {
    "Host: a\r\n",
    "hOsT:b.c:80\r\n",
    "Host:  \t x \t\r\n",
    "Accept: */*\r\n",
    "ACCEPT:text/html\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n",
    "User-Agent: \r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 12\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Accept-Language: de,en;q=0.5\r\n",
    "accept-languagE:\t\r\n",
    "Accept-Encoding: gzip, deflate\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "X-Requested-With: y\r\n",
    "Connection: keep-alive\r\n",
    "Cookie: a=\xc3\xa9\t; c=d\r\n",
    "Foo: bar\r\n",
    "X-Something-Long-That-Nobody-Knows: \x80\xff\t\r\n",
    "Via:\r\n",
    "\r\n",
    "\n",
    "\r",
    ": ",
    "Host",
    "\x7f",
};

std::string RandomRequest(std::mt19937_64& random) {
  std::string text(kStarts[random() % 3 ? 0 : random() % std::size(kStarts)]);
  if (random() % 4) text += kLines[0];
  for (auto lines = random() % 10; lines; lines--) text += kLines[random() % std::size(kLines)];
  if (random() % 2) text += "\r\n";
  if (random() % 4 == 0) text += "a body, or whatever else a client sends behind it, long enough";
  for (auto changes = random() % 4 / 2; changes && !text.empty(); changes--) {
    const size_t at = random() % text.size();
    switch (random() % 3) {
      case 0:
        text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, 1 + random() % 8);
        break;
      default:
        text[at] = static_cast<char>(text[at] ^ 1 << random() % 8);
    }
  }
  if (random() % 8 == 0) text.resize(random() % (text.size() + 1));
  return text;
}

TEST(ParseHttpRequest, SaysWhatAPlainParserSays) {
  std::mt19937_64 random(1);
  test::GuardPage guard;
  size_t complete = 0;
  for (int i = 0; i < 300'000; i++) {
    const std::string text = RandomRequest(random);
    const std::string_view input = guard.AtEnd(text);
    HttpRequest request;
    const HttpResult result = ParseHttpRequest(input, request);
    complete += result.status == HttpStatus::kComplete;
    ASSERT_TRUE(test::AgreesWithPlainHttp(input, request, result)) << text;
  }
  EXPECT_GT(complete, 20'000u);
}

}  // namespace
}  // namespace narthex
