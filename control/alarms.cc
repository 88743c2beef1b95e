// SPDX-License-Identifier: Apache-2.0
#include "control/alarms.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "control/clock.h"

namespace narthex {
namespace {

constexpr uint64_t kLinesPerSecond = 20;
constexpr int kPollMs = 200;  // how long an end may take

// What NX_WHERE packs, but for the zone.
std::string Tags(uint32_t where) {
  uint32_t outer = where >> 12 & 0xfff, inner = where & 0xfff;
  if (outer == 0) return "no VLAN";
  return inner == 0 ? fmt::format("VLAN {}", outer) : fmt::format("VLAN {}.{}", outer, inner);
}

// The zone by whose port the packet came.
uint16_t PortOf(const nx_event& event) { return static_cast<uint16_t>(event.is >> 24); }

}  // namespace

std::string AlarmText(const nx_event& event, const Layout& layout,
                      const std::optional<SlotOwner>& owner) {
  const ZoneConfig& zone = layout.ZoneById(event.zone);
  Address address;
  Mac mac;
  std::memcpy(address.bytes.data(), event.addr, sizeof event.addr);
  std::memcpy(mac.bytes.data(), event.mac, sizeof event.mac);
  std::string text = fmt::format(
      "alarm: session {} of {} in zone '{}': ", owner ? owner->session : std::string("(ended)"),
      owner ? owner->key : address.ToString(), zone.name);
  if (event.kind == NX_EVENT_MAC)
    return text + fmt::format("{} came from MAC address {}, which it is not bound to; dropped",
                              address.ToString(), mac.ToString());
  if (event.kind == NX_EVENT_ELSEWHERE)
    return text + fmt::format("{} came by zone '{}', {}, MAC address {}, and has no session there",
                              address.ToString(), layout.ZoneById(PortOf(event)).name,
                              Tags(event.is), mac.ToString());
  return text + fmt::format("{} came from {} instead of {}, MAC address {}{}", address.ToString(),
                            Tags(event.is), Tags(event.was), mac.ToString(),
                            zone.bind_vlan ? "; dropped" : "");
}

Result<std::unique_ptr<Alarms>> Alarms::Start(int events_fd, Sessions& sessions,
                                              const Layout& layout) {
  auto alarms = std::make_unique<Alarms>(sessions, layout);
  auto reader = RingReader::Open(events_fd, [raw = alarms.get()](const void* data, size_t size) {
    nx_event event;
    if (size < sizeof event) return;
    std::memcpy(&event, data, sizeof event);
    raw->Take(event, SystemClock().BootNs());
  });
  if (!reader) return Fail(reader.error());
  alarms->reader_ = std::move(*reader);
  alarms->thread_ = std::thread([raw = alarms.get()] { raw->Run(); });
  return alarms;
}

Alarms::~Alarms() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void Alarms::Run() {
  while (!stopping_) reader_->Poll(kPollMs);
}

void Alarms::Take(const nx_event& event, int64_t now_ns) {
  ++(event.kind == NX_EVENT_MAC         ? wrong_mac_
     : event.kind == NX_EVENT_ELSEWHERE ? elsewhere_
                                        : moved_);
  for (uint16_t zone : {event.zone, PortOf(event)})
    if (zone == 0 || zone > layout_.zones().size()) return;
  if (int64_t second = now_ns / kSecondNs; second != second_) {
    if (withheld_ > 0) spdlog::warn("alarm: {} more within a second", withheld_);
    second_ = second;
    lines_ = withheld_ = 0;
  }
  if (lines_ >= kLinesPerSecond) {
    ++withheld_;
    return;
  }
  ++lines_;
  spdlog::warn("{}", AlarmText(event, layout_, sessions_.OwnerOf(event.session)));
}

}  // namespace narthex
