// SPDX-License-Identifier: Apache-2.0
// Reads the answer of a resolver (RFC 1035 §4) as far as the garden needs it: the question, and
// the addresses to which its name leads inside the answer section. Strict: what is odd in a way
// that no resolver's answer is, is refused as a whole. Authority and additional sections are not
// looked at: nothing there is believed.
//
// Pure; bounded in time by the message's length times its records.
#ifndef NARTHEX_CONTROL_DNS_MESSAGE_H
#define NARTHEX_CONTROL_DNS_MESSAGE_H

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "control/address.h"

namespace narthex {

inline constexpr uint16_t kDnsA = 1;
inline constexpr uint16_t kDnsCname = 5;
inline constexpr uint16_t kDnsNull = 10;
inline constexpr uint16_t kDnsTxt = 16;
inline constexpr uint16_t kDnsAaaa = 28;
inline constexpr uint16_t kDnsAny = 255;
inline constexpr size_t kMaxDnsRecords = 64;  // of an answer section; a large CDN gives a dozen
inline constexpr size_t kMaxCnames = 16;      // resolvers give up after about as many

enum class DnsError {
  kNone,
  kTruncated,    // it ends too early, or says that it was truncated (TC)
  kNotAnAnswer,  // a query, another opcode, not exactly one question, another class
  kName,         // a label or name too long, a pointer forward or in a circle, another label type
  kTooMany,      // records, or CNAMEs in a chain
  kRecord,       // an address of a wrong length, an AAAA that is v4-mapped, a name beyond its data
  kAmbiguous,    // two CNAMEs for one name, or a CNAME that leads back
};
const char* DnsErrorName(DnsError error);

struct DnsQuestion {
  // Lower case, no final dot; bytes other than letters, digits, '-' and '_' as \DDD, so that no
  // such name is ever equal to one of the configuration.
  std::string name;
  std::string raw;  // the labels' bytes, joined by dots
  uint16_t type = 0;
};

struct DnsAnswer {
  struct Found {
    Address address;
    uint32_t ttl_s = 0;  // the least on the way from the question to here
  };
  DnsQuestion question;          // with an error: empty, or as far as it is understood
  uint8_t rcode = 0;             // 0: no error
  std::vector<Found> addresses;  // none unless rcode is 0
};

// With an error `answer.addresses` is empty.
DnsError ReadDnsAnswer(std::span<const uint8_t> message, DnsAnswer& answer);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_DNS_MESSAGE_H
