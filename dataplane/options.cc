// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <getopt.h>

#include <cstdio>
#include <cstring>

namespace narthex {
namespace {

constexpr char kUsage[] =
    "usage: narthex-dataplane [--instance NAME | --run DIR | --check-policy FILE]\n"
    "                         [--version] [--help]\n"
    "\n"
    "Answers the HTTP of clients that have not logged in, on the interfaces of a running\n"
    "narthexd.\n"
    "\n"
    "  --instance NAME  the same as --run /run/NAME\n"
    "  --run DIR        the instance's run directory (default /run/narthex)\n"
    "  --check-policy FILE\n"
    "                   say whether a policy snapshot can be used, and exit with 0 or 1;\n"
    "                   FILE may be - for standard input\n"
    "  --decide FILE    say what this policy snapshot answers to the request on standard input,\n"
    "                   in the zone of --zone NAME or the first, as JSON\n"
    "  --version        print the version\n"
    "  --help           print this\n";

bool ValidInstance(const char* name) {
  const size_t bytes = std::strlen(name);
  return bytes >= 1 && bytes <= 32 && !std::strchr(name, '/') && name[0] != '.';
}

}  // namespace

bool ReadOptions(int argc, char** argv, Options& options, int& exit_code) {
  static const option kOptions[] = {{"instance", required_argument, nullptr, 'i'},
                                    {"run", required_argument, nullptr, 'r'},
                                    {"check-policy", required_argument, nullptr, 'c'},
                                    {"decide", required_argument, nullptr, 'd'},
                                    {"zone", required_argument, nullptr, 'z'},
                                    {"version", no_argument, nullptr, 'v'},
                                    {"help", no_argument, nullptr, 'h'},
                                    {}};
  exit_code = 0;
  bool chosen = false;
  int choice;
  while ((choice = getopt_long(argc, argv, "h", kOptions, nullptr)) != -1) {
    if (choice == 'h') {
      std::fputs(kUsage, stdout);
      return false;
    }
    if (choice == 'v') {
      std::puts("narthex-dataplane " NARTHEX_VERSION);
      return false;
    }
    if (choice == 'z') {
      options.zone = optarg;
      continue;
    }
    const bool usable = choice == 'i' ? ValidInstance(optarg) : choice != '?' && *optarg != 0;
    if (!usable || chosen) {
      if (choice != '?')
        std::fprintf(
            stderr,
            "narthex-dataplane: bad or repeated --instance, --run, --check-policy or --decide\n");
      exit_code = 2;
      return false;
    }
    chosen = true;
    if (choice == 'c') {
      options.check_policy = optarg;
      continue;
    }
    if (choice == 'd') {
      options.decide = optarg;
      continue;
    }
    options.run_directory = choice == 'r' ? optarg : std::string("/run/") + optarg;
  }
  if (optind != argc) {
    std::fprintf(stderr, "narthex-dataplane: unexpected argument: %s\n%s", argv[optind], kUsage);
    exit_code = 2;
    return false;
  }
  return true;
}

}  // namespace narthex
