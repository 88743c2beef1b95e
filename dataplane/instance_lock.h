// SPDX-License-Identifier: Apache-2.0
// One dataplane for each run directory: a lock that the kernel releases however the process ends.
#pragma once

#include <memory>
#include <string>

namespace narthex {

class InstanceLock {
 public:
  // Waits a moment for a predecessor that is just dying. Null and one line in `error` on failure.
  static std::unique_ptr<InstanceLock> Take(const std::string& run_directory, std::string& error);
  ~InstanceLock();
  InstanceLock(const InstanceLock&) = delete;
  InstanceLock& operator=(const InstanceLock&) = delete;

 private:
  explicit InstanceLock(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace narthex
