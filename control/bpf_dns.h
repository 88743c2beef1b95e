// SPDX-License-Identifier: Apache-2.0
// The maps of DNS (bpf/abi.h) and the thread that reads the copied answers.
#ifndef NARTHEX_CONTROL_BPF_DNS_H
#define NARTHEX_CONTROL_BPF_DNS_H

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "control/bpf.h"
#include "control/dns_watch.h"
#include "control/error.h"
#include "control/garden_blocks.h"
#include "control/learned_garden.h"
#include "control/pinned_maps.h"

struct ring_buffer;

namespace narthex {

class BpfLearnedTable : public LearnedTable {
 public:
  BpfLearnedTable(const PinnedMaps& maps, GardenBlocks blocks)
      : fd_(maps.Descriptor("learned")), blocks_(blocks) {}
  Outcome Put(const nx_key& key, const nx_learned& row) override;
  Outcome Delete(const nx_key& key) override;
  Result<std::vector<std::pair<nx_key, nx_learned>>> All() override;

 private:
  const int fd_;
  GardenBlocks blocks_;
};

class BpfDnsTable : public DnsTable {
 public:
  static Result<std::unique_ptr<BpfDnsTable>> Over(const PinnedMaps& maps);
  void SetRules(uint16_t zone, const nx_dns_rules& rules) override;
  std::vector<nx_dns_rules> Rules() const;  // by zone
  uint64_t Lost() const override;
  void MarkRead(const nx_key& client, uint32_t number) override;
  Outcome Refuse(const nx_key& client, uint32_t until_s) override;

 private:
  Mapping rules_;
  int unread_fd_ = -1;
  int offenders_fd_ = -1;
};

// Hands each answer to `take` as soon as it is there, and calls `tick` about once a second; both
// on a thread of its own, which ends with the object.
class AnswerRing {
 public:
  using Take = std::function<void(const nx_dns_answer&)>;
  static Result<std::unique_ptr<AnswerRing>> Start(const PinnedMaps& maps, Take take,
                                                   std::function<void()> tick);
  ~AnswerRing();

 private:
  AnswerRing(Take take, std::function<void()> tick)
      : take_(std::move(take)), tick_(std::move(tick)) {}
  void Run();

  const Take take_;
  const std::function<void()> tick_;
  std::unique_ptr<ring_buffer, void (*)(ring_buffer*)> ring_{nullptr, nullptr};
  Fd stop_;
  std::thread thread_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_BPF_DNS_H
