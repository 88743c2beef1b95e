// SPDX-License-Identifier: Apache-2.0
// Proactive negotiation of the language (RFC 9110 §12.5.4), by the lookup of RFC 4647 §3.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace narthex {

using LanguageTags = std::vector<std::string>;  // lower case
inline constexpr size_t kMaxLanguages = 16;
inline constexpr size_t kMaxLanguageTagBytes = 35;  // RFC 5646 §4.4.1

// Which of `tags` the field wants most: the range of the highest weight that names one of them,
// whole or shortened from its end ("de-AT" finds "de"), the earlier one among equals; 0 if none
// does.
[[nodiscard]] uint8_t ChooseLanguage(std::string_view accept_language, const LanguageTags& tags);

// The range that the field wants most, the first among equals; empty if there is none.
[[nodiscard]] std::string_view PreferredLanguage(std::string_view accept_language);

}  // namespace narthex
