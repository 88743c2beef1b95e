// SPDX-License-Identifier: Apache-2.0
// The directories of one instance, and the lock by which there is one narthexd of it. What a
// failed start created goes again with this object.
#ifndef NARTHEX_CONTROL_INSTANCE_H
#define NARTHEX_CONTROL_INSTANCE_H

#include <memory>
#include <string>
#include <vector>

#include "control/config.h"
#include "control/error.h"

namespace narthex {

class Instance {
 public:
  // Creates run and state directory, takes the lock in the run directory.
  static Result<std::unique_ptr<Instance>> Claim(const Config& config);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // A file that is to go if the start fails; only if it is not there yet.
  void Creates(const std::string& path);
  // The start succeeded: what was created stays.
  void Keep() { created_.clear(); }

 private:
  Instance() = default;
  Outcome MakeDirectory(const std::string& path);
  Outcome Lock(const Config& config);

  std::vector<std::string> created_;
  int lock_fd_ = -1;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_INSTANCE_H
