// SPDX-License-Identifier: Apache-2.0
// Attacks on a gateway, from the client's end of a link, bounded in number, rate and time.
//
//   flood KIND --interface IF --count N --rate PER_SECOND --seconds N --report FILE
//         [--client-mac M --gateway-mac M] [--pool4 A.B.C.] [--prefix6 P::] [--frames FILE]
//         [--clients N]
//
//   syn          SYNs from random sources, one in 64 from outside the zone; half of them bare
//   forged       ACK+GET with random acknowledgement numbers: guesses at a cookie
//   forged-one   the same, all from one address
//   slowloris    real handshakes, then half a request, then a byte now and then
//   zero-window  real handshakes, then the whole request with window 0
//   replay       the frames of a file (16-bit length before each) over and over
//
// Clients are IPv4 (last byte 100 to 249) and IPv6 (something in the seventh group), half and
// half; of slowloris and zero-window, if --clients says so, N IPv4 addresses alone. Prints "ready",
// then sends; writes what it sent, and heard in answer to its handshakes, as JSON.
#include <arpa/inet.h>
#include <getopt.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "frames.h"
#include "packet_socket.h"

namespace narthex::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBatch = 32;
constexpr unsigned kFirst4 = 100, kLast4 = 249;
constexpr std::string_view kRequest =
    "GET /captive-portal-check HTTP/1.1\r\nHost: api.example.test\r\nUser-Agent: flood\r\n\r\n";
constexpr std::string_view kHalfRequest = "GET / HTTP/1.1\r\nHost: a\r\nX-Padding: ";
// As Linux sends them: MSS, SACK permitted, timestamps, window scale.
constexpr std::string_view kSynOptions("\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\1\0\0\0\0\1\3\3\7",
                                       20);

struct Options {
  std::string kind;
  std::string interface;
  std::string report;
  std::string frames;
  std::string pool4 = "10.71.1.";
  std::string prefix6 = "2001:db8:71:1::";
  Ends ends = {{2, 0x4e, 0x58, 0, 2, 2}, {2, 0x4e, 0x58, 0, 2, 1}, {}, {}, 80};
  uint64_t count = 0;
  double rate = 0;
  int seconds = 0;
  unsigned clients = 0;
};

struct Totals {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t refused = 0;  // by the interface
  uint64_t syn_acks = 0, resets = 0, data = 0, acks = 0;
};

// Sends in batches, and no faster than asked for: a veth ring holds 256 frames.
class Pacer {
 public:
  Pacer(PacketSocket& socket, const Options& options, Totals& totals)
      : socket_(socket), options_(options), totals_(totals), began_(Clock::now()) {}

  uint8_t* Next() { return frames_[used_]; }

  void Add(size_t bytes) {
    vectors_[used_] = {frames_[used_], bytes};
    if (++used_ == kBatch) Flush();
  }

  void Flush() {
    mmsghdr messages[kBatch] = {};
    for (size_t i = 0; i < used_; i++) {
      messages[i].msg_hdr.msg_iov = &vectors_[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (size_t done = 0; done < used_;) {
      const int sent =
          sendmmsg(socket_.Descriptor(), messages + done, static_cast<unsigned>(used_ - done), 0);
      const size_t taken = sent > 0 ? static_cast<size_t>(sent) : 0;
      for (size_t i = done; i < done + taken; i++) totals_.bytes += vectors_[i].iov_len;
      totals_.packets += taken;
      done += taken;
      if (taken == 0) {
        totals_.refused++;
        done++;
      }
    }
    used_ = 0;
    Wait();
  }

  bool TimeIsUp() const {
    return StopAsked() || Clock::now() - began_ > std::chrono::seconds(options_.seconds);
  }

  double Seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

 private:
  // Lost time is not made up for by more than a few batches, and a full ring is given time: the
  // others on the link shall meet a flood, not a full cable.
  void Wait() {
    constexpr double kLongestBehind_batches = 3;
    const double now = Seconds();
    due_ += static_cast<double>(kBatch) / options_.rate;
    due_ = std::max(due_, now - kLongestBehind_batches * kBatch / options_.rate);
    if (totals_.refused != refused_before_) due_ = now + 1e-3;
    refused_before_ = totals_.refused;
    if (due_ - now > 60e-6) std::this_thread::sleep_for(std::chrono::duration<double>(due_ - now));
  }

  PacketSocket& socket_;
  const Options& options_;
  Totals& totals_;
  const Clock::time_point began_;
  uint8_t frames_[kBatch][kMaxFrameBytes];
  iovec vectors_[kBatch] = {};
  size_t used_ = 0;
  double due_ = 0;
  uint64_t refused_before_ = 0;
};

class Flood {
 public:
  explicit Flood(const Options& options)
      : options_(options), socket_(options.interface), random_(0x511) {
    Parse(AF_INET, options.pool4 + "0", pool4_.data());
    Parse(AF_INET6, options.prefix6, prefix6_.data());
  }

  void Run() {
    Pacer pacer(socket_, options_, totals_);
    if (options_.kind == "syn") {
      SendSyns(pacer);
    } else if (options_.kind == "forged" || options_.kind == "forged-one") {
      SendForged(pacer, options_.kind == "forged-one");
    } else if (options_.kind == "replay") {
      Replay(pacer);
    } else if (options_.kind == "slowloris" || options_.kind == "zero-window") {
      Connect(pacer);
    } else {
      std::fprintf(stderr, "flood: unknown kind %s\n", options_.kind.c_str());
      std::exit(2);
    }
    pacer.Flush();
    seconds_ = pacer.Seconds();
  }

  void Report() {
    std::FILE* file = std::fopen(options_.report.c_str(), "w");
    if (!file) Fail(options_.report);
    std::fprintf(file,
                 "{\"packets\": %lu, \"bytes\": %lu, \"refused\": %lu, \"seconds\": %.3f, "
                 "\"syn_acks\": %lu, \"resets\": %lu, \"data\": %lu, \"acks\": %lu}\n",
                 totals_.packets, totals_.bytes, totals_.refused, seconds_, totals_.syn_acks,
                 totals_.resets, totals_.data, totals_.acks);
    if (std::fclose(file) != 0) Fail(options_.report);
  }

 private:
  struct Connection {
    Client client;
    uint32_t next;   // our sequence number
    uint32_t heard;  // of the gateway's
    bool open = false;
  };

  static void Parse(int family, const std::string& text, uint8_t* to) {
    if (inet_pton(family, text.c_str(), to) != 1) {
      std::fprintf(stderr, "flood: %s is no address\n", text.c_str());
      std::exit(2);
    }
  }

  Client RandomClient() {
    const uint32_t bits = random_();
    Client client = {};
    client.ipv6 = bits & 1;
    client.port = static_cast<uint16_t>(1024 + (bits >> 16) % 60000);
    const bool outside = (bits >> 1 & 63) == 0;
    if (client.ipv6) {
      client.address = prefix6_;
      if (outside) client.address[7] = 0x99;
      for (size_t i = 8; i < 16; i += 4) {
        const uint32_t part = random_();
        std::memcpy(&client.address[i], &part, 4);
      }
      client.address[12] |= 1;  // the seventh group is not empty
    } else {
      std::copy(pool4_.begin(), pool4_.end(), client.address.begin());
      if (outside) client.address[1] = 99;
      client.address[3] = static_cast<uint8_t>(kFirst4 + (bits >> 8) % (kLast4 - kFirst4 + 1));
    }
    return client;
  }

  void SendSyns(Pacer& pacer) {
    for (uint64_t i = 0; i < options_.count && !pacer.TimeIsUp(); i++) {
      const Segment syn = {kSyn,  static_cast<uint32_t>(random_()),         0,
                           65535, i % 2 ? kSynOptions : std::string_view(), ""};
      pacer.Add(Compose(options_.ends, RandomClient(), syn, pacer.Next()));
    }
  }

  void SendForged(Pacer& pacer, bool one) {
    const Client fixed = FixedClient();
    for (uint64_t i = 0; i < options_.count && !pacer.TimeIsUp(); i++) {
      const Client client = one ? fixed : RandomClient();
      const Segment guess = {kPsh | kAck,
                             static_cast<uint32_t>(random_()),
                             static_cast<uint32_t>(random_()),
                             65535,
                             "",
                             kRequest};
      pacer.Add(Compose(options_.ends, client, guess, pacer.Next()));
    }
  }

  Client FixedClient() const {
    Client client = {};
    std::copy(pool4_.begin(), pool4_.end(), client.address.begin());
    client.address[3] = kFirst4;
    client.port = 4000;
    return client;
  }

  void Replay(Pacer& pacer) {
    std::ifstream file(options_.frames, std::ios::binary);
    std::vector<std::string> frames;
    for (char length[2]; file.read(length, 2);) {
      const size_t bytes = static_cast<size_t>(static_cast<uint8_t>(length[0])) << 8 |
                           static_cast<uint8_t>(length[1]);
      std::string frame(bytes, '\0');
      if (bytes > kMaxFrameBytes || !file.read(frame.data(), static_cast<std::streamsize>(bytes))) {
        break;
      }
      frames.push_back(frame);
    }
    if (frames.empty()) Fail(options_.frames);
    for (uint64_t i = 0; i < options_.count && !pacer.TimeIsUp(); i++) {
      const std::string& frame = frames[i % frames.size()];
      std::memcpy(pacer.Next(), frame.data(), frame.size());
      pacer.Add(frame.size());
    }
  }

  // Opens `count` connections, then says half of what a request needs, or all but opens no window.
  void Connect(Pacer& pacer) {
    connections_.resize(options_.count);
    for (uint64_t i = 0; i < options_.count; i++) {
      Connection& connection = connections_[i];
      connection.client = RandomClientInside(i);
      connection.next = static_cast<uint32_t>(random_());
      index_[KeyOf(connection.client)] = i;
    }
    // Three tries, as a client's kernel would repeat its SYN.
    for (int attempt = 0; attempt < 3; attempt++) {
      for (Connection& connection : connections_) {
        if (connection.open || pacer.TimeIsUp()) continue;
        const Segment syn = {kSyn, connection.next, 0, 65535, kSynOptions, ""};
        pacer.Add(Compose(options_.ends, connection.client, syn, pacer.Next()));
        Listen(pacer, 0);
      }
      pacer.Flush();
      Listen(pacer, 100);
    }
    while (options_.kind == "slowloris" && !pacer.TimeIsUp()) Drip(pacer);
    pacer.Flush();
    Listen(pacer, 100);
  }

  // One byte more on each connection.
  void Drip(Pacer& pacer) {
    for (Connection& connection : connections_) {
      if (!connection.open || pacer.TimeIsUp()) continue;
      const Segment drop = {kPsh | kAck, connection.next++, connection.heard, 65535, "", "a"};
      pacer.Add(Compose(options_.ends, connection.client, drop, pacer.Next()));
      Listen(pacer, 0);
    }
  }

  Client RandomClientInside(uint64_t i) {
    Client client = FixedClient();
    if (options_.clients) {
      client.address[3] = static_cast<uint8_t>(kFirst4 + i % options_.clients);
      client.port = static_cast<uint16_t>(1024 + i / options_.clients);
      return client;
    }
    client.ipv6 = i & 1;
    client.port = static_cast<uint16_t>(1024 + i / 300);
    if (client.ipv6) {
      client.address = prefix6_;
      client.address[12] = 1;
      client.address[14] = static_cast<uint8_t>(i >> 8);
      client.address[15] = static_cast<uint8_t>(i);
      client.port = static_cast<uint16_t>(1024 + i % 60000);
    } else {
      client.address[3] = static_cast<uint8_t>(kFirst4 + i / 2 % (kLast4 - kFirst4 + 1));
    }
    return client;
  }

  static std::string KeyOf(const Client& client) {
    return std::string(reinterpret_cast<const char*>(client.address.data()), 16) +
           std::to_string(client.port);
  }

  // Takes in what is there, and what comes within the given time.
  void Listen(Pacer& pacer, int milliseconds) {
    const auto end = Clock::now() + std::chrono::milliseconds(milliseconds);
    pollfd ready = {socket_.Descriptor(), POLLIN, 0};
    uint8_t frame[65536];
    do {
      poll(&ready, 1, milliseconds);
      while (const size_t bytes = socket_.Receive(frame, sizeof(frame))) {
        Heard heard;
        if (!Dissect(frame, bytes, heard)) continue;
        const auto found = index_.find(KeyOf(heard.client));
        if (found != index_.end()) Answer(pacer, connections_[found->second], heard);
      }
    } while (Clock::now() < end);
  }

  void Answer(Pacer& pacer, Connection& connection, const Heard& heard) {
    if (heard.payload_bytes) {
      totals_.data++;
    } else if (heard.flags & kRst) {
      totals_.resets++;
    } else if (heard.flags == (kSyn | kAck)) {
      totals_.syn_acks++;
      if (connection.open) return;
      connection.open = true;
      connection.heard = heard.sequence + 1;
      connection.next++;
      const bool slow = options_.kind == "slowloris";
      const std::string_view words = slow ? kHalfRequest : kRequest;
      const Segment request = {kPsh | kAck,
                               connection.next,
                               connection.heard,
                               static_cast<uint16_t>(slow ? 65535 : 0),
                               "",
                               words};
      connection.next += static_cast<uint32_t>(words.size());
      pacer.Add(Compose(options_.ends, connection.client, request, pacer.Next()));
    } else {
      totals_.acks++;
    }
  }

  const Options& options_;
  PacketSocket socket_;
  std::mt19937 random_;
  std::array<uint8_t, 4> pool4_;
  std::array<uint8_t, 16> prefix6_;
  Totals totals_;
  double seconds_ = 0;
  std::vector<Connection> connections_;
  std::map<std::string, uint64_t> index_;
};

std::array<uint8_t, 6> ParseMac(const char* text) {
  std::array<uint8_t, 6> mac = {};
  if (std::sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
                  &mac[4], &mac[5]) != 6) {
    std::fprintf(stderr, "flood: %s is no MAC address\n", text);
    std::exit(2);
  }
  return mac;
}

Options ParseOptions(int argc, char** argv) {
  static const option kLong[] = {
      {"interface", required_argument, nullptr, 'i'},
      {"count", required_argument, nullptr, 'n'},
      {"rate", required_argument, nullptr, 'r'},
      {"seconds", required_argument, nullptr, 't'},
      {"report", required_argument, nullptr, 'o'},
      {"frames", required_argument, nullptr, 'f'},
      {"client-mac", required_argument, nullptr, 'c'},
      {"gateway-mac", required_argument, nullptr, 'g'},
      {"pool4", required_argument, nullptr, '4'},
      {"prefix6", required_argument, nullptr, '6'},
      {"clients", required_argument, nullptr, 'k'},
      {nullptr, 0, nullptr, 0},
  };
  Options options;
  inet_pton(AF_INET, "198.51.100.10", options.ends.server4.data());
  inet_pton(AF_INET6, "2001:db8:100::10", options.ends.server6.data());
  for (int found; (found = getopt_long(argc, argv, "", kLong, nullptr)) != -1;) {
    switch (found) {
      case 'i':
        options.interface = optarg;
        break;
      case 'n':
        options.count = std::strtoull(optarg, nullptr, 10);
        break;
      case 'r':
        options.rate = std::atof(optarg);
        break;
      case 't':
        options.seconds = std::atoi(optarg);
        break;
      case 'o':
        options.report = optarg;
        break;
      case 'f':
        options.frames = optarg;
        break;
      case 'c':
        options.ends.client_mac = ParseMac(optarg);
        break;
      case 'g':
        options.ends.gateway_mac = ParseMac(optarg);
        break;
      case '4':
        options.pool4 = optarg;
        break;
      case '6':
        options.prefix6 = optarg;
        break;
      case 'k':
        options.clients = static_cast<unsigned>(std::atoi(optarg));
        break;
      default:
        std::exit(2);
    }
  }
  if (optind + 1 != argc || options.interface.empty() || options.report.empty() ||
      options.count == 0 || options.rate <= 0 || options.seconds <= 0 ||
      options.clients > kLast4 - kFirst4 + 1) {
    std::fprintf(stderr,
                 "flood: KIND, --interface, --count, --rate, --seconds and --report are needed\n");
    std::exit(2);
  }
  options.kind = argv[optind];
  return options;
}

}  // namespace
}  // namespace narthex::tools

int main(int argc, char** argv) {
  using namespace narthex::tools;
  const Options options = ParseOptions(argc, argv);
  Flood flood(options);
  CatchStop();
  std::puts("ready");
  std::fflush(stdout);
  flood.Run();
  flood.Report();
  return 0;
}
