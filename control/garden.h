// SPDX-License-Identifier: Apache-2.0
// The walled garden of the configuration as entries of the `garden` map.
#ifndef NARTHEX_CONTROL_GARDEN_H
#define NARTHEX_CONTROL_GARDEN_H

#include <utility>
#include <vector>

#include "bpf/abi.h"
#include "control/config.h"
#include "control/error.h"

namespace narthex {

using GardenRow = std::pair<nx_garden_key, nx_garden>;

// One row for each zone and prefix. Two entries of one prefix become one row; an entry inside
// a wider one inherits the wider one's ports, because the trie finds the longest match only.
Result<std::vector<GardenRow>> GardenRows(const std::vector<ZoneConfig>& zones);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_GARDEN_H
