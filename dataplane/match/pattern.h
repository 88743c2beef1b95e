// SPDX-License-Identifier: Apache-2.0
// What a rule can ask of one field of a request. Every pattern is about the whole value.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace narthex {

enum class Field : uint8_t { kHost, kPath, kMethod, kUserAgent, kLanguage };
inline constexpr size_t kFields = 5;
inline constexpr std::array<std::string_view, kFields> kFieldNames = {"host", "path", "method",
                                                                      "user_agent", "language"};

enum class Kind : uint8_t {
  kExact,
  kSuffix,  // host: this domain and all below it; other fields: the end of the value
  kGlob,    // * any run of characters, ? any one
  kRegex,   // Hyperscan's subset of PCRE
};
inline constexpr size_t kKinds = 4;
inline constexpr std::array<std::string_view, kKinds> kKindNames = {"exact", "suffix", "glob",
                                                                    "regex"};

struct Pattern {
  Field field;
  Kind kind;
  std::string text;

  auto operator<=>(const Pattern&) const = default;
};

// Hosts, languages and user agents are compared without regard to case, paths and methods with.
constexpr bool IgnoresCase(Field field) {
  return field == Field::kHost || field == Field::kUserAgent || field == Field::kLanguage;
}

// A longer value matches no pattern.
inline constexpr std::array<size_t, kFields> kMaxValueBytes = {255, 2048, 32, 512, 35};

// The values of a request, as rules see them.
using Values = std::array<std::string_view, kFields>;

}  // namespace narthex
