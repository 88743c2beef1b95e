// SPDX-License-Identifier: Apache-2.0
// DNS messages composed by name (RFC 1035 §4), for tests. Nothing of narthex is used here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace narthex::test {

namespace dns {

enum Type : uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kNull = 10,
  kTxt = 16,
  kAaaa = 28,
  kHttps = 65,
  kAny = 255
};

inline std::string U16(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}
inline std::string U32(uint32_t value) { return U16(value >> 16) + U16(value & 0xffff); }

// Labels of any bytes but dots, uncompressed.
inline std::string Name(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::string_view label = text.substr(0, text.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    text.remove_prefix(std::min(text.size(), label.size() + 1));
  }
  return out + '\0';
}

// A pointer to an offset of the message (RFC 1035 §4.1.4); 12 is the question's name.
inline std::string Pointer(unsigned offset) { return U16(0xc000 | offset); }

struct Record {
  std::string owner;  // as on the wire
  uint16_t type = kA;
  uint32_t ttl = 300;
  std::string data;
  uint16_t klass = 1;
};

inline std::string Write(const Record& record) {
  return record.owner + U16(record.type) + U16(record.klass) + U32(record.ttl) +
         U16(static_cast<unsigned>(record.data.size())) + record.data;
}

// An answer to a question for `name`.
struct Message {
  std::string name = "idp.example.com";
  uint16_t type = kA;
  std::vector<Record> answers = {};
  uint16_t flags = 0x8180;  // a response, recursion desired and available, no error
  uint16_t questions = 1;
  int count = -1;  // of answers; -1: as many as there are
  std::string rest = "";

  std::string Bytes() const {
    std::string out =
        U16(0x1234) + U16(flags) + U16(questions) +
        U16(count < 0 ? static_cast<unsigned>(answers.size()) : static_cast<unsigned>(count)) +
        U32(0) + Name(name) + U16(type) + U16(1);
    for (const Record& record : answers) out += Write(record);
    return out + rest;
  }
};

inline std::string Query(std::string_view name, uint16_t type = kA) {
  return Message{.name = std::string(name), .type = type, .flags = 0x0100}.Bytes();
}

}  // namespace dns

}  // namespace narthex::test
