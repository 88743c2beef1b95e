// SPDX-License-Identifier: Apache-2.0
// Which zone answers a frame of an interface that has several.
#include "worker/zone_responders.h"

#include <gtest/gtest.h>

#include "tests/harness/gateway.h"

namespace narthex::test {
namespace {

// Zones on one interface whose pages bear their names; cookies as Connection makes them.
std::unique_ptr<const Snapshot> Zones(const std::string& zones) {
  std::string error;
  auto snapshot = ParseSnapshot(
      R"({"version":1,"instance":"x","bpffs":"/sys/fs/bpf/x","hugepages":"never",
          "idle_backoff":true,"zones":[)" +
          zones + "]}",
      error);
  if (!snapshot) throw std::runtime_error(error);
  return snapshot;
}

std::string Zone(int id, const std::string& vlans) {
  return R"({"id":)" + std::to_string(id) + R"(,"name":"z","interface":"lan0","queues":1,)" +
         R"("worker_base":0,"vlans":)" + vlans + R"(,"network_name":"Zone)" + std::to_string(id) +
         R"(","portal_url":"http://p.test/"})";
}

// The name of the network that answers, or nothing.
std::string AnsweredBy(const Snapshot& snapshot, const Bytes& frame, Gateway& gateway) {
  std::vector<size_t> zones(snapshot.zones.size());
  for (size_t i = 0; i < zones.size(); i++) zones[i] = i;
  ZoneResponders responders(snapshot, zones, [&](const ZoneSnapshot&) {
    return std::make_unique<Responder>(Gateway::kZone, gateway.keys, gateway.worker,
                                       ReassemblyLimits{}, 1, 2);
  });
  responders.Use(snapshot, 0);
  Bytes buffer(Gateway::kBufferBytes, 0xa5);
  std::copy(frame.begin(), frame.end(), buffer.begin());
  const uint32_t bytes = responders.Handle(buffer.data(), static_cast<uint32_t>(frame.size()),
                                           Gateway::kBufferBytes, Instant::FromNs(gateway.now_ns));
  const std::string text(buffer.begin(), buffer.begin() + bytes);
  const size_t at = text.find("Zone");
  return at == text.npos ? "" : text.substr(at, 5);
}

TEST(ZoneResponders, AnswerByTheOuterTag) {
  Gateway gateway;
  Connection client{.gateway = &gateway};
  const auto both = Zones(Zone(1, "[]") + "," + Zone(2, "[10, 20]"));
  const auto tagged = Zones(Zone(1, "[30]") + "," + Zone(2, "[10]"));
  const auto alone = Zones(Zone(1, "[]"));
  auto frame = [&](const std::vector<Vlan>& tags) -> Bytes {
    if (tags.empty()) return Ethernet{} / Ipv4{} / client.At(0) / Payload{kGet};
    if (tags.size() == 1) return Ethernet{} / tags[0] / Ipv4{} / client.At(0) / Payload{kGet};
    return Ethernet{} / tags[0] / tags[1] / Ipv4{} / client.At(0) / Payload{kGet};
  };
  struct {
    const char* description;
    std::vector<Vlan> tags;
    const char* both;
    const char* tagged;
    const char* alone;
  } const rows[] = {
      {"no tag", {}, "Zone1", "", "Zone1"},
      {"a zone's VLAN", {{.id = 10}}, "Zone2", "Zone2", "Zone1"},
      {"its other VLAN", {{.id = 20}}, "Zone2", "", "Zone1"},
      {"S-tag", {{.id = 10, .tpid = 0x88a8}, {.id = 30}}, "Zone2", "Zone2", "Zone1"},
      {"the inner tag does not count", {{.id = 99}, {.id = 10}}, "Zone1", "", "Zone1"},
      {"nobody's VLAN", {{.id = 99}}, "Zone1", "", "Zone1"},
  };
  for (const auto& row : rows) {
    const Bytes bytes = frame(row.tags);
    EXPECT_EQ(AnsweredBy(*both, bytes, gateway), row.both) << row.description;
    EXPECT_EQ(AnsweredBy(*tagged, bytes, gateway), row.tagged) << row.description;
    EXPECT_EQ(AnsweredBy(*alone, bytes, gateway), row.alone) << row.description;
  }
  EXPECT_EQ(AnsweredBy(*both, Bytes(13, 0x81), gateway), "") << "cut short";
}

TEST(ParseSnapshot, RefusesZonesThatCollideOnTheirInterface) {
  struct {
    const char* zones[2];
    const char* words;  // empty: good
  } const rows[] = {
      {{"[]", "[10]"}, ""},          {{"[10]", "[20]"}, ""},
      {{"[]", "[]"}, "used twice"},  {{"[10, 20]", "[20]"}, "used twice"},
      {{"[]", "[0]"}, "no VLAN"},    {{"[]", "[4095]"}, "no VLAN"},
      {{"[]", "\"10\""}, "no list"},
  };
  for (const auto& row : rows) {
    std::string error;
    try {
      Zones(Zone(1, row.zones[0]) + "," + Zone(2, row.zones[1]));
    } catch (const std::runtime_error& refused) {
      error = refused.what();
    }
    EXPECT_EQ(error.empty(), *row.words == '\0') << row.zones[0] << row.zones[1] << error;
    EXPECT_NE(error.find(row.words), error.npos) << error;
  }
}

}  // namespace
}  // namespace narthex::test
