// SPDX-License-Identifier: Apache-2.0
// The responses of one zone, rendered at load into immutable bytes with their checksum sums.
//
// Each answer exists twice: full, for clients whose MSS is 1220 or more, and compact, for 536.
// Either fits one segment, headers included (bpf/abi.h). A zone whose texts do not fit is refused
// with the number of bytes too many. A field that changes with time (the Date of a 302) would be an
// offset in Response, written and summed by the segment's writer; nothing needs one yet.
//
// Threads: immutable once built; any number of readers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/abi.h"
#include "decide/decide.h"
#include "reply/network.h"
#include "wire/checksum.h"

namespace narthex {

struct Response {
  std::array<uint8_t, NX_FULL_RESPONSE_BYTES> bytes;
  uint16_t size = 0;
  ChecksumSum sum = 0;  // of the bytes, as the start of a TCP payload

  std::string_view View() const { return {reinterpret_cast<const char*>(bytes.data()), size}; }
};

class ResponseSet {
 public:
  // Nothing and one line in `error` if a page cannot be used or a rendering does not fit.
  static std::optional<ResponseSet> Render(const NetworkDescription& network, std::string& error);

  // What these responses can be chosen from.
  const Offer& GetOffer() const { return offer_; }

  const Response& Full(Decision decision) const { return full_[Index(decision)]; }
  const Response& Compact(Decision decision) const { return compact_[Index(decision)]; }

 private:
  ResponseSet() = default;

  // The errors, then the answers of each language.
  static size_t Index(Decision decision) {
    constexpr size_t kErrors = kRenderedAnswers - kLocalisedAnswers;
    const auto answer = static_cast<size_t>(decision.answer);
    if (answer >= kLocalisedAnswers) return answer - kLocalisedAnswers;
    return kErrors + decision.language * kLocalisedAnswers + answer;
  }
  bool RenderAnswer(const NetworkDescription& network, Decision decision, std::string& error);

  Offer offer_;
  std::vector<Response> full_;
  std::vector<Response> compact_;
};

}  // namespace narthex
