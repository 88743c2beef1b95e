// SPDX-License-Identifier: Apache-2.0
// `narthex-dataplane --decide`: what a policy answers to a request, by the code of the workers.
#pragma once

#include <string>

namespace narthex {

// Reads a request's bytes from standard input; prints one line of JSON. `zone`: its name, or empty
// for the first. Returns the exit code.
int TryRequest(const std::string& policy_path, const std::string& zone);

}  // namespace narthex
