// SPDX-License-Identifier: Apache-2.0
#include "control/instance.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace narthex {

Result<std::unique_ptr<Instance>> Instance::Claim(const Config& config) {
  std::unique_ptr<Instance> instance(new Instance());
  for (const std::string& path : {config.run_dir, config.state_dir})
    if (auto made = instance->MakeDirectory(path); !made) return Fail(made.error());
  if (auto locked = instance->Lock(config); !locked) return Fail(locked.error());
  return instance;
}

Instance::~Instance() {
  for (auto path = created_.rbegin(); path != created_.rend(); ++path)
    if (unlink(path->c_str()) != 0) rmdir(path->c_str());
  if (lock_fd_ >= 0) close(lock_fd_);
}

Outcome Instance::MakeDirectory(const std::string& path) {
  std::filesystem::path whole(path), at;
  for (const auto& part : whole) {
    at /= part;
    if (mkdir(at.c_str(), at == whole ? 0750 : 0755) == 0) {
      created_.push_back(at);
    } else if (errno != EEXIST) {
      return Fail(fmt::format("directory {}: {}", at.string(), std::strerror(errno)));
    }
  }
  std::error_code error;
  if (!std::filesystem::is_directory(whole, error))
    return Fail(fmt::format("{} is not a directory", path));
  return {};
}

Outcome Instance::Lock(const Config& config) {
  std::string path = config.run_dir + "/lock";
  lock_fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  const bool made = lock_fd_ >= 0;
  if (!made) lock_fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (lock_fd_ < 0) return Fail(fmt::format("lock {}: {}", path, std::strerror(errno)));
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) == 0) {
    if (made) created_.push_back(path);  // only its holder may remove a lock
    std::string pid = fmt::format("{}\n", getpid());
    if (ftruncate(lock_fd_, 0) != 0 || pwrite(lock_fd_, pid.data(), pid.size(), 0) < 0)
      return Fail(fmt::format("lock {}: {}", path, std::strerror(errno)));
    return {};
  }
  char text[32] = "?";
  if (ssize_t size = pread(lock_fd_, text, sizeof text - 1, 0); size > 0) text[size] = 0;
  text[std::strcspn(text, "\n")] = 0;
  return Fail(ErrorKind::kPrecondition,
              fmt::format("another narthexd (pid {}) runs instance '{}'", text, config.instance));
}

void Instance::Creates(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) created_.push_back(path);
}

}  // namespace narthex
