// SPDX-License-Identifier: Apache-2.0
// Host names of the garden's configuration: exact ("idp.example.com"), everything below a name
// ("*.cdn.example.net": not that name itself), or with '*' for any characters of one label
// ("cdn-*.example.net"). The last two labels are always literal: nobody opens a whole "*.com".
#ifndef NARTHEX_CONTROL_GARDEN_NAME_H
#define NARTHEX_CONTROL_GARDEN_NAME_H

#include <string>
#include <string_view>

#include "control/error.h"

namespace narthex {

// In lower case and without a final dot, or why it is none.
Result<std::string> ParseGardenName(std::string_view text);

// `pattern` as ParseGardenName gives it; `name` in lower case without a final dot.
bool MatchesGardenName(std::string_view pattern, std::string_view name);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_GARDEN_NAME_H
