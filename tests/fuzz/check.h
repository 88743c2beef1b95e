// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>

namespace narthex {

// What an oracle demands; libFuzzer reports the abort with its input.
inline void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace narthex
