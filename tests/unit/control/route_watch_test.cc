// SPDX-License-Identifier: Apache-2.0
// On real rules and routes, in a network namespace of the test's own.
#include "control/route_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>

namespace narthex {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const char* const kWorld = R"(set -e
ip link set lo up
ip link add d0 type veth peer name d1 && ip link set d0 up && ip link set d1 up
ip addr add 192.0.2.1/24 dev d0
ip route add default via 192.0.2.2
)";

class RouteWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || system(kWorld) != 0)
      GTEST_SKIP() << "no network namespace can be made here";
  }
  void TearDown() override {
    watch_.reset();
    if (before_ >= 0) {
      setns(before_, CLONE_NEWNET);
      close(before_);
    }
  }
  void Start(milliseconds read_again = milliseconds(1)) {
    watch_.reset();
    said_ = 0;
    auto watch = RouteWatch::Start(
        [this](bool plain) {
          std::lock_guard lock(mutex_);
          plain_ = plain;
          ++said_;
          changed_.notify_all();
        },
        read_again);
    ASSERT_TRUE(watch);
    watch_ = std::move(*watch);
  }
  bool Becomes(bool plain) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(5), [&] { return said_ > 0 && plain_ == plain; });
  }
  // Says so at least `times` more, and nothing else.
  bool Stays(bool plain, int times) {
    std::unique_lock lock(mutex_);
    const int until = said_ + times;
    bool same = true;
    changed_.wait_for(lock, seconds(5), [&] {
      same = same && plain_ == plain;
      return said_ >= until;
    });
    return same && said_ >= until;
  }

  std::unique_ptr<RouteWatch> watch_;

 private:
  int before_ = -1;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool plain_ = false;
  int said_ = 0;
};

struct Row {
  const char* undo;
  const char* command;
  bool plain;
};
const Row kRows[] = {
    {"ip rule del from 10.0.0.1 lookup 100", "ip rule add from 10.0.0.1 lookup 100", false},
    {"ip rule del iif lo lookup 100", "ip rule add iif lo lookup 100", false},
    {"ip rule del fwmark 1 lookup 100", "ip rule add fwmark 1 lookup 100", false},
    {"ip rule del to 10.0.0.1 lookup 100", "ip rule add to 10.0.0.1 lookup 100", false},
    {"ip rule del tos 0x10 lookup 100", "ip rule add tos 0x10 lookup 100", false},
    {"ip rule del ipproto udp lookup 100", "ip rule add ipproto udp lookup 100", false},
    {"ip rule del dport 53 lookup 100", "ip rule add dport 53 lookup 100", false},
    {"ip rule del not from 10.0.0.1 lookup 100", "ip rule add not from 10.0.0.1 lookup 100", false},
    {"ip rule del pref 5 blackhole", "ip rule add pref 5 blackhole", false},
    {"ip rule del pref 5 lookup 100", "ip rule add pref 5 lookup 100", true},
    {"ip route del 10.1.0.0/16",
     "ip route add 10.1.0.0/16 nexthop via 192.0.2.2 nexthop via 192.0.2.3", false},
    {"ip route del 10.1.0.0/16 table 100",
     "ip route add 10.1.0.0/16 table 100 nexthop via 192.0.2.2 nexthop via 192.0.2.3", false},
    {"ip nexthop del id 7",
     "ip nexthop add id 7 via 192.0.2.2 dev d0 && ip route add 10.1.0.0/16 nhid 7", false},
    {"ip route del 10.1.0.0/16", "ip route add 10.1.0.0/16 via 192.0.2.2", true},
    {"ip route replace default via 192.0.2.2", "ip route replace default via 192.0.2.3", true},
};

TEST_F(RouteWatchTest, TellsWhetherRoutesDependOnTheDestinationAlone) {
  for (const Row& row : kRows) {
    Start();
    ASSERT_TRUE(Becomes(true)) << "before: " << row.command;
    ASSERT_EQ(system(row.command), 0) << row.command;
    EXPECT_TRUE(row.plain ? Stays(true, 2) : Becomes(false)) << row.command;
    Start();
    EXPECT_TRUE(Becomes(row.plain) && Stays(row.plain, 1)) << "as it reads it: " << row.command;
    ASSERT_EQ(system(row.undo), 0) << row.undo;
    EXPECT_TRUE(Becomes(true)) << row.undo;
  }
}

TEST_F(RouteWatchTest, SeesThatAMultipathRouteIsReplaced) {
  Start();
  ASSERT_EQ(system("ip route add 10.1.0.0/16 nexthop via 192.0.2.2 nexthop via 192.0.2.3"), 0);
  ASSERT_TRUE(Becomes(false));
  ASSERT_EQ(system("ip route replace 10.1.0.0/16 via 192.0.2.2"), 0);
  EXPECT_TRUE(Becomes(true));
}

TEST_F(RouteWatchTest, BecomesPlainNoSoonerThanItReadsAgain) {
  Start(std::chrono::hours(1));
  ASSERT_TRUE(Becomes(true));
  ASSERT_EQ(system("ip route add 10.1.0.0/16 nexthop via 192.0.2.2 nexthop via 192.0.2.3"), 0);
  ASSERT_TRUE(Becomes(false));
  ASSERT_EQ(system("ip route del 10.1.0.0/16"), 0);
  EXPECT_TRUE(Stays(false, 3));
}

// More events than the socket holds while nobody reads them: what was lost may have been a route
// with several next hops.
TEST_F(RouteWatchTest, ReadsAllAgainWhenEventsWereLost) {
  std::mutex held;
  std::unique_lock hold(held);
  std::mutex mutex;
  std::condition_variable changed;
  int said = 0;
  bool plain = false, was_not_plain = false;
  auto watch = RouteWatch::Start(
      [&](bool is) {
        {
          std::lock_guard lock(mutex);
          plain = is;
          ++said;
          was_not_plain = was_not_plain || (said > 1 && !is);
          changed.notify_all();
        }
        std::lock_guard wait(held);
      },
      milliseconds(1));
  ASSERT_TRUE(watch);
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, seconds(5), [&] { return plain; }));
  }
  ASSERT_EQ(
      system(
          "for n in $(seq 1 3000); do echo route add 10.2.$((n / 250)).$((n % 250)) via 192.0.2.2; "
          "done"
          " | ip -batch - && ip route add 10.1.0.0/16 nexthop via 192.0.2.2 nexthop via 192.0.2.3"),
      0);
  hold.unlock();
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, seconds(5), [&] { return was_not_plain; }));
}

}  // namespace
}  // namespace narthex
