// SPDX-License-Identifier: Apache-2.0
// The command line.
#pragma once

#include <string>

namespace narthex {

struct Options {
  std::string run_directory = "/run/narthex";
  std::string decide;        // a policy to ask instead of running
  std::string zone;          // with `decide`
  std::string check_policy;  // a file to check instead of running; "-" is standard input
};

// False if the program shall end with `exit_code`: help, version, or a usage error (2).
bool ReadOptions(int argc, char** argv, Options& options, int& exit_code);

}  // namespace narthex
