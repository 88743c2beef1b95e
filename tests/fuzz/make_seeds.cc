// SPDX-License-Identifier: Apache-2.0
// Writes the seed corpora: make_seeds DIR. Small inputs that reach every branch a fuzzer would
// take long to find.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/harness/dns.h"
#include "tests/harness/gateway.h"

namespace narthex::test {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

class Corpus {
 public:
  explicit Corpus(fs::path directory) : directory_(std::move(directory)) {
    fs::create_directories(directory_);
  }
  void Add(const std::string& bytes) {
    std::ofstream(directory_ / ("seed-" + std::to_string(count_++)), std::ios::binary) << bytes;
  }

 private:
  fs::path directory_;
  int count_ = 0;
};

const std::string kRequests[] = {
    kGet,
    "\r\nHEAD http://b.example:81/x?y HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nAccept: "
    "application/json;q=0.5, text/plain;q=0.4, */*;q=0.1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    "PUT / HTTP/1.1\r\nHost: a%2Db\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "CONNECT a:443 HTTP/1.1\r\nHost: a\r\nUser-Agent: u\r\nAccept-Language: de\r\n\r\n",
    "OPTIONS * HTTP/1.0\n\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s,
    "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    "GET / HTTP/3.0\r\n\r\n",
    "GET /\r\n",
    "EHLO x\r\n",
};

std::string Step(uint8_t control, const Bytes& bytes) {
  std::string out = {static_cast<char>(control), static_cast<char>(bytes.size() >> 8),
                     static_cast<char>(bytes.size())};
  return out.append(bytes.begin(), bytes.end());
}

std::string SegmentStep(uint8_t control, int offset, const std::string& data) {
  Bytes bytes = {static_cast<uint8_t>(offset >> 8), static_cast<uint8_t>(offset)};
  bytes.insert(bytes.end(), data.begin(), data.end());
  return Step(control | 8, bytes);
}

void WriteDns(const fs::path& directory) {
  using namespace dns;
  const std::string address = "\xcb\x00\x71\x07"s, address6(16, '\x20');
  const Record a{.owner = Pointer(12), .data = address};
  const Message messages[] = {
      {.answers = {a, a}},
      {.type = kAaaa, .answers = {{.owner = Pointer(12), .type = kAaaa, .data = address6}}},
      {.answers = {{.owner = Pointer(12), .type = kCname, .data = Name("x.cdn.example")},
                   {.owner = Pointer(45), .data = address}}},
      {.answers = {{.owner = Pointer(12), .type = kCname, .data = Pointer(12)}}},
      {.name = "a.b",
       .type = kTxt,
       .answers = {{.owner = Pointer(12), .type = kTxt, .data = "\1x"}}},
      {.type = kAny, .answers = {a}, .flags = 0x8183},
      {.flags = 0x0100},
      {.count = 9, .rest = Pointer(12)},
      {.rest = std::string("\0\0\x29\4\xd0\0\0\0\0\0\0", 11)},
  };
  Corpus corpus(directory / "dns_message");
  for (const Message& message : messages) corpus.Add(message.Bytes());
}

void Write(const fs::path& directory) {
  WriteDns(directory);
  Gateway gateway;
  const Connection v4{.gateway = &gateway};
  const Connection v6{.gateway = &gateway, .ipv6 = true};
  const Bytes frames[] = {v4.Data(0, kGet), v6.Data(0, kGet),
                          Ethernet{} / Vlan{.tpid = 0x88a8} / Vlan{} /
                              Ipv4{.options = Bytes(8, 1)} / v4.At(0) / Payload{kGet},
                          Ethernet{} / Ipv6{} / Extension{.type = 0} / Extension{.type = 60} /
                              Extension{.type = 51, .body = Bytes(22)} / v6.At(0) / Payload{kGet}};

  Corpus http(directory / "http_request"), packet(directory / "packet"),
      responder(directory / "responder"), policy(directory / "policy");
  policy.Add(
      "<!DOCTYPE html>\n<html lang={{language}}><meta charset=utf-8><title>{{title}}</title>"
      "<style>p{color:red}</style><p class='a' style=\"margin:0\">{{message}}<br/>"
      "{{network_name}}<img src=data:image/png;base64,AA alt=x><a href=tel:1>1</a>"
      "<a href=\"{{login_url}}\">{{link_text}}</a>\n</html>\n");
  policy.Add(
      "{\"version\":1,\"instance\":\"i\",\"bpffs\":\"/b\",\"hugepages\":\"never\","
      "\"idle_backoff\":true,\"zones\":[{\"id\":1,\"name\":\"z\",\"interface\":\"e\","
      "\"queues\":1,\"worker_base\":0,\"network_name\":\"n\",\"portal_url\":\"http://p/\","
      "\"api_url\":\"https://p/\",\"default_media_type\":\"text\",\"languages\":[{\"tag\":"
      "\"de\",\"title\":\"t\",\"message\":\"m\",\"link_text\":\"l\"}]}]}");
  for (const std::string& request : kRequests) {
    http.Add(request);
    responder.Add(SegmentStep(32, 0, request) + SegmentStep(32, 0, request));
    const auto half = static_cast<int>(request.size() / 2);
    responder.Add(SegmentStep(0, 0, request.substr(0, request.size() / 2)) +
                  SegmentStep(16, half, request.substr(request.size() / 2)));
    responder.Add(SegmentStep(0, half, request.substr(request.size() / 2)) +
                  SegmentStep(4, 0, request.substr(0, request.size() / 2 + 3)));
  }
  for (const Bytes& frame : frames) {
    packet.Add(std::string(frame.begin(), frame.end()));
    responder.Add(Step(3 | 32, frame) + Step(3, frame) + Step(0, frame));
  }
}

}  // namespace
}  // namespace narthex::test

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_seeds DIR\n";
    return 2;
  }
  narthex::test::Write(argv[1]);
  return 0;
}
