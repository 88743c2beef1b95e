// SPDX-License-Identifier: Apache-2.0
// What narthex-load is told on its command line.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "load.h"

namespace narthex::load {

using Mac = std::array<uint8_t, 6>;

// Addresses in host order.
struct Options {
  std::string interface;
  std::string report;       // file for the figures as JSON; empty: none
  std::string gateway_mac;  // of the frames' receiver
  std::string server = "198.51.100.10";
  uint16_t port = 80;
  std::string first_client = "10.64.0.2";
  uint32_t clients = 1 << 16;  // none asks for more than one client may
  double seconds = 5;
  double timeout_s = 1;
  bool quiet = false;

  // transactions
  uint32_t in_flight = 64;
  uint64_t count = 0;   // connections; 0: until the time is up
  std::string request;  // a file; empty: the built-in one
  std::string status = "511";
  bool verify = false;
  bool partial_checksums = false;
  std::string method = "GET";

  // syn-flood
  std::string flood_sources;  // prefix, as 10.80.0.0/12
  uint32_t flood_in_flight = 64;
  bool open_loop = false;

  // forward, redirect
  uint32_t frame_bytes = 60;
  double rate = 0;  // a second; 0: as fast as possible
  std::string to;   // interface
};

// Throws std::runtime_error, with a message for people.
uint32_t ParseIpv4(const std::string& text);
Mac ParseMac(const std::string& text);
// {first address, mask of the host bits}
std::pair<uint32_t, uint32_t> ParsePrefix(const std::string& text);
Mac MacOf(const std::string& interface);
unsigned IndexOf(const std::string& interface);

std::string RequestOf(const Options& options);

// The programs' view of the options.
load_config ConfigOf(const Options& options);
load_flow FlowOf(const Options& options);

}  // namespace narthex::load
