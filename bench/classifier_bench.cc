// SPDX-License-Identifier: Apache-2.0
// What the classifier's paths cost over an empty program, by BPF_PROG_TEST_RUN (P1, P3). Each
// round runs floor and subject in turn on the same frames; `ratio` is the median of the rounds.
// Both go through vary.bpf.c, whose own cost (frame restored, next client) is in both figures.
#include <benchmark/benchmark.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "bpf/skeleton.h"
#include "tests/harness/packet.h"
#include "vary.skel.h"

namespace narthex::bench {

namespace {

using test::Bytes;
using test::Ethernet;
using test::Ipv4;
using test::Ipv6;
using test::Tcp;

constexpr uint32_t kFirstClient = 0x0a000000;  // 10.0.0.0
constexpr uint32_t kRepeat = 100000;
constexpr uint32_t kIpv6Clients = 1 << 20;
constexpr uint32_t kStrangers = 1 << 14;  // enough that none reaches its limit

uint64_t BootNow() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

// The classifier with `clients` authorised IPv4 clients, or IPv6 clients through the hash.
class Loaded {
 public:
  Loaded(uint32_t clients, bool ipv6, uint32_t strangers = 0)
      : access_(narthex_access__open()), vary_(vary_bpf__open_and_load()) {
    nx_zone_config config = {};
    config.zone = 1;
    config.pool_count = 1;
    config.pools[0] = {kFirstClient, ipv6 ? 1 : std::max({clients, strangers, 2u}), 0};
    config.key_lengths[config.key_length_count++] = 128;
    config.reject = NX_REJECT_TCP;
    for (auto what : {NX_BEFORE_SYN, NX_BEFORE_RST}) {
      config.per_second[what] = NX_MOST_PER_SECOND;
      config.sieved[what] = NX_MOST_PER_SECOND / 2;  // as with one queue
    }
    config.port_count = 1;
    config.ports[0] = 80;
    config.prefix_count = 1;
    auto prefix = test::internal::Address("2001:db8:51:1::");
    memcpy(config.prefixes[0].addr, prefix.data(), 16);
    config.prefixes[0].mask[0] = ~0ull;
    memcpy(const_cast<nx_zone_config*>(&access_->rodata->zone_config), &config, sizeof(config));
    bpf_map__set_max_entries(access_->maps.sessions, std::max({clients, strangers, 2u}) + 1);
    for (bpf_map* map :
         {access_->maps.traffic_up, access_->maps.traffic_down, access_->maps.accounts})
      bpf_map__set_max_entries(map, bpf_map__max_entries(access_->maps.sessions));
    bpf_map__set_max_entries(access_->maps.keys, kIpv6Clients);
    const uint32_t words = (config.pools[0].count + NX_FAST_BITS - 1) / NX_FAST_BITS;
    bpf_map__set_max_entries(access_->maps.fast, words);
    bpf_map__set_max_entries(access_->maps.fast_due, words);
    bpf_map__set_max_entries(access_->maps.held, words);
    *const_cast<uint32_t*>(&access_->rodata->fast_words) = words;
    ok_ = vary_ && narthex_access__load(access_) == 0;
    if (!ok_) return;
    LIBBPF_OPTS(bpf_test_run_opts, run);
    ok_ = bpf_prog_test_run_opts(bpf_program__fd(access_->progs.start_clock), &run) == 0;
    if (clients) Authorise(clients, ipv6);
    uint32_t zero = 0;
    nx_worker worker = {};
    worker.heartbeat_ns = BootNow() + 3600000000000;
    bpf_map_update_elem(bpf_map__fd(access_->maps.workers), &zero, &worker, 0);
  }
  ~Loaded() {
    vary_bpf__destroy(vary_);
    narthex_access__destroy(access_);
  }

  bool ok() const { return ok_; }

  // Nanoseconds a run of the classifier (or, as the floor, the empty program) on the frame.
  double Run(bool floor, const Bytes& frame, uint32_t vary_offset, uint32_t vary_base,
             uint32_t clients) {
    auto& stage = vary_->bss->stage;
    memset(stage.frame, 0, sizeof(stage.frame));
    memcpy(stage.frame, frame.data(), frame.size());
    stage.bytes = static_cast<uint32_t>(frame.size());
    stage.vary_offset = vary_offset;
    stage.vary_base = vary_base;
    stage.vary_count = clients;
    for (int i = 0; i < 2; i++) stage.balance[i] = balance[static_cast<size_t>(i)];
    uint32_t zero = 0;
    int subject = bpf_program__fd(floor ? vary_->progs.empty : access_->progs.xsk_def_prog);
    bpf_map_update_elem(bpf_map__fd(vary_->maps.subject), &zero, &subject, 0);
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(),
                .data_size_in = static_cast<__u32>(frame.size()), .repeat = kRepeat);
    if (bpf_prog_test_run_opts(bpf_program__fd(vary_->progs.vary), &run)) return -1;
    action_ = run.retval;
    return run.duration;
  }
  // Offsets of 16-bit fields that keep the checksums right as the client varies; 0: none.
  std::array<uint32_t, 2> balance{};
  uint32_t action() const { return action_; }

 private:
  void Authorise(uint32_t clients, bool ipv6) {
    int fd = bpf_map__fd(access_->maps.sessions);
    size_t bytes = sizeof(nx_session) * (std::max(clients, 2u) + 1);
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    bytes = (bytes + page - 1) / page * page;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ok_ = ok_ && memory != MAP_FAILED;
    if (!ok_) return;
    auto* sessions = static_cast<nx_session*>(memory);
    for (uint32_t i = 0; i < clients; i++) sessions[i].expires_ns = BootNow() + 3600000000000;
    munmap(memory, bytes);
    if (!ipv6) SetFast(clients);
    if (!ipv6) return;
    for (uint32_t i = 0; i < clients; i++) {
      nx_key key = {};
      auto address = test::internal::Address("2001:db8:51:1::");
      memcpy(key.addr, address.data(), 16);
      uint32_t low = htonl(kFirstClient + i);
      memcpy(key.addr + 12, &low, 4);
      key.zone = 1;
      key.kind = NX_KEY_ADDRESS;
      key.prefix_len = 128;
      bpf_map_update_elem(bpf_map__fd(access_->maps.keys), &key, &i, 0);
    }
  }

  // As if each client had sent before; a round is too short for all of them to do so.
  void SetFast(uint32_t clients) {
    for (uint32_t word = 0; word * NX_FAST_BITS < clients; word++) {
      const uint32_t left = clients - word * NX_FAST_BITS;
      uint64_t bits = left >= NX_FAST_BITS ? ~0ull : (1ull << left) - 1;
      bpf_map_update_elem(bpf_map__fd(access_->maps.fast), &word, &bits, 0);
    }
  }

  narthex_access* access_;
  vary_bpf* vary_;
  bool ok_ = false;
  uint32_t action_ = 0;
};

// Interleaves floor and subject, one round an iteration.
void Measure(benchmark::State& state, Loaded& loaded, const Bytes& frame, uint32_t vary_offset,
             uint32_t clients, uint32_t want_action) {
  if (!loaded.ok()) {
    state.SkipWithError("cannot load the programs (needs root)");
    return;
  }
  std::vector<double> ratios, floors;
  for (auto _ : state) {
    double floor = loaded.Run(true, frame, vary_offset, kFirstClient, clients);
    double subject = loaded.Run(false, frame, vary_offset, kFirstClient, clients);
    if (loaded.action() != want_action) {
      state.SkipWithError("the classifier gave another verdict");
      return;
    }
    state.SetIterationTime(subject * 1e-9);
    ratios.push_back(subject / floor);
    floors.push_back(floor);
  }
  std::sort(ratios.begin(), ratios.end());
  std::sort(floors.begin(), floors.end());
  state.counters["floor_ns"] = floors[floors.size() / 2];
  state.counters["ratio"] = ratios[ratios.size() / 2];
  state.counters["ratio_min"] = ratios.front();
  state.counters["ratio_max"] = ratios.back();
}

void Authorised4(benchmark::State& state) {
  uint32_t clients = static_cast<uint32_t>(state.range(0));
  Loaded loaded(clients, false);
  Measure(state, loaded,
          Ethernet{} / Ipv4{.src = "10.0.0.0"} / Tcp{.dport = 443, .options = Bytes(20, 1)},
          clients > 1 ? 26 : 0, clients, XDP_PASS);
}
BENCHMARK(Authorised4)
    ->Arg(1)
    ->Arg(1000)
    ->Arg(10000)
    ->Arg(100000)
    ->Arg(1000000)
    ->Arg(10000000)
    ->UseManualTime()
    ->Iterations(11);

void Authorised6(benchmark::State& state) {
  uint32_t clients = static_cast<uint32_t>(state.range(0));
  Loaded loaded(clients, true);
  Measure(
      state, loaded,
      Ethernet{} / Ipv6{.src = "2001:db8:51:1::a00:0"} / Tcp{.dport = 443, .options = Bytes(20, 1)},
      clients > 1 ? 34 : 0, clients, XDP_PASS);
}
BENCHMARK(Authorised6)->Arg(1)->Arg(1000)->Arg(1000000)->UseManualTime()->Iterations(11);

Bytes LinuxOptions() { return {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}; }

void SynToSynAck4(benchmark::State& state) {
  const auto strangers = static_cast<uint32_t>(state.range(0));
  Loaded loaded(0, false, strangers);
  loaded.balance = {18, 52};  // IP identification, TCP urgent pointer
  Measure(state, loaded,
          Ethernet{} / Ipv4{.src = "10.0.0.0", .id = 0} / Tcp{.options = LinuxOptions()}, 26,
          strangers, XDP_TX);
}
BENCHMARK(SynToSynAck4)
    ->Arg(kStrangers)
    ->Arg(1000000)
    ->Arg(10000000)
    ->UseManualTime()
    ->Iterations(11);

void SynToSynAck6(benchmark::State& state) {
  Loaded loaded(0, false, kStrangers);
  loaded.balance = {52, 0};  // the last word of the destination
  Measure(state, loaded,
          Ethernet{} / Ipv6{.src = "2001:db8:51:1::a00:0", .dst = "2001:db8:100::1:0"} /
              Tcp{.options = LinuxOptions()},
          34, kStrangers, XDP_TX);
}
BENCHMARK(SynToSynAck6)->UseManualTime()->Iterations(11);

void HttpsToRst4(benchmark::State& state) {
  Loaded loaded(0, false);
  Measure(state, loaded,
          Ethernet{} / Ipv4{.src = "10.0.0.1"} / Tcp{.dport = 443, .options = LinuxOptions()}, 0, 0,
          XDP_DROP);  // all but the first hundred a second are limited
}
BENCHMARK(HttpsToRst4)->UseManualTime()->Iterations(11);

}  // namespace
}  // namespace narthex::bench

BENCHMARK_MAIN();
