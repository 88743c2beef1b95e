// SPDX-License-Identifier: Apache-2.0
// The searches by blocks, against the obvious ones.
#include "parse/http_chars.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace narthex {
namespace {

// Of `bytes` bytes, mostly ordinary ones; in memory of exactly that size, so that ASan sees a read
// beyond.
std::vector<char> RandomText(std::mt19937& random, size_t bytes) {
  constexpr std::string_view kOrdinary = "abcXYZ019-._: \t/?%";
  constexpr std::string_view kOdd("\r\n\0\x1f\x7f\x80\xff\x01", 8);
  std::vector<char> text(bytes);
  for (char& c : text) {
    const std::string_view from = random() % 40 ? kOrdinary : kOdd;
    c = from[random() % from.size()];
  }
  return text;
}

TEST(LineEnds, FindsWhatASearchByteByByteFinds) {
  std::mt19937 random(1);
  const auto printable = [](char c) { return c >= 0x20 && c < 0x7f; };
  for (size_t bytes = 0; bytes < 600; bytes++) {
    const std::vector<char> text = RandomText(random, bytes);
    const char* const end = text.data() + bytes;
    for (size_t begin = 0; begin <= bytes; begin += 1 + random() % 70) {
      LineEnds finder(text.data(), text.data() + begin, end);
      for (const char* at = text.data() + begin;;) {
        const char* wanted = at;
        while (wanted != end && (*wanted == '\t' || !IsControl(*wanted))) wanted++;
        ASSERT_EQ(finder.Next() - text.data(), wanted - text.data())
            << "from " << at - text.data() << " of " << bytes << ", begin " << begin;
        if (wanted == end) break;
        at = wanted;
        while (at != end && !printable(*at)) at++;  // the rest of its run
      }
    }
  }
}

// Each search of a text from `at` to `end`, of which nothing beyond `readable` is there.
template <class Search, class Obvious>
void Compare(Search search, Obvious obvious) {
  std::mt19937 random(2);
  for (size_t readable = 0; readable < 100; readable++) {
    const std::vector<char> text = RandomText(random, readable);
    for (size_t end = 0; end <= readable; end++) {
      for (size_t at = 0; at <= end; at++) {
        size_t wanted = at;
        while (wanted < end && !obvious(text[wanted])) wanted++;
        const char* found = search(text.data() + at, text.data() + end, text.data() + readable);
        ASSERT_EQ(static_cast<size_t>(found - text.data()), wanted) << at << " " << end;
      }
    }
  }
}

template <CharClass kWanted>
void CompareFindNot() {
  Compare([](const char* at, const char* end, const char*) { return FindNot<kWanted>(at, end); },
          [](char c) { return !Is(c, kWanted); });
}

TEST(FindNot, FindsWhatASearchByteByByteFinds) {
  CompareFindNot<kTokenChar>();
  CompareFindNot<kHostChar>();
}

TEST(FindNot, KnowsEveryByte) {
  for (int c = 0; c < 256; c++) {
    const std::string text(16, static_cast<char>(c));
    const char* const end = text.data() + text.size();
    EXPECT_EQ(FindNot<kTokenChar>(text.data(), end) == end, Is(text[0], kTokenChar)) << c;
    EXPECT_EQ(FindNot<kHostChar>(text.data(), end) == end, Is(text[0], kHostChar)) << c;
  }
}

TEST(FindNotVisible, FindsWhatASearchByteByByteFinds) {
  Compare([](const char* at, const char* end, const char*) { return FindNotVisible(at, end); },
          [](char c) { return c <= 0x20 || c >= 0x7f; });
}

TEST(FindChar, FindsWhatASearchByteByByteFinds) {
  Compare([](const char* at, const char* end,
             const char* readable) { return FindChar('?', at, end, readable); },
          [](char c) { return c == '?'; });
}

}  // namespace
}  // namespace narthex
