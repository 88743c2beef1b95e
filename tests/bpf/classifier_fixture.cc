// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/classifier_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_xdp.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bpf/skeleton.h"

namespace narthex::test {

namespace {
constexpr uint32_t kPoolAddresses = 256;
constexpr uint32_t kCapacity = 64;

void ShareMaps(bpf_object* from, bpf_object* to) {
  bpf_map* map;
  bpf_object__for_each_map(map, to) {
    bpf_map* shared = bpf_object__find_map_by_name(from, bpf_map__name(map));
    const bool own =
        bpf_map__is_internal(map) && !std::string_view(bpf_map__name(map)).starts_with(".data.");
    if (shared == nullptr || own) continue;
    ASSERT_EQ(bpf_map__reuse_fd(map, bpf_map__fd(shared)), 0);
  }
}
}  // namespace

void SetClock(nx_clock& clock, uint64_t now_ns) {
  clock.now_ns = now_ns;
  clock.slot = nx_cookie_slot(now_ns);
  clock.now_s = static_cast<uint32_t>(now_ns / kSecond);
}

Counted ReadAccount(int up_fd, int down_fd, int accounts_fd, uint32_t slot) {
  uint64_t up = 0, down = 0;
  nx_account account = {};
  EXPECT_EQ(bpf_map_lookup_elem(up_fd, &slot, &up), 0);
  EXPECT_EQ(bpf_map_lookup_elem(down_fd, &slot, &down), 0);
  EXPECT_EQ(bpf_map_lookup_elem(accounts_fd, &slot, &account), 0);
  return CountedIn(up, down, account);
}

uint64_t BootNow() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
}

std::array<uint8_t, 16> Mapped(const std::string& address) {
  Bytes bytes = internal::Address(address);
  std::array<uint8_t, 16> out{};
  if (bytes.size() == 4) out[10] = out[11] = 0xff;
  std::copy(bytes.begin(), bytes.end(), out.end() - static_cast<long>(bytes.size()));
  return out;
}

const char* ReasonName(int reason) {
  static const char* const names[] = {
#define X(name, verdict, words) #name,
      NX_REASONS(X)
#undef X
  };
  return reason >= 0 && reason < NX_REASON_COUNT ? names[reason] : "none or several";
}

void SetHeldBit(int held_fd, uint32_t slot, bool held) {
  uint32_t word = slot / NX_FAST_BITS;
  uint64_t bits = 0;
  ASSERT_EQ(bpf_map_lookup_elem(held_fd, &word, &bits), 0);
  const uint64_t bit = 1ull << slot % NX_FAST_BITS;
  bits = held ? bits | bit : bits & ~bit;
  ASSERT_EQ(bpf_map_update_elem(held_fd, &word, &bits, 0), 0);
}

void SetGardenBlock(int blocks_fd, const uint8_t* addr, bool set) {
  const uint32_t block = uint32_t{addr[12]} << 8 | addr[13];
  uint32_t word = block / 64;
  uint64_t bits = 0;
  ASSERT_EQ(bpf_map_lookup_elem(blocks_fd, &word, &bits), 0);
  const uint64_t bit = 1ull << block % 64;
  bits = set ? bits | bit : bits & ~bit;
  ASSERT_EQ(bpf_map_update_elem(blocks_fd, &word, &bits, 0), 0);
}

nx_key AddressKey(const std::string& address, uint8_t bits) {
  nx_key key = {};
  memcpy(key.addr, Mapped(address).data(), 16);
  key.zone = kZone;
  key.kind = NX_KEY_ADDRESS;
  key.prefix_len = bits;
  return key;
}

nx_key MacKey(const Mac& mac) {
  nx_key key = {};
  std::copy(mac.begin(), mac.end(), key.addr);
  key.zone = kZone;
  key.kind = NX_KEY_MAC;
  key.prefix_len = 48;
  return key;
}

nx_key LineKey(uint16_t outer, uint16_t inner) {
  nx_key key = {};
  const uint16_t tags[2] = {htons(outer), htons(inner)};
  memcpy(key.addr, tags, sizeof tags);
  key.zone = kZone;
  key.kind = NX_KEY_LINE;
  key.prefix_len = 32;
  return key;
}

void ClassifierFixture::Load(Options options) {
  TearDown();
  if (geteuid() != 0) GTEST_SKIP() << "BPF needs root";
  skeleton_ = narthex_access__open();
  ASSERT_NE(skeleton_, nullptr);
  nx_zone_config config = {};
  config.zone = kZone;
  config.mode = options.mode;
  config.pool_count = 1;
  config.pools[0] = {.first = 0x0a330100, .count = kPoolAddresses, .session = 0};
  config.prefix_count = 1;
  auto prefix = Mapped("2001:db8:51:1::");
  memcpy(config.prefixes[0].addr, prefix.data(), 16);
  config.prefixes[0].mask[0] = ~0ull;
  config.own_count = 3;
  memcpy(config.own[0], Mapped("10.51.1.1").data(), 16);
  memcpy(config.own[1], Mapped("10.51.1.255").data(), 16);
  memcpy(config.own[2], Mapped("2001:db8:51:1::1").data(), 16);
  config.key_length_count = 2;
  config.key_lengths[0] = 128;
  config.key_lengths[1] = 64;
  config.reject = options.reject;
  config.kinds = options.kinds;
  config.bind = options.bind;
  const uint8_t per_second[NX_BEFORE_COUNT] = {NX_MOST_PER_SECOND, NX_RST_PER_SECOND,
                                               NX_ICMP_PER_SECOND, NX_DNS_PER_SECOND};
  for (int what = 0; what < NX_BEFORE_COUNT; what++) {
    config.per_second[what] = per_second[what];
    config.sieved[what] =
        static_cast<uint8_t>(options.sieve_part ? per_second[what] / options.sieve_part : 0);
  }
  memcpy(config.gateway[0], Mapped("10.51.1.1").data(), 16);
  memcpy(config.gateway[1], Mapped("2001:db8:51:1::1").data(), 16);
  config.port_count = 2;
  config.ports[0] = 80;
  config.ports[1] = 8080;
  config.resolver_count = 2;
  memcpy(config.resolvers[0], Mapped("198.51.100.53").data(), 16);
  memcpy(config.resolvers[1], Mapped("2001:db8:100::53").data(), 16);
  if (options.change) options.change(config);
  config_ = config;
  memcpy(const_cast<nx_zone_config*>(&skeleton_->rodata->zone_config), &config, sizeof(config));
  nx_others others = {};
  if (options.others) options.others(others);
  memcpy(const_cast<nx_others*>(&skeleton_->rodata->others), &others, sizeof others);
  bpf_map__set_max_entries(skeleton_->maps.sessions, kPoolAddresses + kCapacity);
  for (bpf_map* map :
       {skeleton_->maps.traffic_up, skeleton_->maps.traffic_down, skeleton_->maps.accounts})
    bpf_map__set_max_entries(map, kPoolAddresses + kCapacity);
  bpf_map__set_max_entries(skeleton_->maps.keys, kCapacity);
  bpf_map__set_max_entries(skeleton_->maps.via, kCapacity);
  bpf_map__set_max_entries(skeleton_->maps.limits, kCapacity);
  bpf_map__set_max_entries(skeleton_->maps.places, kPoolAddresses + kCapacity);
  bpf_map__set_max_entries(skeleton_->maps.fast, kPoolAddresses / NX_FAST_BITS);
  bpf_map__set_max_entries(skeleton_->maps.fast_due, kPoolAddresses / NX_FAST_BITS);
  bpf_map__set_max_entries(skeleton_->maps.held, (kPoolAddresses + kCapacity) / NX_FAST_BITS);
  const_cast<uint8_t&>(skeleton_->rodata->vlan_dispatch) =
      static_cast<uint8_t>(options.vlan_dispatch);
  *const_cast<uint32_t*>(&skeleton_->rodata->fast_words) = kPoolAddresses / NX_FAST_BITS;
  ASSERT_EQ(narthex_access__load(skeleton_), 0);

  for (auto& key : keys_.key)
    key[0] = 0x0706050403020100 + (&key - keys_.key), key[1] = 0x0f0e0d0c0b0a0908;
  skeleton_->data_cookie_keys->cookie_keys = keys_;
  LIBBPF_OPTS(bpf_test_run_opts, run);
  ASSERT_EQ(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.start_clock), &run), 0);
  ASSERT_EQ(run.retval, 0u);
  SetHeartbeat(BootNow() + 3600 * kSecond);
}

void ClassifierFixture::TearDown() {
  if (vlan_zone_) narthex_access__destroy(vlan_zone_);
  vlan_zone_ = nullptr;
  if (uplink_) narthex_uplink__destroy(uplink_);
  uplink_ = nullptr;
  if (skeleton_) narthex_access__destroy(skeleton_);
  skeleton_ = nullptr;
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
  extra_.clear();
  taken_ = 0;
}

uint64_t CountOf(int counters_fd, int reason) {
  std::vector<uint64_t> per_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
  uint32_t index = static_cast<uint32_t>(reason);
  EXPECT_EQ(bpf_map_lookup_elem(counters_fd, &index, per_cpu.data()), 0);
  uint64_t sum = 0;
  for (uint64_t count : per_cpu) sum += count;
  return sum;
}

uint64_t ClassifierFixture::Count(int reason) { return CountOf(Counters(), reason); }

int ClassifierFixture::Counters() const { return bpf_map__fd(skeleton_->maps.counters); }

Outcome ClassifierFixture::Run(const Bytes& frame) {
  return RunProgram(ProgramOf(false), Counters(), frame);
}

void ClassifierFixture::LoadUplink() {
  uplink_ = narthex_uplink__open();
  ASSERT_NE(uplink_, nullptr);
  auto& constants = const_cast<nx_uplink_config&>(uplink_->rodata->uplink_config);
  constants.zone_count = 1;
  constants.zones[0] = config_;
  ShareMaps(skeleton_->obj, uplink_->obj);
  ASSERT_EQ(narthex_uplink__load(uplink_), 0);
}

void ClassifierFixture::AddVlanZone(uint16_t zone, const std::vector<uint16_t>& vlans) {
  vlan_zone_ = narthex_access__open();
  ASSERT_NE(vlan_zone_, nullptr);
  nx_zone_config config = config_;
  config.zone = zone;
  config.pools[0] = {.first = 0x0a340000, .count = kCapacity, .session = kPoolAddresses};
  memcpy(const_cast<nx_zone_config*>(&vlan_zone_->rodata->zone_config), &config, sizeof config);
  const_cast<uint32_t&>(vlan_zone_->rodata->fast_words) = skeleton_->rodata->fast_words;
  ShareMaps(skeleton_->obj, vlan_zone_->obj);
  ASSERT_EQ(narthex_access__load(vlan_zone_), 0);
  int program = bpf_program__fd(vlan_zone_->progs.xsk_def_prog);
  for (uint32_t vlan : vlans)
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.vlan_zones), &vlan, &program, 0), 0);
}

Outcome ClassifierFixture::RunDownlink(const Bytes& frame) {
  return RunProgram(ProgramOf(true), Counters(), frame);
}

Outcome RunProgram(int program_fd, int counters_fd, const Bytes& frame) {
  std::array<uint64_t, NX_REASON_COUNT> before{};
  for (int i = 0; i < NX_REASON_COUNT; i++)
    before[static_cast<size_t>(i)] = CountOf(counters_fd, i);
  Outcome out;
  out.frame.resize(4096);
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(), .data_out = out.frame.data(),
              .data_size_in = static_cast<__u32>(frame.size()),
              .data_size_out = static_cast<__u32>(out.frame.size()), .repeat = 1);
  int error = bpf_prog_test_run_opts(program_fd, &run);
  EXPECT_EQ(error, 0) << "test run: " << strerror(-error);
  if (error) return {};
  out.action = static_cast<int>(run.retval);
  out.frame.resize(run.data_size_out);
  int counted = 0;
  for (int i = 0; i < NX_REASON_COUNT; i++) {
    uint64_t delta = CountOf(counters_fd, i) - before[static_cast<size_t>(i)];
    if (delta == 0) continue;
    counted += static_cast<int>(delta);
    out.reason = i;
  }
  if (counted != 1) out.reason = -1;
  return out;
}

int ClassifierFixture::ProgramOf(bool downlink) {
  if (downlink && uplink_ == nullptr) LoadUplink();
  return bpf_program__fd(downlink ? uplink_->progs.nx_uplink : skeleton_->progs.xsk_def_prog);
}

int ClassifierFixture::RunQuickly(int program, const Bytes& frame, Bytes* left) {
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(),
              .data_size_in = static_cast<__u32>(frame.size()), .repeat = 1);
  if (left) {
    left->resize(4096);
    run.data_out = left->data();
    run.data_size_out = static_cast<__u32>(left->size());
  }
  if (bpf_prog_test_run_opts(program, &run)) return -1;
  if (left) left->resize(run.data_size_out);
  return static_cast<int>(run.retval);
}

uint32_t ClassifierFixture::SlotOf(const std::string& address) {
  auto mapped = Mapped(address);
  if (address.find(':') == std::string::npos) return mapped[15];
  auto [entry, fresh] =
      extra_.try_emplace(address, kPoolAddresses + static_cast<uint32_t>(extra_.size()));
  if (fresh) {
    nx_key key = AddressKey(address, 128);
    EXPECT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.keys), &key, &entry->second, 0), 0);
  }
  return entry->second;
}

void ClassifierFixture::Authorise(const std::string& address, uint64_t expires_ns,
                                  uint32_t begun_s) {
  uint32_t slot = SlotOf(address);
  nx_session session = {};
  session.expires_ns = expires_ns;
  if (begun_s) session.begun = nx_begun(begun_s);
  SetEntry(slot, session);
  if (address.find(':') == std::string::npos) ClearFast(address);
}

void ClassifierFixture::StopClock() {
  const uint32_t zero = 0;
  const std::vector<char> none(bpf_map__value_size(skeleton_->maps.ticker));
  // A timer that is overwritten ends.
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.ticker), &zero, none.data(), 0), 0);
}

void ClassifierFixture::Settle() {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    LIBBPF_OPTS(bpf_test_run_opts, run);
    ASSERT_EQ(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.settle), &run), 0);
    ASSERT_EQ(run.retval, 0u);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

bool ClassifierFixture::IsFast(const std::string& address) {
  uint32_t slot = SlotOf(address);
  uint32_t word = slot / NX_FAST_BITS;
  uint64_t bits = 0;
  EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.fast), &word, &bits), 0);
  return bits >> (slot % NX_FAST_BITS) & 1;
}

void ClassifierFixture::ClearFast(const std::string& address) {
  uint32_t slot = SlotOf(address);
  uint32_t word = slot / NX_FAST_BITS;
  uint64_t bits = 0;
  EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.fast), &word, &bits), 0);
  bits &= ~(1ull << (slot % NX_FAST_BITS));
  EXPECT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.fast), &word, &bits, 0), 0);
}

Counted ClassifierFixture::Account(const std::string& address) { return Account(SlotOf(address)); }

Counted ClassifierFixture::Account(uint32_t slot) {
  Settle();
  return ReadAccount(bpf_map__fd(skeleton_->maps.traffic_up),
                     bpf_map__fd(skeleton_->maps.traffic_down),
                     bpf_map__fd(skeleton_->maps.accounts), slot);
}

void ClassifierFixture::SetAccount(uint32_t slot, uint64_t up, uint64_t down) {
  const nx_account none = {};
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.accounts), &slot, &none, 0), 0);
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.traffic_up), &slot, &up, 0), 0);
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.traffic_down), &slot, &down, 0), 0);
}

uint32_t ClassifierFixture::AuthoriseKey(const nx_key& key, uint64_t expires_ns, uint32_t limits) {
  uint32_t slot = kPoolAddresses + kCapacity / 2 + taken_++;
  nx_session session = {};
  session.expires_ns = expires_ns;
  session.limits = limits;
  SetEntry(slot, session);
  EXPECT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.keys), &key, &slot, 0), 0);
  return slot;
}

void ClassifierFixture::SetHeld(uint32_t slot, bool held) {
  SetHeldBit(bpf_map__fd(skeleton_->maps.held), slot, held);
}

nx_session ClassifierFixture::Entry(uint32_t slot) {
  nx_session session = {};
  EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.sessions), &slot, &session), 0);
  return session;
}

void ClassifierFixture::SetEntry(uint32_t slot, const nx_session& session) {
  SetHeld(slot, true);
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.sessions), &slot, &session, 0), 0);
}

void ClassifierFixture::SetPolicy(uint32_t row, const nx_policy& policy) {
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.policies), &row, &policy, 0), 0);
}

void ClassifierFixture::SetLimits(uint32_t row, const nx_limits& limits) {
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.limits), &row, &limits, 0), 0);
}

nx_limits ClassifierFixture::Limits(uint32_t row) {
  nx_limits limits = {};
  EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.limits), &row, &limits), 0);
  return limits;
}

void ClassifierFixture::SetPlace(uint32_t slot, const nx_place& place) {
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.places), &slot, &place, 0), 0);
}

std::vector<nx_event> ClassifierFixture::Events() {
  std::vector<nx_event> events;
  auto take = [](void* to, void* event, size_t bytes) {
    EXPECT_EQ(bytes, sizeof(nx_event));
    static_cast<std::vector<nx_event>*>(to)->push_back(*static_cast<nx_event*>(event));
    return 0;
  };
  ring_buffer* ring = ring_buffer__new(bpf_map__fd(skeleton_->maps.events), take, &events, nullptr);
  EXPECT_NE(ring, nullptr);
  ring_buffer__consume(ring);
  ring_buffer__free(ring);
  return events;
}

void ClassifierFixture::AddGarden(const std::string& prefix, int bits,
                                  std::vector<nx_port_range> ranges) {
  nx_garden_key key = {};
  bool ipv6 = prefix.find(':') != std::string::npos;
  key.prefix_len = static_cast<uint32_t>(NX_GARDEN_PREFIX_BASE + bits + (ipv6 ? 0 : 96));
  key.zone = kZone;
  memcpy(key.addr, Mapped(prefix).data(), 16);
  nx_garden value = {};
  value.range_count = static_cast<uint32_t>(ranges.size());
  std::copy(ranges.begin(), ranges.end(), value.ranges);
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.garden), &key, &value, 0), 0);
  if (!ipv6) SetGardenBlock(bpf_map__fd(skeleton_->maps.garden_blocks), key.addr);
}

void ClassifierFixture::SetHeartbeat(uint64_t heartbeat_ns) {
  uint32_t zero = 0;
  nx_worker worker = {};
  worker.heartbeat_ns = heartbeat_ns;
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.workers), &zero, &worker, 0), 0);
}

void ClassifierFixture::AddSocket() {
  socket_ = socket(AF_XDP, SOCK_RAW, 0);
  ASSERT_GE(socket_, 0);
  int entries = 64;
  ASSERT_EQ(setsockopt(socket_, SOL_XDP, XDP_RX_RING, &entries, sizeof(entries)), 0);
  uint32_t zero = 0;
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.xsks_map), &zero, &socket_, 0), 0);
}

uint32_t ClassifierFixture::Cookie(const std::string& client, const std::string& server,
                                   uint16_t client_port, uint16_t server_port, uint32_t mss_class,
                                   uint64_t slot_age) const {
  nx_flow flow = {};
  memcpy(flow.client, Mapped(client).data(), 16);
  memcpy(flow.server, Mapped(server).data(), 16);
  flow.client_port = htons(client_port);
  flow.server_port = htons(server_port);
  flow.zone = kZone;
  flow.ipv6 = client.find(':') != std::string::npos;
  return nx_cookie_base(&keys_, &flow, CookieSlot() - slot_age) | mss_class;
}

uint64_t ClassifierFixture::CookieSlot() const {
  const volatile nx_clock& clock = skeleton_->data_clock->clock;
  return clock.slot;
}

}  // namespace narthex::test
