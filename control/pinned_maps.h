// SPDX-License-Identifier: Apache-2.0
// The maps that all interfaces of one instance share, and their pins. A pinned map that fits
// is used on, so sessions, counters and the clock outlive narthexd; one that does not fit is
// replaced by a new one, whose pin takes the old one's place only after the programs use it.
//
// Thread rule: built and committed from main before any thread starts; read-only later.
#ifndef NARTHEX_CONTROL_PINNED_MAPS_H
#define NARTHEX_CONTROL_PINNED_MAPS_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bpf/abi.h"
#include "control/bpf.h"
#include "control/error.h"
#include "control/layout.h"
#include "control/session_table.h"

struct bpf_object;

namespace narthex {

// Says which `sessions` map holds entries in which order; kept in the session store.
struct MapIdentity {
  uint32_t sessions_map_id = 0;
  std::string layout;
};

// Paths in bpffs which this start created; removed unless it succeeds.
class CreatedPaths {
 public:
  ~CreatedPaths();
  Outcome MakeDirectory(const std::string& path);
  Outcome Pin(int fd, const std::string& path);
  // Beside a pin that stays until Keep().
  Outcome PinAside(int fd, const std::string& path);
  // The start succeeded. What cannot get its name is logged, and keeps what comes after it
  // from its own: the next start makes all of them anew.
  void Keep();

 private:
  std::vector<std::string> paths_;
  std::vector<std::string> aside_;  // names that they are to have
};

class PinnedMaps {
 public:
  PinnedMaps(std::string directory, const Layout& layout, MapIdentity known)
      : directory_(std::move(directory)), layout_(layout), known_(std::move(known)) {}

  // Sizes the maps of an opened, not yet loaded object and gives it the shared ones. The first
  // object must have them all, as the access program does.
  Outcome Offer(bpf_object* object);
  // Takes the maps which the first loaded object created.
  Outcome Adopt(bpf_object* object);
  // Pins what has no pin yet, and aside what is to replace maps that do not fit.
  Outcome PinNew(CreatedPaths& created);

  int Descriptor(const std::string& name) const { return maps_.at(name).fd.get(); }
  // No program has used it yet: this start made it. Before PinNew.
  bool IsNew(const std::string& name) const { return !maps_.at(name).pinned; }
  // The clock's timer was pinned already: it ticks for the programs that are attached.
  bool HadClock() const { return maps_.at("ticker").pinned; }
  // The `sessions` map which this start replaces, if the store knows its order; or -1.
  int ReplacedSessions() const;
  // The map of that name that goes with it; or -1.
  int ReplacedWithSessions(const std::string& name) const;
  Result<MapIdentity> Identity() const;
  // Kernel memory of each map, by name.
  std::vector<std::pair<std::string, uint64_t>> Memory() const;

 private:
  struct SharedMap {
    Fd fd;
    Fd old_fd;            // what the pin held, if it did not fit
    bool pinned = false;  // fd is what the pin holds
  };

  uint32_t PinnedAbi() const;
  // As they were before this start.
  bool abi_matched_ = false;
  bool accounts_matched_ = false;
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
  const Layout& layout_;
  const MapIdentity known_;
  std::map<std::string, SharedMap> maps_;
  Fd abi_version_;
  bool first_ = true;
};

// The real maps of sessions and limits.
class BpfSessionTable : public SessionTable {
 public:
  // `settle_fd`: the classifier's program of that name; stays the caller's.
  static Result<std::unique_ptr<BpfSessionTable>> Over(const PinnedMaps& maps, const Layout& layout,
                                                       int settle_fd);
  std::span<nx_session> Entries() override { return entries_.As<nx_session>(); }
  std::span<uint64_t> TrafficUp() override { return traffic_up_.As<uint64_t>(); }
  std::span<uint64_t> TrafficDown() override { return traffic_down_.As<uint64_t>(); }
  std::span<nx_account> Accounts() override { return accounts_.As<nx_account>(); }
  std::span<uint64_t> FastWords() override { return fast_words_.As<uint64_t>(); }
  std::span<uint64_t> HeldWords() override { return held_words_.As<uint64_t>(); }
  Outcome Settle() override { return RunOnEachCpu(settle_fd_); }
  Outcome PutKey(const nx_key& key, uint32_t slot) override;
  Outcome DeleteKey(const nx_key& key) override;
  Result<std::vector<std::pair<nx_key, uint32_t>>> Keys() override;
  Result<std::vector<std::pair<nx_key, nx_via>>> Via() override;
  std::optional<nx_via> FindVia(const nx_key& key) override;
  Outcome DeleteVia(const nx_key& key) override;
  std::span<nx_limits> Limits() override { return limits_.As<nx_limits>(); }
  std::span<nx_policy> Policies() override { return policies_.As<nx_policy>(); }
  bool PoliciesInForce() const override { return policies_in_force_; }
  std::span<nx_place> Places() override { return places_.As<nx_place>(); }
  const nx_session* Replaced(uint32_t slot) override;
  std::optional<AccountFields> ReplacedAccount(uint32_t slot) override;
  const nx_limits* ReplacedLimits(uint32_t row) override;
  std::vector<nx_ledger_entry> ReplacedNotes() override;
  void ReleaseReplaced() override;

 private:
  Outcome MapReplaced(const PinnedMaps& maps);

  int keys_fd_ = -1;
  int via_fd_ = -1;
  int settle_fd_ = -1;
  bool policies_in_force_ = false;
  Mapping entries_;
  Mapping traffic_up_;
  Mapping traffic_down_;
  Mapping accounts_;
  Mapping fast_words_;
  Mapping held_words_;
  Mapping limits_;
  Mapping policies_;
  Mapping places_;
  Mapping replaced_;
  Mapping replaced_up_;
  Mapping replaced_down_;
  Mapping replaced_accounts_;
  Mapping replaced_limits_;
  Fd replaced_ledger_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_PINNED_MAPS_H
