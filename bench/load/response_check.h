// SPDX-License-Identifier: Apache-2.0
// Verifies responses byte by byte: IP and TCP checksums, status line, Content-Length against what
// came, one body for all. Fed with the segments in the order in which the client accepted them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

namespace narthex::load {

class ResponseCheck {
 public:
  // `status`: three digits, empty for any. `partial_checksums`: a kernel on veth leaves TCP's to a
  // network card that is not there.
  explicit ResponseCheck(std::string status, bool partial_checksums = false)
      : status_(std::move(status)), partial_checksums_(partial_checksums) {}

  // An Ethernet frame; a response ends with its FIN.
  void Take(std::span<const uint8_t> frame);

  uint64_t Verified() const { return verified_; }
  uint64_t Wrong() const { return wrong_; }
  // The first few kinds of fault.
  const std::set<std::string>& Faults() const { return faults_; }
  const std::string& Sample() const { return sample_; }

 private:
  using Connection = std::pair<uint32_t, uint16_t>;  // client's address and port

  // What is wrong with a response, empty if nothing is.
  std::string FaultOf(const std::string& response);
  void Judge(const std::string& fault);

  std::string status_;
  bool partial_checksums_;
  std::map<Connection, std::string> open_;
  uint64_t verified_ = 0;
  uint64_t wrong_ = 0;
  std::set<std::string> faults_;
  std::string sample_;  // the first good response
};

}  // namespace narthex::load
