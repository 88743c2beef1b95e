// SPDX-License-Identifier: Apache-2.0
// What do the kernel's IPv4 routes depend on? On the destination alone (and TOS and interface),
// while no rule has a selector and no route has several next hops: an answer of them is then true
// of other clients' packets, too, and the programs may keep it for a tick (bpf/route.h).
//
// Threads: one of its own, which calls the function; ends with the object.
#ifndef NARTHEX_CONTROL_ROUTE_WATCH_H
#define NARTHEX_CONTROL_ROUTE_WATCH_H

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "control/bpf.h"
#include "control/error.h"

struct nlmsghdr;

namespace narthex {

class RouteWatch {
 public:
  // `says` is called at the start, whenever the answer may have changed, and each kSay; "not plain"
  // where it is not known.
  // All routes are read at the start; while they are not plain, again after `read_again`.
  static Result<std::unique_ptr<RouteWatch>> Start(
      std::function<void(bool plain)> says,
      std::chrono::milliseconds read_again = std::chrono::minutes(1));
  ~RouteWatch();

  static constexpr std::chrono::milliseconds kSay{500};

 private:
  RouteWatch(std::function<void(bool plain)> says, std::chrono::milliseconds read_again)
      : says_(std::move(says)), read_again_(read_again) {}
  void Run();
  void ReadEvents();
  void Note(const nlmsghdr& message);
  void ReadRoutes();

  const std::function<void(bool plain)> says_;
  const std::chrono::milliseconds read_again_;  // there may be a million routes
  Fd netlink_;
  Fd stop_;
  bool rules_plain_ = false;
  bool routes_plain_ = false;
  std::optional<std::chrono::steady_clock::time_point> routes_read_at_;
  std::thread thread_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_ROUTE_WATCH_H
