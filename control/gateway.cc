// SPDX-License-Identifier: Apache-2.0
#include "control/gateway.h"

#include <linux/bpf.h>

#include <algorithm>
#include <cctype>

namespace narthex {
namespace {

struct ReasonEntry {
  const char* name;
  nx_verdict verdict;
  const char* words;
};

constexpr ReasonEntry kReasons[] = {
#define X(name, verdict, words) {#name, verdict, words},
    NX_REASONS(X)
#undef X
};

struct WorkerCounterEntry {
  const char* name;
  const char* words;
};

constexpr WorkerCounterEntry kWorkerCounters[] = {
#define X(name, words) {#name, words},
    NX_WORKER_COUNTERS(X)
#undef X
};

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::string ReasonName(uint32_t reason) { return Lower(kReasons[reason].name); }
std::string ReasonWords(uint32_t reason) { return kReasons[reason].words; }

std::string ReasonVerdict(uint32_t reason) {
  switch (kReasons[reason].verdict) {
    case NX_DROP:
      return "drop";
    case NX_PASS:
      return "pass";
    case NX_TX:
      return "tx";
    case NX_WORKER:
      return "worker";
  }
  return "";
}

std::string VerdictName(uint32_t xdp_action) {
  switch (xdp_action) {
    case XDP_DROP:
      return "drop";
    case XDP_PASS:
      return "pass";
    case XDP_TX:
      return "tx";
    case XDP_REDIRECT:
      return "worker";
    default:
      return "aborted";
  }
}

std::string WorkerCounterName(uint32_t counter) { return Lower(kWorkerCounters[counter].name); }
std::string WorkerCounterWords(uint32_t counter) { return kWorkerCounters[counter].words; }

}  // namespace narthex
