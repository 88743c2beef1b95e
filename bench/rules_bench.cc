// SPDX-License-Identifier: Apache-2.0
// What choosing a rule costs a request, with 10 to 100,000 host patterns (P11), and what the
// patterns cost to compile and to keep.
//
// Requests are distinct, parsed before. `miss`: a host that no rule names, as most are; `hit`: one
// that a rule names; `scan`: as `miss`, but a rule without a host makes every request a scan. Host
// lists: `names`, words under eight suffixes, and `numbered`, domains of one parent, which end
// alike.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "decide/rules.h"

namespace narthex::bench {
namespace {

enum class Names { kWords, kNumbered };

std::string Word(std::mt19937_64& random) {
  std::string word;
  for (uint64_t i = 4 + random() % 8; i; i--) word += static_cast<char>('a' + random() % 26);
  return word;
}

std::string Host(Names names, size_t number, std::mt19937_64& random) {
  if (names == Names::kNumbered) return "host-" + std::to_string(number) + ".customers.example.com";
  constexpr const char* kBefore[] = {"", "www.", "cdn.", "api."};
  constexpr const char* kAfter[] = {".com", ".net", ".org", ".de", ".fr", ".co.uk", ".io", ".app"};
  return kBefore[random() % 4] + Word(random) + kAfter[random() % 8];
}

// `count` rules, each with a host of its own: half of them exact, half with all below.
std::vector<Rule> HostRules(Names names, size_t count, std::vector<std::string>& hosts) {
  std::mt19937_64 random(count);
  std::vector<Rule> rules;
  for (size_t i = 0; i < count; i++) {
    hosts.push_back(Host(names, i, random));
    const Kind kind = i % 2 ? Kind::kSuffix : Kind::kExact;
    Rule rule;
    rule.name = "r" + std::to_string(i);
    rule.conditions = {{Field::kHost, {{Field::kHost, kind, hosts.back()}}}};
    rules.push_back(std::move(rule));
  }
  return rules;
}

struct Setup {
  std::unique_ptr<const RuleSet> set;
  std::unique_ptr<RuleState> state;
  std::vector<std::string> hosts;
};

// One for all rounds: 100,000 rules take seconds.
Setup& SetupFor(Names names, size_t count, bool scan) {
  static std::map<std::tuple<Names, size_t, bool>, Setup> made;
  Setup& setup = made[{names, count, scan}];
  if (setup.set) return setup;
  auto rules = HostRules(names, count, setup.hosts);
  if (scan) {
    Rule agent;
    agent.name = "agent";
    agent.conditions = {
        {Field::kUserAgent, {{Field::kUserAgent, Kind::kExact, "CaptiveNetworkSupport"}}}};
    rules.push_back(std::move(agent));
  }
  std::string error;
  setup.set = RuleSet::Compile(std::move(rules), error);
  if (!setup.set) return setup;
  setup.state = std::make_unique<RuleState>(setup.set->NewState());
  return setup;
}

void Decision(benchmark::State& state, Names names, const std::string& kind) {
  const auto count = static_cast<size_t>(state.range(0));
  Setup& setup = SetupFor(names, count, kind == "scan");
  if (!setup.set) return state.SkipWithError("the rules do not compile");
  std::mt19937_64 random(1);
  constexpr size_t kRequests = 4096;
  std::vector<std::string> texts;
  for (size_t i = 0; i < kRequests; i++) {
    const std::string host =
        kind == "hit" ? setup.hosts[random() % setup.hosts.size()] : Host(names, count + i, random);
    texts.push_back("GET /news/index.html HTTP/1.1\r\nHost: " + host +
                    "\r\nUser-Agent: Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 "
                    "(KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36\r\n\r\n");
  }
  std::vector<HttpRequest> requests(kRequests);
  for (size_t i = 0; i < kRequests; i++) {
    if (ParseHttpRequest(texts[i], requests[i]).status != HttpStatus::kComplete) {
      return state.SkipWithError("no request");
    }
  }
  size_t next = 0, decided = 0;
  for (auto _ : state) {
    decided += setup.set->Find(requests[next], 0, *setup.state) != RuleSet::kNone;
    next = (next + 1) % kRequests;
  }
  const double share = static_cast<double>(decided) / static_cast<double>(state.iterations());
  state.counters["decided"] = share;
  if (kind == "hit" ? share < 1 : share > 0.01) state.SkipWithError("the wrong decision");
}

void Arguments(benchmark::internal::Benchmark* each) {
  for (int count : {10, 100, 1000, 10000, 100000}) each->Arg(count);
}
BENCHMARK_CAPTURE(Decision, names / miss, Names::kWords, "miss")->Apply(Arguments);
BENCHMARK_CAPTURE(Decision, names / hit, Names::kWords, "hit")->Apply(Arguments);
BENCHMARK_CAPTURE(Decision, names / scan, Names::kWords, "scan")->Apply(Arguments);
BENCHMARK_CAPTURE(Decision, numbered / miss, Names::kNumbered, "miss")->Apply(Arguments);
BENCHMARK_CAPTURE(Decision, numbered / hit, Names::kNumbered, "hit")->Apply(Arguments);
BENCHMARK_CAPTURE(Decision, numbered / scan, Names::kNumbered, "scan")->Apply(Arguments);

void CompileRules(benchmark::State& state) {
  std::vector<std::string> hosts;
  const auto rules = HostRules(Names::kWords, static_cast<size_t>(state.range(0)), hosts);
  size_t bytes = 0;
  for (auto _ : state) {
    std::string error;
    auto set = RuleSet::Compile(rules, error);
    if (!set) return state.SkipWithError(error.c_str());
    bytes = set->DatabaseBytes();
  }
  state.counters["database_bytes"] = static_cast<double>(bytes);
}
BENCHMARK(CompileRules)->Apply(Arguments)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace narthex::bench

BENCHMARK_MAIN();
