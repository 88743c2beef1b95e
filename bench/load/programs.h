// SPDX-License-Identifier: Apache-2.0
// The BPF programs of one run: loaded with their constants, attached to an interface while this
// object lives. Throws std::runtime_error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "load.h"
#include "options.h"

struct load_bpf;
struct ring_buffer;

namespace narthex::load {

class Programs {
 public:
  explicit Programs(const Options& options);
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;
  ~Programs();

  // "client", "sink", "bounce" or "pass"; in the driver, never in the generic path.
  void Attach(const std::string& program, const std::string& interface);

  // Runs "flood" or "push" on live frames, which leave by the interface; returns when all have.
  void RunLive(const std::string& program, const std::string& interface,
               const std::vector<uint8_t>& frame, uint32_t count);

  uint64_t Counter(load_counter counter) const;
  load_slot* Slots() { return slots_; }
  const load_config& Config() const { return config_; }
  void StopBeginning();

  // Hands the segments of the responses to `take`.
  void TakeResponses(const std::function<void(const load_segment&)>& take);

 private:
  load_config config_;
  load_bpf* skeleton_ = nullptr;
  std::vector<int> links_;  // descriptors
  load_slot* slots_ = nullptr;
  ring_buffer* ring_ = nullptr;
  std::function<void(const load_segment&)> take_;
  int cpus_;
};

}  // namespace narthex::load
