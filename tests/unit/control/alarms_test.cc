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
  Config config = TwoZones(1);
  const Layout watching(config);
  config.zones[0].bind_vlan = true;
  const Layout binding(config);
  const SlotOwner owner{"00ab", "10.51.1.2"};
  EXPECT_EQ(AlarmText(Event(NX_EVENT_MOVED), watching, owner),
            "alarm: session 00ab of 10.51.1.2 in zone 'lobby': 10.51.1.2 came from VLAN 100.7 "
            "instead of VLAN 100, MAC address 02:00:00:00:00:09");
  EXPECT_TRUE(AlarmText(Event(NX_EVENT_MOVED), binding, owner).ends_with("; dropped"));
  EXPECT_EQ(AlarmText(Event(NX_EVENT_MAC), watching, std::nullopt),
            "alarm: session (ended) of 10.51.1.2 in zone 'lobby': 10.51.1.2 came from MAC address "
            "02:00:00:00:00:09, which it is not bound to; dropped");
  nx_event elsewhere = Event(NX_EVENT_ELSEWHERE);
  elsewhere.is = NX_WHERE(2, 20, 0);
  EXPECT_EQ(AlarmText(elsewhere, watching, owner),
            "alarm: session 00ab of 10.51.1.2 in zone 'lobby': 10.51.1.2 came by zone 'stands', "
            "VLAN 20, MAC address 02:00:00:00:00:09, and has no session there");
}

}  // namespace
}  // namespace narthex
