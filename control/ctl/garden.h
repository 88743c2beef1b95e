// SPDX-License-Identifier: Apache-2.0
// How narthexctl asks for the garden, and shows it.
#ifndef NARTHEX_CONTROL_CTL_GARDEN_H
#define NARTHEX_CONTROL_CTL_GARDEN_H

#include <string>
#include <string_view>

#include "narthex.pb.h"

namespace narthex::ctl {

// "host", "host:port", "address", "v4:port" or "[v6]:port" into the request; false: none of them.
bool ParseHostPort(std::string_view text, v1::TestGardenRequest& request);

std::string Table(const v1::ListGardenResponse& garden);
std::string Table(const v1::TestGardenResponse& answer);

}  // namespace narthex::ctl

#endif  // NARTHEX_CONTROL_CTL_GARDEN_H
