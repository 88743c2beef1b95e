// SPDX-License-Identifier: Apache-2.0
// Reading the members of the snapshot's JSON, each checked; for policy/ alone.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace narthex {

using nlohmann::json;

inline constexpr size_t kMaxTextBytes = 1024;

// Thrown by what follows, caught in ParseSnapshot: loading is no hot path.
struct BadSnapshot : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline const json& Member(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) throw BadSnapshot(std::string("\"") + name + "\" is missing");
  return *found;
}

inline uint64_t Number(const json& object, const char* name, uint64_t least, uint64_t most) {
  const json& value = Member(object, name);
  if (!value.is_number_unsigned() || value.get<uint64_t>() < least ||
      value.get<uint64_t>() > most) {
    throw BadSnapshot(std::string("\"") + name + "\" is no number from " + std::to_string(least) +
                      " to " + std::to_string(most));
  }
  return value.get<uint64_t>();
}

inline bool Flag(const json& object, const char* name) {
  const json& value = Member(object, name);
  if (!value.is_boolean()) throw BadSnapshot(std::string("\"") + name + "\" is no boolean");
  return value.get<bool>();
}

// Text without control characters, not empty.
inline std::string Text(const json& object, const char* name, size_t max_bytes = kMaxTextBytes) {
  const json& value = Member(object, name);
  if (!value.is_string()) throw BadSnapshot(std::string("\"") + name + "\" is no string");
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty() || text.size() > max_bytes) {
    throw BadSnapshot(std::string("\"") + name + "\" must have 1 to " + std::to_string(max_bytes) +
                      " bytes");
  }
  for (char c : text) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) {
      throw BadSnapshot(std::string("\"") + name + "\" holds control characters");
    }
  }
  return text;
}

}  // namespace narthex
