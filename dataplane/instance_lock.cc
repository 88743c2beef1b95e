// SPDX-License-Identifier: Apache-2.0
#include "instance_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace narthex {
namespace {

constexpr int kAttempts = 20;
constexpr useconds_t kPause_us = 50'000;

}  // namespace

std::unique_ptr<InstanceLock> InstanceLock::Take(const std::string& run_directory,
                                                 std::string& error) {
  const std::string path = run_directory + "/dataplane.lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    error = path + ": " + std::strerror(errno);
    return nullptr;
  }
  std::unique_ptr<InstanceLock> lock(new InstanceLock(fd));
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
    usleep(kPause_us);
  }
  error = "another narthex-dataplane of this instance runs (" + path + " is locked)";
  return nullptr;
}

InstanceLock::~InstanceLock() { close(fd_); }

}  // namespace narthex
