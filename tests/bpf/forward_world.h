// SPDX-License-Identifier: Apache-2.0
// For forwarding without the kernel's stack: a network namespace of the test's own with real routes
// and neighbours, frames that come and go there, and a zone whose clients send.
#pragma once

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "bpf/skeleton.h"
#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

inline constexpr Mac kLan = {0x02, 0x4e, 0x58, 0, 0, 0x01};
inline constexpr Mac kWan = {0x02, 0x4e, 0x58, 0, 1, 0x01};
inline constexpr Mac kRouter = {0x02, 0, 0, 0, 0, 0xaa};
inline constexpr Mac kOther = {0x02, 0, 0, 0, 0, 0xbb};
inline constexpr Mac kEverybody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// The namespace, for as long as this lives; the whole process is in it. lan0 (clients), wan0 (the
// uplink), oth0 (an interface that narthex does not know).
class World {
 public:
  World();
  ~World();
  bool made() const { return made_; }

 private:
  int before_;
  bool made_ = false;
};

nx_port Port(const char* name, const Mac& mac);

inline uint32_t Second() { return static_cast<uint32_t>(BootNow() / kSecond); }

// Tags of a frame, outer first.
using Tags = std::vector<Vlan>;

Packet L2(const Mac& dst, const Mac& src, const Tags& tags = {});

void SetTags(uint16_t* where, const std::vector<uint16_t>& tags);

inline const Payload kBody{std::string(40, 'x')};

struct TagRow {
  const char* description;
  std::vector<uint16_t> from, to;  // as configured for the side that it comes from, and the other
  Tags in, out;
};
extern const std::vector<TagRow> kTagRows;

// What a client sends. It has a session, unless it is .9.
class ForwardUp : public ClassifierFixture {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "BPF needs root";
    if (!world_.made()) GTEST_SKIP() << "no namespace with veth interfaces can be made here";
    Forward(NX_FORWARD_FIB);
  }

  void Forward(nx_forwarding how, std::vector<uint16_t> access_vlan = {},
               std::vector<uint16_t> uplink_vlan = {}, nx_mode mode = NX_MODE_ENFORCE) {
    TearDown();
    Load({.mode = mode, .change = [&](nx_zone_config& config) {
            config.forwarding = static_cast<uint8_t>(how);
            SetTags(config.access_vlan, access_vlan);
            SetTags(config.uplink_vlan, uplink_vlan);
            config.uplink_count = 1;
          }});
    ASSERT_NE(skeleton_, nullptr);
    skeleton_->bss->ports.access = Port("lan0", kLan);
    skeleton_->bss->ports.uplinks[0] = Port("wan0", kWan);
    SawNeighbours(Second());
    for (const char* client : {"10.51.1.2", "10.51.1.3", "2001:db8:51:1::2"})
      Authorise(client, BootNow() + 60 * kSecond);
  }
  void SawNeighbours(uint32_t second) {
    for (uint32_t& seen : skeleton_->bss->neighbour_seen) seen = second;
  }

  World world_;
};

}  // namespace narthex::test
