// SPDX-License-Identifier: Apache-2.0
#include "control/alarms.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

nx_event Event(nx_event_kind kind) {
  nx_event event{};
  event.kind = kind;
  event.was = NX_WHERE(1, 100, 0);
  event.is = NX_WHERE(1, 100, 7);
  event.zone = 1;
  std::memcpy(event.addr, ParseAddress("10.51.1.2")->bytes.data(), 16);
  std::memcpy(event.mac, ParseMac("02:00:00:00:00:09")->bytes.data(), 6);
  return event;
}

TEST(AlarmText, NamesSessionKeyPlacesAndMacAddress) {
  ZoneConfig zone = TwoZones(1).zones[0];
  const SlotOwner owner{"00ab", "10.51.1.2"};
  EXPECT_EQ(AlarmText(Event(NX_EVENT_MOVED), zone, owner),
            "alarm: session 00ab of 10.51.1.2 in zone 'lobby': 10.51.1.2 came from VLAN 100.7 "
            "instead of VLAN 100, MAC address 02:00:00:00:00:09");
  zone.bind_vlan = true;
  EXPECT_TRUE(AlarmText(Event(NX_EVENT_MOVED), zone, owner).ends_with("; dropped"));
  EXPECT_EQ(AlarmText(Event(NX_EVENT_MAC), zone, std::nullopt),
            "alarm: session (ended) of 10.51.1.2 in zone 'lobby': 10.51.1.2 came from MAC address "
            "02:00:00:00:00:09, which it is not bound to; dropped");
}

}  // namespace
}  // namespace narthex
