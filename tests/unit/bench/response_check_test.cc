// SPDX-License-Identifier: Apache-2.0
#include "bench/load/response_check.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/tools/frames.h"

namespace narthex::load {
namespace {

using tools::kAck;
using tools::kFin;
using tools::kPsh;

const std::string kGood =
    "HTTP/1.1 511 Network Authentication Required\r\nDate: now\r\nContent-Length: 2\r\n\r\nhi";

// As the gateway sends it: the server is the packet's source.
std::vector<uint8_t> Frame(const std::string& payload, uint8_t flags, uint16_t client_port = 1024) {
  tools::Ends ends = {};
  ends.server4 = {10, 0, 0, 2};
  ends.server_port = client_port;
  const tools::Client server = {false, {198, 51, 100, 10}, 80};
  std::vector<uint8_t> frame(tools::kMaxFrameBytes);
  frame.resize(tools::Compose(ends, server, {flags, 7, 9, 1000, "", payload}, frame.data()));
  return frame;
}

struct Case {
  const char* what;
  std::string response;
  const char* fault;
};

TEST(ResponseCheck, AcceptsTheWholeResponse) {
  ResponseCheck check("511");
  check.Take(Frame(kGood, kPsh | kAck | kFin));
  EXPECT_EQ(check.Verified(), 1u);
  EXPECT_EQ(check.Wrong(), 0u);
}

TEST(ResponseCheck, JoinsSegmentsOfEachConnection) {
  ResponseCheck check("511");
  check.Take(Frame(kGood.substr(0, 20), kAck, 1024));
  check.Take(Frame(kGood.substr(0, 30), kAck, 1025));
  check.Take(Frame(kGood.substr(20), kAck, 1024));
  check.Take(Frame(kGood.substr(30), kAck | kFin, 1025));
  check.Take(Frame("", kAck | kFin, 1024));
  EXPECT_EQ(check.Verified(), 2u);
  EXPECT_EQ(check.Wrong(), 0u);
}

TEST(ResponseCheck, NamesWhatIsWrong) {
  const Case kCases[] = {
      {"nothing", "", "no response before the FIN"},
      {"no HTTP", "SSH-2.0-OpenSSH_9.2p1", "no status line"},
      {"another status", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "status 200"},
      {"unfinished", "HTTP/1.1 511 N\r\nContent-Length: 2\r\n", "header fields without an end"},
      {"no length", "HTTP/1.1 511 N\r\n\r\nhi", "no Content-Length"},
      {"body too short", "HTTP/1.1 511 N\r\nContent-Length: 3\r\n\r\nhi",
       "Content-Length differs from the body"},
  };
  for (const Case& c : kCases) {
    ResponseCheck check("511");
    check.Take(Frame(c.response, kAck | kFin));
    EXPECT_EQ(check.Wrong(), 1u) << c.what;
    EXPECT_EQ(check.Faults(), std::set<std::string>{c.fault}) << c.what;
  }
}

TEST(ResponseCheck, NoticesOneOtherByte) {
  ResponseCheck check("511");
  std::string other = kGood;
  other.back() = 'o';
  check.Take(Frame(kGood, kAck | kFin));
  check.Take(Frame(other, kAck | kFin));
  EXPECT_EQ(check.Faults(), std::set<std::string>{"another response than the first"});
}

TEST(ResponseCheck, AllowsAnotherDate) {
  ResponseCheck check("511");
  std::string later = kGood;
  later.replace(later.find("now"), 3, "late");
  check.Take(Frame(kGood, kAck | kFin));
  check.Take(Frame(later, kAck | kFin));
  EXPECT_EQ(check.Wrong(), 0u);
}

TEST(ResponseCheck, VerifiesChecksums) {
  for (const auto& [byte, fault] : {std::pair{26, "IP checksum"}, {60, "TCP checksum"}}) {
    ResponseCheck check("511");
    std::vector<uint8_t> frame = Frame(kGood, kAck | kFin);
    frame[static_cast<size_t>(byte)] ^= 1;
    check.Take(frame);
    EXPECT_EQ(check.Faults(), std::set<std::string>{fault});
  }
}

TEST(ResponseCheck, LeavesPartialChecksumsAloneWhenToldTo) {
  ResponseCheck check("511", true);
  std::vector<uint8_t> frame = Frame(kGood, kAck | kFin);
  frame[14 + 20 + 16] ^= 1;
  check.Take(frame);
  EXPECT_EQ(check.Verified(), 1u);
  EXPECT_EQ(check.Wrong(), 0u);
}

}  // namespace
}  // namespace narthex::load
