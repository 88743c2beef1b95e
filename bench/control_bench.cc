// SPDX-License-Identifier: Apache-2.0
// What a login costs the control plane, and each of its parts: updates of the kernel's maps, the
// store's commits, calls through a real server on a unix socket. `BulkLogin` is P7's second half:
// each round logs clients in as narthexctl does, durable and in a memory-mapped BPF array, and then
// writes as many raw entries of a hash with bpf_map_update_batch; `ratio` is the one over the
// other, `array_ns` the same raw writes into an array like that of the sessions. Times are for one
// session or entry. The store is in NARTHEX_BENCH_DIR, else in /var/tmp.
#include <benchmark/benchmark.h>
#include <bpf/bpf.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <random>

#include "control/bpf.h"
#include "control/ctl/client.h"
#include "control/session_service.h"
#include "tests/unit/control/fakes.h"

namespace narthex::bench {
namespace {

using std::chrono::steady_clock;

constexpr uint32_t kPool = 1 << 20;
constexpr uint32_t kFirst = 0x0a400000;  // 10.64.0.0

double Seconds(steady_clock::time_point since) {
  return std::chrono::duration<double>(steady_clock::now() - since).count();
}

std::string AddressOf(uint32_t number) {
  const uint32_t a = kFirst + number;
  return std::to_string(a >> 24) + "." + std::to_string(a >> 16 & 255) + "." +
         std::to_string(a >> 8 & 255) + "." + std::to_string(a & 255);
}

class Directory {
 public:
  Directory() {
    const char* parent = std::getenv("NARTHEX_BENCH_DIR");
    path_ = std::string(parent ? parent : "/var/tmp") + "/narthex-control-bench-XXXXXX";
    if (!mkdtemp(path_.data())) std::abort();
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// ---- maps -----------------------------------------------------------------------------------

template <class T>
Fd NewArray(uint32_t entries) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  return Fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "nxb_array", sizeof(uint32_t), sizeof(T), entries,
                           &options));
}

Fd NewSessions(uint32_t entries) { return NewArray<nx_session>(entries); }

Fd NewKeys(uint32_t entries) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
  return Fd(bpf_map_create(BPF_MAP_TYPE_HASH, "nxb_keys", sizeof(nx_key), sizeof(uint32_t), entries,
                           &options));
}

// Entries of a map, in an order that no cache foresees.
template <class K, class V>
struct Entries {
  std::vector<K> keys;
  std::vector<V> values;

  // Seconds that it takes to write all of them, `batch` with a call; negative: refused.
  double Write(int fd, uint32_t batch) const {
    const auto begin = steady_clock::now();
    for (size_t i = 0; i < keys.size(); i += batch) {
      uint32_t count = static_cast<uint32_t>(std::min<size_t>(batch, keys.size() - i));
      const int error = batch == 1
                            ? bpf_map_update_elem(fd, &keys[i], &values[i], BPF_ANY)
                            : bpf_map_update_batch(fd, &keys[i], &values[i], &count, nullptr);
      if (error) return -1;
    }
    return Seconds(begin);
  }
};

std::vector<uint32_t> Shuffled(uint32_t count) {
  std::vector<uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::shuffle(numbers.begin(), numbers.end(), std::mt19937(1));
  return numbers;
}

Entries<uint32_t, nx_session> SessionEntries(uint32_t count) {
  nx_session session = {};
  session.expires_ns = 1;
  return {Shuffled(count), std::vector<nx_session>(count, session)};
}

Entries<nx_key, uint32_t> KeyEntries(uint32_t count) {
  Entries<nx_key, uint32_t> entries;
  for (const uint32_t number : Shuffled(count)) {
    nx_key key = {};
    key.zone = 1;
    key.kind = NX_KEY_ADDRESS;
    key.prefix_len = 128;
    std::memcpy(key.addr + 12, &number, sizeof(number));
    entries.keys.push_back(key);
    entries.values.push_back(number);
  }
  return entries;
}

template <class K, class V>
void MapUpdate(benchmark::State& state, Fd (*make)(uint32_t),
               Entries<K, V> (*entries_of)(uint32_t)) {
  const auto entries = entries_of(kPool);
  for (auto _ : state) {
    const Fd map = make(kPool);  // empty, as before a crowd's login
    const double seconds =
        map ? entries.Write(map.get(), static_cast<uint32_t>(state.range(0))) : -1;
    if (seconds < 0) return state.SkipWithError("the kernel refused the map (needs root)");
    state.SetIterationTime(seconds / kPool);
  }
}
void ArrayUpdate(benchmark::State& state) { MapUpdate(state, NewSessions, SessionEntries); }
void HashUpdate(benchmark::State& state) { MapUpdate(state, NewKeys, KeyEntries); }
// 1: bpf_map_update_elem for each.
BENCHMARK(ArrayUpdate)->Arg(1)->Arg(64)->Arg(4096)->UseManualTime()->Iterations(3);
BENCHMARK(HashUpdate)->Arg(1)->Arg(64)->Arg(4096)->UseManualTime()->Iterations(3);

// Into the same array, mapped: how narthexd writes the entries of pool addresses.
void ArrayStore(benchmark::State& state) {
  const Fd map = NewSessions(kPool);
  auto mapped =
      map ? Mapping::Of(map.get(), kPool * sizeof(nx_session)) : Result<Mapping>(Fail(""));
  if (!mapped) return state.SkipWithError("the kernel refused the map (needs root)");
  auto* const sessions = mapped->As<nx_session>().data();
  const std::vector<uint32_t> order = Shuffled(kPool);
  for (auto _ : state) {
    const auto begin = steady_clock::now();
    for (const uint32_t slot : order)
      __atomic_store_n(&sessions[slot].expires_ns, 1, __ATOMIC_RELEASE);
    state.SetIterationTime(Seconds(begin) / kPool);
  }
}
BENCHMARK(ArrayStore)->UseManualTime()->Iterations(11);

// ---- the store ------------------------------------------------------------------------------

std::vector<Session> SessionsFrom(uint32_t first, uint32_t count) {
  std::vector<Session> sessions(count);
  for (uint32_t i = 0; i < count; i++) {
    Session& session = sessions[i];
    session.id = SessionId(first + i + 1);
    session.zone = "bench";
    session.creator = "uid:0";
    session.expires_boot_ns = INT64_MAX;
    session.keys.push_back({*ParseKey(AddressOf(first + i)), first + i, {}, {}});
  }
  return sessions;
}

// Sessions in one commit: on disk when the call returns.
void StoreInsert(benchmark::State& state) {
  const Directory directory;
  const SystemClock clock;
  auto store = SessionStore::Open(directory.path() + "/sessions.db", clock);
  if (!store) return state.SkipWithError(store.error().message.c_str());
  const auto each = static_cast<uint32_t>(state.range(0));
  uint32_t next = 0;
  for (auto _ : state) {
    const std::vector<Session> sessions = SessionsFrom(next, each);
    next += each;
    const auto begin = steady_clock::now();
    if (!(*store)->InsertAll(sessions, {})) return state.SkipWithError("not inserted");
    state.SetIterationTime(Seconds(begin) / each);
  }
}
BENCHMARK(StoreInsert)->Arg(1)->UseManualTime()->Iterations(500);
BENCHMARK(StoreInsert)->Arg(64)->UseManualTime()->Iterations(100);
BENCHMARK(StoreInsert)->Arg(4096)->UseManualTime()->Iterations(50);

// The slots of a million sessions, as a start saves them whose layout is another than the last
// one's. Until it has, nobody sweeps the fast bits.
void StoreSlots(benchmark::State& state) {
  constexpr uint32_t kBatch = 4096;
  const Directory directory;
  const SystemClock clock;
  auto store = SessionStore::Open(directory.path() + "/sessions.db", clock);
  if (!store) return state.SkipWithError(store.error().message.c_str());
  std::vector<SessionStore::SlotUpdate> slots;
  for (uint32_t first = 0; first < kPool; first += kBatch) {
    const std::vector<Session> sessions = SessionsFrom(first, kBatch);
    if (!(*store)->InsertAll(sessions, {})) return state.SkipWithError("not inserted");
    for (const Session& session : sessions)
      slots.push_back({SessionNumber(session.id), session.keys[0].key, 0});
  }
  for (auto _ : state) {
    for (auto& slot : slots) ++slot.slot;
    const auto begin = steady_clock::now();
    if (!(*store)->Save({.slots = slots})) return state.SkipWithError("not saved");
    state.SetIterationTime(Seconds(begin));
  }
}
BENCHMARK(StoreSlots)->UseManualTime()->Iterations(5)->Unit(benchmark::kMillisecond);

// ---- what is kept in memory -----------------------------------------------------------------

// Ten million IPv6 clients find their way into the index, which grows while others wait for the
// lock: `longest_ms` is the worst of these pauses, in batches as logins come in.
void IndexGrowth(benchmark::State& state) {
  constexpr uint32_t kBatch = 256;
  const auto count = static_cast<uint32_t>(state.range(0));
  double longest = 0;
  for (auto _ : state) {
    StoreIndex index(nullptr);
    std::mt19937_64 random(1);
    double whole = 0;
    std::vector<SessionKey> keys(kBatch);
    for (uint32_t i = 0; i < count; i += kBatch) {
      for (SessionKey& entry : keys) {
        entry.key = {KeyKind::kAddress, 64, {0x20, 0x01, 0x0d, 0xb8}};
        const uint64_t host = random();
        std::memcpy(entry.key.bytes.data() + 4, &host, sizeof(host));
      }
      const auto begin = steady_clock::now();
      if (index.AddKeys("bench", keys, i + 1)) return state.SkipWithError("a key came twice");
      const double seconds = Seconds(begin);
      whole += seconds;
      longest = std::max(longest, seconds);
    }
    state.SetIterationTime(whole / count);
  }
  state.counters["longest_ms"] = longest * 1e3;
}
BENCHMARK(IndexGrowth)->Arg(10'000'000)->UseManualTime()->Iterations(1);

// Looking for sessions that were idle too long or have used up their quota: each second, a million
// rows of `limits` at most.
void FindSpent(benchmark::State& state) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  Config config;
  config.session_capacity = rows;
  config.policies = {{.name = "idle", .idle = std::chrono::seconds(600)}};
  const Layout layout(config);
  FakeTable table(layout);
  table.Policies()[1] = PolicyRow(config.policies[0]);
  LimitMap limits(table);
  for (uint32_t i = 1; i <= rows; i++)
    if (!limits.Begin(i, 1, {0, 0, 1000})) return state.SkipWithError("no row");
  for (auto _ : state) {
    const auto begin = steady_clock::now();
    for (uint32_t from = 0; from < limits.rows();)
      if (!limits.FindSpent(&from, 65536, 1000 * kSecondNs, 256).empty())
        return state.SkipWithError("somebody was idle");
    state.SetIterationTime(Seconds(begin));
  }
}
BENCHMARK(FindSpent)
    ->Arg(1 << 20)
    ->Arg(10'000'000)
    ->UseManualTime()
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond);

// ---- calls ----------------------------------------------------------------------------------

// Sessions of pool addresses lie in a real map; the rest, which these logins do not touch, in
// memory.
class MappedTable : public FakeTable {
 public:
  explicit MappedTable(const Layout& layout)
      : FakeTable(layout),
        sessions_map_(NewSessions(layout.entries())),
        up_map_(NewArray<uint64_t>(layout.entries())),
        down_map_(NewArray<uint64_t>(layout.entries())),
        accounts_map_(NewArray<nx_account>(layout.entries())) {
    auto sessions = Mapping::Of(sessions_map_.get(), layout.entries() * sizeof(nx_session));
    auto mapped = Mapping::Of(accounts_map_.get(), layout.entries() * sizeof(nx_account));
    auto up = Mapping::Of(up_map_.get(), layout.entries() * sizeof(uint64_t));
    auto down = Mapping::Of(down_map_.get(), layout.entries() * sizeof(uint64_t));
    if (sessions) entries_ = std::move(*sessions);
    if (mapped) accounts_ = std::move(*mapped);
    if (up) up_ = std::move(*up);
    if (down) down_ = std::move(*down);
  }
  std::span<uint64_t> TrafficUp() override { return up_.As<uint64_t>(); }
  std::span<uint64_t> TrafficDown() override { return down_.As<uint64_t>(); }
  std::span<nx_session> Entries() override { return entries_.As<nx_session>(); }
  std::span<nx_account> Accounts() override { return accounts_.As<nx_account>(); }
  bool ok() const { return entries_ && accounts_ && up_ && down_; }

 private:
  Fd sessions_map_, up_map_, down_map_, accounts_map_;
  Mapping entries_, accounts_, up_, down_;
};

Config OnePool() {
  Config config;
  config.session_capacity = 1024;
  ZoneConfig zone;
  zone.id = 1;
  zone.name = "bench";
  zone.interface = "lan0";
  zone.pools = {P("10.64.0.0/12")};
  config.zones = {zone};
  return config;
}

// narthexd's part of a login, in this process: service, sessions, store.
class Service {
 public:
  // Null: without root.
  static std::unique_ptr<Service> Start() {
    auto service = std::unique_ptr<Service>(new Service);
    if (!service->table_.ok() || !service->store_ || !service->sessions_.Start({}) ||
        !service->sessions_.SaveStart()) {
      return nullptr;
    }
    auto listening = ApiServer::Listen(service->socket_, {&service->service_}, service->peers_);
    if (!listening) return nullptr;
    service->server_ = std::move(*listening);
    service->server_->Start();
    return service;
  }
  ~Service() {
    server_.reset();
    spdlog::drop("bench");
  }
  ctl::Client Connect() const { return {socket_, std::chrono::minutes(2)}; }
  uint64_t InForce() { return sessions_.Count().value_or(0); }

 private:
  Service() {
    spdlog::set_default_logger(spdlog::basic_logger_mt("bench", directory_.path() + "/log"));
  }

  Directory directory_;
  const std::string socket_ = directory_.path() + "/api.sock";
  SystemClock clock_;
  Config config_ = OnePool();
  Layout layout_{config_};
  MappedTable table_{layout_};
  std::unique_ptr<SessionStore> store_ =
      std::move(*SessionStore::Open(directory_.path() + "/sessions.db", clock_, &layout_));
  SessionMap map_{layout_, table_};
  LimitMap limits_{table_};
  PolicyTable policies_{*store_, table_};
  FakeNeighbours neighbours_;
  Sessions sessions_{
      {*store_, map_, limits_, policies_, layout_, clock_, neighbours_, std::chrono::hours(24)}};
  Peers peers_;
  SessionService service_{sessions_, clock_, peers_};
  std::unique_ptr<ApiServer> server_;
};

constexpr char kNoService[] = "the service does not start (needs root)";

ctl::SessionWish Wish(uint32_t number) {
  return {.keys = {AddressOf(number)}, .duration = std::chrono::hours(1)};
}

// One login: a call, a commit.
void RpcLogin(benchmark::State& state) {
  auto service = Service::Start();
  if (!service) return state.SkipWithError(kNoService);
  ctl::Client client = service->Connect();
  uint32_t next = 0;
  for (auto _ : state) {
    v1::Session session;
    const auto begin = steady_clock::now();
    if (!client.Authorise(Wish(next++), session).ok()) return state.SkipWithError("no login");
    state.SetIterationTime(Seconds(begin));
  }
}
BENCHMARK(RpcLogin)->UseManualTime()->Iterations(500);

// A call that changes nothing: what of a login is gRPC and the threads' waking.
void RpcGet(benchmark::State& state) {
  auto service = Service::Start();
  if (!service) return state.SkipWithError(kNoService);
  ctl::Client client = service->Connect();
  v1::Session session;
  if (!client.Authorise(Wish(0), session).ok()) return state.SkipWithError("no login");
  const std::string name = session.name();
  for (auto _ : state) {
    const auto begin = steady_clock::now();
    if (!client.Get(name, session).ok()) return state.SkipWithError("no session");
    state.SetIterationTime(Seconds(begin));
  }
}
BENCHMARK(RpcGet)->UseManualTime()->Iterations(5000);

double LogIn(Service& service, uint32_t count) {
  std::vector<ctl::SessionWish> wishes(count);
  for (uint32_t i = 0; i < count; i++) wishes[i] = Wish(i);
  ctl::Client client = service.Connect();
  const auto begin = steady_clock::now();
  const bool ok = client.AuthoriseAll(wishes, [](size_t, const auto&) {}).ok();
  const double seconds = Seconds(begin);
  return ok && service.InForce() == count ? seconds : -1;
}

void BulkLogin(benchmark::State& state) {
  constexpr uint32_t kRawBatch = 4096;
  const auto count = static_cast<uint32_t>(state.range(0));
  const auto entries = SessionEntries(count);
  const auto keys = KeyEntries(count);
  std::vector<double> ratios, floors, arrays;
  for (auto _ : state) {
    auto service = Service::Start();
    if (!service) return state.SkipWithError(kNoService);
    const double logins = LogIn(*service, count);
    if (logins < 0) return state.SkipWithError("not every client was logged in");
    const double raw = keys.Write(NewKeys(count).get(), kRawBatch);
    const double array = entries.Write(NewSessions(count).get(), kRawBatch);
    if (raw < 0 || array < 0) return state.SkipWithError("the kernel refused raw entries");
    state.SetIterationTime(logins / count);
    ratios.push_back(logins / raw);
    floors.push_back(raw / count * 1e9);
    arrays.push_back(array / count * 1e9);
  }
  for (auto* values : {&ratios, &floors, &arrays}) std::sort(values->begin(), values->end());
  state.counters["floor_ns"] = floors[floors.size() / 2];
  state.counters["array_ns"] = arrays[arrays.size() / 2];
  state.counters["ratio"] = ratios[ratios.size() / 2];
  state.counters["ratio_min"] = ratios.front();
  state.counters["ratio_max"] = ratios.back();
}
BENCHMARK(BulkLogin)->Arg(10000)->Arg(100000)->Arg(1000000)->UseManualTime()->Iterations(5);

}  // namespace
}  // namespace narthex::bench

BENCHMARK_MAIN();
