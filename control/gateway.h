// SPDX-License-Identifier: Apache-2.0
// What can be seen of the running gateway. Seam between the services and the classifier.
// Implementations may be called from any thread.
#ifndef NARTHEX_CONTROL_GATEWAY_H
#define NARTHEX_CONTROL_GATEWAY_H

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "control/address.h"
#include "control/config.h"
#include "control/error.h"

namespace narthex {

struct InterfaceState {
  uint32_t ifindex = 0;     // 0: the interface is gone
  uint32_t program_id = 0;  // 0: not attached
  std::string attach = "none";
};

struct SampleVerdict {
  std::string packet;   // "TCP SYN to port 80"
  std::string verdict;  // as VerdictName
  std::string reason;   // as ReasonName; empty if live traffic kept it from being seen
  std::string description;
};

class Gateway {
 public:
  virtual ~Gateway() = default;
  virtual Result<std::vector<uint64_t>> Counters() = 0;  // NX_REASON_COUNT of them
  // What holds an interface of the configuration, a zone's or an uplink.
  virtual InterfaceState Attachment(const std::string& interface) = 0;
  virtual std::vector<nx_worker> Workers(const ZoneConfig& zone) = 0;  // by queue
  // Kernel memory of each map of the instance.
  using MapSize = std::pair<std::string, uint64_t>;
  virtual std::vector<MapSize> MapSizes() = 0;
  virtual Result<std::vector<SampleVerdict>> Explain(const ZoneConfig& zone,
                                                     const Address& client) = 0;
};

// The names of bpf/abi.h in lower case, and its words.
std::string ReasonName(uint32_t reason);
std::string ReasonWords(uint32_t reason);
std::string ReasonVerdict(uint32_t reason);
std::string VerdictName(uint32_t xdp_action);
std::string WorkerCounterName(uint32_t counter);
std::string WorkerCounterWords(uint32_t counter);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_GATEWAY_H
