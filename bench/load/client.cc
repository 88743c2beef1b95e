// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <arpa/inet.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "programs.h"
#include "response_check.h"
#include "tests/tools/frames.h"
#include "tests/tools/packet_socket.h"

namespace narthex::load {
namespace {

using Clock = std::chrono::steady_clock;
using tools::PacketSocket;

constexpr auto kPoll = std::chrono::milliseconds(5);
constexpr auto kProgress = std::chrono::seconds(1);
constexpr std::string_view kMss1460("\x02\x04\x05\xb4", 4);

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The slots' first SYNs, and those of slots that stand still.
class Seeder {
 public:
  Seeder(Programs& programs, const Options& options)
      : programs_(programs),
        socket_(options.interface),
        timeout_s_(options.timeout_s),
        watched_(programs.Config().slots) {}

  void SeedAll() {
    for (uint32_t i = 0; i < programs_.Config().slots; i++) {
      programs_.Slots()[i].serial = programs_.Config().first_serial - 1;
      Begin(i);
    }
  }

  // Counts connections that stood still for the time-out, and begins others in their place.
  void ReplaceStalled(bool begin) {
    for (uint32_t i = 0; i < watched_.size(); i++) {
      const volatile load_slot& slot = programs_.Slots()[i];
      Watched& watched = watched_[i];
      if (slot.state == LOAD_IDLE) continue;
      if (slot.serial != watched.serial || slot.state != watched.state) {
        watched = {slot.serial, slot.state, Clock::now()};
      } else if (Since(watched.since) > timeout_s_) {
        incomplete_++;
        programs_.Slots()[i].state = LOAD_IDLE;
        if (begin && slot.serial < programs_.Config().last_serial) Begin(i);
      }
    }
  }

  bool Busy() const {
    for (uint32_t i = 0; i < watched_.size(); i++) {
      const volatile load_slot& slot = programs_.Slots()[i];
      if (slot.state != LOAD_IDLE) return true;
    }
    return false;
  }

  uint64_t Begun() const { return begun_; }
  uint64_t Incomplete() const { return incomplete_; }

 private:
  struct Watched {
    uint64_t serial = 0;
    uint8_t state = LOAD_IDLE;
    Clock::time_point since;
  };

  // As `begin` of load.bpf.c does; the program leaves an idle slot alone.
  void Begin(uint32_t index) {
    const load_config& config = programs_.Config();
    load_slot& slot = programs_.Slots()[index];
    const uint64_t serial = slot.serial + 1;
    const uint64_t rounds = (65536 - LOAD_FIRST_PORT) / config.slots;
    slot.serial = serial;
    slot.client =
        static_cast<uint32_t>(config.client_first + (serial * config.slots + index) *
                                                        config.client_stride % config.client_count);
    slot.port = static_cast<uint16_t>(LOAD_FIRST_PORT + index + config.slots * (serial % rounds));
    slot.isn = static_cast<uint32_t>(serial * LOAD_SEQUENCES);
    slot.bytes = 0;
    slot.wrong = 0;
    watched_[index] = {serial, LOAD_SYN_SENT, Clock::now()};
    __atomic_store_n(&slot.state, LOAD_SYN_SENT, __ATOMIC_RELEASE);
    begun_++;
    uint8_t frame[tools::kMaxFrameBytes];
    socket_.Send(frame, ComposeSyn(slot, frame));
  }

  size_t ComposeSyn(const load_slot& slot, uint8_t* frame) const {
    const load_config& config = programs_.Config();
    tools::Ends ends = {};
    std::memcpy(ends.client_mac.data(), config.client_mac, 6);
    std::memcpy(ends.gateway_mac.data(), config.gateway_mac, 6);
    const uint32_t server = htonl(config.server), client = htonl(slot.client);
    std::memcpy(ends.server4.data(), &server, 4);
    ends.server_port = config.server_port;
    tools::Client from = {false, {}, slot.port};
    std::memcpy(from.address.data(), &client, 4);
    const tools::Segment syn = {tools::kSyn, slot.isn, 0, 65535, kMss1460, ""};
    return tools::Compose(ends, from, syn, frame);
  }

  Programs& programs_;
  PacketSocket socket_;
  double timeout_s_;
  std::vector<Watched> watched_;
  uint64_t begun_ = 0;
  uint64_t incomplete_ = 0;
};

// The flood's beginning and, in an open loop, all of it.
class Flood {
 public:
  Flood(Programs& programs, const Options& options)
      : programs_(programs), options_(options), frame_(LOAD_HEADER_BYTES + 4) {}

  void Begin() { programs_.RunLive("flood", options_.interface, frame_, options_.flood_in_flight); }

  // Frames that the gateway dropped are made good; a closed loop would run dry.
  void GoOn() {
    constexpr uint32_t kOpenLoopFrames = 100000;
    if (options_.open_loop) {
      programs_.RunLive("flood", options_.interface, frame_, kOpenLoopFrames);
      return;
    }
    const uint64_t sent = programs_.Counter(LOAD_flood_sent);
    if (sent == sent_) Begin();
    sent_ = sent;
  }

 private:
  Programs& programs_;
  const Options& options_;
  std::vector<uint8_t> frame_;
  uint64_t sent_ = 0;
};

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        programs_(options),
        seeder_(programs_, options),
        check_(options.status, options.partial_checksums) {}

  nlohmann::json Go(bool flood) {
    Flood syns(programs_, options_);
    programs_.Attach("client", options_.interface);
    tools::CatchStop();
    begin_ = Clock::now();
    seeder_.SeedAll();
    if (flood) syns.Begin();
    while (!Enough()) {
      if (flood) syns.GoOn();
      Step(true);
    }
    const double seconds = Since(begin_);
    const uint64_t completed = programs_.Counter(LOAD_completed);
    const uint64_t flooded = programs_.Counter(LOAD_flood_sent);
    programs_.StopBeginning();
    while (seeder_.Busy()) Step(false);
    Step(false);  // the last responses
    nlohmann::json figures = Figures();
    figures["seconds"] = seconds;
    figures["per_second"] = static_cast<double>(completed) / seconds;
    if (flood) figures["flood_per_second"] = static_cast<double>(flooded) / seconds;
    return figures;
  }

 private:
  bool Enough() const {
    if (tools::StopAsked() || Since(begin_) >= options_.seconds) return true;
    return options_.count && !seeder_.Busy();
  }

  void Step(bool begin) {
    if (options_.verify) {
      programs_.TakeResponses([this](const load_segment& segment) {
        check_.Take({segment.frame, segment.bytes});
      });
    }
    seeder_.ReplaceStalled(begin);
    if (!options_.quiet && Clock::now() - told_ > kProgress) {
      told_ = Clock::now();
      std::fprintf(stderr, "%.0f s: %llu completed\n", Since(begin_),
                   static_cast<unsigned long long>(programs_.Counter(LOAD_completed)));
    }
    std::this_thread::sleep_for(options_.verify ? std::chrono::milliseconds(1) : kPoll);
  }

  nlohmann::json Figures() {
    nlohmann::json figures;
#define X(name, words) figures[#name] = programs_.Counter(LOAD_##name);
    LOAD_COUNTERS(X)
#undef X
    figures["begun"] = programs_.Counter(LOAD_begun) + seeder_.Begun();
    figures["incomplete"] = seeder_.Incomplete();
    figures["clients"] = options_.clients;
    figures["in_flight"] = options_.in_flight;
    figures["request_bytes"] = programs_.Config().request_bytes;
    if (!options_.verify) return figures;
    figures["verified"] = check_.Verified();
    figures["wrong"] = std::max(programs_.Counter(LOAD_wrong), check_.Wrong());
    figures["faults"] = check_.Faults();
    figures["sample"] = check_.Sample();
    return figures;
  }

  const Options& options_;
  Programs programs_;
  Seeder seeder_;
  ResponseCheck check_;
  Clock::time_point begin_;
  Clock::time_point told_ = Clock::now();
};

}  // namespace

nlohmann::json RunTransactions(const Options& options) { return Run(options).Go(false); }

nlohmann::json RunSynFlood(const Options& options) { return Run(options).Go(true); }

}  // namespace narthex::load
