// SPDX-License-Identifier: Apache-2.0
// Finds tunnels in the questions of clients that have not logged in. A tunnel carries its data up
// in the names that it asks for: long, without a repetition, of many different characters; and
// down in TXT and NULL records, which no browser asks for.
//
// The score of a client is the number of bytes that its names could have carried beyond what
// ordinary names do, and drains steadily (a leaky bucket):
//
//   carried = (characters left of the last two labels) x (their entropy in bits) / 8
//   score += carried beyond kOrdinaryBytes, and kOddTypeBytes for TXT, NULL and private types
//   score -= kDrainPerSecond a second; a question repeated is not counted again
//
// The longest names of CDNs carry about 30 bytes; a tunnel's 60 to 150. Whoever stays below the
// drain moves less than a modem of 1962 did.
//
// Not thread-safe. Bounded: the clients seen longest ago go first.
#ifndef NARTHEX_CONTROL_DNS_SCORE_H
#define NARTHEX_CONTROL_DNS_SCORE_H

#include <array>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "bpf/abi.h"
#include "control/dns_message.h"

namespace narthex {

// Bytes that a name could have carried.
double CarriedBytes(const std::string& raw_name);
// What one question adds to a score.
double TunnelPoints(const DnsQuestion& question);

class DnsScore {
 public:
  static constexpr double kOrdinaryBytes = 20;
  static constexpr double kOddTypeBytes = 24;
  static constexpr double kDrainPerSecond = 32;
  static constexpr double kMost = 1e6;
  static constexpr size_t kMaxClients = 8192;

  // The client's score with this question.
  double Add(const nx_key& client, const DnsQuestion& question, int64_t now_ns);
  void Forget(const nx_key& client);
  size_t clients() const { return clients_.size(); }

 private:
  struct Client {
    std::string key;
    double score = 0;
    int64_t at_ns = 0;
    std::array<size_t, 8> recent{};  // hashes of questions
    size_t next = 0;
  };
  std::list<Client> order_;  // seen last comes first
  std::unordered_map<std::string, std::list<Client>::iterator> clients_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_DNS_SCORE_H
