// SPDX-License-Identifier: Apache-2.0
// One-way UDP of many clients through a gateway, its sink, and the programs beside it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "options.h"

namespace narthex::load {

nlohmann::json RunForward(const Options& options);
// Arrives at `interface`, leaves by `to`; the far end must send it back.
nlohmann::json RunCircle(const Options& options);
// Attached until SIGTERM.
nlohmann::json RunAttached(const Options& options, const char* program);

}  // namespace narthex::load
