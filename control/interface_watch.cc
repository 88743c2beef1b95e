// SPDX-License-Identifier: Apache-2.0
#include "control/interface_watch.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace narthex {

Result<std::unique_ptr<InterfaceWatch>> InterfaceWatch::Start(std::function<void()> changed) {
  std::unique_ptr<InterfaceWatch> watch(new InterfaceWatch(std::move(changed)));
  watch->netlink_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  watch->stop_ = Fd(eventfd(0, EFD_CLOEXEC));
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (!watch->netlink_ || !watch->stop_ ||
      bind(watch->netlink_.get(), reinterpret_cast<sockaddr*>(&groups), sizeof groups) != 0)
    return Fail(WithErrno("interfaces cannot be watched", errno));
  watch->thread_ = std::thread([raw = watch.get()] { raw->Run(); });
  return watch;
}

InterfaceWatch::~InterfaceWatch() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void InterfaceWatch::Run() {
  pollfd fds[] = {{stop_.get(), POLLIN, 0}, {netlink_.get(), POLLIN, 0}};
  char messages[16384];
  do {
    // What they say does not matter, nor that some were lost: the state is looked at.
    while (recv(netlink_.get(), messages, sizeof messages, 0) > 0 || errno == ENOBUFS) {
    }
    changed_();
    fds[0].revents = 0;
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
  } while (!(fds[0].revents & POLLIN));
}

}  // namespace narthex
