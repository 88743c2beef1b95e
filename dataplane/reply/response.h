// SPDX-License-Identifier: Apache-2.0
// The responses of one zone, rendered at load into immutable bytes with their checksum sums.
//
// Each answer exists twice: full, for clients whose MSS is 1220 or more, and compact, for 536.
// Either fits one segment, headers included (bpf/abi.h). A zone whose texts do not fit is refused
// with the number of bytes too many. The Date of a 302 is a gap in Response, filled and summed by
// the segment's writer from the worker's DateText.
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
  uint16_t date_offset = 0;  // even, of kDateBytes; 0: has no date
  ChecksumSum sum = 0;       // of the bytes, as the start of a TCP payload; the date as zeros

  std::string_view View() const { return {reinterpret_cast<const char*>(bytes.data()), size}; }
};

// The time in the form of a Date field (RFC 9110 §5.6.7), kept by each worker and renewed once a
// second, so that no packet costs a look at a clock.
inline constexpr size_t kDateBytes = 29;

class DateText {
 public:
  DateText() { Set(0); }
  // Seconds of CLOCK_REALTIME.
  void Set(int64_t wall_s);
  const uint8_t* Bytes() const { return bytes_.data(); }
  ChecksumSum Sum() const { return sum_; }  // from an even offset

 private:
  int64_t wall_s_ = -1;
  std::array<uint8_t, kDateBytes> bytes_;
  ChecksumSum sum_ = 0;
};

class ResponseSet {
 public:
  // Nothing and one line in `error` if a page cannot be used or a rendering does not fit.
  static std::optional<ResponseSet> Render(const NetworkDescription& network, std::string& error);

  // What these responses can be chosen from.
  const Offer& GetOffer() const { return offer_; }

  // A decision is good for these responses if Holds says so: it may have been made for others.
  bool Holds(Decision decision) const { return Index(decision) < full_.size(); }
  const Response& Full(Decision decision) const { return full_[Index(decision)]; }
  const Response& Compact(Decision decision) const { return compact_[Index(decision)]; }

 private:
  ResponseSet() = default;

  // The errors, then the redirects, then the answers of each page in each language.
  size_t Index(Decision decision) const {
    constexpr size_t kErrors = kRenderedAnswers - kLocalisedAnswers;
    const auto answer = static_cast<size_t>(decision.answer);
    if (answer < kLocalisedAnswers) {
      const size_t page = decision.variant * offer_.languages.size() + decision.language;
      return kErrors + 2 * redirects_ + page * kLocalisedAnswers + answer;
    }
    if (answer < kRenderedAnswers) return answer - kLocalisedAnswers;
    if (decision.variant >= redirects_) return SIZE_MAX;
    return kErrors + 2u * decision.variant + (answer - kRenderedAnswers);
  }
  bool RenderAnswer(const NetworkDescription& network, Decision decision, std::string& error);

  Offer offer_;
  size_t redirects_ = 1;
  std::vector<Response> full_;
  std::vector<Response> compact_;
};

}  // namespace narthex
