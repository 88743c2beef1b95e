// SPDX-License-Identifier: Apache-2.0
// Packets in, packets out: REQUIREMENTS §2 and §3, and RFC sections where they decide.
#include "worker/responder.h"

#include <gtest/gtest.h>

#include "responder_fixture.h"

namespace narthex::test {
namespace {

using namespace std::string_literals;

// ---- whole requests ---------------------------------------------------------------------

// REQ 3.one-segment, REQ 3.no-last-ack
TEST_F(ResponderTest, GetDrawsTheWholeResponseInOneSegment) {
  for (const Connection& connection : {v4_, v6_}) {
    const auto reply = gateway_.Answer(connection.Data(0, kGet));
    ExpectResponse(reply, Full(narthex::Answer::kHtml), kGet.size(), connection);
    EXPECT_EQ(reply->eth_dst, kClientMac);
    EXPECT_EQ(reply->eth_src, kGatewayMac);
    EXPECT_EQ(reply->ttl, 64);
    EXPECT_EQ(reply->tos, 0);
    EXPECT_EQ(reply->id, 0);
    EXPECT_EQ(reply->fragment, connection.ipv6 ? 0 : 0x4000);
  }
  EXPECT_EQ(gateway_.Count(NX_WORKER_NETWORK_AUTHENTICATION_REQUIRED), 2u);
}

TEST_F(ResponderTest, CompactClientGetsTheCompactResponse) {
  v4_.mss_class = NX_MSS_COMPACT;
  const auto reply = gateway_.Answer(v4_.Data(0, kGet));
  ExpectResponse(reply, Compact(narthex::Answer::kHtml), kGet.size(), v4_);
  EXPECT_LE(reply->payload.size(), 536u);
}

// REQ 3.identical
TEST_F(ResponderTest, RetransmissionDrawsIdenticalBytes) {
  const auto first = gateway_.Receive(v4_.Data(0, kGet));
  gateway_.now_ns += 1'000'000'000;
  EXPECT_EQ(gateway_.Receive(v4_.Data(0, kGet)), first);
}

struct RequestRow {
  const char* description;
  std::string request;
  narthex::Answer answer;
};

TEST_F(ResponderTest, AnswersEachKindOfRequest) {
  using narthex::Answer;
  const RequestRow kRows[] = {
      {"HEAD (RFC 9110 §9.3.2)", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", Answer::kHtmlHead},
      {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", Answer::kHtml},
      {"POST with its body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
       Answer::kHtml},
      {"Expect: 100-continue (§10.1.1)",
       "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
       Answer::kHtml},
      {"CONNECT is never a 2xx (§9.3.6)", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
       Answer::kHtml},
      {"Upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
       Answer::kHtml},
      {"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Answer::kHtml},
      {"pipelined requests are discarded (§9.3.2)", kGet + kGet, Answer::kHtml},
      {"leading CRLF", "\r\n" + kGet, Answer::kHtml},
      {"Accept: application/json", "GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n",
       Answer::kJson},
      {"Accept: text/plain", "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n\r\n",
       Answer::kText},
      {"missing Host", "GET / HTTP/1.1\r\n\r\n", Answer::kBadRequest},
      {"missing Host, HEAD", "HEAD / HTTP/1.1\r\n\r\n", Answer::kBadRequestHead},
      {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", Answer::kBadRequest},
      {"HTTP/0.9", "GET /\r\n", Answer::kBadRequest},
      {"binary", "\x01\x02\x03\x04\x05", Answer::kBadRequest},
      {"another protocol", "EHLO client\r\n", Answer::kBadRequest},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Answer::kHttp2GoAway},
      {"HTTP/3.0", "GET / HTTP/3.0\r\n\r\n", Answer::kVersionNotSupported},
  };
  for (const RequestRow& row : kRows) {
    SCOPED_TRACE(row.description);
    v4_.sport++;
    const auto reply = gateway_.Answer(v4_.Data(0, row.request));
    ExpectResponse(reply, Full(row.answer), row.request.size(), v4_);
  }
}

// REQ 2.tls
TEST_F(ResponderTest, TlsDrawsResetAtOnce) {
  const auto reply = gateway_.Answer(v4_.Data(0, "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"s));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->flags, kRst);
  EXPECT_EQ(reply->seq, v4_.Cookie() + 1);  // <SEQ=SEG.ACK><CTL=RST>
  EXPECT_EQ(reply->payload, "");
  EXPECT_EQ(gateway_.Count(NX_WORKER_RST), 1u);
}

// REQ 1.reflection
TEST_F(ResponderTest, NothingOfTheRequestIsReflected) {
  const std::string secret = "Zq7SecretZq7";
  const auto reply = gateway_.Receive(v4_.Data(
      0, "GET /" + secret + " HTTP/1.1\r\nHost: " + secret + "\r\nCookie: " + secret + "\r\n\r\n"));
  ASSERT_TRUE(reply);
  const std::string bytes(reply->begin(), reply->end());
  EXPECT_EQ(bytes.find("SecretZ"), bytes.npos);
}

// ---- headers ----------------------------------------------------------------------------

// REQ 3.vlan
TEST_F(ResponderTest, VlanTagsAreMirrored) {
  const auto reply = gateway_.Answer(Ethernet{} / Vlan{.id = 0x6123, .tpid = 0x88a8} /
                                     Vlan{.id = 0x2456} / Ipv4{} / v4_.At(0) / Payload{kGet});
  ExpectResponse(reply, Full(narthex::Answer::kHtml), kGet.size(), v4_);
  EXPECT_EQ(reply->vlans, (std::vector<uint16_t>{0x6123, 0x2456}));
}

// REQ 3.ip
TEST_F(ResponderTest, OptionsAndExtensionHeadersAreDropped) {
  Tcp tcp = v4_.At(0);
  tcp.options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0};
  auto reply = gateway_.Answer(Ethernet{} / Ipv4{.options = Bytes(40, 1)} / tcp / Payload{kGet});
  ExpectResponse(reply, Full(narthex::Answer::kHtml), kGet.size(), v4_);
  EXPECT_EQ(reply->ip_header, 20u);

  reply = gateway_.Answer(Ethernet{} / Ipv6{} / Extension{.type = 0} / Extension{.type = 60} /
                          v6_.At(0) / Payload{kGet});
  ExpectResponse(reply, Full(narthex::Answer::kHtml), kGet.size(), v6_);
  EXPECT_EQ(reply->ip_header, 40u);
}

TEST_F(ResponderTest, EcnAndDscpAreNotCopied) {
  Tcp tcp = v4_.At(0, kAck | kEce);
  const auto reply =
      gateway_.Answer(Ethernet{} / Ipv4{.ttl = 3, .tos = 0xff, .id = 77} / tcp / Payload{kGet});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->tos, 0);
  EXPECT_EQ(reply->ttl, 64);
  EXPECT_EQ(reply->id, 0);
  EXPECT_EQ(reply->flags, kPsh | kAck | kFin);
}

TEST_F(ResponderTest, EthernetPaddingIsNotAcknowledged) {
  Bytes frame = v4_.Data(0, kGet);
  frame.resize(frame.size() + 6, 'x');
  ExpectResponse(gateway_.Answer(frame), Full(narthex::Answer::kHtml), kGet.size(), v4_);
}

// REQ 3.checksum
TEST_F(ResponderTest, BadChecksumsAreDropped) {
  Tcp bad = v4_.At(0);
  bad.checksum_xor = 0x0101;
  EXPECT_FALSE(gateway_.Receive(Ethernet{} / Ipv4{} / bad / Payload{kGet}));
  EXPECT_FALSE(gateway_.Receive(Ethernet{} / Ipv4{.checksum_xor = 1} / v4_.At(0) / Payload{kGet}));
  bad = v6_.At(0);
  bad.checksum_xor = 0x8000;
  EXPECT_FALSE(gateway_.Receive(Ethernet{} / Ipv6{} / bad / Payload{kGet}));
  EXPECT_EQ(gateway_.Count(NX_WORKER_BAD_CHECKSUM), 3u);
}

// ---- the cookie -------------------------------------------------------------------------

// REQ 3.cookie
TEST_F(ResponderTest, NoReplyWithoutAValidCookie) {
  for (uint32_t distance = 1; distance < 1'000'000'000; distance = distance * 2 + 1) {
    for (const uint32_t ack : {v4_.Cookie() + 1 - distance - 4, v4_.Cookie() + 1300 + distance}) {
      Tcp tcp = v4_.At(0);
      tcp.ack = ack;
      EXPECT_FALSE(gateway_.Receive(Ethernet{} / Ipv4{} / tcp / Payload{kGet})) << ack;
    }
  }
  EXPECT_GT(gateway_.Count(NX_WORKER_BAD_COOKIE), 50u);
}

TEST_F(ResponderTest, CookieBindsAddressPortZoneAndVersion) {
  Tcp tcp = v4_.At(0);
  EXPECT_FALSE(gateway_.Receive(Ethernet{} / Ipv4{.src = "10.51.1.3"} / tcp / Payload{kGet}));
  EXPECT_FALSE(gateway_.Receive(Ethernet{} / Ipv4{.dst = "198.51.100.11"} / tcp / Payload{kGet}));
  EXPECT_FALSE(gateway_.Receive(Ethernet{} / Ipv6{} / tcp / Payload{kGet}));
  tcp.sport++;
  EXPECT_FALSE(gateway_.Receive(Ethernet{} / Ipv4{} / tcp / Payload{kGet}));
}

// REQ 3.cookie-age
TEST_F(ResponderTest, CookieOfTheSlotBeforeIsValidAndOlderIsNot) {
  const Bytes frame = v4_.Data(0, kGet);
  gateway_.now_ns += NX_COOKIE_SLOT_NS;
  EXPECT_TRUE(gateway_.Receive(frame));
  gateway_.now_ns += NX_COOKIE_SLOT_NS;
  EXPECT_FALSE(gateway_.Receive(frame));
}

// REQ 3.reuse
TEST_F(ResponderTest, PortReusedWithAnotherIsnIsANewConnection) {
  ExpectResponse(gateway_.Answer(v4_.Data(0, kGet)), Full(narthex::Answer::kHtml), kGet.size(),
                 v4_);
  v4_.isn = 0x90000000;
  ExpectResponse(gateway_.Answer(v4_.Data(0, kGet)), Full(narthex::Answer::kHtml), kGet.size(),
                 v4_);
}

TEST_F(ResponderTest, PortReuseForgetsTheOldPieces) {
  ExpectAck(gateway_.Answer(v4_.Data(0, "HEAD / HTTP/1.1\r\n")), 17, v4_);
  v4_.isn = 0x90000000;
  ExpectAck(gateway_.Answer(v4_.Data(0, kGet.substr(0, 10))), 10, v4_);
  ExpectResponse(gateway_.Answer(v4_.Data(10, kGet.substr(10))), Full(narthex::Answer::kHtml),
                 kGet.size(), v4_);
}

// ---- windows, FIN, data after the response ------------------------------------------------

// REQ 3.window
TEST_F(ResponderTest, WindowSmallerThanTheResponseDrawsNothing) {
  const auto size = static_cast<uint16_t>(Full(narthex::Answer::kHtml).size());
  for (const uint16_t window : {uint16_t{0}, uint16_t{1}, static_cast<uint16_t>(size - 1)}) {
    v4_.window = window;
    EXPECT_FALSE(gateway_.Receive(v4_.Data(0, kGet))) << window;
  }
  EXPECT_EQ(gateway_.Count(NX_WORKER_WINDOW_TOO_SMALL), 3u);
  v4_.window = size;
  EXPECT_TRUE(gateway_.Receive(v4_.Data(0, kGet)));
}

TEST_F(ResponderTest, FinWithTheRequestIsAcknowledgedAndAnswered) {
  const auto reply = gateway_.Answer(v4_.Data(0, kGet, kAck | kPsh | kFin));
  ExpectResponse(reply, Full(narthex::Answer::kHtml), kGet.size() + 1, v4_);
}

// REQ 3.after
TEST_F(ResponderTest, DataAfterTheResponseIsAcknowledgedNeverReset) {
  const auto response = gateway_.Answer(v4_.Data(0, kGet));
  ASSERT_TRUE(response);
  for (const uint8_t flags : {uint8_t{kAck}, static_cast<uint8_t>(kAck | kFin)}) {
    Tcp tcp = v4_.At(kGet.size(), flags);
    tcp.ack = response->seq + static_cast<uint32_t>(response->payload.size()) + 1;
    const auto reply = gateway_.Answer(Ethernet{} / Ipv4{} / tcp / Payload{kGet});
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->flags, kAck);
    EXPECT_EQ(reply->seq, tcp.ack);
    EXPECT_EQ(reply->ack, v4_.Acked(2 * kGet.size()) + (flags & kFin ? 1 : 0));
    EXPECT_EQ(reply->payload, "");
  }
}

TEST_F(ResponderTest, BodyInFlightDrawsTheSameResponseAgain) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n";
  const std::string body(1000, 'b');
  ExpectResponse(gateway_.Answer(v4_.Data(0, head)), Full(narthex::Answer::kHtml), head.size(),
                 v4_);
  for (size_t i = 0; i < 5; i++) {
    const size_t offset = head.size() + i * body.size();
    ExpectResponse(gateway_.Answer(v4_.Data(static_cast<uint32_t>(offset), body)),
                   Full(narthex::Answer::kHtml), offset + body.size(), v4_);
  }
}

// ---- what is no request -----------------------------------------------------------------

// REQ 3.loop
TEST_F(ResponderTest, OwnOutputFedBackDrawsNothing) {
  const auto response = gateway_.Receive(v4_.Data(0, kGet));
  ASSERT_TRUE(response);
  EXPECT_FALSE(gateway_.Receive(*response));
}

TEST_F(ResponderTest, ABufferWithoutRoomDrawsNothing) {
  Bytes frame = v4_.Data(0, kGet);
  EXPECT_EQ(gateway_.responder.Handle(frame.data(), static_cast<uint32_t>(frame.size()),
                                      static_cast<uint32_t>(frame.size()),
                                      Instant::FromNs(gateway_.now_ns)),
            0u);
}

}  // namespace
}  // namespace narthex::test
