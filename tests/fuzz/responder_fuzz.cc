// SPDX-License-Identifier: Apache-2.0
// A conversation into the whole worker pipeline.
//
// The input is a list of steps: one control byte, two bytes of length, that many bytes. Control:
//   1  the frame gets the cookie of its own flow (else it has what the fuzzer wrote)
//   2  its checksums are put right
//   4  ten seconds go by first, and the timer runs
//   8  the bytes are no frame but a segment's payload: two bytes of stream offset, then data
//  16  that segment carries FIN
//  32  that client can receive the full response
//
// Oracle: at most one reply; none without a valid cookie; well-formed, checksums right (by the
// tests' own reader); its payload is one of the rendered responses, whole, or nothing.
#include <algorithm>

#include "tests/fuzz/check.h"
#include "tests/harness/gateway.h"

namespace narthex::test {
namespace {

enum Control : uint8_t {
  kFixCookie = 1,
  kFixChecksums = 2,
  kTimePasses = 4,
  kSegment = 8,
  kWithFin = 16,
  kFullMss = 32,
};

constexpr size_t kMaxFrameBytes = 1600;

// A redirect, its date put back to the zeros in which it was rendered.
bool IsRedirect(const ResponseSet& set, std::string payload) {
  for (narthex::Answer answer : {narthex::Answer::kRedirect, narthex::Answer::kRedirectHead}) {
    for (const Response* each : {&set.Full({answer}), &set.Compact({answer})}) {
      std::string undated = payload;
      if (payload.size() < each->date_offset + kDateBytes) continue;
      undated.replace(each->date_offset, kDateBytes, kDateBytes, '\0');
      if (undated == each->View()) return true;
    }
  }
  return false;
}

bool IsRendered(const ResponseSet& set, const std::string& payload) {
  if (IsRedirect(set, payload)) return true;
  for (size_t i = 0; i < kRenderedAnswers; i++) {
    for (uint8_t language = 0; language < set.GetOffer().languages.size(); language++) {
      const Decision decision{static_cast<narthex::Answer>(i), language};
      if (payload == set.Full(decision).View() || payload == set.Compact(decision).View()) {
        return true;
      }
    }
  }
  return false;
}

// Makes a frame that the fuzzer wrote good enough to get deep.
void Repair(Bytes& frame, uint8_t control, const Gateway& gateway) {
  narthex::Packet packet;
  if (ParsePacket(frame, packet) != ParseResult::kOk) return;
  uint8_t* tcp = &frame[packet.tcp_offset];
  if (control & kFixCookie) {
    packet.flow.zone = Gateway::kZone;
    const uint32_t cookie =
        nx_cookie_base(&gateway.keys, &packet.flow, nx_cookie_slot(gateway.now_ns)) |
        (control & kFullMss ? NX_MSS_FULL : NX_MSS_COMPACT);
    const uint32_t ack = htonl(cookie + 1);
    std::memcpy(tcp + 8, &ack, 4);
  }
  if (!(control & kFixChecksums)) return;
  uint8_t* ip = &frame[packet.ip_offset];
  const size_t address_bytes = packet.flow.ipv6 ? 16 : 4;
  Bytes pseudo(ip + (packet.flow.ipv6 ? 8 : 12),
               ip + (packet.flow.ipv6 ? 8 : 12) + 2 * address_bytes);
  const size_t segment_bytes =
      packet.payload_offset + packet.payload_bytes - size_t{packet.tcp_offset};
  internal::Put16(pseudo, 6);
  internal::Put16(pseudo, segment_bytes);
  std::memset(tcp + 16, 0, 2);
  pseudo.insert(pseudo.end(), tcp, tcp + segment_bytes);
  const uint16_t tcp_sum = htons(internal::Checksum(pseudo));
  std::memcpy(tcp + 16, &tcp_sum, 2);
  if (packet.flow.ipv6) return;
  std::memset(ip + 10, 0, 2);
  const uint16_t ip_sum = htons(internal::Checksum(Bytes(ip, ip + (ip[0] & 15) * 4)));
  std::memcpy(ip + 10, &ip_sum, 2);
}

Bytes Compose(uint8_t control, const Bytes& bytes, Gateway& gateway) {
  if (!(control & kSegment) || bytes.size() < 3) return bytes;
  Connection connection{.gateway = &gateway};
  connection.mss_class = control & kFullMss ? NX_MSS_FULL : NX_MSS_COMPACT;
  const auto offset = static_cast<int16_t>(bytes[0] << 8 | bytes[1]);
  return connection.Data(static_cast<uint32_t>(int32_t{offset}),
                         std::string(bytes.begin() + 2, bytes.end()),
                         static_cast<uint8_t>(kAck | (control & kWithFin ? kFin : 0)));
}

void CheckReply(const Bytes& frame, const Bytes& reply, const Gateway& gateway) {
  narthex::Packet packet;
  Check(ParsePacket(frame, packet) == ParseResult::kOk && VerifyChecksums(frame, packet));
  packet.flow.zone = Gateway::kZone;
  __u32 mss_class = 0;
  const nx_cookie_state state =
      nx_cookie_check(&gateway.keys, &packet.flow, nx_cookie_slot(gateway.now_ns),
                      packet.acknowledgement.Value(), &mss_class);
  Check(state != NX_COOKIE_INVALID);

  const auto segment = ReadSegment(reply);
  Check(segment.has_value());
  Check(segment->dst == (packet.flow.ipv6
                             ? Bytes(packet.flow.client, packet.flow.client + 16)
                             : Bytes(packet.flow.client + 12, packet.flow.client + 16)));
  Check(segment->seq == packet.acknowledgement.Value());
  Check(segment->options.empty() && segment->ttl == 64 && segment->tos == 0);
  if (segment->payload.empty()) {
    Check(segment->flags == kAck || segment->flags == kRst);
    return;
  }
  Check(state == NX_COOKIE_START && segment->flags == (kPsh | kAck | kFin));
  Check(segment->payload.size() <=
        (mss_class == NX_MSS_FULL ? NX_FULL_RESPONSE_BYTES : NX_COMPACT_RESPONSE_BYTES));
  Check(segment->payload.size() <= packet.window_bytes);
  Check(IsRendered(gateway.responses, segment->payload));
}

void Fuzz(const uint8_t* data, size_t size) {
  static const ResponseSet responses = [] {
    std::string error;
    return *ResponseSet::Render(
        {.network_name = "N",
         .portal_url = "http://198.51.100.20/login",
         .languages = {{}, {.tag = "de", .title = "t", .message = "m", .link_text = "l"}}},
        error);
  }();
  static const auto rules = [] {
    auto rule = [](Respond respond, std::vector<RuleCondition> conditions) {
      Rule made;
      made.name = "r";
      made.respond = respond;
      made.conditions = std::move(conditions);
      return made;
    };
    auto when = [](Field field, Kind kind, const char* text) {
      return RuleCondition{field, {{field, kind, text}}};
    };
    std::string error;
    return RuleSet::Compile(
        {rule(Respond::kRedirect, {when(Field::kHost, Kind::kSuffix, "example.test")}),
         rule(Respond::kReset, {when(Field::kHost, Kind::kRegex, "[a-f]+(\\.[a-z]+)*")}),
         rule(Respond::kSilent,
              {when(Field::kPath, Kind::kGlob, "/*x?"), when(Field::kMethod, Kind::kExact, "PUT")}),
         rule(Respond::kRedirect, {when(Field::kUserAgent, Kind::kGlob, "*curl*")}),
         rule(Respond::kReset, {when(Field::kLanguage, Kind::kSuffix, "de")})},
        error);
  }();
  static RuleState state = rules->NewState();
  // A small table, so that it is full soon.
  Gateway gateway({.entries = 3, .entry_bytes = 2048, .timeout_ns = 10'000'000'000}, responses);
  gateway.responder.Use(responses, {rules.get(), &state, 0});
  while (size >= 3) {
    const uint8_t control = data[0];
    const size_t bytes =
        std::min<size_t>({size_t{data[1]} << 8 | data[2], size - 3, kMaxFrameBytes});
    Bytes frame = Compose(control, Bytes(data + 3, data + 3 + bytes), gateway);
    data += 3 + bytes;
    size -= 3 + bytes;
    if (control & kTimePasses) {
      gateway.now_ns += 10'000'000'000;
      gateway.responder.Expire(Instant::FromNs(gateway.now_ns));
    }
    Repair(frame, control, gateway);
    const auto reply = gateway.Receive(frame);
    if (reply) CheckReply(frame, *reply, gateway);
  }
}

}  // namespace
}  // namespace narthex::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  narthex::test::Fuzz(data, size);
  return 0;
}
