// SPDX-License-Identifier: Apache-2.0
#include "control/bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

namespace narthex {
namespace {

std::mutex g_messages_mutex;
std::vector<std::string> g_messages;

int Print(libbpf_print_level level, const char* format, va_list arguments) {
  char text[8192];
  std::vsnprintf(text, sizeof text, format, arguments);
  std::istringstream lines(text);
  std::lock_guard lock(g_messages_mutex);
  for (std::string line; std::getline(lines, line);) {
    spdlog::debug("{}", line);
    if (level == LIBBPF_WARN) g_messages.push_back(line);
  }
  if (g_messages.size() > 64) g_messages.erase(g_messages.begin(), g_messages.end() - 64);
  return 0;
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Fd Fd::Duplicate(int fd) { return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

Mapping::Mapping(Mapping&& other) noexcept { *this = std::move(other); }

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (address_ != nullptr) munmap(address_, bytes_);
}

Result<Mapping> Mapping::Of(int map_fd, size_t bytes) {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  Mapping mapping;
  mapping.bytes_ = (bytes + page - 1) / page * page;
  void* address = mmap(nullptr, mapping.bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  if (address == MAP_FAILED) return Fail(WithErrno("map memory cannot be mapped", errno));
  mapping.address_ = address;
  return mapping;
}

std::string WithErrno(const std::string& text, int error) {
  return fmt::format("{}: {}", text, std::strerror(std::abs(error)));
}

bool IsOnBpffs(const std::string& path) {
  for (std::filesystem::path at = path;; at = at.parent_path()) {
    struct statfs info;
    if (statfs(at.c_str(), &info) == 0) return info.f_type == BPF_FS_MAGIC;
    if (at == at.parent_path()) return false;
  }
}

Fd OpenPin(const std::string& path) { return Fd(bpf_obj_get(path.c_str())); }

Result<bpf_map_info> MapInfo(int fd) {
  bpf_map_info info{};
  uint32_t size = sizeof info;
  if (int error = bpf_obj_get_info_by_fd(fd, &info, &size); error != 0)
    return Fail(WithErrno("map information", error));
  return info;
}

Result<bpf_link_info> LinkInfo(int fd) {
  bpf_link_info info{};
  uint32_t size = sizeof info;
  if (int error = bpf_obj_get_info_by_fd(fd, &info, &size); error != 0)
    return Fail(WithErrno("link information", error));
  return info;
}

Fd ProgramById(uint32_t program_id) { return Fd(bpf_prog_get_fd_by_id(program_id)); }

std::string ProgramName(uint32_t program_id) {
  Fd program = ProgramById(program_id);
  bpf_prog_info info{};
  uint32_t size = sizeof info;
  if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) return "?";
  return info.name;
}

AttachedProgram ProgramOn(uint32_t ifindex) {
  LIBBPF_OPTS(bpf_xdp_query_opts, query);
  if (bpf_xdp_query(static_cast<int>(ifindex), 0, &query) != 0) return {};
  AttachedProgram attached;
  attached.native = query.drv_prog_id != 0 || query.hw_prog_id != 0;
  for (uint32_t id : {query.hw_prog_id, query.drv_prog_id, query.skb_prog_id, query.prog_id})
    if (attached.id == 0) attached.id = id;
  return attached;
}

uint64_t MapMemory(int map_fd) {
  std::ifstream info(fmt::format("/proc/self/fdinfo/{}", map_fd));
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("memlock:")) return std::strtoull(line.c_str() + 8, nullptr, 10);
  return 0;
}

Outcome RunOnEachCpu(int program_fd) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return Fail(WithErrno("sched_getaffinity", errno));
  Outcome outcome;
  // Every CPU, not only those this process is bound to: the NIC's may be isolated.
  long cpus = std::min<long>(sysconf(_SC_NPROCESSORS_CONF), CPU_SETSIZE);
  for (int cpu = 0; cpu < cpus && outcome; ++cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
      continue;  // it is offline, or a cpuset forbids it
    LIBBPF_OPTS(bpf_test_run_opts, run);
    int error = bpf_prog_test_run_opts(program_fd, &run);
    if (error != 0)
      outcome = Fail(WithErrno("a BPF program cannot be run", error));
    else if (run.retval != 0)
      outcome = Fail(fmt::format("a BPF program returned {}", run.retval));
  }
  sched_setaffinity(0, sizeof allowed, &allowed);
  return outcome;
}

void RouteLibbpfMessages() { libbpf_set_print(Print); }

std::vector<std::string> TakeLibbpfMessages() {
  std::lock_guard lock(g_messages_mutex);
  return std::exchange(g_messages, {});
}

Result<std::unique_ptr<RingReader>> RingReader::Open(int map_fd, Take take) {
  std::unique_ptr<RingReader> reader(new RingReader(std::move(take)));
  auto sample = [](void* context, void* data, size_t size) {
    static_cast<RingReader*>(context)->take_(data, size);
    return 0;
  };
  reader->ring_ = ring_buffer__new(map_fd, sample, reader.get(), nullptr);
  if (reader->ring_ == nullptr) return Fail(WithErrno("the ring buffer cannot be read", errno));
  return reader;
}

RingReader::~RingReader() { ring_buffer__free(ring_); }

void RingReader::Poll(int timeout_ms) { ring_buffer__poll(ring_, timeout_ms); }

}  // namespace narthex
