// SPDX-License-Identifier: Apache-2.0
// A host as the patterns of whole names see it.
//
// Threads: pure; a HostChain belongs to its caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace narthex {

// A host in lower case, and a digest of each domain that it lies in: com, example.com,
// www.example.com. The text lies at the end of its memory, so that a domain has the same words
// and the same digest in every host.
class HostChain {
 public:
  // Empty for a value that is too long.
  explicit HostChain(std::string_view host);

  size_t Domains() const { return domains_; }
  uint64_t Digest(size_t domain) const { return digests_[domain]; }
  std::string_view Host() const { return {text_ + sizeof(text_) - bytes_, bytes_}; }
  // Where the domain begins in Host().
  size_t Begin(size_t domain) const { return begins_[domain] - (sizeof(text_) - bytes_); }

 private:
  static constexpr size_t kWords = 32;

  size_t bytes_ = 0;
  size_t domains_ = 0;
  alignas(8) char text_[8 * kWords];
  uint16_t begins_[8 * kWords];  // in text_
  uint64_t digests_[8 * kWords];
};

}  // namespace narthex
