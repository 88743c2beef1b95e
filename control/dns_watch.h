// SPDX-License-Identifier: Apache-2.0
// What narthexd does with an answer that the uplink copied: reads it, has the garden learn from
// it, scores its client, and says that it was read.
//
// Thread rule: Answer and Tick by one thread; the rest by any.
#ifndef NARTHEX_CONTROL_DNS_WATCH_H
#define NARTHEX_CONTROL_DNS_WATCH_H

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "control/clock.h"
#include "control/config.h"
#include "control/dns_score.h"
#include "control/error.h"
#include "control/learned_garden.h"

namespace narthex {

// The maps `dns_rules`, `dns_unread` and `dns_offenders`. Seam: memory in tests.
class DnsTable {
 public:
  virtual ~DnsTable() = default;
  // `lost` is left as it is. Zones that are not there are to have no rules.
  virtual void SetRules(uint16_t zone, const nx_dns_rules& rules) = 0;
  virtual uint64_t Lost() const = 0;  // answers that could not be copied
  // The answer was read; a later one of the client may still wait.
  virtual void MarkRead(const nx_key& client, uint32_t number) = 0;
  virtual Outcome Refuse(const nx_key& client, uint32_t until_s) = 0;
};

class DnsWatch {
 public:
  DnsWatch(LearnedGarden& garden, DnsTable& table, const Clock& clock)
      : garden_(garden), table_(table), clock_(clock) {}

  // Follows a configuration.
  Outcome Apply(const std::vector<ZoneConfig>& zones);
  void Answer(const nx_dns_answer& answer);
  void Tick() { garden_.Expire(); }

  // From the packet at the uplink to the map, of the last answers that taught something, ns.
  struct Latency {
    size_t count = 0;
    int64_t median_ns = 0;
    int64_t most_ns = 0;
  };
  Latency LearningLatency() const;
  uint64_t Lost() const { return table_.Lost(); }

 private:
  struct Zone {
    std::string name;
    DnsConfig dns;
  };
  static constexpr size_t kLatencies = 1024;

  void Score(const nx_key& client, const DnsQuestion& question);
  void Note(int64_t latency_ns);

  LearnedGarden& garden_;
  DnsTable& table_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<uint16_t, Zone> zones_;
  DnsScore score_;
  std::vector<int64_t> latencies_;  // the last kLatencies
  size_t next_latency_ = 0;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_DNS_WATCH_H
