// SPDX-License-Identifier: Apache-2.0
#include "response_check.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace narthex::load {
namespace {

constexpr size_t kEthernetBytes = 14;
constexpr size_t kIpBytes = 20;
constexpr size_t kMaxFaults = 8;

uint32_t Read16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint32_t>(bytes[at] << 8 | bytes[at + 1]);
}

uint32_t Sum(std::span<const uint8_t> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i++) sum += i % 2 ? bytes[i] : bytes[i] << 8;
  return sum;
}

bool IsWhole(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

// The body's length by its header field; -1 without one.
long ContentLength(const std::string& headers) {
  const std::string lower = Lower(headers);
  const std::string name = "\r\ncontent-length:";
  const size_t at = lower.find(name);
  if (at == std::string::npos) return -1;
  size_t begin = at + name.size();
  while (begin < lower.size() && lower[begin] == ' ') begin++;
  long length = -1;
  std::from_chars(lower.data() + begin, lower.data() + lower.size(), length);
  return length;
}

// Date is the one header field that may differ between equal answers.
std::string WithoutDate(const std::string& response) {
  const size_t at = Lower(response).find("\r\ndate:");
  if (at == std::string::npos) return response;
  return response.substr(0, at) +
         response.substr(std::min(response.size(), response.find("\r\n", at + 2)));
}

}  // namespace

std::string ResponseCheck::FaultOf(const std::string& response) {
  if (response.empty()) return "no response before the FIN";
  if (response.compare(0, 7, "HTTP/1.") != 0 || response.size() < 13 || response[8] != ' ') {
    return "no status line";
  }
  if (!status_.empty() && response.compare(9, 3, status_) != 0) {
    return "status " + response.substr(9, 3);
  }
  const size_t end = response.find("\r\n\r\n");
  if (end == std::string::npos) return "header fields without an end";
  const long length = ContentLength(response.substr(0, end + 2));
  if (length < 0) return "no Content-Length";
  if (static_cast<size_t>(length) != response.size() - end - 4) {
    return "Content-Length differs from the body";
  }
  if (sample_.empty()) sample_ = WithoutDate(response);
  return WithoutDate(response) == sample_ ? "" : "another response than the first";
}

void ResponseCheck::Judge(const std::string& fault) {
  verified_++;
  if (fault.empty()) return;
  wrong_++;
  if (faults_.size() < kMaxFaults) faults_.insert(fault);
}

void ResponseCheck::Take(std::span<const uint8_t> frame) {
  if (frame.size() < kEthernetBytes + kIpBytes + 20) return Judge("a frame cut short");
  const auto ip = frame.subspan(kEthernetBytes);
  const size_t ip_bytes = Read16(ip, 2);
  if (ip_bytes > ip.size() || ip_bytes < kIpBytes + 20) return Judge("impossible IP length");
  const auto tcp = ip.subspan(kIpBytes, ip_bytes - kIpBytes);
  const size_t header_bytes = static_cast<size_t>(tcp[12] >> 4) * 4;
  if (header_bytes < 20 || header_bytes > tcp.size()) return Judge("impossible TCP header length");
  if (!IsWhole(Sum(ip.first(kIpBytes)))) return Judge("IP checksum");
  const auto length = static_cast<uint32_t>(tcp.size());
  if (!partial_checksums_ && !IsWhole(Sum(ip.subspan(12, 8)) + 6 + length + Sum(tcp))) {
    return Judge("TCP checksum");
  }
  const Connection connection = {Read16(ip, 16) << 16 | Read16(ip, 18), Read16(tcp, 2)};
  std::string& response = open_[connection];
  response.append(tcp.begin() + static_cast<long>(header_bytes), tcp.end());
  const bool fin = tcp[13] & 1;
  if (!fin) return;
  Judge(FaultOf(response));
  open_.erase(connection);
}

}  // namespace narthex::load
