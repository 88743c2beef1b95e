// SPDX-License-Identifier: Apache-2.0
// What a page must not be, whoever wrote it: the checks of a 511's HTML at load.
//
// A page is read strictly, by a list of what is allowed: what a browser might read in two ways is
// refused. It is checked as it will be sent, after its placeholders are filled in, so that no value
// can bring in what the template may not have.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace narthex {

struct PageFault {
  size_t line;      // from 1; 0: the page as a whole
  std::string why;  // one line
};

// UTF-8 without controls; begins with the doctype; elements and attributes from the lists alone, so
// no form, script, frame, event handler or http-equiv; absolute URLs only; a language; and a link
// with a text to `login_url`, which is escaped as it stands in the page.
[[nodiscard]] std::optional<PageFault> CheckPage(std::string_view page, std::string_view login_url);

}  // namespace narthex
