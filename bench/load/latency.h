// SPDX-License-Identifier: Apache-2.0
// What one client with a kernel's TCP waits for, from GET to response.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "options.h"

namespace narthex::load {

// `clients` addresses of this host's, each in turn.
nlohmann::json RunLatency(const Options& options);

}  // namespace narthex::load
