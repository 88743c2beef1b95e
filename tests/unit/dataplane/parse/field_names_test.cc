// SPDX-License-Identifier: Apache-2.0
#include "parse/field_names.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/harness/guard_page.h"

namespace narthex {
namespace {

KnownNames::Found Find(std::string_view line) {
  return kKnownNames.Find(line.data(), line.data() + line.size());
}

std::string Upper(std::string_view lower) {
  std::string upper(lower);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return upper;
}

const std::string kRest(32, 'x');

#ifdef __SSE2__
TEST(KnownNames, FindsEachInAnyCase) {
  for (const NamedField& named : kNamedFields) {
    for (const std::string& name : {std::string(named.lower), Upper(named.lower)}) {
      const KnownNames::Found found = Find(name + ":" + kRest);
      EXPECT_EQ(found.bytes, name.size()) << name;
      EXPECT_EQ(found.field, named.field) << name;
    }
  }
}
#endif

// No byte may pass for another: 0x0d and 0x2d (a dash) differ by the bit that tells cases apart.
TEST(KnownNames, FindsNothingElse) {
  for (const NamedField& named : kNamedFields) {
    const std::string line = std::string(named.lower) + ":";
    for (size_t at = 0; at < line.size(); at++) {
      for (int c = 0; c < 256; c++) {
        std::string changed = line + kRest;
        changed[at] = static_cast<char>(c);
        // A colon ends another name: "accept:language".
        if (c == ':' || Upper({&line[at], 1}) == Upper({&changed[at], 1})) continue;
        ASSERT_EQ(Find(changed).bytes, 0u) << named.lower << ", " << at << ", " << c;
      }
    }
    EXPECT_EQ(Find(std::string(named.lower) + " :" + kRest).bytes, 0u);
    EXPECT_EQ(Find(line.substr(1) + kRest).bytes, 0u);
  }
}

TEST(KnownNames, ReadsNothingBeyondTheEnd) {
  test::GuardPage guard;
  for (const NamedField& named : kNamedFields) {
    const std::string line = std::string(named.lower) + ":" + kRest;
    for (size_t bytes = 0; bytes <= line.size(); bytes++) {
      const uint32_t found = Find(guard.AtEnd(std::string_view(line).substr(0, bytes))).bytes;
      EXPECT_TRUE(found == 0 || found == named.lower.size()) << named.lower;
    }
  }
}

}  // namespace
}  // namespace narthex
