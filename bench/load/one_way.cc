// SPDX-License-Identifier: Apache-2.0
#include "one_way.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

#include "programs.h"
#include "tests/tools/packet_socket.h"

namespace narthex::load {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kLiveFrames = 200000;  // in one call: a fraction of a second
constexpr double kStandstill_s = 0.5;     // all frames are lost
constexpr uint16_t kSourcePort = 5000;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

uint16_t IpChecksum(const iphdr& ip) {
  uint16_t words[10];
  std::memcpy(words, &ip, sizeof(words));
  uint32_t sum = 0;
  for (const uint16_t word : words) sum += word;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// UDP without a checksum (allowed in IPv4), so that only addresses change from frame to frame.
std::vector<uint8_t> ComposeFrame(const load_config& config, const Options& options) {
  constexpr size_t kHeaders = sizeof(ethhdr) + sizeof(iphdr) + sizeof(udphdr);
  if (options.frame_bytes < kHeaders || options.frame_bytes > LOAD_MAX_FRAME_BYTES) {
    throw std::runtime_error("a frame has 42 to 1514 bytes");
  }
  std::vector<uint8_t> frame(options.frame_bytes);
  ethhdr eth = {};
  std::memcpy(eth.h_dest, config.gateway_mac, 6);
  std::memcpy(eth.h_source, config.client_mac, 6);
  eth.h_proto = htons(ETH_P_IP);
  iphdr ip = {};
  ip.version = 4;
  ip.ihl = 5;
  ip.tot_len = htons(static_cast<uint16_t>(frame.size() - sizeof(eth)));
  ip.frag_off = htons(0x4000);
  ip.ttl = 64;
  ip.protocol = IPPROTO_UDP;
  ip.saddr = htonl(config.client_first);
  ip.daddr = htonl(config.server);
  ip.check = IpChecksum(ip);
  udphdr udp = {};
  udp.source = htons(kSourcePort);
  udp.dest = htons(options.port);
  udp.len = htons(static_cast<uint16_t>(frame.size() - sizeof(eth) - sizeof(ip)));
  std::memcpy(frame.data(), &eth, sizeof(eth));
  std::memcpy(frame.data() + sizeof(eth), &ip, sizeof(ip));
  std::memcpy(frame.data() + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
  return frame;
}

// By a packet socket, a few frames each millisecond: nothing that a ring could not hold.
uint64_t SendPaced(const load_config& config, const load_flow& flow, const Options& options) {
  tools::PacketSocket socket(options.interface);
  std::vector<uint8_t> frame = ComposeFrame(config, options);
  const auto begin = Clock::now();
  uint64_t sent = 0;
  while (!tools::StopAsked() && Since(begin) < options.seconds) {
    const auto due = static_cast<uint64_t>(Since(begin) * options.rate);
    for (uint32_t burst = 0; sent < due && burst < 64; burst++) {
      iphdr ip;
      std::memcpy(&ip, frame.data() + sizeof(ethhdr), sizeof(ip));
      const uint64_t client = sent * flow.client_stride % flow.client_count;
      ip.saddr = htonl(flow.client_first + static_cast<uint32_t>(client));
      ip.check = 0;
      ip.check = IpChecksum(ip);
      std::memcpy(frame.data() + sizeof(ethhdr), &ip, sizeof(ip));
      if (!socket.Send(frame.data(), frame.size())) break;
      sent++;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  return sent;
}

// A few frames go round and round, so that none is lost at a full ring: that is left to the
// slowest on their way.
class Circle {
 public:
  explicit Circle(const Options& options)
      : options_(options),
        programs_(options),
        socket_(options.to),
        frame_(ComposeFrame(programs_.Config(), options)) {}

  nlohmann::json Go() {
    programs_.Attach("turn", options_.interface);
    const auto begin = Clock::now();
    Seed();
    auto moved = begin;
    while (!tools::StopAsked() && Since(begin) < options_.seconds) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const uint64_t turned = programs_.Counter(LOAD_received);
      if (turned != turned_) moved = Clock::now();
      if (Since(moved) > kStandstill_s) {
        Seed();
        moved = Clock::now();
      }
      turned_ = turned;
    }
    const double seconds = Since(begin);
    turned_ = programs_.Counter(LOAD_received);
    programs_.StopBeginning();
    return {{"received", turned_},
            {"seconds", seconds},
            {"per_second", static_cast<double>(turned_) / seconds},
            {"seeded", seeded_},
            {"clients", options_.clients},
            {"frame_bytes", options_.frame_bytes}};
  }

 private:
  void Seed() {
    for (uint32_t i = 0; i < options_.in_flight; i++) {
      seeded_ += socket_.Send(frame_.data(), frame_.size());
    }
  }

  const Options& options_;
  Programs programs_;
  tools::PacketSocket socket_;
  std::vector<uint8_t> frame_;
  uint64_t turned_ = 0;
  uint64_t seeded_ = 0;
};

}  // namespace

nlohmann::json RunCircle(const Options& options) {
  tools::CatchStop();
  return Circle(options).Go();
}

nlohmann::json RunForward(const Options& options) {
  tools::CatchStop();
  const auto begin = Clock::now();
  uint64_t sent = 0;
  if (options.rate > 0) {
    sent = SendPaced(ConfigOf(options), FlowOf(options), options);
  } else {
    Programs programs(options);
    const std::vector<uint8_t> frame = ComposeFrame(programs.Config(), options);
    while (!tools::StopAsked() && Since(begin) < options.seconds) {
      programs.RunLive("push", options.interface, frame, kLiveFrames);
      sent = programs.Counter(LOAD_pushed);
      if (options.count && sent >= options.count) break;
    }
  }
  const double seconds = Since(begin);
  return {{"sent", sent},
          {"seconds", seconds},
          {"per_second", static_cast<double>(sent) / seconds},
          {"clients", options.clients},
          {"frame_bytes", options.frame_bytes}};
}

nlohmann::json RunAttached(const Options& options, const char* program) {
  tools::CatchStop();
  Programs programs(options);
  programs.Attach(program, options.interface);
  std::puts("ready");
  std::fflush(stdout);
  while (!tools::StopAsked()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return {{"received", programs.Counter(LOAD_received)}};
}

}  // namespace narthex::load
