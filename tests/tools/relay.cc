// SPDX-License-Identifier: Apache-2.0
// A long or bad cable between two interfaces: every frame takes its time, and it loses, doubles,
// delays and damages frames by a seeded chance, each direction on its own.
//
//   relay --a IF --b IF [--delay MS] [--loss %] [--duplicate %] [--reorder %] [--corrupt %]
//         [--seed N] --seconds N --report FILE
//
// Prints "ready", runs until SIGTERM or for the given time at most, and writes what it did as
// JSON. SIGUSR1 mends the cable. A frame that is "reordered" is held for 2 to 20 ms, in which
// others overtake it; damage is one flipped bit anywhere in the frame.
#include <getopt.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "packet_socket.h"

namespace narthex::tools {
namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t mended = 0;

constexpr size_t kFrameBytes = 65536;
constexpr int kBurst = 64;
constexpr int kShortestDelay_ms = 2;
constexpr int kLongestDelay_ms = 20;
constexpr std::chrono::milliseconds kLongestWait(100);

struct Options {
  std::string a;
  std::string b;
  std::string report;
  double delay_ms = 0;
  double loss_percent = 0;
  double duplicate_percent = 0;
  double reorder_percent = 0;
  double corrupt_percent = 0;
  unsigned seed = 1;
  int seconds = 0;
};

struct Counts {
  uint64_t received = 0;
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t corrupted = 0;
  uint64_t refused = 0;  // by the interface: not by chance
};

class Direction {
 public:
  Direction(PacketSocket& from, PacketSocket& to, const Options& options, unsigned seed)
      : from_(from), to_(to), options_(options), random_(seed) {}

  void Forward() {
    uint8_t frame[kFrameBytes];
    for (int i = 0; i < kBurst; i++) {
      const size_t bytes = from_.Receive(frame, sizeof(frame));
      if (bytes == 0) return;
      counts_.received++;
      Treat(frame, bytes);
    }
  }

  void ReleaseHeld(Clock::time_point now) {
    while (!held_.empty() && held_.front().due <= now) {
      Send(held_.front().frame.data(), held_.front().frame.size());
      held_.pop_front();
    }
  }

  // Until a held frame is due, at most `longest`.
  std::chrono::nanoseconds Wait(Clock::time_point now, std::chrono::nanoseconds longest) const {
    if (held_.empty()) return longest;
    return std::clamp<std::chrono::nanoseconds>(held_.front().due - now, {}, longest);
  }

  const Counts& GetCounts() const { return counts_; }

 private:
  struct Held {
    Clock::time_point due;
    std::vector<uint8_t> frame;
  };

  bool Chance(double percent) {
    return percent > 0 && !mended &&
           std::uniform_real_distribution<double>(0, 100)(random_) < percent;
  }

  int Pick(int first, int last) { return std::uniform_int_distribution<int>(first, last)(random_); }

  void Treat(uint8_t* frame, size_t bytes) {
    if (Chance(options_.loss_percent)) {
      counts_.lost++;
      return;
    }
    if (Chance(options_.corrupt_percent)) {
      counts_.corrupted++;
      const int bit = Pick(0, static_cast<int>(bytes) * 8 - 1);
      frame[bit / 8] = static_cast<uint8_t>(frame[bit / 8] ^ 1 << bit % 8);
    }
    if (Chance(options_.duplicate_percent)) {
      counts_.duplicated++;
      Pass(frame, bytes);
    }
    if (Chance(options_.reorder_percent)) {
      counts_.reordered++;
      Hold(frame, bytes, options_.delay_ms + Pick(kShortestDelay_ms, kLongestDelay_ms));
      return;
    }
    Pass(frame, bytes);
  }

  void Pass(const uint8_t* frame, size_t bytes) {
    if (options_.delay_ms > 0)
      Hold(frame, bytes, options_.delay_ms);
    else
      Send(frame, bytes);
  }

  void Hold(const uint8_t* frame, size_t bytes, double ms) {
    const auto due = Clock::now() + std::chrono::nanoseconds(static_cast<int64_t>(ms * 1e6));
    auto place = held_.end();  // nearly always the last
    while (place != held_.begin() && std::prev(place)->due > due) --place;
    held_.insert(place, {due, {frame, frame + bytes}});
  }

  void Send(const uint8_t* frame, size_t bytes) {
    if (!to_.Send(frame, bytes)) counts_.refused++;
  }

  PacketSocket& from_;
  PacketSocket& to_;
  const Options& options_;
  std::mt19937 random_;
  std::deque<Held> held_;  // by due time
  Counts counts_;
};

Options ParseOptions(int argc, char** argv) {
  static const option kLong[] = {
      {"a", required_argument, nullptr, 'a'},
      {"b", required_argument, nullptr, 'b'},
      {"delay", required_argument, nullptr, 'w'},
      {"loss", required_argument, nullptr, 'l'},
      {"duplicate", required_argument, nullptr, 'd'},
      {"reorder", required_argument, nullptr, 'r'},
      {"corrupt", required_argument, nullptr, 'c'},
      {"seed", required_argument, nullptr, 's'},
      {"seconds", required_argument, nullptr, 't'},
      {"report", required_argument, nullptr, 'o'},
      {nullptr, 0, nullptr, 0},
  };
  Options options;
  for (int found; (found = getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    switch (found) {
      case 'a':
        options.a = optarg;
        break;
      case 'b':
        options.b = optarg;
        break;
      case 'w':
        options.delay_ms = std::atof(optarg);
        break;
      case 'l':
        options.loss_percent = std::atof(optarg);
        break;
      case 'd':
        options.duplicate_percent = std::atof(optarg);
        break;
      case 'r':
        options.reorder_percent = std::atof(optarg);
        break;
      case 'c':
        options.corrupt_percent = std::atof(optarg);
        break;
      case 's':
        options.seed = static_cast<unsigned>(std::atoi(optarg));
        break;
      case 't':
        options.seconds = std::atoi(optarg);
        break;
      case 'o':
        options.report = optarg;
        break;
      default:
        std::exit(2);
    }
  }
  if (options.a.empty() || options.b.empty() || options.report.empty() || options.seconds <= 0) {
    std::fprintf(stderr, "relay: --a, --b, --seconds and --report are needed\n");
    std::exit(2);
  }
  return options;
}

void WriteCounts(std::FILE* file, const char* name, const Counts& counts) {
  std::fprintf(file,
               "\"%s\": {\"received\": %lu, \"lost\": %lu, \"duplicated\": %lu, "
               "\"reordered\": %lu, \"corrupted\": %lu, \"refused\": %lu}",
               name, counts.received, counts.lost, counts.duplicated, counts.reordered,
               counts.corrupted, counts.refused);
}

int Main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  PacketSocket a(options.a);
  PacketSocket b(options.b);
  Direction there(a, b, options, options.seed);
  Direction back(b, a, options, options.seed + 1);
  CatchStop();
  std::signal(SIGUSR1, [](int) { mended = 1; });
  std::puts("ready");
  std::fflush(stdout);

  pollfd ready[] = {{a.Descriptor(), POLLIN, 0}, {b.Descriptor(), POLLIN, 0}};
  const Clock::time_point end = Clock::now() + std::chrono::seconds(options.seconds);
  for (Clock::time_point now = Clock::now(); !StopAsked() && now < end; now = Clock::now()) {
    const auto wait = std::min(there.Wait(now, kLongestWait), back.Wait(now, kLongestWait));
    const timespec patience = {0, static_cast<long>(wait.count())};
    ppoll(ready, 2, &patience, nullptr);
    there.Forward();
    back.Forward();
    now = Clock::now();
    there.ReleaseHeld(now);
    back.ReleaseHeld(now);
  }

  std::FILE* file = std::fopen(options.report.c_str(), "w");
  if (!file) Fail(options.report);
  std::fprintf(file, "{");
  WriteCounts(file, "there", there.GetCounts());
  std::fprintf(file, ", ");
  WriteCounts(file, "back", back.GetCounts());
  std::fprintf(file, ", \"overlooked\": %u}\n", a.Overlooked() + b.Overlooked());
  return std::fclose(file) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace narthex::tools

int main(int argc, char** argv) { return narthex::tools::Main(argc, argv); }
