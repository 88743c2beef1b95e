// SPDX-License-Identifier: Apache-2.0
#include "worker/eal_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/harness/gateway.h"

namespace narthex {
namespace {

using Arguments = std::vector<std::string>;

Snapshot Policy(std::vector<uint16_t> queues) {
  Snapshot snapshot{.version = 1,
                    .instance = "x",
                    .bpffs = "/sys/fs/bpf/x",
                    .hugepages = true,
                    .idle_backoff = true,
                    .zones = {}};
  for (size_t i = 0; i < queues.size(); i++) {
    snapshot.zones.push_back({.id = static_cast<uint16_t>(i + 1),
                              .name = "z",
                              .interface = "lan" + std::to_string(i),
                              .queues = queues[i],
                              .worker_base = static_cast<uint16_t>(i * NX_MAX_QUEUES),
                              .vlans = {},
                              .responses = test::RenderResponses()});
  }
  return snapshot;
}

bool Has(const EalPlan& plan, const std::string& argument) {
  return std::find(plan.arguments.begin(), plan.arguments.end(), argument) != plan.arguments.end();
}

TEST(PlaceWorkers, GivesEachQueueOfEachZoneADevice) {
  const auto places = PlaceWorkers(Policy({2, 1}));
  ASSERT_EQ(places.size(), 3u);
  EXPECT_EQ(places[1].zones, std::vector<size_t>{0});
  EXPECT_EQ(places[1].queue, 1);
  EXPECT_EQ(places[2].zones, std::vector<size_t>{1});
  EXPECT_EQ(places[2].queue, 0);
  EXPECT_EQ(places[2].device, "net_af_xdp2");
}

TEST(PlaceWorkers, GivesZonesOfOneInterfaceTheSameWorkers) {
  Snapshot snapshot = Policy({2, 1, 2});
  snapshot.zones[2].interface = "lan0";
  snapshot.zones[2].vlans = {10};
  const auto places = PlaceWorkers(snapshot);
  ASSERT_EQ(places.size(), 3u);
  EXPECT_EQ(snapshot.WorkerCount(), 3u);
  EXPECT_EQ(places[0].zones, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(places[1].zones, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(places[2].zones, std::vector<size_t>{1});
  EXPECT_EQ(places[2].index, 2u);
}

TEST(PlanEal, OneDeviceAQueueWithoutAProgramOfItsOwn) {
  const EalPlan plan = PlanEal(Policy({2, 1}), 0, {0, 1});
  EXPECT_TRUE(Has(plan, "--vdev=net_af_xdp0,iface=lan0,start_queue=0,queue_count=1,busy_budget=0"));
  EXPECT_TRUE(Has(plan, "--vdev=net_af_xdp1,iface=lan0,start_queue=1,queue_count=1,busy_budget=0"));
  EXPECT_TRUE(Has(plan, "--vdev=net_af_xdp2,iface=lan1,start_queue=0,queue_count=1,busy_budget=0"));
  EXPECT_TRUE(Has(plan, "--file-prefix=narthex-x"));
  for (const std::string& argument : plan.arguments) {
    EXPECT_EQ(argument.find("xdp_prog"), argument.npos);
  }
}

TEST(PlanEal, TakesHugepagesOnlyWhereTheySuffice) {
  EXPECT_FALSE(PlanEal(Policy({1}), 63 * 1024, {0}).hugepages);
  const EalPlan with = PlanEal(Policy({1}), 64 * 1024, {0});
  EXPECT_TRUE(with.hugepages);
  EXPECT_TRUE(Has(with, "--in-memory"));
  EXPECT_FALSE(Has(with, "--no-huge"));
  Snapshot never = Policy({1});
  never.hugepages = false;
  const EalPlan without = PlanEal(never, 1 << 30, {0});
  EXPECT_FALSE(without.hugepages);
  EXPECT_TRUE(Has(without, "--no-huge"));
  EXPECT_FALSE(Has(without, "--in-memory"));  // DPDK refuses both together
}

TEST(PlanEal, MapsLcoresToCpus) {
  EXPECT_TRUE(Has(PlanEal(Policy({1}), 0, {0, 1}), "--lcores=(0)@(0,1),(1)@(0,1)"));
  Snapshot spin = Policy({2});
  spin.idle_backoff = false;
  EXPECT_TRUE(Has(PlanEal(spin, 0, {1, 2, 3}), "--lcores=(0)@(1,2,3),(1)@3,(2)@2"));
  // Fewer cores than workers: they share.
  EXPECT_TRUE(Has(PlanEal(spin, 0, {4, 5}), "--lcores=(0)@(4,5),(1)@(4,5),(2)@(4,5)"));
}

}  // namespace
}  // namespace narthex
