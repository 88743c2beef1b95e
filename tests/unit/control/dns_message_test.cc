// SPDX-License-Identifier: Apache-2.0
#include "control/dns_message.h"

#include <gtest/gtest.h>

#include "tests/harness/dns.h"
#include "tests/harness/guard_page.h"

namespace narthex {
namespace {

using namespace std::string_literals;
using namespace test::dns;

const std::string kA1 = "\xcb\x00\x71\x07"s;  // 203.0.113.7
const std::string kA2 = "\xcb\x00\x71\x08"s;
const std::string kA6 = "\x20\x01\x0d\xb8\x00\x06\0\0\0\0\0\0\0\0\0\x20"s;

DnsError Read(const std::string& bytes, DnsAnswer& answer) {
  return ReadDnsAnswer({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, answer);
}

// "203.0.113.7/300 …"
std::string Text(const DnsAnswer& answer) {
  std::string text;
  for (const auto& found : answer.addresses)
    text +=
        (text.empty() ? "" : " ") + found.address.ToString() + "/" + std::to_string(found.ttl_s);
  return text;
}

Record Cname(const std::string& owner, const std::string& target, uint32_t ttl = 300) {
  return {.owner = Name(owner), .type = kCname, .ttl = ttl, .data = Name(target)};
}

TEST(ReadDnsAnswer, FollowsTheQuestionToItsAddresses) {
  const Record a{.owner = Pointer(12), .data = kA1};
  std::vector<Record> chain16, chain17;
  for (int i = 0; i < 17; ++i) {
    auto name = [](int n) {
      return n == 0 ? "idp.example.com" : "c" + std::to_string(n) + ".test";
    };
    if (i < 16) chain16.push_back(Cname(name(i), name(i + 1)));
    chain17.push_back(Cname(name(i), name(i + 1)));
  }
  chain16.push_back({.owner = Name("c16.test"), .data = kA1});
  chain17.push_back({.owner = Name("c17.test"), .data = kA1});
  struct {
    const char* description;
    Message message;
    DnsError error;
    const char* addresses;
  } const rows[] = {
      {"an address", {.answers = {a}}, DnsError::kNone, "203.0.113.7/300"},
      {"two, each with its TTL",
       {.answers = {a, {.owner = Pointer(12), .ttl = 9, .data = kA2}}},
       DnsError::kNone,
       "203.0.113.7/300 203.0.113.8/9"},
      {"IPv6",
       {.type = kAaaa, .answers = {{.owner = Pointer(12), .type = kAaaa, .data = kA6}}},
       DnsError::kNone,
       "2001:db8:6::20/300"},
      {"another case",
       {.answers = {{.owner = Name("IDP.Example.COM"), .data = kA1}}},
       DnsError::kNone,
       "203.0.113.7/300"},
      {"none", {}, DnsError::kNone, ""},
      {"no such name", {.answers = {a}, .flags = 0x8183}, DnsError::kNone, ""},
      {"of another name",
       {.answers = {{.owner = Name("evil.example.com"), .data = kA1}}},
       DnsError::kNone,
       ""},
      {"of another type than was asked for", {.type = kAaaa, .answers = {a}}, DnsError::kNone, ""},
      {"any type",
       {.type = kAny, .answers = {a, {.owner = Pointer(12), .type = kAaaa, .data = kA6}}},
       DnsError::kNone,
       "203.0.113.7/300 2001:db8:6::20/300"},
      {"of another class",
       {.answers = {{.owner = Pointer(12), .data = kA1, .klass = 3}}},
       DnsError::kNone,
       ""},
      {"types that nobody needs",
       {.answers = {{.owner = Pointer(12), .type = kTxt, .data = "\4text"}, a}},
       DnsError::kNone,
       "203.0.113.7/300"},
      {"a CNAME; the least TTL counts",
       {.answers = {Cname("idp.example.com", "x.cdn.example", 20),
                    {.owner = Name("x.cdn.example"), .data = kA1}}},
       DnsError::kNone,
       "203.0.113.7/20"},
      {"a CNAME behind its address",
       {.answers = {{.owner = Name("x.cdn.example"), .ttl = 7, .data = kA1},
                    Cname("idp.example.com", "X.cdn.example")}},
       DnsError::kNone,
       "203.0.113.7/7"},
      {"an address of the name that has a CNAME",
       {.answers = {Cname("idp.example.com", "x.cdn.example"), a}},
       DnsError::kNone,
       ""},
      {"a chain that leads elsewhere",
       {.answers = {Cname("other.example", "x.cdn.example"),
                    {.owner = Name("x.cdn.example"), .data = kA1}}},
       DnsError::kNone,
       ""},
      {"the same CNAME twice",
       {.answers = {Cname("idp.example.com", "x.test"),
                    Cname("idp.example.com", "x.test"),
                    {.owner = Name("x.test"), .data = kA1}}},
       DnsError::kNone,
       "203.0.113.7/300"},
      {"two CNAMEs",
       {.answers = {Cname("idp.example.com", "x.test"), Cname("idp.example.com", "y.test")}},
       DnsError::kAmbiguous,
       ""},
      {"a CNAME to itself",
       {.answers = {Cname("idp.example.com", "idp.example.com")}},
       DnsError::kAmbiguous,
       ""},
      {"CNAMEs in a circle",
       {.answers = {Cname("idp.example.com", "x.test"), Cname("x.test", "idp.example.com")}},
       DnsError::kAmbiguous,
       ""},
      {"16 CNAMEs", {.answers = chain16}, DnsError::kNone, "203.0.113.7/300"},
      {"17 CNAMEs", {.answers = chain17}, DnsError::kTooMany, ""},
      {"64 records",
       {.answers = std::vector<Record>(64, {.owner = Name("x.test"), .data = kA1})},
       DnsError::kNone,
       ""},
      {"65 records",
       {.answers = std::vector<Record>(65, {.owner = Name("x.test"), .data = kA1})},
       DnsError::kTooMany,
       ""},
      {"a TTL with the highest bit",
       {.answers = {{.owner = Pointer(12), .ttl = 0x80000001, .data = kA1}}},
       DnsError::kNone,
       "203.0.113.7/0"},
      {"what comes behind the answers is not believed",
       {.answers = {a}, .rest = Write({.owner = Pointer(12), .data = kA2})},
       DnsError::kNone,
       "203.0.113.7/300"},
  };
  for (const auto& row : rows) {
    DnsAnswer answer;
    EXPECT_EQ(Read(row.message.Bytes(), answer), row.error) << row.description;
    EXPECT_EQ(Text(answer), row.addresses) << row.description;
    EXPECT_EQ(answer.question.name, "idp.example.com") << row.description;
  }
}

TEST(ReadDnsAnswer, RefusesWhatIsMalformed) {
  const std::string label63(63, 'a');
  const std::string header = Message{}.Bytes().substr(0, 12);
  auto with_answer = [](const std::string& record) {
    return Message{.count = 1, .rest = record}.Bytes();
  };
  const std::string fixed = U16(kA) + U16(1) + U32(300);
  struct {
    const char* description;
    std::string bytes;
    DnsError error;
  } const rows[] = {
      {"nothing", "", DnsError::kTruncated},
      {"half a header", header.substr(0, 11), DnsError::kTruncated},
      {"a header alone", header, DnsError::kTruncated},
      {"a query", Query("idp.example.com"), DnsError::kNotAnAnswer},
      {"another opcode", Message{.flags = 0xa800}.Bytes(), DnsError::kNotAnAnswer},
      {"no question", Message{.questions = 0}.Bytes(), DnsError::kNotAnAnswer},
      {"two questions", Message{.questions = 2}.Bytes(), DnsError::kNotAnAnswer},
      {"class CH", header + Name("a.b") + U16(kA) + U16(3), DnsError::kNotAnAnswer},
      {"TC", Message{.flags = 0x8380}.Bytes(), DnsError::kTruncated},
      {"a question without end", header + "\3www", DnsError::kTruncated},
      {"a label beyond the end", header + "\x3fwww", DnsError::kTruncated},
      {"no type", header + Name("a.b") + "\0"s, DnsError::kTruncated},
      {"a name of 255 bytes",
       header + Name(label63 + "." + label63 + "." + label63 + "." + std::string(61, 'b')) +
           U16(1) + U16(1),
       DnsError::kNone},
      {"a name of 256 bytes",
       header + Name(label63 + "." + label63 + "." + label63 + "." + std::string(62, 'b')) +
           U16(1) + U16(1),
       DnsError::kName},
      {"a pointer to itself", header + Pointer(12) + U16(1) + U16(1), DnsError::kName},
      {"a pointer forward", header + Pointer(14) + Name("a.b") + U16(1) + U16(1), DnsError::kName},
      {"a pointer into the header", header + Pointer(2) + U16(1) + U16(1), DnsError::kName},
      {"half a pointer", header + "\xc0", DnsError::kTruncated},
      {"a label type of 0x40", header + "\x41" + std::string(70, 'a'), DnsError::kName},
      {"a label type of 0x80", header + "\x81" + std::string(70, 'a'), DnsError::kName},
      {"an owner that points at itself", with_answer(Pointer(33) + fixed + U16(4) + kA1),
       DnsError::kName},
      {"owners that point at one another", with_answer("\1a" + Pointer(33) + fixed + U16(4) + kA1),
       DnsError::kName},
      {"fewer answers than announced", Message{.count = 1}.Bytes(), DnsError::kTruncated},
      {"a record cut short", with_answer(Pointer(12) + fixed), DnsError::kTruncated},
      {"data cut short", with_answer(Pointer(12) + fixed + U16(4) + "abc"), DnsError::kTruncated},
      {"data of 65535 bytes", with_answer(Pointer(12) + fixed + U16(65535) + kA1),
       DnsError::kTruncated},
      {"an A of 3 bytes", with_answer(Pointer(12) + fixed + U16(3) + "abc"), DnsError::kRecord},
      {"an A of 16 bytes", with_answer(Pointer(12) + fixed + U16(16) + kA6), DnsError::kRecord},
      {"an AAAA of 4 bytes", with_answer(Pointer(12) + U16(kAaaa) + U16(1) + U32(1) + U16(4) + kA1),
       DnsError::kRecord},
      {"a v4-mapped AAAA",
       with_answer(Pointer(12) + U16(kAaaa) + U16(1) + U32(1) + U16(16) + std::string(10, '\0') +
                   "\xff\xff" + kA1),
       DnsError::kRecord},
      {"a CNAME shorter than its data",
       with_answer(Pointer(12) + U16(kCname) + U16(1) + U32(1) + U16(6) + Name("a.b") + "x"),
       DnsError::kRecord},
      {"a CNAME longer than its data",
       with_answer(Pointer(12) + U16(kCname) + U16(1) + U32(1) + U16(2) + Name("a.b")),
       DnsError::kRecord},
      {"a CNAME that points at its own data",
       with_answer(Pointer(12) + U16(kCname) + U16(1) + U32(1) + U16(2) + Pointer(45)),
       DnsError::kName},
  };
  for (const auto& row : rows) {
    DnsAnswer answer;
    EXPECT_EQ(Read(row.bytes, answer), row.error) << row.description;
    EXPECT_TRUE(answer.addresses.empty()) << row.description;
  }
}

TEST(ReadDnsAnswer, NamesOfOddBytesEqualNoConfiguredName) {
  struct {
    const char* description;
    std::string label;
    const char* name;
  } const rows[] = {{"a dot inside", "a.b"s, "a\\046b.example.com"},
                    {"a NUL", "a\0b"s, "a\\000b.example.com"},
                    {"a high byte", "\xff"s, "\\255.example.com"},
                    {"a backslash", "\\"s, "\\092.example.com"},
                    {"upper case", "AbC"s, "abc.example.com"}};
  for (const auto& row : rows) {
    std::string bytes = Message{}.Bytes().substr(0, 12) + static_cast<char>(row.label.size()) +
                        row.label + Name("example.com") + U16(kA) + U16(1);
    DnsAnswer answer;
    EXPECT_EQ(Read(bytes, answer), DnsError::kNone) << row.description;
    EXPECT_EQ(answer.question.name, row.name) << row.description;
    EXPECT_EQ(answer.question.raw, row.label + ".example.com") << row.description;
  }
}

TEST(ReadDnsAnswer, EveryPrefixOfAnAnswerIsReadWithinItsBounds) {
  Message message{.answers = {Cname("idp.example.com", "x.cdn.example"),
                              {.owner = Name("x.cdn.example"), .data = kA1},
                              {.owner = Pointer(12), .type = kTxt, .data = "\4text"}}};
  const std::string whole = message.Bytes();
  test::GuardPage page;
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    DnsAnswer answer;
    auto prefix = page.AtEnd(whole.substr(0, bytes));
    EXPECT_NE(
        ReadDnsAnswer({reinterpret_cast<const uint8_t*>(prefix.data()), prefix.size()}, answer),
        DnsError::kNone)
        << bytes;
  }
}

}  // namespace
}  // namespace narthex
