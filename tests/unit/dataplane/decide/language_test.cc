// SPDX-License-Identifier: Apache-2.0
#include "decide/language.h"

#include <gtest/gtest.h>

namespace narthex {
namespace {

const LanguageTags kTags = {"en", "de", "fr-ch", "zh-hant", "pt"};

struct Row {
  std::string field;
  const char* wanted;
};

const Row kRows[] = {
    {"", "en"},
    {"de", "de"},
    {"DE", "de"},
    {"de-AT", "de"},
    {"de-AT-1996", "de"},
    {"de-AT-x-dialect", "de"},
    {"fr", "en"},  // lookup shortens what is asked for, never what is there
    {"fr-CH", "fr-ch"},
    {"zh-Hant-TW", "zh-hant"},
    {"zh-Hans-CN", "en"},
    {"it, de;q=0.1", "de"},
    {"de;q=0.4, pt;q=0.8", "pt"},
    {"de;q=0.8, pt;q=0.8", "de"},
    {"pt, de", "pt"},
    {"de;q=0, pt;q=0.001", "pt"},
    {"en;q=0, de;q=0", "en"},
    {"*", "en"},
    {"*, de;q=0.5", "de"},
    {"it-IT,it;q=0.9,en-US;q=0.8,de;q=0.7", "en"},
    {"d", "en"},
    {"deu", "en"},
    {"de_AT", "en"},
    {"-", "en"},
    {"-de", "en"},
    {",,;q=,de", "de"},
    {"de;level=1;q=0.5, pt;q=0.4", "de"},
    {"a-" + std::string(40, 'x') + ", de", "de"},
    {std::string(200, ','), "en"},
};

// REQ 1.language
TEST(ChooseLanguage, Table) {
  for (const Row& row : kRows)
    EXPECT_EQ(kTags[ChooseLanguage(row.field, kTags)], row.wanted) << row.field;
}

TEST(ChooseLanguage, ReadsNoMoreRangesThanAPersonLists) {
  std::string field;
  for (int i = 0; i < 32; i++) field += "xx,";
  EXPECT_EQ(kTags[ChooseLanguage(field + "de", kTags)], "en");
  EXPECT_EQ(kTags[ChooseLanguage(field.substr(3) + "de", kTags)], "de");
}

}  // namespace
}  // namespace narthex
