// SPDX-License-Identifier: Apache-2.0
// Tells when interfaces of this network namespace, or their addresses, come, go or change: a driver
// that is loaded anew makes a new interface of the old name, and no program is on it.
//
// Threads: one of its own, which calls the function; ends with the object.
#ifndef NARTHEX_CONTROL_INTERFACE_WATCH_H
#define NARTHEX_CONTROL_INTERFACE_WATCH_H

#include <functional>
#include <memory>
#include <thread>

#include "control/bpf.h"
#include "control/error.h"

namespace narthex {

class InterfaceWatch {
 public:
  // `changed` is called once at the start, and after each change of a link or an address
  // (rtnetlink(7)).
  static Result<std::unique_ptr<InterfaceWatch>> Start(std::function<void()> changed);
  ~InterfaceWatch();

 private:
  explicit InterfaceWatch(std::function<void()> changed) : changed_(std::move(changed)) {}
  void Run();

  const std::function<void()> changed_;
  Fd netlink_;
  Fd stop_;
  std::thread thread_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_INTERFACE_WATCH_H
