// SPDX-License-Identifier: Apache-2.0
#include "control/dns_message.h"

#include <algorithm>
#include <cstring>

namespace narthex {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kMaxNameBytes = 255;  // on the wire, RFC 1035 §2.3.4
constexpr uint16_t kClassIn = 1;

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> message) : message_(message) {}

  size_t offset() const { return offset_; }
  void MoveTo(size_t offset) { offset_ = offset; }
  bool Has(size_t bytes) const { return message_.size() - offset_ >= bytes; }
  uint16_t U16() {
    auto value = static_cast<uint16_t>(message_[offset_] << 8 | message_[offset_ + 1]);
    offset_ += 2;
    return value;
  }
  uint32_t U32() {
    uint32_t high = U16();
    return high << 16 | U16();
  }
  const uint8_t* Here() const { return message_.data() + offset_; }

  // The name here, as its labels' bytes joined by dots (a dot inside a label is kept apart by
  // `escaped`). A pointer must lead further back than all before it, so there is no circle.
  DnsError Name(std::string* escaped, std::string* raw);

 private:
  std::span<const uint8_t> message_;
  size_t offset_ = 0;
};

void AppendLabel(std::span<const uint8_t> label, std::string& escaped) {
  if (!escaped.empty()) escaped += '.';
  for (uint8_t byte : label) {
    auto c = static_cast<char>(byte);
    if (c >= 'A' && c <= 'Z')
      escaped += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
      escaped += c;
    else
      escaped.append({'\\', static_cast<char>('0' + byte / 100),
                      static_cast<char>('0' + byte / 10 % 10), static_cast<char>('0' + byte % 10)});
  }
}

DnsError Reader::Name(std::string* escaped, std::string* raw) {
  size_t at = offset_, furthest_back = offset_, total = 0;
  bool jumped = false;
  for (;;) {
    if (at >= message_.size()) return DnsError::kTruncated;
    uint8_t length = message_[at];
    if ((length & 0xc0) == 0xc0) {
      if (at + 1 >= message_.size()) return DnsError::kTruncated;
      size_t target = static_cast<size_t>(length & 0x3f) << 8 | message_[at + 1];
      if (target < kHeaderBytes || target >= furthest_back) return DnsError::kName;
      if (!jumped) offset_ = at + 2;
      jumped = true;
      at = furthest_back = target;
      continue;
    }
    if (length > 63) return DnsError::kName;
    total += length + 1u;
    if (total > kMaxNameBytes) return DnsError::kName;
    if (message_.size() - at - 1 < length) return DnsError::kTruncated;
    std::span<const uint8_t> label = message_.subspan(at + 1, length);
    at += length + 1u;
    if (length == 0) break;
    if (raw != nullptr) {
      if (!raw->empty()) *raw += '.';
      raw->append(label.begin(), label.end());
    }
    if (escaped != nullptr) AppendLabel(label, *escaped);
  }
  if (!jumped) offset_ = at;
  return DnsError::kNone;
}

struct Record {
  std::string owner;
  uint16_t type = 0;
  uint32_t ttl_s = 0;
  std::string target;  // of a CNAME
  Address address;     // of A and AAAA
};

Address ReadAddress(const uint8_t* data, bool v4) {
  Address address;
  if (v4) address.bytes[10] = address.bytes[11] = 0xff;
  std::memcpy(address.bytes.data() + (v4 ? 12 : 0), data, v4 ? 4 : 16);
  return address;
}

bool IsMapped(const uint8_t* data) {
  constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(data, kMapped, sizeof kMapped) == 0;
}

DnsError ReadData(Reader& reader, size_t bytes, Record& record) {
  size_t end = reader.offset() + bytes;
  if (record.type == kDnsCname) {
    if (auto error = reader.Name(&record.target, nullptr); error != DnsError::kNone) return error;
    if (reader.offset() != end) return DnsError::kRecord;
  } else if (record.type == kDnsA || record.type == kDnsAaaa) {
    bool v4 = record.type == kDnsA;
    if (bytes != (v4 ? 4 : 16)) return DnsError::kRecord;
    // Ours would be taken for the IPv4 address inside.
    if (!v4 && IsMapped(reader.Here())) return DnsError::kRecord;
    record.address = ReadAddress(reader.Here(), v4);
  }
  reader.MoveTo(end);
  return DnsError::kNone;
}

// RFC 2181 §8: a TTL with the highest bit set counts as zero.
uint32_t Ttl(uint32_t wire) { return wire >> 31 ? 0 : wire; }

// Records of other classes and types are stepped over.
DnsError ReadRecords(Reader& reader, size_t count, std::vector<Record>& records) {
  if (count > kMaxDnsRecords) return DnsError::kTooMany;
  for (size_t i = 0; i < count; ++i) {
    Record record;
    if (auto error = reader.Name(&record.owner, nullptr); error != DnsError::kNone) return error;
    if (!reader.Has(10)) return DnsError::kTruncated;
    record.type = reader.U16();
    uint16_t record_class = reader.U16();
    record.ttl_s = Ttl(reader.U32());
    size_t bytes = reader.U16();
    if (!reader.Has(bytes)) return DnsError::kTruncated;
    if (record_class != kClassIn) {
      reader.MoveTo(reader.offset() + bytes);
      continue;
    }
    if (auto error = ReadData(reader, bytes, record); error != DnsError::kNone) return error;
    if (record.type == kDnsA || record.type == kDnsAaaa || record.type == kDnsCname)
      records.push_back(std::move(record));
  }
  return DnsError::kNone;
}

// From the question's name along the CNAMEs to its addresses, in whatever order the records are.
DnsError Follow(const std::vector<Record>& records, DnsAnswer& answer) {
  std::string name = answer.question.name;
  uint32_t ttl_s = UINT32_MAX;
  std::vector<const Record*> used;
  for (;;) {
    const Record* next = nullptr;
    for (const Record& record : records) {
      if (record.type != kDnsCname || record.owner != name) continue;
      if (next != nullptr && next->target != record.target) return DnsError::kAmbiguous;
      if (next == nullptr) next = &record;
    }
    if (next == nullptr) break;
    if (std::find(used.begin(), used.end(), next) != used.end()) return DnsError::kAmbiguous;
    if (used.size() == kMaxCnames) return DnsError::kTooMany;
    used.push_back(next);
    ttl_s = std::min(ttl_s, next->ttl_s);
    name = next->target;
  }
  for (const Record& record : records)
    if (record.type != kDnsCname && record.owner == name &&
        (record.type == answer.question.type || answer.question.type == kDnsAny))
      answer.addresses.push_back({record.address, std::min(ttl_s, record.ttl_s)});
  return DnsError::kNone;
}

}  // namespace

const char* DnsErrorName(DnsError error) {
  switch (error) {
    case DnsError::kNone:
      return "none";
    case DnsError::kTruncated:
      return "truncated";
    case DnsError::kNotAnAnswer:
      return "not an answer";
    case DnsError::kName:
      return "impossible name";
    case DnsError::kTooMany:
      return "too many records";
    case DnsError::kRecord:
      return "impossible record";
    case DnsError::kAmbiguous:
      return "ambiguous";
  }
  return "";
}

DnsError ReadDnsAnswer(std::span<const uint8_t> message, DnsAnswer& answer) {
  answer = {};
  if (message.size() < kHeaderBytes) return DnsError::kTruncated;
  Reader reader(message);
  reader.MoveTo(2);
  uint16_t flags = reader.U16();
  uint16_t questions = reader.U16(), answers = reader.U16();
  if (!(flags & 0x8000) || (flags & 0x7800) != 0 || questions != 1) return DnsError::kNotAnAnswer;
  answer.rcode = flags & 0xf;
  reader.MoveTo(kHeaderBytes);
  DnsQuestion question;
  if (auto error = reader.Name(&question.name, &question.raw); error != DnsError::kNone)
    return error;
  if (!reader.Has(4)) return DnsError::kTruncated;
  question.type = reader.U16();
  if (reader.U16() != kClassIn) return DnsError::kNotAnAnswer;
  answer.question = std::move(question);
  if (flags & 0x0200) return DnsError::kTruncated;
  if (answer.rcode != 0) return DnsError::kNone;
  std::vector<Record> records;
  if (auto error = ReadRecords(reader, answers, records); error != DnsError::kNone) return error;
  return Follow(records, answer);
}

}  // namespace narthex
