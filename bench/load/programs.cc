// SPDX-License-Identifier: Apache-2.0
#include "programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "load.skel.h"

namespace narthex::load {
namespace {

constexpr size_t kSlotsBytes = sizeof(load_slot) * LOAD_MAX_SLOTS;
constexpr uint32_t kLiveBatch = 64;

[[noreturn]] void Refuse(const std::string& what, int error) {
  throw std::runtime_error(what + ": " + std::strerror(error < 0 ? -error : error));
}

int OnlyWarnings(libbpf_print_level level, const char* format, va_list arguments) {
  return level == LIBBPF_WARN ? std::vfprintf(stderr, format, arguments) : 0;
}

}  // namespace

Programs::Programs(const Options& options) : config_(ConfigOf(options)) {
  libbpf_set_print(OnlyWarnings);
  cpus_ = libbpf_num_possible_cpus();
  skeleton_ = load_bpf__open();
  if (!skeleton_) Refuse("opening the programs", errno);
  const load_flow flow = FlowOf(options);
  std::memcpy(const_cast<load_config*>(&skeleton_->rodata->config), &config_, sizeof(config_));
  std::memcpy(const_cast<load_flow*>(&skeleton_->rodata->flow), &flow, sizeof(flow));
  if (const int error = load_bpf__load(skeleton_)) Refuse("loading the programs", error);
  void* memory = mmap(nullptr, kSlotsBytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                      bpf_map__fd(skeleton_->maps.slots), 0);
  if (memory == MAP_FAILED) Refuse("mapping the slots", errno);
  slots_ = static_cast<load_slot*>(memory);
  ring_ = ring_buffer__new(
      bpf_map__fd(skeleton_->maps.responses),
      [](void* self, void* data, size_t) {
        static_cast<Programs*>(self)->take_(*static_cast<load_segment*>(data));
        return 0;
      },
      this, nullptr);
  if (!ring_) Refuse("opening the ring of responses", errno);
}

Programs::~Programs() {
  for (const int link : links_) close(link);
  ring_buffer__free(ring_);
  if (slots_) munmap(slots_, kSlotsBytes);
  load_bpf__destroy(skeleton_);
}

void Programs::Attach(const std::string& name, const std::string& interface) {
  bpf_program* program = bpf_object__find_program_by_name(skeleton_->obj, name.c_str());
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
  const auto index = static_cast<int>(IndexOf(interface));
  const int descriptor = bpf_link_create(bpf_program__fd(program), index, BPF_XDP, &options);
  if (descriptor < 0) Refuse("attaching to " + interface, errno);
  // Held by its descriptor: the kernel detaches it when this process ends, however that is.
  links_.push_back(descriptor);
}

void Programs::RunLive(const std::string& name, const std::string& interface,
                       const std::vector<uint8_t>& frame, uint32_t count) {
  bpf_program* program = bpf_object__find_program_by_name(skeleton_->obj, name.c_str());
  xdp_md context = {};
  context.data_end = static_cast<__u32>(frame.size());
  context.ingress_ifindex = IndexOf(interface);
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
              .data_size_in = static_cast<__u32>(frame.size()), .ctx_in = &context,
              .ctx_size_in = sizeof(context), .repeat = static_cast<int>(count),
              .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = kLiveBatch);
  if (const int error = bpf_prog_test_run_opts(bpf_program__fd(program), &options)) {
    if (error != -EINTR) Refuse("sending live frames", error);
  }
}

uint64_t Programs::Counter(load_counter counter) const {
  std::vector<uint64_t> values(static_cast<size_t>(cpus_));
  const __u32 key = counter;
  if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &key, values.data())) return 0;
  uint64_t sum = 0;
  for (const uint64_t value : values) sum += value;
  return sum;
}

void Programs::StopBeginning() { __atomic_store_n(&skeleton_->bss->stopping, 1, __ATOMIC_RELAXED); }

void Programs::TakeResponses(const std::function<void(const load_segment&)>& take) {
  take_ = take;
  ring_buffer__consume(ring_);
}

}  // namespace narthex::load
