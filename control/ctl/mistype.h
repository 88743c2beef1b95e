// SPDX-License-Identifier: Apache-2.0
// What a command line that names no command meant, perhaps.
#ifndef NARTHEX_CONTROL_CTL_MISTYPE_H
#define NARTHEX_CONTROL_CTL_MISTYPE_H

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace narthex::ctl {

// The one that takes fewest edits of single letters, if these are few for its length; else "".
std::string Nearest(std::string_view word, const std::vector<std::string>& names);

// After a parse that failed: names the word that is no command, and what there is instead. Empty:
// each word that was read so far is one, or none was given.
std::string MistypedCommand(const CLI::App& app);

}  // namespace narthex::ctl

#endif  // NARTHEX_CONTROL_CTL_MISTYPE_H
