// SPDX-License-Identifier: Apache-2.0
// Closed-loop TCP clients in a BPF program, and beside them, if asked for, a SYN flood.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "options.h"

namespace narthex::load {

// Returns the figures; throws std::runtime_error.
nlohmann::json RunTransactions(const Options& options);
nlohmann::json RunSynFlood(const Options& options);

}  // namespace narthex::load
