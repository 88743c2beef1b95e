// SPDX-License-Identifier: Apache-2.0
// What a whole transaction costs a worker with 10,000 host rules, no NIC (P4): burst of GETs in,
// 511s out, over a floor that touches the header, copies the response and folds a checksum on the
// same buffers. Each round runs floor and subject in turn; `ratio` is the median of the rounds. The
// filling of the buffers lies outside the measured time.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <latch>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/gateway.h"
#include "worker/worker.h"

namespace narthex::bench {
namespace {

using test::Bytes;
using test::Connection;
using test::Gateway;

constexpr uint32_t kBuffers = 1024;
constexpr uint32_t kBufferBytes = 2048;
constexpr uint32_t kRepeat = 200;  // of all buffers, in one round

// Buffers as a driver hands them over, and takes them back.
class MemoryPort {
 public:
  struct Frame {
    uint8_t* data;
    uint32_t bytes;
  };
  using Buffer = Frame*;

  MemoryPort() : memory_(kBuffers * kBufferBytes), frames_(kBuffers) {
    for (uint32_t i = 0; i < kBuffers; i++) frames_[i].data = &memory_[i * kBufferBytes];
  }
  void Fill(const std::vector<Bytes>& requests) {
    for (uint32_t i = 0; i < kBuffers; i++) {
      const Bytes& request = requests[i % requests.size()];
      std::memcpy(frames_[i].data, request.data(), request.size());
      frames_[i].bytes = static_cast<uint32_t>(request.size());
    }
    next_ = 0;
    sent_ = 0;
  }
  uint32_t RxBurst(Buffer* buffers, uint32_t max) {
    const uint32_t count = std::min(max, kBuffers - next_);
    for (uint32_t i = 0; i < count; i++) buffers[i] = &frames_[next_ + i];
    next_ += count;
    return count;
  }
  uint32_t TxBurst(Buffer*, uint32_t count) {
    sent_ += count;
    return count;
  }
  void Free(Buffer*, uint32_t) {}
  static uint8_t* Data(Buffer buffer) { return buffer->data; }
  static uint32_t Length(Buffer buffer) { return buffer->bytes; }
  static uint32_t Room(Buffer) { return kBufferBytes; }
  static void SetLength(Buffer buffer, uint32_t bytes) { buffer->bytes = bytes; }
  static void Prefetch(Buffer buffer) { __builtin_prefetch(buffer->data); }

  uint32_t Sent() const { return sent_; }

 private:
  std::vector<uint8_t> memory_;
  std::vector<Frame> frames_;
  uint32_t next_ = 0;
  uint32_t sent_ = 0;
};

// The least that any responder does with a packet.
void Floor(MemoryPort& port, const Response& response) {
  constexpr uint32_t kBurst = Worker<MemoryPort>::kBurst;
  constexpr uint32_t kHeaderBytes = 54;
  MemoryPort::Buffer buffers[kBurst];
  while (const uint32_t count = port.RxBurst(buffers, kBurst)) {
    for (uint32_t i = 0; i < count; i++) MemoryPort::Prefetch(buffers[i]);
    for (uint32_t i = 0; i < count; i++) {
      uint8_t* data = buffers[i]->data;
      const ChecksumSum header = ChecksumAdd(data, kHeaderBytes);
      std::memcpy(data + kHeaderBytes, response.bytes.data(), response.size);
      const uint16_t checksum = ChecksumFinish(header + response.sum);
      std::memcpy(data + kHeaderBytes - 4, &checksum, sizeof(checksum));
      buffers[i]->bytes = kHeaderBytes + response.size;
    }
    port.TxBurst(buffers, count);
  }
}

// Of this thread alone: what else the machine does is not in it.
uint64_t ThreadTimeNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

template <class Body>
double NanosecondsEach(MemoryPort& port, const std::vector<Bytes>& requests, Body body) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < kRepeat; i++) {
    port.Fill(requests);
    const uint64_t start = ThreadTimeNs();
    body();
    total += ThreadTimeNs() - start;
  }
  return static_cast<double>(total) / (kRepeat * kBuffers);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Distinct clients, one request each.
std::vector<Bytes> Requests(Gateway& gateway, bool ipv6, const std::string& request) {
  std::vector<Bytes> requests;
  for (uint32_t i = 0; i < kBuffers; i++) {
    const Connection connection{.gateway = &gateway,
                                .ipv6 = ipv6,
                                .sport = static_cast<uint16_t>(1024 + i),
                                .isn = i * 7919};
    requests.push_back(connection.Data(0, request));
  }
  return requests;
}

// Ten thousand, each with a host of its own (P4).
const RuleSet& Rules() {
  static const std::unique_ptr<const RuleSet> kRules = [] {
    std::vector<Rule> rules(10000);
    for (size_t i = 0; i < rules.size(); i++) {
      const std::string host = "www.host-" + std::to_string(i) + ".example";
      const Kind kind = i % 2 ? Kind::kExact : Kind::kSuffix;
      rules[i].name = "r" + std::to_string(i);
      rules[i].conditions = {{Field::kHost, {{Field::kHost, kind, host}}}};
      rules[i].respond = Respond::kRedirect;
    }
    std::string error;
    return RuleSet::Compile(std::move(rules), error);
  }();
  return *kRules;
}

void Measure(benchmark::State& state, bool ipv6, const std::string& request) {
  Gateway gateway;
  RuleState rule_state = Rules().NewState();
  gateway.responder.Use(gateway.responses, {&Rules(), &rule_state, 0});
  MemoryPort port;
  Worker<MemoryPort> worker(port, gateway.responder, gateway.worker);
  const std::vector<Bytes> requests = Requests(gateway, ipv6, request);
  const Instant now = Instant::FromNs(gateway.now_ns);
  const Response& response = gateway.responses.Full({Answer::kHtml});
  std::vector<double> floors, ratios;
  for (auto _ : state) {
    const double floor = NanosecondsEach(port, requests, [&] { Floor(port, response); });
    const double subject = NanosecondsEach(port, requests, [&] {
      while (worker.RunBurst(now)) {
      }
    });
    if (port.Sent() != kBuffers) {
      state.SkipWithError("not every request was answered");
      return;
    }
    state.SetIterationTime(subject * 1e-9);
    floors.push_back(floor);
    ratios.push_back(subject / floor);
  }
  state.counters["floor_ns"] = Median(floors);
  state.counters["ratio"] = Median(ratios);
  state.counters["ratio_min"] = *std::min_element(ratios.begin(), ratios.end());
  state.counters["ratio_max"] = *std::max_element(ratios.begin(), ratios.end());
  state.counters["response_bytes"] = response.size;
}

const std::string kCurl =
    "GET /x HTTP/1.1\r\nHost: 198.51.100.10\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";
const std::string kBrowser =
    "GET /news/index.html HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n"
    "Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (Linux; Android 14; Pixel 8) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;"
    "q=0.8\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en-GB,en;q=0.9\r\n\r\n";

void GetTo511Curl4(benchmark::State& state) { Measure(state, false, kCurl); }
void GetTo511Curl6(benchmark::State& state) { Measure(state, true, kCurl); }
void GetTo511Browser4(benchmark::State& state) { Measure(state, false, kBrowser); }
// One that a rule redirects.
void GetTo302Browser4(benchmark::State& state) {
  std::string request = kBrowser;
  Measure(state, false,
          request.replace(request.find("www.example.com"), 15, "www.host-77.example"));
}
BENCHMARK(GetTo302Browser4)->UseManualTime()->Iterations(11);
BENCHMARK(GetTo511Curl4)->UseManualTime()->Iterations(11);
BENCHMARK(GetTo511Curl6)->UseManualTime()->Iterations(11);
BENCHMARK(GetTo511Browser4)->UseManualTime()->Iterations(11);

// ---- several workers ----------------------------------------------------------------------

// Transactions a second of one worker, a CPU of its own for it: `begin` is when all are ready.
double RateOfOne(unsigned cpu, std::latch& begin) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
  Gateway gateway;
  RuleState rule_state = Rules().NewState();
  gateway.responder.Use(gateway.responses, {&Rules(), &rule_state, 0});
  MemoryPort port;
  Worker<MemoryPort> worker(port, gateway.responder, gateway.worker);
  const std::vector<Bytes> requests = Requests(gateway, false, kBrowser);
  const Instant now = Instant::FromNs(gateway.now_ns);
  begin.arrive_and_wait();
  return 1e9 / NanosecondsEach(port, requests, [&] {
           while (worker.RunBurst(now)) {
           }
         });
}

// Nanoseconds a transaction of all workers together: what one takes, divided by their number if
// nothing is shared. Rules are: one compiled set for all.
void Workers(benchmark::State& state) {
  const auto count = static_cast<unsigned>(state.range(0));
  if (count > std::thread::hardware_concurrency()) return state.SkipWithError("not enough CPUs");
  Rules();  // made before, not by all at once
  for (auto _ : state) {
    std::latch begin(count);
    std::vector<double> rates(count);
    {
      std::vector<std::jthread> threads;
      for (unsigned i = 0; i < count; i++)
        threads.emplace_back([&, i] { rates[i] = RateOfOne(i, begin); });
    }
    state.SetIterationTime(1 / std::accumulate(rates.begin(), rates.end(), 0.0));
  }
}
BENCHMARK(Workers)->Arg(1)->Arg(2)->Arg(4)->UseManualTime()->Iterations(11);

// ---- the parts ----------------------------------------------------------------------------

void ParseHttp(benchmark::State& state, const std::string& request) {
  HttpRequest parsed;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ParseHttpRequest(request, parsed));
    benchmark::ClobberMemory();
  }
  state.counters["request_bytes"] = static_cast<double>(request.size());
}
BENCHMARK_CAPTURE(ParseHttp, curl, kCurl);
BENCHMARK_CAPTURE(ParseHttp, browser, kBrowser);

void DecideBrowser(benchmark::State& state) {
  HttpRequest parsed;
  if (ParseHttpRequest(kBrowser, parsed).status != HttpStatus::kComplete) return;
  const Offer offers[] = {{}, {MediaType::kHtml, {"en", "de"}}, {MediaType::kHtml, {"it", "de"}}};
  const Offer& offer = offers[state.range(0)];
  for (auto _ : state) benchmark::DoNotOptimize(Decide(parsed, offer));
}
// One language; the second choice of two; none of two.
BENCHMARK(DecideBrowser)->DenseRange(0, 2);

void ParseAndVerify(benchmark::State& state) {
  Gateway gateway;
  const Bytes frame = Connection{.gateway = &gateway}.Data(0, kBrowser);
  Packet packet;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ParsePacket(frame, packet));
    benchmark::DoNotOptimize(VerifyChecksums(frame, packet));
  }
}
BENCHMARK(ParseAndVerify);

void Checksum(benchmark::State& state) {
  const std::vector<uint8_t> data(static_cast<size_t>(state.range(0)), 0x5a);
  for (auto _ : state) {
    benchmark::DoNotOptimize(ChecksumAdd(data.data(), static_cast<uint32_t>(data.size())));
  }
}
BENCHMARK(Checksum)->Arg(20)->Arg(440)->Arg(1460);

void CookieCheck(benchmark::State& state) {
  Gateway gateway;
  nx_flow flow{};
  flow.ipv6 = state.range(0) == 6;
  __u32 mss_class = 0;
  for (auto _ : state) {
    flow.client_port++;
    benchmark::DoNotOptimize(nx_cookie_check(&gateway.keys, &flow, 7, 12345, &mss_class));
  }
}
BENCHMARK(CookieCheck)->Arg(4)->Arg(6);

}  // namespace
}  // namespace narthex::bench

BENCHMARK_MAIN();
