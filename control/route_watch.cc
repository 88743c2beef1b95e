// SPDX-License-Identifier: Apache-2.0
#include "control/route_watch.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace narthex {
namespace {

constexpr size_t kBufferBytes = 65536;

template <typename Header>
bool HasOnly(const nlmsghdr& message, bool (*allowed)(unsigned short type)) {
  auto left = static_cast<int>(message.nlmsg_len - NLMSG_LENGTH(sizeof(Header)));
  const auto* attribute = reinterpret_cast<const rtattr*>(
      reinterpret_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(Header)));
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
    if (!allowed(attribute->rta_type)) return false;
  return true;
}

// A rule for every packet, as the three are that each kernel begins with.
bool IsPlainRule(const nlmsghdr& message) {
  const auto& rule = *static_cast<const fib_rule_hdr*>(NLMSG_DATA(&message));
  return rule.src_len == 0 && rule.dst_len == 0 && rule.tos == 0 && rule.action == FR_ACT_TO_TBL &&
         !(rule.flags & FIB_RULE_INVERT) && HasOnly<fib_rule_hdr>(message, [](unsigned short type) {
           return type == FRA_TABLE || type == FRA_PRIORITY || type == FRA_PROTOCOL ||
                  type == FRA_SUPPRESS_PREFIXLEN || type == FRA_PAD;
         });
}

// A nexthop object may be a group, or become one.
bool IsPlainRoute(const nlmsghdr& message) {
  return HasOnly<rtmsg>(
      message, [](unsigned short type) { return type != RTA_MULTIPATH && type != RTA_NH_ID; });
}

// Whether all entries of a dump are plain; false where it cannot be told.
bool AllPlain(unsigned short request_type, bool (*is_plain)(const nlmsghdr& message)) {
  struct {
    nlmsghdr header;
    rtmsg family;  // a rule's header is as long
  } request{};
  static_assert(sizeof(rtmsg) == sizeof(fib_rule_hdr));
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = request_type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.family.rtm_family = AF_INET;
  Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink || send(netlink.get(), &request, sizeof request, 0) < 0) return false;
  alignas(nlmsghdr) static thread_local char buffer[kBufferBytes];
  for (bool plain = true;;) {
    const ssize_t size = recv(netlink.get(), buffer, sizeof buffer, 0);
    if (size <= 0) return false;
    auto left = static_cast<unsigned int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_flags & NLM_F_DUMP_INTR)
        return false;
      if (message->nlmsg_type == NLMSG_DONE) return plain;
      plain = plain && is_plain(*message);
    }
  }
}

}  // namespace

Result<std::unique_ptr<RouteWatch>> RouteWatch::Start(std::function<void(bool plain)> says,
                                                      std::chrono::milliseconds read_again) {
  std::unique_ptr<RouteWatch> watch(new RouteWatch(std::move(says), read_again));
  watch->netlink_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  watch->stop_ = Fd(eventfd(0, EFD_CLOEXEC));
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE;
  if (!watch->netlink_ || !watch->stop_ ||
      bind(watch->netlink_.get(), reinterpret_cast<sockaddr*>(&groups), sizeof groups) != 0)
    return Fail(WithErrno("routes cannot be watched", errno));
  watch->rules_plain_ = AllPlain(RTM_GETRULE, IsPlainRule);
  watch->thread_ = std::thread([raw = watch.get()] { raw->Run(); });
  return watch;
}

RouteWatch::~RouteWatch() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void RouteWatch::Run() {
  pollfd fds[] = {{stop_.get(), POLLIN, 0}, {netlink_.get(), POLLIN, 0}};
  do {
    ReadEvents();
    ReadRoutes();
    says_(rules_plain_ && routes_plain_);
    fds[0].revents = 0;
    while (poll(fds, 2, kSay.count()) < 0 && errno == EINTR) {
    }
  } while (!(fds[0].revents & POLLIN));
  says_(false);
}

void RouteWatch::ReadEvents() {
  alignas(nlmsghdr) static thread_local char buffer[kBufferBytes];
  for (;;) {
    const ssize_t size = recv(netlink_.get(), buffer, sizeof buffer, 0);
    if (size < 0 && errno == ENOBUFS) {  // some were lost
      routes_plain_ = false;
      rules_plain_ = AllPlain(RTM_GETRULE, IsPlainRule);
      continue;
    }
    if (size <= 0) return;
    auto left = static_cast<unsigned int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left))
      Note(*message);
  }
}

void RouteWatch::Note(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWRULE:
      rules_plain_ = rules_plain_ && IsPlainRule(message);
      break;
    case RTM_DELRULE:
      rules_plain_ = AllPlain(RTM_GETRULE, IsPlainRule);
      break;
    case RTM_NEWROUTE:
      routes_plain_ = routes_plain_ && IsPlainRoute(message);
      break;
    default:
      break;
  }
}

void RouteWatch::ReadRoutes() {
  const auto now = std::chrono::steady_clock::now();
  if (routes_plain_ || (routes_read_at_ && now - *routes_read_at_ < read_again_)) return;
  routes_read_at_ = now;
  routes_plain_ = AllPlain(RTM_GETROUTE, IsPlainRoute);
  ReadEvents();  // what came meanwhile is newer, or the same
}

}  // namespace narthex
