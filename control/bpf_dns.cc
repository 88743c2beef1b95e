// SPDX-License-Identifier: Apache-2.0
#include "control/bpf_dns.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace narthex {
namespace {

// bpf(2) gives up when another CPU holds the same bucket; that passes.
template <typename Call>
int Retried(Call call) {
  int error = call();
  for (int i = 0; i < 100 && error == -EBUSY; ++i) error = call();
  return error;
}

}  // namespace

Outcome BpfLearnedTable::Put(const nx_key& key, const nx_learned& row) {
  blocks_.Add(key.addr, key.prefix_len);
  int error = Retried([&] { return bpf_map_update_elem(fd_, &key, &row, BPF_ANY); });
  return error == 0 ? Outcome() : Fail(WithErrno("map 'learned'", error));
}

Outcome BpfLearnedTable::Delete(const nx_key& key) {
  int error = Retried([&] { return bpf_map_delete_elem(fd_, &key); });
  return error == 0 || error == -ENOENT ? Outcome() : Fail(WithErrno("map 'learned'", error));
}

Result<std::vector<std::pair<nx_key, nx_learned>>> BpfLearnedTable::All() {
  std::vector<std::pair<nx_key, nx_learned>> rows;
  nx_key key{}, previous{};
  for (const void* from = nullptr; bpf_map_get_next_key(fd_, from, &key) == 0; from = &previous) {
    nx_learned row{};
    if (bpf_map_lookup_elem(fd_, &key, &row) == 0) rows.emplace_back(key, row);
    previous = key;
  }
  return rows;
}

Result<std::unique_ptr<BpfDnsTable>> BpfDnsTable::Over(const PinnedMaps& maps) {
  auto table = std::make_unique<BpfDnsTable>();
  auto rules = Mapping::Of(maps.Descriptor("dns_rules"), sizeof(nx_dns_rules) * NX_DNS_ROWS);
  if (!rules) return Fail(rules.error());
  table->rules_ = std::move(*rules);
  table->unread_fd_ = maps.Descriptor("dns_unread");
  table->offenders_fd_ = maps.Descriptor("dns_offenders");
  return table;
}

void BpfDnsTable::SetRules(uint16_t zone, const nx_dns_rules& rules) {
  nx_dns_rules& there = rules_.As<nx_dns_rules>()[zone];
  // The limits before the switch that makes them count.
  there.max_label = rules.max_label;
  there.max_name = rules.max_name;
  there.max_answer = rules.max_answer;
  __atomic_store_n(&there.discipline, rules.discipline, __ATOMIC_RELEASE);
  __atomic_store_n(&there.learn, rules.learn, __ATOMIC_RELEASE);
}

std::vector<nx_dns_rules> BpfDnsTable::Rules() const {
  auto rules = rules_.As<nx_dns_rules>();
  return {rules.begin(), rules.end()};
}

uint64_t BpfDnsTable::Lost() const {
  uint64_t lost = 0;
  for (const nx_dns_rules& rules : rules_.As<nx_dns_rules>())
    lost += __atomic_load_n(&rules.lost, __ATOMIC_RELAXED);
  return lost;
}

void BpfDnsTable::MarkRead(const nx_key& client, uint32_t number) {
  nx_unread unread{};
  if (bpf_map_lookup_elem(unread_fd_, &client, &unread) == 0 && unread.number == number)
    bpf_map_delete_elem(unread_fd_, &client);
}

Outcome BpfDnsTable::Refuse(const nx_key& client, uint32_t until_s) {
  int error =
      Retried([&] { return bpf_map_update_elem(offenders_fd_, &client, &until_s, BPF_ANY); });
  return error == 0 ? Outcome() : Fail(WithErrno("map 'dns_offenders'", error));
}

Result<std::unique_ptr<AnswerRing>> AnswerRing::Start(const PinnedMaps& maps, Take take,
                                                      std::function<void()> tick) {
  std::unique_ptr<AnswerRing> ring(new AnswerRing(std::move(take), std::move(tick)));
  auto handle = [](void* self, void* data, size_t bytes) {
    if (bytes == sizeof(nx_dns_answer))
      static_cast<AnswerRing*>(self)->take_(*static_cast<const nx_dns_answer*>(data));
    return 0;
  };
  ring->ring_ = {ring_buffer__new(maps.Descriptor("dns_answers"), handle, ring.get(), nullptr),
                 ring_buffer__free};
  ring->stop_ = Fd(eventfd(0, EFD_CLOEXEC));
  if (!ring->ring_ || !ring->stop_) return Fail(WithErrno("DNS answers cannot be read", errno));
  ring->thread_ = std::thread([raw = ring.get()] { raw->Run(); });
  return ring;
}

AnswerRing::~AnswerRing() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void AnswerRing::Run() {
  using std::chrono::steady_clock;
  constexpr std::chrono::seconds kTick(1);
  // Clients wait for it, and a busy gateway must not make it late: this thread alone. If that is
  // not permitted, connections are repeated (bpf/dns_client.h).
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), -10);
  pollfd fds[] = {{stop_.get(), POLLIN, 0}, {ring_buffer__epoll_fd(ring_.get()), POLLIN, 0}};
  auto due = steady_clock::now() + kTick;
  // What was copied while no narthexd ran.
  ring_buffer__consume(ring_.get());
  while (!(fds[0].revents & POLLIN)) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(due - steady_clock::now()).count();
    poll(fds, 2, left > 0 ? static_cast<int>(left) : 0);
    ring_buffer__consume(ring_.get());
    if (steady_clock::now() < due) continue;
    tick_();
    due = steady_clock::now() + kTick;
  }
}

}  // namespace narthex
