// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/forward_world.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sched.h>

namespace narthex::test {

namespace {
const char* const kWorld = R"(set -e
exec 2>&1
for pair in "lan0 02:4e:58:00:00:01" "wan0 02:4e:58:00:01:01" "oth0 02:4e:58:00:02:01"; do
  set -- $pair
  ip link add $1 address $2 type veth peer name peer-$1
  ip link set $1 up; ip link set peer-$1 up
done
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
ip link set lo up
ip link set wan0 mtu 1400
ip addr add 10.51.1.1/24 dev lan0
ip addr add 2001:db8:51:1::1/64 dev lan0 nodad
ip addr add 198.51.100.1/24 dev wan0
ip addr add 2001:db8:100::1/64 dev wan0 nodad
ip addr add 192.0.2.1/24 dev oth0
ip neigh add 198.51.100.10 lladdr 02:00:00:00:00:aa dev wan0 nud permanent
ip neigh add 2001:db8:100::10 lladdr 02:00:00:00:00:aa dev wan0 nud permanent
ip neigh add 192.0.2.10 lladdr 02:00:00:00:00:bb dev oth0 nud permanent
ip neigh add 10.51.1.2 lladdr 02:00:00:00:00:02 dev lan0 nud permanent
ip neigh add 10.51.1.3 lladdr 02:00:00:00:00:03 dev lan0 nud permanent
ip neigh add 2001:db8:51:1::2 lladdr 02:00:00:00:00:02 dev lan0 nud permanent
ip route add 203.0.113.0/24 via 198.51.100.10
ip route add 203.0.113.128/25 via 192.0.2.10
ip route add 224.0.0.0/3 via 198.51.100.10
ip route add blackhole 203.0.113.64/32
ip route add unreachable 203.0.113.65/32
ip route add 203.0.113.66/32 via 198.51.100.10 mtu lock 600
ip -6 route add 2001:db8:200::/48 via 2001:db8:100::10
ip -6 route add blackhole 2001:db8:200:1::/64
ip -6 route add unreachable 2001:db8:200:2::/64
)";
}  // namespace

World::World() : before_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
  made_ = before_ >= 0 && unshare(CLONE_NEWNET) == 0 && system(kWorld) == 0;
}

World::~World() {
  if (before_ < 0) return;
  setns(before_, CLONE_NEWNET);
  close(before_);
}

nx_port Port(const char* name, const Mac& mac) {
  nx_port port = {};
  port.ifindex = port.via = if_nametoindex(name);
  memcpy(port.mac, mac.data(), 6);
  return port;
}

Packet L2(const Mac& dst, const Mac& src, const Tags& tags) {
  Packet packet(Ethernet{.dst = dst, .src = src});
  for (const Vlan& tag : tags) packet = packet.Then(tag);
  return packet;
}

void SetTags(uint16_t* where, const std::vector<uint16_t>& tags) {
  std::copy(tags.begin(), tags.end(), where);
}

// Priority 5 and DEI in the identifiers: 0xb000.
const std::vector<TagRow> kTagRows = {
    {"none, none", {}, {}, {}, {}},
    {"push one", {}, {200}, {}, {{.id = 200}}},
    {"push two", {}, {200, 7}, {}, {{.id = 200, .tpid = 0x88a8}, {.id = 7}}},
    {"pop one", {100}, {}, {{.id = 100}}, {}},
    {"replace one", {100}, {200}, {{.id = 0xb000 | 100}}, {{.id = 0xb000 | 200}}},
    {"replace an S-tag", {100}, {200}, {{100, 0x88a8}}, {{200, 0x88a8}}},
    {"push a second",
     {100},
     {300, 200},
     {{.id = 0xb000 | 100}},
     {{0xb000 | 300, 0x88a8}, {.id = 0xb000 | 200}}},
    {"pop two", {100, 7}, {}, {{100, 0x88a8}, {7}}, {}},
    {"pop the outer", {100, 7}, {200}, {{100, 0x88a8}, {0xb000 | 7}}, {{0xb000 | 200}}},
    {"replace two",
     {100, 7},
     {200, 8},
     {{0x2000 | 100, 0x8100}, {0xb000 | 7}},
     {{0x2000 | 200, 0x8100}, {0xb000 | 8}}},
};

}  // namespace narthex::test
