// SPDX-License-Identifier: Apache-2.0
// Any bytes into the reader of DNS answers. Oracles: what it finds is bounded, an error leaves no
// address, and reading the same again, in other memory, finds the same.
#include <algorithm>
#include <vector>

#include "control/dns_message.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace narthex;
  // In memory of exactly its size, so that ASan sees an over-read.
  std::vector<uint8_t> copy(data, data + size);
  copy.shrink_to_fit();
  DnsAnswer answer;
  const DnsError error = ReadDnsAnswer(copy, answer);
  Check(answer.question.raw.size() <= 253);
  Check(answer.question.name.size() <= 4 * 253);
  Check(answer.addresses.size() <= kMaxDnsRecords);
  Check(error == DnsError::kNone || answer.addresses.empty());
  Check(answer.rcode == 0 || answer.addresses.empty());
  for (char c : answer.question.name)
    Check(c >= '!' && c <= '~' && !(c >= 'A' && c <= 'Z'));  // fit for a log line
  for (const auto& found : answer.addresses) {
    Check(found.ttl_s <= 0x7fffffff);
    const auto& bytes = found.address.bytes;
    bool mapped = bytes[10] == 0xff && bytes[11] == 0xff &&
                  std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; });
    Check(answer.question.type == kDnsAny || mapped == (answer.question.type == kDnsA));
  }
  std::vector<uint8_t> again(copy);
  DnsAnswer second;
  Check(ReadDnsAnswer(again, second) == error);
  Check(second.question.name == answer.question.name);
  Check(second.addresses.size() == answer.addresses.size());
  return 0;
}
