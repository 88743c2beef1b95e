// SPDX-License-Identifier: Apache-2.0
// The policy snapshot for the dataplane, RUN/policy.json (ARCHITECTURE.md): written whole to a
// temporary name, synced, renamed. Its version counts up with each change, across restarts.
#ifndef NARTHEX_CONTROL_POLICY_SNAPSHOT_H
#define NARTHEX_CONTROL_POLICY_SNAPSHOT_H

#include <cstdint>
#include <string>

#include "control/config.h"
#include "control/error.h"
#include "control/session_store.h"

namespace narthex {

// The JSON text of this configuration under a version.
std::string PolicyText(const Config& config, uint32_t version);

// Writes the snapshot, with a new version if it differs from the last one. Returns the version.
Result<uint32_t> WritePolicySnapshot(const Config& config, SessionStore& store);

std::string PolicyPath(const Config& config);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_POLICY_SNAPSHOT_H
