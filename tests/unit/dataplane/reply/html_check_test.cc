// SPDX-License-Identifier: Apache-2.0
#include "reply/html_check.h"

#include <gtest/gtest.h>

namespace narthex {
namespace {

const std::string kUrl = "http://p.example/?a=1&amp;b=2";
const std::string kLink = "<a href=\"" + kUrl + "\">Log in</a>";

// Line 3 is `what`.
std::string Page(const std::string& what) {
  return "<!DOCTYPE html>\n<html lang=en>\n" + what + "\n<p>" + kLink + "\n</html>\n";
}

struct Refused {
  std::string what;
  const char* why;
};

const Refused kRefused[] = {
    {"<form>", "a form"},
    {"<FORM action=http://x/>", "a form"},
    {"<input>", "a form"},
    {"<button>x</button>", "a form"},
    {"<script>x</script>", "a script"},
    {"<ScRiPt >x</script>", "a script"},
    {"<iframe src=http://x/></iframe>", "a frame"},
    {"<base href=http://x/>", "<base>"},
    {"<object>", "<object> is not among"},
    {"<svg>", "<svg> is not among"},
    {"<link rel=stylesheet href=http://x/>", "<link> is not among"},
    {"<noscript>", "<noscript> is not among"},
    {"<template>", "<template> is not among"},
    {"<x-y>", "<x-y> is not among"},
    {"</form>", "a form"},
    {"<meta http-equiv=refresh content=0>", "http-equiv"},
    {"<meta HTTP-EQUIV='Set-Cookie' content=a=b>", "http-equiv"},
    {"<meta charset=latin1>", "charset"},
    {"<p onclick=x>", "event handler onclick"},
    {"<p OnLoad=x>", "event handler onload"},
    {"<p class=a onfocus='x'>", "event handler onfocus"},
    {"<p background=x>", "attribute background"},
    {"<a ping=http://x/ href=http://x/>", "attribute ping"},
    {"<img srcset=x>", "attribute srcset"},
    {"<a href=/login>", "href must be"},
    {"<a href=login>", "href must be"},
    {"<a href=//x/login>", "href must be"},
    {"<a href=\"\">", "href must be"},
    {"<a href>", "href must be"},
    {"<a href=http://>", "href must be"},
    {"<a href=\"javascript:x\">", "href must be"},
    {"<a href=\" http://x/\">", "href must be"},
    {"<a href=\"&#106;avascript:x\">", "href must be"},
    {"<a href=data:text/html,x>", "href must be"},
    {"<img src=x.png>", "src must be"},
    {"<img src=data:text/html,x>", "src must be"},
    {"<p style='background:url(x)'>", "url( in a style"},
    {"<p style='background:&#117;rl(x)'>", "'&' in a style"},
    {"<style>p{background:URL(http://x/)}</style>", "url( in a style"},
    {"<style>@import 'x';</style>", "@import in a style"},
    {"<style>p{background:image-set('x' 1x)}</style>", "image-set( in a style"},
    {"<style>p{background:\\75rl(x)}</style>", "'\\' in a style"},
    {"<style>p{}", "<style> is never closed"},
    {"<style><a></style>", "'<' in <style>"},
    {"<title><a href=http://x/>", "<title> is never closed"},
    {"<title>a<b></title>", "'<' in <title>"},
    {"a < b", "'<' outside a tag"},
    {"<3", "'<' outside a tag"},
    {"</>", "'<' outside a tag"},
    {"<?php x ?>", "'<' outside a tag"},
    {"<![CDATA[x]]>", "'<' outside a tag"},
    {"<!-- x -->", "a comment"},
    {"<p class=a class=b>", "attribute class is there twice"},
    {"<p class=\"a\"id=b>", "<p> is malformed"},
    {"<p/class=a>", "<p> is malformed"},
    {"<p \"x\">", "an attribute of <p> is malformed"},
    {"<p class=a\"b>", "the value of class needs quotes"},
    {"<p title='<form>'>", "'<' in the value of title"},
    {"<p class=>", "the value of class needs quotes"},
    {"</p class=a>", "</p> is malformed"},
    {"a\x01", "a control character"},
    {"a\x7f", "a control character"},
    {"a\xc2\x85", "a control character"},
    {"a\xff", "not UTF-8"},
    {"a\xc3", "not UTF-8"},
    {"a\xc0\xaf", "not UTF-8"},
    {"a\xe0\x80\xaf", "not UTF-8"},
    {"a\xed\xa0\x80", "not UTF-8"},
    {"a\xf4\x90\x80\x80", "not UTF-8"},
    {"a\xef\xbf\xbd", "not UTF-8"},
};

TEST(CheckPage, RefusesWithLineAndReason) {
  ASSERT_FALSE(CheckPage(Page(""), kUrl));
  for (const Refused& row : kRefused) {
    const auto fault = CheckPage(Page(row.what), kUrl);
    ASSERT_TRUE(fault) << row.what;
    EXPECT_EQ(fault->line, 3u) << row.what;
    EXPECT_EQ(fault->why.substr(0, std::string(row.why).size()), row.why) << row.what;
    EXPECT_EQ(fault->why.find('\n'), fault->why.npos);
  }
}

TEST(CheckPage, AcceptsWhatAPageNeeds) {
  for (const char* what : {
           "<head><meta charset=UTF-8><meta name=viewport content='width=device-width'></head>",
           "<title>a &lt; b</title><style>@media(x){p{color:#fff}}</style>",
           "<P CLASS='a' style=\"color:red\" aria-label=\"x > "
           "y\">\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xb6",
           "<br/><br /><img src=data:image/png;base64,AAAA alt=''><img src=https://x/y.png>",
           "<a href=tel:+491234>call</a> <a href='mailto:a@b'>write</a> <a href=HTTPS://x/>x</a>",
       }) {
    const auto fault = CheckPage(Page(what), kUrl);
    EXPECT_FALSE(fault) << what << ": " << fault->why;
  }
}

struct Whole {
  std::string page;
  const char* why;
};

TEST(CheckPage, WantsDoctypeLanguageAndLink) {
  const Whole rows[] = {
      {"", "the page must begin with"},
      {"<html lang=en>" + kLink, "the page must begin with"},
      {"\xef\xbb\xbf<!DOCTYPE html><html lang=en>" + kLink, "the page must begin with"},
      {"<!DOCTYPE html><html>" + kLink, "no language"},
      {"<!DOCTYPE html><html lang=''>" + kLink, "no language"},
      {"<!DOCTYPE html><html lang=en><p lang=en>", "no link"},
      {"<!DOCTYPE html><html lang=en><a href=\"http://other.example/\">Log in</a>", "no link"},
      {"<!DOCTYPE html><html lang=en><a href=\"" + kUrl + "\"> \n</a>Log in", "no link"},
      {"<!DOCTYPE html><html lang=en><a href=\"" + kUrl + "\"><a>Log in</a>", "no link"},
      {"<!DOCTYPE html><html lang=en><title>" + kLink + "</title>", "'<' in <title>"},
      {"<!DOCTYPE html><html lang=en>" + kUrl, "no link"},
      {"<!DOCTYPE html><html lang=en>" + kLink + "<p", "the page ends within"},
      {"<!DOCTYPE html><html lang=en>" + kLink + "<p class", "the page ends within"},
      {"<!DOCTYPE html><html lang=en>" + kLink + "<p class='x>", "the quote after class="},
      {"<!DOCTYPE html><html lang=en>" + kLink + "</p", "the page ends within"},
      {"<!DOCTYPE html><html lang=en>" + kLink + "<", "'<' outside a tag"},
  };
  for (const Whole& row : rows) {
    const auto fault = CheckPage(row.page, kUrl);
    ASSERT_TRUE(fault) << row.page;
    EXPECT_EQ(fault->why.substr(0, std::string(row.why).size()), row.why) << row.page;
  }
}

TEST(CheckPage, FindsNoPageInAnyPrefixOfOne) {
  const std::string page = "<!DOCTYPE html><html lang=en><style>p{}</style><p class='a'>" + kLink;
  ASSERT_FALSE(CheckPage(page, kUrl));
  for (size_t bytes = 0; bytes < page.find("Log in") + 1; bytes++) {
    EXPECT_TRUE(CheckPage(page.substr(0, bytes), kUrl)) << bytes;
  }
}

}  // namespace
}  // namespace narthex
