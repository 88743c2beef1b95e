// SPDX-License-Identifier: Apache-2.0
// The responders of one worker: one for each zone of its interface, told apart by the outer VLAN
// tag. The classifier has judged a frame in the same zone (bpf/access.bpf.c).
//
// Threads: one worker.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "policy/snapshot.h"
#include "worker/responder.h"

namespace narthex {

class ZoneResponders {
 public:
  // `zones`: indexes in `snapshot.zones`. `make(zone)` gives a Responder for it.
  template <class Make>
  ZoneResponders(const Snapshot& snapshot, const std::vector<size_t>& zones, Make make)
      : zones_(zones) {
    by_vlan_.fill(kNone);
    for (size_t i = 0; i < zones.size(); i++) {
      responders_.push_back(make(snapshot.zones[zones[i]]));
      const std::vector<uint16_t>& vlans = snapshot.zones[zones[i]].vlans;
      if (vlans.empty()) rest_ = static_cast<uint8_t>(i);
      for (uint16_t vlan : vlans) by_vlan_[vlan] = static_cast<uint8_t>(i);
    }
  }

  // From now on as `snapshot` says; it must stay until another is set.
  void Use(const Snapshot& snapshot, size_t worker) {
    for (size_t i = 0; i < zones_.size(); i++) {
      responders_[i]->Use(snapshot.zones[zones_[i]].responses,
                          {snapshot.rules.get(), snapshot.rule_states[worker].get(),
                           static_cast<uint32_t>(zones_[i])});
    }
  }
  void SetWallTime(int64_t wall_s) {
    for (auto& responder : responders_) responder->SetWallTime(wall_s);
  }
  void Expire(Instant now) {
    for (auto& responder : responders_) responder->Expire(now);
  }

  // As Responder::Handle; silence for a frame of no zone.
  uint32_t Handle(uint8_t* frame, uint32_t bytes, uint32_t room, Instant now) {
    const uint8_t index = responders_.size() == 1 ? 0 : IndexOf(frame, bytes);
    return index == kNone ? 0 : responders_[index]->Handle(frame, bytes, room, now);
  }

 private:
  static constexpr uint8_t kNone = 0xff;

  uint8_t IndexOf(const uint8_t* frame, uint32_t bytes) const {
    constexpr uint32_t kType = 12, kTag = 14;  // IEEE 802.1Q §9.3
    if (bytes < kTag + 2) return rest_;
    const uint32_t type = frame[kType] << 8 | frame[kType + 1];
    if (type != 0x8100 && type != 0x88a8) return rest_;
    const uint8_t index = by_vlan_[(frame[kTag] << 8 | frame[kTag + 1]) & 0xfff];
    return index == kNone ? rest_ : index;
  }

  const std::vector<size_t> zones_;
  std::vector<std::unique_ptr<Responder>> responders_;
  std::array<uint8_t, NX_VLANS> by_vlan_;
  uint8_t rest_ = kNone;  // of frames whose tag no zone claims
};

}  // namespace narthex
