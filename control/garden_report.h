// SPDX-License-Identifier: Apache-2.0
// What the garden admits, and why: the configuration and what was learned, put together.
#ifndef NARTHEX_CONTROL_GARDEN_REPORT_H
#define NARTHEX_CONTROL_GARDEN_REPORT_H

#include <string>
#include <string_view>
#include <vector>

#include "control/config.h"
#include "control/error.h"
#include "control/learned_garden.h"

namespace narthex {

// An entry of the configuration, as people read it.
struct GardenLine {
  std::string zone;
  std::string entry;               // prefix or name
  std::vector<std::string> ports;  // "tcp 443"
};

std::vector<GardenLine> GardenLines(const ZoneConfig& zone);
std::vector<std::string> PortTexts(const std::vector<nx_port_range>& ports);

struct GardenQuestion {
  std::string host;
  uint16_t port = 0;  // 0: any
  std::string zone;   // empty: all
};

struct GardenFinding {
  bool admitted = false;
  std::vector<GardenLine> entries;      // that admit it
  std::vector<LearnedAddress> learned;  // of the name, or the address itself
  std::string shared_with;
};

// kInvalid: the host is neither an address nor a name; kNotFound: no such zone.
Result<GardenFinding> TestGarden(const Config& config, const LearnedGarden& learned,
                                 const GardenQuestion& question);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_GARDEN_REPORT_H
