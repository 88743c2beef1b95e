// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <tuple>

namespace narthex::load {
namespace {

// Negotiated in media type and language, as a phone's browser asks; it fits the frame of a
// SYN-ACK (LOAD_MAX_REQUEST_BYTES).
constexpr char kRequest[] =
    " /news/index.html HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (Android 14; Mobile; rv:128.0)\r\n"
    "Accept: text/html,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n"
    "\r\n";

uint32_t SumOf(const std::string& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i++) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    sum += i % 2 ? byte : static_cast<uint32_t>(byte) << 8;
  }
  return sum;
}

// Beyond what any run before this one has used: no slot does more in a second.
uint64_t FirstSerial() {
  constexpr double kSerialsPerSecond = 10000;
  const std::chrono::duration<double> up = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(up.count() * kSerialsPerSecond);
}

// A number without a common divisor with `count`: n * stride % count meets every client once, and
// neighbours are far apart.
uint32_t StrideFor(uint32_t count) {
  uint32_t stride = std::max(1u, static_cast<uint32_t>(count * 0.38197)) | 1;
  while (std::gcd(stride, count) != 1) stride += 2;
  return stride;
}

}  // namespace

std::string RequestOf(const Options& options) {
  if (options.request.empty()) return options.method + kRequest;
  std::ifstream file(options.request, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + options.request);
  return {std::istreambuf_iterator<char>(file), {}};
}

uint32_t ParseIpv4(const std::string& text) {
  in_addr address = {};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) {
    throw std::runtime_error("'" + text + "' is no IPv4 address");
  }
  return ntohl(address.s_addr);
}

Mac ParseMac(const std::string& text) {
  Mac mac = {};
  int end = 0;
  if (std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
                  &mac[3], &mac[4], &mac[5], &end) != 6 ||
      static_cast<size_t>(end) != text.size()) {
    throw std::runtime_error("'" + text + "' is no MAC address");
  }
  return mac;
}

std::pair<uint32_t, uint32_t> ParsePrefix(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) throw std::runtime_error("'" + text + "' is no prefix");
  const int bits = std::atoi(text.c_str() + slash + 1);
  if (bits < 1 || bits > 31) throw std::runtime_error("'" + text + "': 1 to 31 bits");
  const uint32_t mask = 0xffffffffu >> bits;
  const uint32_t first = ParseIpv4(text.substr(0, slash));
  if (first & mask) throw std::runtime_error("'" + text + "' has bits beyond its prefix");
  return {first, mask};
}

unsigned IndexOf(const std::string& interface) {
  const unsigned index = if_nametoindex(interface.c_str());
  if (index == 0) throw std::runtime_error("no interface " + interface + " here");
  return index;
}

Mac MacOf(const std::string& interface) {
  IndexOf(interface);
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request = {};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  const int error = ioctl(descriptor, SIOCGIFHWADDR, &request);
  close(descriptor);
  if (error) throw std::runtime_error("the address of " + interface + ": " + std::strerror(errno));
  Mac mac;
  std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  return mac;
}

load_config ConfigOf(const Options& options) {
  load_config config = {};
  const std::string request = RequestOf(options);
  if (request.empty() || request.size() > LOAD_MAX_REQUEST_BYTES) {
    throw std::runtime_error("a request has 1 to " + std::to_string(LOAD_MAX_REQUEST_BYTES) +
                             " bytes, not " + std::to_string(request.size()));
  }
  if ((options.in_flight < 1 && options.flood_sources.empty()) ||
      options.in_flight > LOAD_MAX_SLOTS) {
    throw std::runtime_error("1 to " + std::to_string(LOAD_MAX_SLOTS) + " connections in flight");
  }
  if (options.clients == 0) throw std::runtime_error("at least one client");
  if (!options.status.empty() && options.status.size() != 3) {
    throw std::runtime_error("'" + options.status + "' is no status");
  }
  std::memcpy(config.client_mac, MacOf(options.interface).data(), 6);
  if (!options.gateway_mac.empty()) {  // `sink` and its like send nothing
    std::memcpy(config.gateway_mac, ParseMac(options.gateway_mac).data(), 6);
  }
  config.client_first = ParseIpv4(options.first_client);
  config.client_count = options.clients;
  config.client_stride = StrideFor(options.clients);
  config.server = ParseIpv4(options.server);
  config.server_port = options.port;
  config.request_bytes = static_cast<uint16_t>(request.size());
  config.request_sum = SumOf(request);
  config.slots = options.in_flight;
  std::memcpy(&config.status, options.status.data(), options.status.size());
  config.copy_responses = options.verify;
  config.first_serial = FirstSerial();
  const uint64_t each = (options.count + options.in_flight - 1) / std::max(1u, options.in_flight);
  config.last_serial = options.count ? config.first_serial + each - 1 : UINT64_MAX;
  std::memcpy(config.request, request.data(), request.size());
  if (!options.flood_sources.empty()) {
    std::tie(config.flood_first, config.flood_mask) = ParsePrefix(options.flood_sources);
    if (config.client_first - config.flood_first <= config.flood_mask ||
        config.flood_first - config.client_first < config.client_count) {
      throw std::runtime_error("the clients lie among the flood's sources");
    }
  }
  return config;
}

load_flow FlowOf(const Options& options) {
  load_flow flow = {};
  flow.client_first = ParseIpv4(options.first_client);
  flow.client_count = options.clients;
  flow.client_stride = StrideFor(options.clients);
  flow.port = options.port;
  if (!options.to.empty()) flow.redirect_to = IndexOf(options.to);
  return flow;
}

}  // namespace narthex::load
