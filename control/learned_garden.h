// SPDX-License-Identifier: Apache-2.0
// The garden by name: what the resolvers' answers teach, and the `learned` map that admits it.
//
//   answer ─► question is a name of the garden? ─► each address: may it be opened? ─► row, for the
//   TTL
//                      └─ no: its addresses are remembered, to tell which the garden shares
//
// A row is one address of a zone with up to NX_LEARNED_NAMES garden names, each with its own end;
// it admits the ports of all of them. The classifier ends a row by its own clock, so nothing here
// has to be in time. The map keeps the names, so a restart goes on with what was learned. When it
// is full, nothing more is learned: fail closed.
//
// Thread-safe.
#ifndef NARTHEX_CONTROL_LEARNED_GARDEN_H
#define NARTHEX_CONTROL_LEARNED_GARDEN_H

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "control/clock.h"
#include "control/config.h"
#include "control/dns_message.h"
#include "control/error.h"

namespace narthex {

// The `learned` map. Seam: memory in tests.
class LearnedTable {
 public:
  virtual ~LearnedTable() = default;
  virtual Outcome Put(const nx_key& key, const nx_learned& row) = 0;
  virtual Outcome Delete(const nx_key& key) = 0;  // no error if it is not there
  virtual Result<std::vector<std::pair<nx_key, nx_learned>>> All() = 0;
};

// What happened to answers and their addresses; shown by `narthexctl garden list`.
#define NX_LEARNING_COUNTERS(X)                                                  \
  X(kAnswers, "answers", "answers of resolvers read")                            \
  X(kMalformed, "malformed", "answers that could not be read")                   \
  X(kGardenAnswers, "garden_answers", "answers for names of the garden")         \
  X(kAdmitted, "admitted", "addresses admitted")                                 \
  X(kRenewed, "renewed", "addresses admitted longer")                            \
  X(kExpired, "expired", "addresses whose time was up")                          \
  X(kNotGlobal, "not_global", "refused: private, reserved or multicast address") \
  X(kClients, "clients", "refused: address of a client or resolver of a zone")   \
  X(kOwn, "own", "refused: address of the gateway")                              \
  X(kFull, "full", "not admitted: as many addresses as there may be")            \
  X(kShared, "shared", "addresses of the garden that other names have, too")     \
  X(kTunnels, "tunnels", "clients whose DNS looked like a tunnel")

enum class Learning {
#define X(name, text, words) name,
  NX_LEARNING_COUNTERS(X)
#undef X
      kCount
};

struct LearnedAddress {
  struct Name {
    std::string text;   // that was answered with the address
    std::string entry;  // of the configuration, first that matches
    uint32_t until_s = 0;
  };
  uint16_t zone = 0;
  Address address;
  std::vector<nx_port_range> ports;
  std::vector<Name> names;
  std::string shared_with;  // a name outside the garden that has the address; empty: none seen
};

class LearnedGarden {
 public:
  using IsOwn = std::function<bool(const Address&)>;
  // `is_own`: an address of this host.
  LearnedGarden(LearnedTable& table, const Clock& clock, IsOwn is_own)
      : table_(table), clock_(clock), is_own_(std::move(is_own)) {}

  // Takes over what the map holds. Call once, before Apply.
  Outcome Start();
  // Follows a configuration: what names no longer in it have taught goes.
  Outcome Apply(const std::vector<ZoneConfig>& zones);
  // True if the answer's addresses are in force now.
  bool Learn(uint16_t zone, const DnsAnswer& answer);
  // Takes out what is over.
  void Expire();

  std::vector<LearnedAddress> List() const;
  // A name outside the garden that was seen with the address; empty: none.
  std::string SharedWith(uint16_t zone, const Address& address) const;
  void Count(Learning counter) { ++counters_[static_cast<size_t>(counter)]; }
  std::array<uint64_t, static_cast<size_t>(Learning::kCount)> Counters() const;

 private:
  using Key = std::pair<uint16_t, Address>;  // zone, address
  struct Zone {
    ZoneConfig config;
    // Entries by the last two labels of their names, which are literal.
    std::unordered_map<std::string, std::vector<const GardenNameEntry*>> by_end;
  };

  std::vector<const GardenNameEntry*> EntriesFor(uint16_t zone, const std::string& name) const;
  bool MayOpen(uint16_t zone, const DnsAnswer& answer, const Address& address);
  bool Admit(const Key& key, const std::string& name, uint32_t until_s);
  nx_learned Renew(uint16_t zone, const nx_learned& row, uint32_t now_s) const;
  Outcome Store(const Key& key, const nx_learned& row);
  void NoteOutside(uint16_t zone, const DnsAnswer& answer);
  void WarnShared(const Key& key, const std::string& outside);
  uint32_t NowS() const { return static_cast<uint32_t>(clock_.BootNs() / kSecondNs); }

  LearnedTable& table_;
  const Clock& clock_;
  const IsOwn is_own_;
  mutable std::mutex mutex_;
  std::vector<ZoneConfig> configs_;
  std::map<uint16_t, Zone> zones_;
  std::map<Key, nx_learned> rows_;      // as in the map
  std::map<Key, std::string> outside_;  // addresses of names outside the garden
  std::deque<Key> outside_order_;       // oldest first
  std::set<Key> warned_;                // shared addresses that are in the log
  std::set<std::string> refused_;       // refusals that are in the log
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Learning::kCount)> counters_{};
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_LEARNED_GARDEN_H
