// SPDX-License-Identifier: Apache-2.0
// BPF objects as values with owners: descriptors, mapped arrays, pins, links, programs. This,
// bpf_dns, pinned_maps and classifier*.cc are the only users of libbpf.
#ifndef NARTHEX_CONTROL_BPF_H
#define NARTHEX_CONTROL_BPF_H

#include <linux/bpf.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "control/error.h"

struct ring_buffer;

namespace narthex {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  static Fd Duplicate(int fd);

 private:
  int fd_ = -1;
};

// A BPF_F_MMAPABLE array, or anything else that can be mapped shared, readable and writable.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();
  static Result<Mapping> Of(int map_fd, size_t bytes);
  template <typename T>
  std::span<T> As() const {
    return {static_cast<T*>(address_), bytes_ / sizeof(T)};
  }
  explicit operator bool() const { return address_ != nullptr; }

 private:
  void* address_ = nullptr;
  size_t bytes_ = 0;
};

// "text: Operation not permitted"; `error` is an errno, or its negative.
std::string WithErrno(const std::string& text, int error);

// Reads the path's parents upwards to the first that exists: is it on a bpffs?
bool IsOnBpffs(const std::string& path);

Fd OpenPin(const std::string& path);  // none: no such pin
Result<bpf_map_info> MapInfo(int fd);
Result<bpf_link_info> LinkInfo(int fd);
std::string ProgramName(uint32_t program_id);
Fd ProgramById(uint32_t program_id);

struct AttachedProgram {
  uint32_t id = 0;  // 0: none
  bool native = false;
};
AttachedProgram ProgramOn(uint32_t ifindex);

// Reads a BPF ring buffer. The reader's place is in the map: what was read stays read, whoever
// reads next.
class RingReader {
 public:
  using Take = std::function<void(const void* data, size_t size)>;
  static Result<std::unique_ptr<RingReader>> Open(int map_fd, Take take);
  ~RingReader();
  // Waits so long for something, and takes all that is there.
  void Poll(int timeout_ms);

 private:
  explicit RingReader(Take take) : take_(std::move(take)) {}
  const Take take_;
  ring_buffer* ring_ = nullptr;
};

// Kernel memory of a map, as its descriptor tells.
uint64_t MapMemory(int map_fd);

// Runs a syscall program once on every CPU, but those that are offline or that a cpuset forbids;
// it must return 0.
Outcome RunOnEachCpu(int program_fd);

// libbpf's messages: to the log at debug level, the last ones kept for an error.
void RouteLibbpfMessages();
std::vector<std::string> TakeLibbpfMessages();

}  // namespace narthex

#endif  // NARTHEX_CONTROL_BPF_H
