// SPDX-License-Identifier: Apache-2.0
#include "match/host_table.h"

#include <algorithm>
#include <bit>

namespace narthex {

void HostTable::Build(const std::vector<Pattern>& patterns) {
  const auto count = static_cast<size_t>(std::count_if(patterns.begin(), patterns.end(), Takes));
  if (count == 0) return;
  slots_.resize(std::bit_ceil(count + count / 2 + 2));
  slot_shift_ = 64 - static_cast<uint32_t>(std::countr_zero(slots_.size()));
  const auto bits = static_cast<uint32_t>(std::bit_width(count / 2 + 8));
  filter_.resize(size_t{1} << bits);
  filter_shift_ = 64 - bits;
  for (size_t i = 0; i < patterns.size(); i++) {
    if (!Takes(patterns[i])) continue;
    const HostChain host(patterns[i].text);
    if (host.Domains() == 0) continue;  // no host is so long
    const uint64_t digest = host.Digest(host.Domains() - 1);
    filter_[digest >> filter_shift_] |= FilterBits(digest);
    size_t at = digest >> slot_shift_;
    while (slots_[at].bytes) at = Next(at);
    slots_[at] = {.digest = static_cast<uint32_t>(digest),
                  .text = static_cast<uint32_t>(text_.size()),
                  .pattern = static_cast<uint32_t>(i),
                  .bytes = static_cast<uint16_t>(host.Host().size()),
                  .exact = patterns[i].kind == Kind::kExact};
    text_ += host.Host();
  }
}

}  // namespace narthex
