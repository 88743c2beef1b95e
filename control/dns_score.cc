// SPDX-License-Identifier: Apache-2.0
#include "control/dns_score.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace narthex {
namespace {

constexpr uint16_t kFirstPrivateType = 65280;  // RFC 6895 §3.1; iodine's default is one

bool IsOddType(uint16_t type) {
  return type == kDnsTxt || type == kDnsNull || type == kDnsAny || type >= kFirstPrivateType;
}

// Shannon, of the bytes' frequencies; letters of either case are one: resolvers may change it.
double EntropyBits(std::string_view text) {
  std::array<unsigned, 256> counts{};
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    ++counts[static_cast<uint8_t>(c)];
  }
  double bits = 0;
  for (unsigned count : counts) {
    if (count == 0) continue;
    double share = static_cast<double>(count) / static_cast<double>(text.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

std::string KeyText(const nx_key& client) {
  return std::string(reinterpret_cast<const char*>(&client), sizeof client);
}

}  // namespace

double CarriedBytes(const std::string& raw_name) {
  size_t dot = raw_name.rfind('.');
  if (dot == std::string::npos || dot == 0) return 0;
  dot = raw_name.rfind('.', dot - 1);
  if (dot == std::string::npos || dot == 0) return 0;
  std::string_view data(raw_name.data(), dot);
  return static_cast<double>(data.size()) * EntropyBits(data) / 8;
}

double TunnelPoints(const DnsQuestion& question) {
  double points = std::max(0.0, CarriedBytes(question.raw) - DnsScore::kOrdinaryBytes);
  return points + (IsOddType(question.type) ? DnsScore::kOddTypeBytes : 0);
}

double DnsScore::Add(const nx_key& client, const DnsQuestion& question, int64_t now_ns) {
  std::string key = KeyText(client);
  auto found = clients_.find(key);
  if (found == clients_.end()) {
    if (clients_.size() >= kMaxClients) {
      clients_.erase(order_.back().key);
      order_.pop_back();
    }
    order_.push_front({.key = key, .score = 0, .at_ns = now_ns, .recent = {}, .next = 0});
    found = clients_.emplace(std::move(key), order_.begin()).first;
  } else {
    order_.splice(order_.begin(), order_, found->second);
  }
  Client& one = *found->second;
  double passed_s = static_cast<double>(now_ns - one.at_ns) / 1e9;
  one.score = std::max(0.0, one.score - std::max(0.0, passed_s) * kDrainPerSecond);
  one.at_ns = now_ns;
  size_t hash = std::hash<std::string>()(question.name) * 31 + question.type;
  if (std::find(one.recent.begin(), one.recent.end(), hash) != one.recent.end()) return one.score;
  one.recent[one.next++ % one.recent.size()] = hash;
  one.score = std::min(kMost, one.score + TunnelPoints(question));
  return one.score;
}

void DnsScore::Forget(const nx_key& client) {
  auto found = clients_.find(KeyText(client));
  if (found == clients_.end()) return;
  order_.erase(found->second);
  clients_.erase(found);
}

}  // namespace narthex
