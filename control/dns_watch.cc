// SPDX-License-Identifier: Apache-2.0
#include "control/dns_watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

namespace narthex {
namespace {

// "10.51.1.2", "2001:db8:51:1::/64"
std::string ClientText(const nx_key& client) {
  Prefix prefix;
  std::memcpy(prefix.base.bytes.data(), client.addr, sizeof client.addr);
  prefix.bits = client.prefix_len;
  return prefix.bits == 128 ? prefix.base.ToString() : prefix.ToString();
}

nx_dns_rules RulesOf(const ZoneConfig& zone) {
  nx_dns_rules rules{};
  rules.learn = !zone.garden_names.empty();
  rules.discipline = zone.dns.mode == DnsMode::kOff       ? NX_DNS_OFF
                     : zone.dns.mode == DnsMode::kObserve ? NX_DNS_OBSERVE
                                                          : NX_DNS_ENFORCE;
  rules.max_label = zone.dns.max_label;
  rules.max_name = zone.dns.max_name;
  rules.max_answer = zone.dns.max_answer;
  return rules;
}

}  // namespace

Outcome DnsWatch::Apply(const std::vector<ZoneConfig>& zones) {
  if (auto applied = garden_.Apply(zones); !applied) return applied;
  std::lock_guard lock(mutex_);
  zones_.clear();
  for (const ZoneConfig& zone : zones) zones_[zone.id] = {zone.name, zone.dns};
  for (uint16_t id = 1; id <= NX_MAX_ZONES; ++id) {
    auto zone = std::find_if(zones.begin(), zones.end(),
                             [&](const ZoneConfig& one) { return one.id == id; });
    table_.SetRules(id, zone == zones.end() ? nx_dns_rules{} : RulesOf(*zone));
  }
  return {};
}

void DnsWatch::Answer(const nx_dns_answer& answer) {
  DnsAnswer read;
  garden_.Count(Learning::kAnswers);
  size_t bytes = std::min<size_t>(answer.bytes, sizeof answer.message);
  DnsError error = ReadDnsAnswer({answer.message, bytes}, read);
  // What was not copied whole ends too early, unless the rest is of no interest.
  if (error != DnsError::kNone) garden_.Count(Learning::kMalformed);
  if (error == DnsError::kNone && garden_.Learn(answer.client.zone, read))
    Note(clock_.BootNs() - static_cast<int64_t>(answer.at_ns));
  table_.MarkRead(answer.client, answer.number);
  Score(answer.client, read.question);
}

void DnsWatch::Score(const nx_key& client, const DnsQuestion& question) {
  std::lock_guard lock(mutex_);
  auto zone = zones_.find(client.zone);
  if (zone == zones_.end() || zone->second.dns.mode == DnsMode::kOff) return;
  const DnsConfig& dns = zone->second.dns;
  int64_t now_ns = clock_.BootNs();
  double score = score_.Add(client, question, now_ns);
  if (score < dns.tunnel_bytes) return;
  garden_.Count(Learning::kTunnels);
  score_.Forget(client);  // the next alarm is a new one
  bool enforce = dns.mode == DnsMode::kEnforce;
  spdlog::warn(
      "zone '{}': DNS of client {} looks like a tunnel: its names could have carried {} "
      "bytes, the last was {}; {}",
      zone->second.name, ClientText(client), static_cast<uint64_t>(score), question.name,
      enforce ? fmt::format("refused for {} s", dns.tunnel_block.count())
              : std::string("only observed"));
  auto until_s = static_cast<uint32_t>(now_ns / kSecondNs + dns.tunnel_block.count());
  if (auto refused = table_.Refuse(client, until_s); !refused)
    spdlog::error("{}", refused.error().message);
}

void DnsWatch::Note(int64_t latency_ns) {
  std::lock_guard lock(mutex_);
  if (latencies_.size() < kLatencies)
    latencies_.push_back(latency_ns);
  else
    latencies_[next_latency_] = latency_ns;
  next_latency_ = (next_latency_ + 1) % kLatencies;
}

DnsWatch::Latency DnsWatch::LearningLatency() const {
  std::lock_guard lock(mutex_);
  if (latencies_.empty()) return {};
  std::vector<int64_t> sorted = latencies_;
  std::sort(sorted.begin(), sorted.end());
  return {sorted.size(), sorted[sorted.size() / 2], sorted.back()};
}

}  // namespace narthex
