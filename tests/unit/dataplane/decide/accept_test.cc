// SPDX-License-Identifier: Apache-2.0
#include "decide/accept.h"

#include <gtest/gtest.h>

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
TEST(NegotiateMediaType, PrefersHtmlByDefault) {
  for (const Row& row : kRows) {
    EXPECT_EQ(static_cast<int>(NegotiateMediaType(row.accept, MediaType::kHtml)),
              static_cast<int>(row.wanted))
        << row.accept;
  }
}

// What a zone with text for the undecided gives.
const Row kTextRows[] = {
    {"", MediaType::kText},
    {"*/*", MediaType::kText},
    {"*/*;q=0.5", MediaType::kText},
    {"image/png", MediaType::kText},
    {"text/*", MediaType::kText},
    {"text/html", MediaType::kHtml},
    {"text/html, text/plain", MediaType::kText},
    {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
     MediaType::kHtml},
    {"text/html,text/plain;q=0.9", MediaType::kHtml},
    {"application/json, */*", MediaType::kJson},
    {"application/*", MediaType::kJson},
    {"text/plain;q=0, */*", MediaType::kHtml},
};

// REQ 1.wildcard
TEST(NegotiateMediaType, PrefersTextWhereTheZoneDoes) {
  for (const Row& row : kTextRows) {
    EXPECT_EQ(static_cast<int>(NegotiateMediaType(row.accept, MediaType::kText)),
              static_cast<int>(row.wanted))
        << row.accept;
  }
}

}  // namespace
}  // namespace narthex
