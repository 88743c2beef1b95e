// SPDX-License-Identifier: Apache-2.0
#include "decide/rules.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <regex>

#include "decide/language.h"

namespace narthex {
namespace {

constexpr auto kHost = Field::kHost, kPath = Field::kPath, kMethod = Field::kMethod,
               kAgent = Field::kUserAgent, kLanguage = Field::kLanguage;

RuleCondition When(Field field, Kind kind, std::vector<std::string> texts) {
  RuleCondition condition{field, {}};
  for (std::string& text : texts) condition.any.push_back({field, kind, std::move(text)});
  return condition;
}

Rule Named(const std::string& name, std::vector<RuleCondition> conditions,
           uint32_t zones = UINT32_MAX) {
  Rule rule;
  rule.name = name;
  rule.conditions = std::move(conditions);
  rule.zones = zones;
  return rule;
}

struct Asked {
  std::string host = "www.example.com";
  std::string path = "/";
  std::string method = "GET";
  std::string agent = "curl/8";
  std::string language = "en";

  std::string Text() const {
    return method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: " + agent +
           "\r\nAccept-Language: " + language + "\r\n\r\n";
  }
};

struct Compiled {
  std::unique_ptr<const RuleSet> rules;
  std::unique_ptr<RuleState> state;
};

// The name of the rule that decides, or "".
std::string Decide(const Compiled& set, const std::string& text, uint32_t zone = 0) {
  // In memory of its own, so that a sanitizer sees a read outside.
  const std::vector<char> exact(text.begin(), text.end());
  HttpRequest request;
  EXPECT_EQ(ParseHttpRequest({exact.data(), exact.size()}, request).status, HttpStatus::kComplete)
      << text;
  const uint32_t found = set.rules->Find(request, zone, *set.state);
  return found == RuleSet::kNone ? "" : set.rules->Rules()[found].name;
}

Compiled Compile(std::vector<Rule> rules) {
  std::string error;
  Compiled made{RuleSet::Compile(std::move(rules), error), nullptr};
  if (!made.rules) throw std::runtime_error(error);
  made.state = std::make_unique<RuleState>(made.rules->NewState());
  return made;
}

struct Match {
  const char* name;
  RuleCondition condition;
  Asked asked;
  bool matches;
};

TEST(RuleSet, MatchesEachFieldInEachWay) {
  const std::string long_host = std::string(240, 'a') + ".example.com";
  const Match cases[] = {
      {"host", When(kHost, Kind::kExact, {"example.com"}), {.host = "example.com"}, true},
      {"host, one of several",
       When(kHost, Kind::kExact, {"b", "example.com"}),
       {.host = "example.com"},
       true},
      {"host in capitals",
       When(kHost, Kind::kExact, {"Example.COM"}),
       {.host = "eXample.com"},
       true},
      {"host with port",
       When(kHost, Kind::kExact, {"example.com"}),
       {.host = "example.com:8080"},
       true},
      {"host with last dot",
       When(kHost, Kind::kExact, {"example.com"}),
       {.host = "example.com."},
       true},
      {"host with dot and port",
       When(kHost, Kind::kExact, {"example.com"}),
       {.host = "example.com.:80"},
       true},
      {"a host below",
       When(kHost, Kind::kExact, {"example.com"}),
       {.host = "www.example.com"},
       false},
      {"a host above",
       When(kHost, Kind::kExact, {"www.example.com"}),
       {.host = "example.com"},
       false},
      {"a longer host",
       When(kHost, Kind::kExact, {"example.com"}),
       {.host = "example.com.de"},
       false},
      {"IPv4 host", When(kHost, Kind::kExact, {"192.0.2.1"}), {.host = "192.0.2.1:80"}, true},
      {"IPv6 host",
       When(kHost, Kind::kExact, {"[2001:db8::1]"}),
       {.host = "[2001:db8::1]:80"},
       true},
      {"IPv6 host without port",
       When(kHost, Kind::kExact, {"[2001:db8::1]"}),
       {.host = "[2001:db8::1]"},
       true},
      {"short host", When(kHost, Kind::kExact, {"t.co"}), {.host = "t.co"}, true},
      {"one label", When(kHost, Kind::kExact, {"portal"}), {.host = "portal"}, true},
      {"domain", When(kHost, Kind::kSuffix, {"example.com"}), {.host = "example.com"}, true},
      {"domain, host below",
       When(kHost, Kind::kSuffix, {"example.com"}),
       {.host = "a.b.example.com"},
       true},
      {"domain, not a label",
       When(kHost, Kind::kSuffix, {"example.com"}),
       {.host = "myexample.com"},
       false},
      {"domain, another",
       When(kHost, Kind::kSuffix, {"example.com"}),
       {.host = "example.org"},
       false},
      {"top domain", When(kHost, Kind::kSuffix, {"com"}), {.host = "www.example.com"}, true},
      {"domain of eight bytes",
       When(kHost, Kind::kSuffix, {"abcd.com"}),
       {.host = "x.abcd.com"},
       true},
      {"long host", When(kHost, Kind::kSuffix, {"example.com"}), {.host = long_host}, true},
      {"longer than names are",
       When(kHost, Kind::kSuffix, {"com"}),
       {.host = std::string(252, 'a') + ".com"},
       false},
      {"host glob", When(kHost, Kind::kGlob, {"w*.exam?le.com"}), {}, true},
      {"host glob, other", When(kHost, Kind::kGlob, {"w*.exam?le.net"}), {}, false},
      {"host glob, end open", When(kHost, Kind::kGlob, {"www.*"}), {}, true},
      {"host glob, start open", When(kHost, Kind::kGlob, {"*.com"}), {}, true},
      {"host glob is whole", When(kHost, Kind::kGlob, {"xample*"}), {}, false},
      {"host regex", When(kHost, Kind::kRegex, {"(www|m)\\.example\\.[a-z]+"}), {}, true},
      {"host regex is whole", When(kHost, Kind::kRegex, {"www"}), {}, false},
      {"host regex, case", When(kHost, Kind::kRegex, {"WWW.*"}), {.host = "wWw.example.com"}, true},
      {"path", When(kPath, Kind::kExact, {"/a/b"}), {.path = "/a/b"}, true},
      {"path without query", When(kPath, Kind::kExact, {"/a/b"}), {.path = "/a/b?x=1"}, true},
      {"path in capitals", When(kPath, Kind::kExact, {"/a/b"}), {.path = "/A/b"}, false},
      {"path below", When(kPath, Kind::kExact, {"/a"}), {.path = "/a/b"}, false},
      {"path end", When(kPath, Kind::kSuffix, {".ico"}), {.path = "/favicon.ico"}, true},
      {"path end is the end",
       When(kPath, Kind::kSuffix, {".ico"}),
       {.path = "/favicon.icon"},
       false},
      {"path glob", When(kPath, Kind::kGlob, {"/a/*/c"}), {.path = "/a/b/b/c"}, true},
      {"path glob, start", When(kPath, Kind::kGlob, {"/a/*"}), {.path = "/a/"}, true},
      {"path glob is not in the host", When(kPath, Kind::kGlob, {"*example*"}), {}, false},
      {"path regex", When(kPath, Kind::kRegex, {"/[0-9]{1,3}/x?"}), {.path = "/12/"}, true},
      {"path regex with dots does not leave the path",
       When(kPath, Kind::kRegex, {".*curl.*"}),
       {},
       false},
      {"path regex of anything", When(kPath, Kind::kRegex, {".*"}), {}, true},
      {"path regex, negated class", When(kPath, Kind::kRegex, {"[^x]*"}), {.path = "/abc"}, true},
      {"path, longest",
       When(kPath, Kind::kGlob, {"/a*"}),
       {.path = "/" + std::string(2047, 'a')},
       true},
      {"path, too long",
       When(kPath, Kind::kGlob, {"/a*"}),
       {.path = "/" + std::string(2048, 'a')},
       false},
      {"method", When(kMethod, Kind::kExact, {"POST", "PUT"}), {.method = "PUT"}, true},
      {"method, case", When(kMethod, Kind::kExact, {"PUT"}), {.method = "put"}, false},
      {"agent",
       When(kAgent, Kind::kGlob, {"*captivenetworksupport*"}),
       {.agent = "CaptiveNetworkSupport/1.0 wispr"},
       true},
      {"agent, exact", When(kAgent, Kind::kExact, {"CURL/8"}), {}, true},
      {"agent, other", When(kAgent, Kind::kGlob, {"*Wispr*"}), {}, false},
      {"language", When(kLanguage, Kind::kExact, {"de-at"}), {.language = "en;q=0.5, de-AT"}, true},
      {"language that is wanted less",
       When(kLanguage, Kind::kExact, {"en"}),
       {.language = "de, en;q=0.9"},
       false},
      {"language glob", When(kLanguage, Kind::kGlob, {"de*"}), {.language = "de-CH"}, true},
  };
  for (const Match& each : cases) {
    const auto set = Compile({Named("r", {each.condition})});
    EXPECT_EQ(Decide(set, each.asked.Text()), each.matches ? "r" : "") << each.name;
  }
}

TEST(RuleSet, TakesTheFirstRuleWhoseConditionsAllHold) {
  const auto set = Compile({
      Named("both", {When(kHost, Kind::kExact, {"a.example"}), When(kPath, Kind::kExact, {"/x"})}),
      Named("elsewhere", {When(kHost, Kind::kExact, {"a.example"})}, 0b10),
      Named("host", {When(kHost, Kind::kSuffix, {"a.example"})}),
      Named("path", {When(kPath, Kind::kExact, {"/x"})}),
      Named("post", {When(kMethod, Kind::kExact, {"POST"})}),
      Named("rest of zone 1", {}, 0b10),
  });
  const std::tuple<Asked, uint32_t, const char*> cases[] = {
      {{.host = "a.example", .path = "/x"}, 0, "both"},
      {{.host = "a.example", .path = "/y"}, 0, "host"},
      {{.host = "a.example", .path = "/y"}, 1, "elsewhere"},
      {{.host = "b.a.example", .path = "/x"}, 0, "host"},
      {{.host = "b.example", .path = "/x"}, 0, "path"},
      {{.host = "b.example", .path = "/x", .method = "POST"}, 0, "path"},
      {{.host = "b.example", .method = "POST"}, 0, "post"},
      {{.host = "b.example"}, 0, ""},
      {{.host = "b.example"}, 1, "rest of zone 1"},
  };
  for (const auto& [asked, zone, wanted] : cases)
    EXPECT_EQ(Decide(set, asked.Text(), zone), wanted) << asked.Text();
}

TEST(RuleSet, ReadsAbsoluteAndOtherTargets) {
  const auto set = Compile({Named("r", {When(kHost, Kind::kExact, {"a.example"})})});
  EXPECT_EQ(Decide(set, "GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n"), "r");
  EXPECT_EQ(Decide(set, "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n"), "r");
  EXPECT_EQ(Decide(set, "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"), "r");
  EXPECT_EQ(Decide(set, "GET / HTTP/1.0\r\n\r\n"), "");
}

struct Hostile {
  RuleCondition condition;
  const char* words;
};

TEST(RuleSet, RefusesWhatCouldExplodeByItsName) {
  const Hostile cases[] = {
      {When(kPath, Kind::kRegex, {"(/a"}), "path.regex '(/a'"},
      {When(kPath, Kind::kRegex, {"/a)(b"}), "Unmatched"},
      {When(kPath, Kind::kRegex, {"/a{1,1000}"}), "a repeat of more than 255"},
      {When(kPath, Kind::kRegex, {"(a{200}){200}"}), ""},
      {When(kPath, Kind::kRegex, {"((((a{1,200}){1,200}){1,200}){1,200})"}), ""},
      {When(kPath, Kind::kRegex, {"^/a"}), "are implied"},
      {When(kPath, Kind::kRegex, {"/a$"}), "are implied"},
      {When(kPath, Kind::kRegex, {"(a)\\1"}), "Back-references"},
      {When(kPath, Kind::kRegex, {"a(?=b)"}), ""},
      {When(kPath, Kind::kRegex, {"/\\Qx"}), ""},
      {When(kPath, Kind::kRegex, {std::string(513, 'a')}), "513 bytes, at most 512"},
      {When(kPath, Kind::kRegex, {"/a\x06"}), "control character"},
      {When(kHost, Kind::kExact, {""}), "it is empty"},
      {When(kHost, Kind::kExact, {std::string(256, 'a')}), "no host of more than 255"},
      {When(kHost, Kind::kGlob, {"**"}), "it matches everything"},
      {When(kPath, Kind::kGlob, {"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a"}), "16 wildcards"},
  };
  for (const Hostile& each : cases) {
    std::string error;
    std::vector<Rule> rules = {Named("good", {}), Named("bad one", {each.condition})};
    rules[1].place = "f.toml:7:1";
    EXPECT_FALSE(RuleSet::Compile(rules, error)) << each.condition.any[0].text;
    EXPECT_EQ(error.find("f.toml:7:1: rule 'bad one': "), 0u) << error;
    EXPECT_NE(error.find(each.words), error.npos) << error;
    EXPECT_EQ(error.find('\n'), error.npos);
  }
}

TEST(RuleSet, BoundsHowManyPatternsCostAScan) {
  std::vector<std::string> texts;
  for (size_t i = 0; i <= kMaxPlainPatterns; i++) texts.push_back("/a*" + std::to_string(i));
  std::string error;
  EXPECT_FALSE(RuleSet::Compile({Named("r", {When(kPath, Kind::kGlob, texts)})}, error));
  EXPECT_NE(error.find("more than 1024 patterns"), error.npos) << error;

  std::vector<Rule> rules;
  for (size_t i = 0; i <= kMaxSharing; i++)
    rules.push_back(Named("r" + std::to_string(i), {When(kPath, Kind::kExact, {"/same"})}));
  EXPECT_FALSE(RuleSet::Compile(rules, error));
  EXPECT_NE(error.find("have no condition of their own"), error.npos) << error;
}

// ---- against the obvious implementation ----------------------------------------------------

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool GlobMatches(std::string_view glob, std::string_view text) {
  if (glob.empty()) return text.empty();
  if (glob[0] == '*')
    return GlobMatches(glob.substr(1), text) ||
           (!text.empty() && GlobMatches(glob, text.substr(1)));
  return !text.empty() && (glob[0] == '?' || glob[0] == text[0]) &&
         GlobMatches(glob.substr(1), text.substr(1));
}

bool NaiveMatches(const Pattern& pattern, std::string value) {
  std::string text = pattern.text;
  if (pattern.field != kPath && pattern.field != kMethod) value = Lower(value), text = Lower(text);
  switch (pattern.kind) {
    case Kind::kExact:
      return value == text;
    case Kind::kSuffix:
      if (pattern.field == kHost) return value == text || value.ends_with("." + text);
      return value.ends_with(text);
    case Kind::kGlob:
      return GlobMatches(text, value);
    case Kind::kRegex:
      break;
  }
  static std::map<std::string, std::regex> compiled;
  return std::regex_match(value, compiled.try_emplace(text, text).first->second);
}

std::string NaiveDecide(const std::vector<Rule>& rules, const Asked& asked, uint32_t zone) {
  for (const Rule& rule : rules) {
    bool holds = rule.zones >> zone & 1;
    for (const RuleCondition& condition : rule.conditions) {
      const std::string values[] = {asked.host, asked.path, asked.method, asked.agent,
                                    asked.language};
      bool any = false;
      for (const Pattern& pattern : condition.any)
        any = any || NaiveMatches(pattern, values[static_cast<size_t>(pattern.field)]);
      holds = holds && any;
    }
    if (holds) return rule.name;
  }
  return "";
}

class Random {
 public:
  explicit Random(unsigned seed) : random_(seed) {}
  size_t Below(size_t limit) { return random_() % limit; }
  // Few different ones, so that rules and requests meet.
  std::string Name(size_t most) {
    std::string name;
    for (size_t i = 1 + Below(most); i; i--) name += "abAB"[Below(4)];
    return name;
  }
  std::string Host() {
    std::string host = Name(9);
    for (size_t i = Below(4); i; i--) host += "." + Name(2);
    return host;
  }
  std::string Value(Field field) {
    switch (field) {
      case kHost:
        return Host();
      case kPath:
        return "/" + Name(2) + (Below(2) ? "/" + Name(2) : "");
      case kMethod:
        return Below(2) ? "GET" : "PUT";
      case kUserAgent:
      case kLanguage:
        break;
    }
    return Name(3);
  }
  Pattern MakePattern(Field field) {
    const auto kind = static_cast<Kind>(Below(kKinds));
    std::string text = Value(field);
    if (kind == Kind::kSuffix && field != kHost) text = text.substr(Below(text.size()));
    if (kind == Kind::kGlob) {
      text[Below(text.size())] = "*?"[Below(2)];
      if (text == "*" || Below(2)) text += "*a";
    }
    if (kind == Kind::kRegex) {
      text = std::regex_replace(text, std::regex("\\."), "\\.");
      text = "(" + text + (Below(2) ? "|.*" + Name(2) + "[^b]?" : "a*") + ")";
    }
    return {field, kind, text};
  }
  Pattern MakeDomain() { return {kHost, Below(2) ? Kind::kExact : Kind::kSuffix, Host()}; }
  static constexpr auto kUserAgent = Field::kUserAgent;

 private:
  std::mt19937 random_;
};

TEST(RuleSet, DecidesAsTheObviousImplementationDoes) {
  size_t decided = 0;
  for (unsigned seed = 0; seed < 20; seed++) {
    Random random(seed);
    std::vector<Rule> rules;
    for (size_t i = 0, count = 1 + random.Below(40); i < count; i++) {
      Rule rule = Named("r" + std::to_string(i), {}, random.Below(3) ? UINT32_MAX : 1);
      // Sparse, so that later rules have their turn. With an odd seed every rule names hosts, so
      // that the filter is in use.
      for (Field field : {kHost, kPath, kMethod, kAgent, kLanguage}) {
        const bool always = field == kHost && (seed % 2 || i % 4);
        if (!always && random.Below(3)) continue;
        RuleCondition condition{field, {}};
        for (size_t any = 1 + random.Below(3); any; any--)
          condition.any.push_back(field == kHost && seed % 2 ? random.MakeDomain()
                                                             : random.MakePattern(field));
        rule.conditions.push_back(condition);
      }
      if (!rule.conditions.empty()) rules.push_back(rule);
    }
    const auto set = Compile(rules);
    for (int i = 0; i < 400; i++) {
      Asked asked{random.Value(kHost), random.Value(kPath), random.Value(kMethod),
                  random.Value(kAgent), random.Value(kLanguage)};
      const auto zone = static_cast<uint32_t>(random.Below(2));
      const std::string wanted = NaiveDecide(rules, asked, zone);
      decided += !wanted.empty();
      ASSERT_EQ(Decide(set, asked.Text(), zone), wanted) << "seed " << seed << "\n" << asked.Text();
    }
  }
  EXPECT_GT(decided, 1000u);
  EXPECT_LT(decided, 7500u);
}

TEST(RuleSet, FindsEachOfManyHosts) {
  std::vector<Rule> rules;
  for (int i = 0; i < 3000; i++) {
    const std::string host = "host-" + std::to_string(i) + ".customers.example";
    rules.push_back(Named(host, {When(kHost, i % 2 ? Kind::kExact : Kind::kSuffix, {host})}));
  }
  const auto set = Compile(rules);
  for (int i = 0; i < 3000; i++) {
    const std::string host = "host-" + std::to_string(i) + ".customers.example";
    ASSERT_EQ(Decide(set, Asked{.host = host}.Text()), host);
    ASSERT_EQ(Decide(set, Asked{.host = "x." + host}.Text()), i % 2 ? "" : host);
    ASSERT_EQ(Decide(set, Asked{.host = "x" + host}.Text()), "");
  }
}

}  // namespace
}  // namespace narthex
