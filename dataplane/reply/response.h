// SPDX-License-Identifier: Apache-2.0
// The responses of one zone, rendered at load into immutable bytes with their checksum sums.
//
// Each answer exists twice: full, for clients whose MSS is 1220 or more, and compact, for 536.
// Either fits one segment, headers included (bpf/abi.h). A zone whose network name or portal URL
// does not fit the compact rendering is refused with the reason.
//
// Threads: immutable once built; any number of readers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bpf/abi.h"
#include "decide/decide.h"
#include "wire/checksum.h"

namespace narthex {

struct Response {
  std::array<uint8_t, NX_FULL_RESPONSE_BYTES> bytes;
  uint16_t size = 0;
  ChecksumSum sum = 0;  // of the bytes, as the start of a TCP payload

  std::string_view View() const { return {reinterpret_cast<const char*>(bytes.data()), size}; }
};

// What an operator says about an access network.
struct NetworkDescription {
  std::string network_name;  // UTF-8
  std::string portal_url;    // absolute, http or https
};

class ResponseSet {
 public:
  // Nothing and a reason in `error` if a rendering does not fit.
  static std::optional<ResponseSet> Render(const NetworkDescription& network, std::string& error);

  const Response& Full(Answer answer) const { return full_[static_cast<size_t>(answer)]; }
  const Response& Compact(Answer answer) const { return compact_[static_cast<size_t>(answer)]; }

 private:
  ResponseSet() = default;

  std::array<Response, kRenderedAnswers> full_;
  std::array<Response, kRenderedAnswers> compact_;
};

}  // namespace narthex
