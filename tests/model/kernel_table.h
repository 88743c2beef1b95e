// SPDX-License-Identifier: Apache-2.0
// narthexd's view of the maps of a classifier that a test has loaded.
#pragma once

#include <functional>
#include <vector>

#include "control/session_table.h"

struct narthex_access;

namespace narthex {

class KernelTable : public SessionTable {
 public:
  // `settle` brings the ledgers into the entries. All must outlive this.
  KernelTable(narthex_access& skeleton, std::function<void()> settle);
  ~KernelTable() override;

  std::span<nx_session> Entries() override { return As<nx_session>(0); }
  std::span<nx_account> Accounts() override { return As<nx_account>(6); }
  std::span<uint64_t> TrafficUp() override { return As<uint64_t>(7); }
  std::span<uint64_t> TrafficDown() override { return As<uint64_t>(8); }
  std::span<uint64_t> FastWords() override { return As<uint64_t>(1); }
  std::span<uint64_t> HeldWords() override { return As<uint64_t>(5); }
  std::span<nx_limits> Limits() override { return As<nx_limits>(2); }
  std::span<nx_policy> Policies() override { return As<nx_policy>(3); }
  std::span<nx_place> Places() override { return As<nx_place>(4); }
  Outcome Settle() override;
  Outcome PutKey(const nx_key& key, uint32_t slot) override;
  Outcome DeleteKey(const nx_key& key) override;
  Result<std::vector<std::pair<nx_key, uint32_t>>> Keys() override;
  Result<std::vector<std::pair<nx_key, nx_via>>> Via() override;
  std::optional<nx_via> FindVia(const nx_key& key) override;
  Outcome DeleteVia(const nx_key& key) override;

 private:
  struct Window {
    void* memory;
    size_t bytes;  // of the map; the mapping is whole pages
    size_t mapped;
  };
  template <class T>
  std::span<T> As(size_t window) {
    return {static_cast<T*>(windows_[window].memory), windows_[window].bytes / sizeof(T)};
  }
  template <class Value>
  std::vector<std::pair<nx_key, Value>> Rows(int fd);

  narthex_access& skeleton_;
  std::function<void()> settle_;
  std::vector<Window> windows_;
};

}  // namespace narthex
