// SPDX-License-Identifier: Apache-2.0
// A responder in memory, and a client whose SYN it has answered: packets in, packets out.
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "bpf/cookie.h"
#include "reply/response.h"
#include "tests/harness/packet.h"
#include "worker/responder.h"

namespace narthex::test {

inline ResponseSet RenderResponses(const std::string& name = "Stadium Wi-Fi",
                                   const std::string& url = "http://198.51.100.20/login") {
  std::string error;
  auto set = ResponseSet::Render({.network_name = name, .portal_url = url}, error);
  if (!set) throw std::runtime_error(error);
  return *set;
}

// Everything that a worker has but its port; the clock is the test's.
class Gateway {
 public:
  static constexpr uint16_t kZone = 1;
  static constexpr size_t kBufferBytes = 2048;

  explicit Gateway(const ReassemblyLimits& limits = {}, const ResponseSet& set = RenderResponses())
      : responses(set), responder(kZone, keys, worker, limits, 1, 2) {
    for (int i = 0; i < 4; i++) {
      keys.key[i][0] = 0x1111111111111111ull * static_cast<unsigned>(i + 1);
      keys.key[i][1] = 0x123456789abcdefull;
    }
    responder.Use(responses);
  }

  // The reply, or nothing. The rest of the buffer is noise, which must not get out.
  std::optional<Bytes> Receive(const Bytes& frame) {
    Bytes buffer(kBufferBytes, 0xa5);
    std::copy(frame.begin(), frame.end(), buffer.begin());
    const uint32_t bytes = responder.Handle(buffer.data(), static_cast<uint32_t>(frame.size()),
                                            kBufferBytes, Instant::FromNs(now_ns));
    if (bytes == 0) return std::nullopt;
    buffer.resize(bytes);
    return buffer;
  }
  // The reply as a segment; throws if it is not well formed.
  std::optional<Segment> Answer(const Bytes& frame) {
    auto reply = Receive(frame);
    if (!reply) return std::nullopt;
    auto segment = ReadSegment(*reply);
    if (!segment) throw std::runtime_error("the reply is no well-formed segment");
    return segment;
  }
  uint64_t Count(nx_worker_counter counter) const { return worker.counters[counter]; }

  uint64_t now_ns = 10 * NX_COOKIE_SLOT_NS + 5;
  nx_cookie_keys keys{};
  nx_worker worker{};
  ResponseSet responses;
  Responder responder;
};

// One connection of a client, after the handshake.
struct Connection {
  Gateway* gateway;
  bool ipv6 = false;
  uint16_t sport = 40000;
  uint32_t isn = 1000;
  uint32_t mss_class = NX_MSS_FULL;
  uint16_t window = 64240;

  uint32_t Cookie() const {
    nx_flow flow{};
    const Bytes client = internal::Address(ipv6 ? Ipv6{}.src : Ipv4{}.src);
    const Bytes server = internal::Address(ipv6 ? Ipv6{}.dst : Ipv4{}.dst);
    if (!ipv6) std::memset(flow.client + 10, 0xff, 2), std::memset(flow.server + 10, 0xff, 2);
    std::copy(client.begin(), client.end(), flow.client + 16 - client.size());
    std::copy(server.begin(), server.end(), flow.server + 16 - server.size());
    flow.client_port = htons(sport);
    flow.server_port = htons(80);
    flow.zone = Gateway::kZone;
    flow.ipv6 = ipv6;
    return nx_cookie_base(&gateway->keys, &flow, nx_cookie_slot(gateway->now_ns)) | mss_class;
  }
  // The TCP header of a segment at `offset` of the client's stream.
  Tcp At(uint32_t offset, uint8_t flags = kAck | kPsh) const {
    return {.sport = sport,
            .dport = 80,
            .seq = isn + 1 + offset,
            .ack = Cookie() + 1,
            .flags = flags,
            .window = window};
  }
  Bytes Data(uint32_t offset, const std::string& bytes, uint8_t flags = kAck | kPsh) const {
    if (ipv6) return Ethernet{} / Ipv6{} / At(offset, flags) / Payload{bytes};
    return Ethernet{} / Ipv4{} / At(offset, flags) / Payload{bytes};
  }
  // The acknowledgement that covers `bytes` of the stream.
  uint32_t Acked(size_t bytes) const { return isn + 1 + static_cast<uint32_t>(bytes); }
};

inline const std::string kGet =
    "GET /captive-portal-check HTTP/1.1\r\nHost: api.example.test\r\nUser-Agent: test\r\n\r\n";

}  // namespace narthex::test
