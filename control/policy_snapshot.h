// SPDX-License-Identifier: Apache-2.0
// The policy snapshot for the dataplane, RUN/policy.json (ARCHITECTURE.md): written whole to a
// temporary name, synced, renamed. Its version counts up with each change, across restarts.
#ifndef NARTHEX_CONTROL_POLICY_SNAPSHOT_H
#define NARTHEX_CONTROL_POLICY_SNAPSHOT_H

#include <atomic>
#include <cstdint>
#include <string>

#include "control/config.h"
#include "control/error.h"
#include "control/session_store.h"
#include "control/sessions.h"

namespace narthex {

// The JSON text of this configuration under a version.
std::string PolicyText(const Config& config, uint32_t version);

std::string PolicyPath(const Config& config);
std::string NewPolicyPath(const Config& config);  // until it is in force

// Writes the snapshot, with a new version if it differs from the last one. The last version is
// kept in the store. Write is called by one thread at a time, version() by any.
class PolicyWriter {
 public:
  // `sessions` must outlive the writer.
  explicit PolicyWriter(Sessions& sessions) : sessions_(sessions) {}

  Outcome Write(const Config& config);
  // The same in two steps: all that can well fail, beside the snapshot in force; then in its place.
  Outcome Prepare(const Config& config);
  Outcome PutInForce(const Config& config);
  uint32_t version() const { return version_; }

 private:
  Sessions& sessions_;
  uint32_t prepared_ = 0;  // version
  std::atomic<uint32_t> version_ = 0;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_POLICY_SNAPSHOT_H
