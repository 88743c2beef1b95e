// SPDX-License-Identifier: Apache-2.0
#include "worker/shared_maps.h"

#include <bpf/bpf.h>
#include <net/if.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace narthex {
namespace {

// The name by which libxdp takes an attached program for its own default one.
constexpr char kClassifierName[] = "xsk_def_prog";

size_t PageRounded(size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int Get() const { return fd_; }

 private:
  const int fd_;
};

// The kernel's description of a map; false if it has none.
bool Describe(const Fd& fd, bpf_map_info& info) {
  __u32 bytes = sizeof(info);
  return bpf_obj_get_info_by_fd(fd.Get(), &info, &bytes) == 0;
}

std::string OtherVersion(const std::string& path) {
  return path + ": of another version: upgrade narthexd and narthex-dataplane together";
}

// Cookies, too, are of a version: another's would all be refused, without a word.
bool IsOurVersion(const std::string& path) {
  const Fd fd(bpf_obj_get(path.c_str()));
  const uint32_t zero = 0;
  uint32_t version = 0;
  return fd.Get() >= 0 && bpf_map_lookup_elem(fd.Get(), &zero, &version) == 0 &&
         version == NX_ABI_VERSION;
}

// libxdp's messages, but the one that every start with our classifier brings: it keeps no
// reference counter, so that libxdp never detaches it.
int PrintUnexpected(libxdp_print_level level, const char* format, va_list arguments) {
  if (level != LIBXDP_WARN || std::strstr(format, "refcnt")) return 0;
  return std::vfprintf(stderr, format, arguments);
}

}  // namespace

SharedMaps::Mapping SharedMaps::Map(const std::string& path, uint32_t value_bytes, uint32_t entries,
                                    bool writable, std::string& error) {
  const Fd fd(bpf_obj_get(path.c_str()));
  if (fd.Get() < 0) {
    error = path + ": " + std::strerror(errno) + ": start narthexd first";
    return {};
  }
  bpf_map_info info = {};
  if (!Describe(fd, info) || info.type != BPF_MAP_TYPE_ARRAY ||
      !(info.map_flags & BPF_F_MMAPABLE) || info.value_size != value_bytes ||
      info.max_entries != entries) {
    error = OtherVersion(path);
    return {};
  }
  // An array lays out its values at multiples of 8 bytes.
  static_assert(sizeof(nx_worker) % 8 == 0 && sizeof(nx_cookie_keys) % 8 == 0);
  const size_t bytes = PageRounded(size_t{value_bytes} * entries);
  void* data =
      mmap(nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd.Get(), 0);
  if (data == MAP_FAILED) {
    error = path + ": mmap: " + std::strerror(errno);
    return {};
  }
  return {data, bytes, path, info.id};
}

std::unique_ptr<SharedMaps> SharedMaps::Open(const std::string& bpffs, std::string& error) {
  std::unique_ptr<SharedMaps> maps(new SharedMaps());
  maps->cookie_keys_ = Map(bpffs + "/cookie_keys", sizeof(nx_cookie_keys), 1, false, error);
  if (!maps->cookie_keys_.data) return nullptr;
  maps->workers_ = Map(bpffs + "/workers", sizeof(nx_worker), NX_MAX_WORKERS, true, error);
  if (!maps->workers_.data) return nullptr;
  const std::string version = bpffs + "/abi_version";
  if (IsOurVersion(version)) return maps;
  error = OtherVersion(version);
  return nullptr;
}

std::string SharedMaps::Replaced() const {
  for (const Mapping* mapping : {&cookie_keys_, &workers_}) {
    const Fd fd(bpf_obj_get(mapping->path.c_str()));
    bpf_map_info info = {};
    if (fd.Get() >= 0 && Describe(fd, info) && info.id != mapping->id) return mapping->path;
  }
  return "";
}

SharedMaps::~SharedMaps() {
  for (const Mapping* mapping : {&cookie_keys_, &workers_}) {
    if (mapping->data) munmap(mapping->data, mapping->bytes);
  }
}

std::string CheckClassifier(const std::string& interface) {
  libxdp_set_print(PrintUnexpected);
  const unsigned ifindex = if_nametoindex(interface.c_str());
  if (ifindex == 0) return interface + ": there is no such interface";
  // The question that libxdp will ask itself when the socket is opened.
  xdp_multiprog* attached = xdp_multiprog__get_from_ifindex(static_cast<int>(ifindex));
  if (libxdp_get_error(attached) != 0 || !attached) {
    return "no narthex classifier on " + interface + ": start narthexd first";
  }
  const xdp_program* program = xdp_multiprog__main_prog(attached);
  const char* name = program ? xdp_program__name(program) : nullptr;
  const std::string found = name ? name : "";
  const bool ours = xdp_multiprog__is_legacy(attached) && found == kClassifierName;
  xdp_multiprog__close(attached);
  if (ours) return "";
  return interface + ": XDP program \"" + found +
         "\" is not the narthex classifier: detach it and start narthexd";
}

}  // namespace narthex
