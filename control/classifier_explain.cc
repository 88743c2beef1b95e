// SPDX-License-Identifier: Apache-2.0
// Explain: asks the attached program itself, by BPF_PROG_TEST_RUN, what it does with sample
// packets of a client. Its answer is the verdict; the reason is the counter that moved.
//
// The samples count: an authorised client's session gains their packets, the client draws on
// its reply limit. Undoing that would race with live traffic.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <sched.h>

#include <algorithm>
#include <optional>

#include "control/classifier.h"
#include "control/ports.h"
#include "control/sample_packet.h"

namespace narthex {
namespace {

constexpr int kTries = 20;

// Keeps the calling thread on the CPU where it is, for the life of this.
class StayOnCpu {
 public:
  StayOnCpu() : cpu_(sched_getcpu()) {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu_, &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  ~StayOnCpu() { sched_setaffinity(0, sizeof before_, &before_); }
  size_t cpu() const { return static_cast<size_t>(cpu_); }

 private:
  int cpu_;
  cpu_set_t before_;
};

Result<std::vector<uint64_t>> CountersOfCpu(int counters_fd, size_t cpu) {
  std::vector<uint64_t> all(static_cast<size_t>(std::max(1, libbpf_num_possible_cpus())));
  std::vector<uint64_t> values;
  for (uint32_t reason = 0; reason < NX_REASON_COUNT; ++reason) {
    if (int error = bpf_map_lookup_elem(counters_fd, &reason, all.data()); error != 0)
      return Fail(WithErrno("map 'counters'", error));
    values.push_back(all.at(cpu));
  }
  return values;
}

// A packet that passes may be sent on by the classifier itself, as one for a worker is.
bool Fits(const std::string& verdict, uint32_t action) {
  return verdict == VerdictName(action) || (action == XDP_REDIRECT && verdict == "pass");
}

// The one reason fit for the action that was counted once; live traffic may have counted others.
std::optional<uint32_t> Moved(const std::vector<uint64_t>& before,
                              const std::vector<uint64_t>& after, uint32_t action) {
  std::optional<uint32_t> moved;
  for (uint32_t reason = 0; reason < NX_REASON_COUNT; ++reason) {
    uint64_t times = after[reason] - before[reason];
    if (times == 0 || !Fits(ReasonVerdict(reason), action)) continue;
    if (moved || times > 1) return std::nullopt;
    moved = reason;
  }
  return moved;
}

Result<SampleVerdict> Ask(int program_fd, int counters_fd, SamplePacket& sample) {
  StayOnCpu stay;
  SampleVerdict answer{sample.description, "", "", "live traffic keeps the reason from being seen"};
  std::vector<uint8_t> out(sample.bytes.size() + 256);
  for (int i = 0; i < kTries; ++i) {
    auto before = CountersOfCpu(counters_fd, stay.cpu());
    LIBBPF_OPTS(bpf_test_run_opts, run);
    run.data_in = sample.bytes.data();
    run.data_size_in = static_cast<uint32_t>(sample.bytes.size());
    run.data_out = out.data();
    run.data_size_out = static_cast<uint32_t>(out.size());
    run.repeat = 1;
    if (int error = bpf_prog_test_run_opts(program_fd, &run); error != 0)
      return Fail(WithErrno("the classifier cannot be asked", error));
    auto after = CountersOfCpu(counters_fd, stay.cpu());
    if (!before || !after) return Fail(!before ? before.error() : after.error());
    answer.verdict = VerdictName(run.retval);
    if (auto reason = Moved(*before, *after, run.retval)) {
      answer.verdict = ReasonVerdict(*reason);
      answer.reason = ReasonName(*reason);
      answer.description = ReasonWords(*reason);
      return answer;
    }
  }
  return answer;
}

// Makes the sample a frame as clients of the zone send it: to the gateway where it routes, with the
// zone's tags.
void PutOnLink(SamplePacket& sample, const ZoneConfig& zone) {
  if (zone.forwarding == Forwarding::kFib) {
    nx_port port = PortsOf(zone, {}).access;
    std::copy(std::begin(port.mac), std::end(port.mac), sample.bytes.begin());
  }
  auto where = sample.bytes.begin() + 2 * ETH_ALEN;
  VlanTags tags = zone.access_vlan;
  if (tags[0] == 0 && !zone.vlans.empty()) tags[0] = zone.vlans.front();
  for (uint16_t tag : {tags[1], tags[0]}) {
    if (tag == 0) continue;
    const uint8_t bytes[] = {0x81, 0, static_cast<uint8_t>(tag >> 8), static_cast<uint8_t>(tag)};
    where = sample.bytes.insert(where, std::begin(bytes), std::end(bytes));
  }
}

}  // namespace

Result<std::vector<SampleVerdict>> Classifier::Explain(const ZoneConfig& zone,
                                                       const Address& client) {
  std::lock_guard lock(explain_mutex_);
  auto link = [&] {
    std::lock_guard links(links_mutex_);
    Interface* interface = Find(zone.interface);
    return LinkInfo(interface == nullptr ? -1 : interface->link.get());
  }();
  Fd program = link && link->xdp.ifindex != 0 ? ProgramById(link->prog_id) : Fd();
  if (!program)
    return Fail(ErrorKind::kPrecondition, fmt::format("zone '{}': no classifier is attached to {}",
                                                      zone.name, zone.interface));
  std::vector<SampleVerdict> answers;
  for (SamplePacket& sample : SamplePackets(zone, client)) {
    PutOnLink(sample, zone);
    auto answer = Ask(program.get(), maps_.Descriptor("counters"), sample);
    if (!answer) return Fail(answer.error());
    answers.push_back(std::move(*answer));
  }
  return answers;
}

}  // namespace narthex
