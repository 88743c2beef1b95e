// SPDX-License-Identifier: Apache-2.0
#include "events.h"

#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace narthex {
namespace {

constexpr int kTick_ms = 200;

}  // namespace

std::unique_ptr<Events> Events::Open(const std::string& directory, const std::string& file,
                                     std::string& error) {
  std::unique_ptr<Events> events(new Events(file));
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  events->signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  events->inotify_fd_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (events->signal_fd_ < 0 || events->inotify_fd_ < 0 ||
      inotify_add_watch(events->inotify_fd_, directory.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE) < 0) {
    error = directory + ": cannot watch it: " + std::strerror(errno);
    return nullptr;
  }
  return events;
}

Events::~Events() {
  if (signal_fd_ >= 0) close(signal_fd_);
  if (inotify_fd_ >= 0) close(inotify_fd_);
}

Event Events::Wait() {
  pollfd fds[] = {{signal_fd_, POLLIN, 0}, {inotify_fd_, POLLIN, 0}};
  if (poll(fds, 2, kTick_ms) <= 0) return Event::kTick;
  if (fds[0].revents) return Event::kStop;
  return FileReplaced() ? Event::kPolicy : Event::kTick;
}

bool Events::FileReplaced() {
  alignas(inotify_event) char buffer[4096];
  bool replaced = false;
  ssize_t bytes;
  while ((bytes = read(inotify_fd_, buffer, sizeof(buffer))) > 0) {
    for (const char* at = buffer; at < buffer + bytes;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      // After an overflow of the queue nobody knows what happened: look again.
      if ((event->mask & IN_Q_OVERFLOW) || (event->len && file_ == event->name)) replaced = true;
      at += sizeof(inotify_event) + event->len;
    }
  }
  return replaced;
}

}  // namespace narthex
