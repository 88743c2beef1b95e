// SPDX-License-Identifier: Apache-2.0
#include "tests/model/kernel_table.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "bpf/skeleton.h"

namespace narthex {

KernelTable::KernelTable(narthex_access& skeleton, std::function<void()> settle)
    : skeleton_(skeleton), settle_(std::move(settle)) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (const bpf_map* map :
       {skeleton.maps.sessions, skeleton.maps.fast, skeleton.maps.limits, skeleton.maps.policies,
        skeleton.maps.places, skeleton.maps.held, skeleton.maps.accounts, skeleton.maps.traffic_up,
        skeleton.maps.traffic_down}) {
    const size_t bytes = size_t{bpf_map__value_size(map)} * bpf_map__max_entries(map);
    const size_t mapped = (bytes + page - 1) / page * page;
    void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (memory == MAP_FAILED) throw std::runtime_error("mmap");
    windows_.push_back({memory, bytes, mapped});
  }
}

KernelTable::~KernelTable() {
  for (const Window& window : windows_) munmap(window.memory, window.mapped);
}

Outcome KernelTable::Settle() {
  settle_();
  return {};
}

Outcome KernelTable::PutKey(const nx_key& key, uint32_t slot) {
  if (bpf_map_update_elem(bpf_map__fd(skeleton_.maps.keys), &key, &slot, BPF_ANY) == 0) return {};
  return Fail("map 'keys'");
}

Outcome KernelTable::DeleteKey(const nx_key& key) {
  const int error = bpf_map_delete_elem(bpf_map__fd(skeleton_.maps.keys), &key);
  return error == 0 || error == -ENOENT ? Outcome() : Fail("map 'keys'");
}

template <class Value>
std::vector<std::pair<nx_key, Value>> KernelTable::Rows(int fd) {
  std::vector<std::pair<nx_key, Value>> rows;
  nx_key key{}, previous{};
  for (const void* from = nullptr; bpf_map_get_next_key(fd, from, &key) == 0; from = &previous) {
    Value value{};
    if (bpf_map_lookup_elem(fd, &key, &value) == 0) rows.emplace_back(key, value);
    previous = key;
  }
  return rows;
}

Result<std::vector<std::pair<nx_key, uint32_t>>> KernelTable::Keys() {
  return Rows<uint32_t>(bpf_map__fd(skeleton_.maps.keys));
}

Result<std::vector<std::pair<nx_key, nx_via>>> KernelTable::Via() {
  return Rows<nx_via>(bpf_map__fd(skeleton_.maps.via));
}

std::optional<nx_via> KernelTable::FindVia(const nx_key& key) {
  nx_via row{};
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_.maps.via), &key, &row) != 0) return std::nullopt;
  return row;
}

Outcome KernelTable::DeleteVia(const nx_key& key) {
  const int error = bpf_map_delete_elem(bpf_map__fd(skeleton_.maps.via), &key);
  return error == 0 || error == -ENOENT ? Outcome() : Fail("map 'via'");
}

}  // namespace narthex
