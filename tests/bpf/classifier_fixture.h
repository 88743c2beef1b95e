// SPDX-License-Identifier: Apache-2.0
// The real classifier, loaded by the kernel but attached nowhere; packets go through it by
// BPF_PROG_TEST_RUN. One zone (3) with the pool 10.51.1.0/24, 2001:db8:51:1::/64, intercepted
// ports 80 and 8080, resolvers 198.51.100.53 and 2001:db8:100::53, the gateway's own 10.51.1.1 and
// 2001:db8:51:1::1, and a running worker.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "bpf/abi.h"
#include "bpf/cookie.h"
#include "tests/harness/account.h"
#include "tests/harness/packet.h"

struct narthex_access;
struct narthex_uplink;

namespace narthex::test {

inline constexpr uint16_t kZone = 3;
inline constexpr uint64_t kSecond = 1000000000;

nx_key AddressKey(const std::string& address, uint8_t bits);
nx_key MacKey(const Mac& mac);
nx_key LineKey(uint16_t outer, uint16_t inner = 0);

// `now_ns`: CLOCK_BOOTTIME. A clock whose timer ticks goes on from it, by the real time.
void SetClock(nx_clock& clock, uint64_t now_ns);

// Whether the classifier looks at a pool entry: map `held`.
void SetHeldBit(int held_fd, uint32_t slot, bool held);
// The /16 of a v4-mapped address: whether the programs look for it in the gardens.
void SetGardenBlock(int blocks_fd, const uint8_t* addr, bool set = true);

Counted ReadAccount(int up_fd, int down_fd, int accounts_fd, uint32_t slot);

// CLOCK_BOOTTIME in nanoseconds: the clock of sessions and heartbeats.
uint64_t BootNow();
// 16 bytes, v4-mapped.
std::array<uint8_t, 16> Mapped(const std::string& address);
const char* ReasonName(int reason);

struct Outcome {
  int reason = -1;  // enum nx_reason that was counted; -1: none or several
  int action = -1;  // enum xdp_action
  Bytes frame;      // as it left
};

// What the map `counters` has for a reason, over all CPUs.
uint64_t CountOf(int counters_fd, int reason);
// One frame through a program, and the one counter that it moved.
Outcome RunProgram(int program_fd, int counters_fd, const Bytes& frame);

class ClassifierFixture : public ::testing::Test {
 protected:
  void SetUp() override { Load({}); }
  void TearDown() override;

  // Loads afresh with a changed configuration.
  struct Options {
    nx_mode mode = NX_MODE_ENFORCE;
    nx_vlan_dispatch vlan_dispatch = NX_VLAN_NONE;
    uint8_t kinds = 0;  // NX_KIND_*
    uint8_t bind = 0;   // NX_BIND_*
    int sieve_part =
        4;  // of a limit before the login 1/this lies in a bucket of the sieve; 0: none
    uint8_t reject = NX_REJECT_TCP | NX_REJECT_UDP;
    std::function<void(nx_zone_config&)> change = nullptr;  // the last word
    std::function<void(nx_others&)> others = nullptr;       // keys of other zones
  };
  void Load(Options options);

  Outcome Run(const Bytes& frame);
  // Through the uplink's program, which shares the maps; loaded by the first call.
  Outcome RunDownlink(const Bytes& frame);
  // The action alone, for long loops, and, if wanted, the frame as it left.
  int RunQuickly(const Bytes& frame, Bytes* left = nullptr) {
    return RunQuickly(ProgramOf(false), frame, left);
  }
  int RunQuickly(int program, const Bytes& frame, Bytes* left = nullptr);
  int ProgramOf(bool downlink);

  // As narthexd does it: the entry, then the fast bit is cleared.
  void Authorise(const std::string& address, uint64_t expires_ns, uint32_t begun_s = 0);
  // With everything settled.
  Counted Account(const std::string& address);
  Counted Account(uint32_t slot);
  // Of each direction: nx_traffic.
  void SetAccount(uint32_t slot, uint64_t up, uint64_t down);
  // As above for any key; an entry behind the pool is taken for it. `limits`: row, 0: none.
  uint32_t AuthoriseKey(const nx_key& key, uint64_t expires_ns, uint32_t limits = 0);
  nx_session Entry(uint32_t slot);
  // As narthexd does it: the held bit of a pool entry first.
  void SetEntry(uint32_t slot, const nx_session& session);
  void SetHeld(uint32_t slot, bool held);
  void SetPolicy(uint32_t row, const nx_policy& policy);
  void SetLimits(uint32_t row, const nx_limits& limits);
  nx_limits Limits(uint32_t row);
  void SetPlace(uint32_t slot, const nx_place& place);
  std::vector<nx_event> Events();  // since the last call
  void Settle();
  void StopClock();
  bool IsFast(const std::string& address);
  void ClearFast(const std::string& address);
  void AddGarden(const std::string& prefix, int bits, std::vector<nx_port_range> ranges);
  void SetHeartbeat(uint64_t heartbeat_ns);
  // Gives queue 0 an AF_XDP socket, so that redirects to it succeed.
  void AddSocket();
  uint64_t Count(int reason);
  int Counters() const;  // the map

  const nx_cookie_keys& keys() const { return keys_; }
  // What a SYN of this flow is answered with now.
  uint32_t Cookie(const std::string& client, const std::string& server, uint16_t client_port,
                  uint16_t server_port, uint32_t mss_class, uint64_t slot_age = 0) const;
  // The classifier's own, which turns up to a tick after the clock's: what is made in a slot that
  // it does not know yet, it refuses.
  uint64_t CookieSlot() const;

  // Another zone on the interface, of these VLANs, with the pool 10.52.0.0/24 and the same maps.
  void AddVlanZone(uint16_t zone, const std::vector<uint16_t>& vlans);

  narthex_access* skeleton_ = nullptr;
  uint32_t SlotOf(const std::string& address);

 private:
  void LoadUplink();

  nx_zone_config config_ = {};
  narthex_uplink* uplink_ = nullptr;
  narthex_access* vlan_zone_ = nullptr;

  nx_cookie_keys keys_ = {};
  std::map<std::string, uint32_t> extra_;  // address outside the pool -> index in sessions
  uint32_t taken_ = 0;                     // entries that AuthoriseKey gave out
  int socket_ = -1;
};

}  // namespace narthex::test
