// SPDX-License-Identifier: Apache-2.0
// Proactive negotiation of the media type (RFC 9110 §12.5.1).
#pragma once

#include <cstdint>
#include <string_view>

namespace narthex {

enum class MediaType : uint8_t { kHtml, kJson, kText };

// The most wanted of the three; `fallback` where the field is absent, prefers none to it or
// excludes all three: a 511 in an unwanted form is better than none. A type that is named beats
// one that only a wildcard covers at the same weight, so that `application/json, */*` gets JSON.
[[nodiscard]] MediaType NegotiateMediaType(std::string_view accept, MediaType fallback);

}  // namespace narthex
