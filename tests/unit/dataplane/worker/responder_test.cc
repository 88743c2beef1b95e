// SPDX-License-Identifier: Apache-2.0
// Packets in, packets out: REQUIREMENTS §2 and §3, and RFC sections where they decide.
#include "worker/responder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/harness/gateway.h"

namespace narthex::test {
namespace {

using namespace std::string_literals;

class ResponderTest : public testing::Test {
 protected:
  std::string Full(narthex::Answer answer) const {
    return std::string(gateway_.responses.Full({answer}).View());
  }
  std::string Compact(narthex::Answer answer) const {
    return std::string(gateway_.responses.Compact({answer}).View());
  }
  // Expects the response to acknowledge `bytes` of the client's stream.
  void ExpectResponse(const std::optional<Segment>& reply, const std::string& payload, size_t bytes,
                      const Connection& connection) {
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->payload, payload);
    EXPECT_EQ(reply->flags, kPsh | kAck | kFin);
    EXPECT_EQ(reply->seq, connection.Cookie() + 1);
    EXPECT_EQ(reply->ack, connection.Acked(bytes));
    EXPECT_EQ(reply->window, NX_WINDOW_BYTES);
    EXPECT_EQ(reply->sport, 80);
    EXPECT_EQ(reply->dport, connection.sport);
    EXPECT_TRUE(reply->options.empty());
  }
  void ExpectAck(const std::optional<Segment>& reply, size_t bytes, const Connection& connection) {
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->payload, "");
    EXPECT_EQ(reply->flags, kAck);
    EXPECT_EQ(reply->seq, connection.Cookie() + 1);
    EXPECT_EQ(reply->ack, connection.Acked(bytes));
  }

  Gateway gateway_;
  Connection v4_{.gateway = &gateway_};
  Connection v6_{.gateway = &gateway_, .ipv6 = true};
};

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

// ---- rules --------------------------------------------------------------------------------

class RulesTest : public ResponderTest {
 protected:
  RulesTest() {
    auto rule = [](const char* name, const char* host, Respond respond, uint16_t variant = 0) {
      Rule made;
      made.name = name;
      made.conditions = {{Field::kHost, {{Field::kHost, Kind::kExact, host}}}};
      made.respond = respond;
      made.variant = variant;
      return made;
    };
    std::string error;
    rules_ =
        RuleSet::Compile({rule("login", "probe.test", Respond::kRedirect),
                          rule("other", "other.test", Respond::kRedirect, 1),
                          rule("page", "page.test", Respond::kNetworkAuthenticationRequired, 1),
                          rule("reset", "reset.test", Respond::kReset),
                          rule("silent", "silent.test", Respond::kSilent)},
                         error);
    responses_ = ResponseSet::Render(
        {.network_name = "N",
         .portal_url = "http://198.51.100.20/login?a&b",
         .rule_pages = {{PageTemplate{"f",
                                      "<!DOCTYPE html><html lang={{language}}><p>Own page<a "
                                      "href={{login_url}}>x</a>"},
                         std::nullopt}},
         .redirects = {"https://other.test/"}},
        error);
    EXPECT_TRUE(rules_ && responses_) << error;
    state_ = std::make_unique<RuleState>(rules_->NewState());
    gateway_.responder.Use(*responses_, {rules_.get(), state_.get(), 0});
    gateway_.responder.SetWallTime(784111777);
  }
  std::string Ask(const Connection& connection, const std::string& host,
                  const std::string& method = "GET") {
    const auto reply =
        gateway_.Answer(connection.Data(0, method + " /x HTTP/1.1\r\nHost: " + host + "\r\n\r\n"));
    return !reply ? "silence" : reply->flags == kRst ? "reset" : reply->payload;
  }

  std::unique_ptr<const RuleSet> rules_;
  std::optional<ResponseSet> responses_;
  std::unique_ptr<RuleState> state_;
};

// REQ 1.no-store-302, REQ 1.date
TEST_F(RulesTest, RedirectSaysWhereAndWhen) {
  // The example of RFC 9110 §5.6.7. ReadSegment has checked the checksum.
  const std::string head =
      "HTTP/1.1 302 Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Location: http://198.51.100.20/login?a&b\r\n";
  const std::string rest = "Cache-Control: no-store\r\nConnection: close\r\n\r\n";
  const std::string body =
      "<!DOCTYPE html><a href=\"http://198.51.100.20/login?a&amp;b\">Log in</a>\n";
  const std::string full = head + "Content-Type: text/html; charset=utf-8\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n" + rest;
  for (Connection connection : {v4_, v6_}) {
    EXPECT_EQ(Ask(connection, "probe.test"), full + body);
    EXPECT_EQ(Ask(connection, "probe.test", "HEAD"), full);
    connection.mss_class = NX_MSS_COMPACT;
    EXPECT_EQ(Ask(connection, "probe.test"), head + "Content-Length: 0\r\n" + rest);
  }
  gateway_.responder.SetWallTime(784111778);
  EXPECT_NE(Ask(v4_, "probe.test").find("08:49:38 GMT"), std::string::npos);
  EXPECT_EQ(gateway_.Count(NX_WORKER_REDIRECT), 7u);
  EXPECT_EQ(state_->hits[0], 7u);
  EXPECT_EQ(state_->hits[1], 0u);
}

TEST_F(RulesTest, EachResponseIsGivenAndCounted) {
  EXPECT_NE(Ask(v4_, "other.test").find("Location: https://other.test/\r\n"), std::string::npos);
  const std::string page = Ask(v4_, "page.test");
  EXPECT_TRUE(page.starts_with("HTTP/1.1 511 ")) << page;
  EXPECT_NE(page.find("Own page"), std::string::npos);
  EXPECT_EQ(Ask(v4_, "reset.test"), "reset");
  EXPECT_EQ(Ask(v4_, "silent.test"), "silence");
  EXPECT_EQ(Ask(v4_, "nobody.test").find("Own page"), std::string::npos);
  EXPECT_EQ(gateway_.Count(NX_WORKER_REDIRECT), 1u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_NETWORK_AUTHENTICATION_REQUIRED), 2u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_RST), 1u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_SILENT), 1u);
  for (size_t i = 1; i < 5; i++) EXPECT_EQ(state_->hits[i], 1u) << i;
}

TEST_F(RulesTest, DecisionsOutliveTheirPolicy) {
  const std::string post = "POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 9\r\n\r\n";
  EXPECT_NE(gateway_.Answer(v4_.Data(0, post))->payload.find("https://other.test/"),
            std::string::npos);
  std::string error;
  const auto fewer =
      ResponseSet::Render({.network_name = "N", .portal_url = "http://198.51.100.20/login"}, error);
  gateway_.responder.Use(*fewer);
  const auto reply = gateway_.Answer(v4_.Data(static_cast<uint32_t>(post.size()), "body"));
  EXPECT_NE(reply->payload.find("Location: http://198.51.100.20/login\r\n"), std::string::npos);
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

// ---- pieces -------------------------------------------------------------------------------

TEST_F(ResponderTest, OneByteAtATime) {
  for (const std::string& request : {kGet, "\r\n" + kGet}) {
    v4_.sport++;
    for (size_t i = 0; i + 1 < request.size(); i++) {
      const auto reply = gateway_.Answer(v4_.Data(static_cast<uint32_t>(i), request.substr(i, 1)));
      // Not before it is told from a later piece.
      if (request.substr(0, i + 1).find("GET ") == request.npos) {
        EXPECT_FALSE(reply) << i;
      } else {
        ExpectAck(reply, i + 1, v4_);
      }
    }
    const auto last = static_cast<uint32_t>(request.size() - 1);
    const auto reply = gateway_.Answer(v4_.Data(last, request.substr(last)));
    ExpectResponse(reply, Full(narthex::Answer::kHtml), request.size(), v4_);
  }
  EXPECT_EQ(gateway_.Count(NX_WORKER_REASSEMBLED), 2u);
}

// REQ 3.split
TEST_F(ResponderTest, EverySplitInTwoPieces) {
  for (uint32_t split = 1; split < kGet.size(); split++) {
    v4_.sport++;
    const auto early = gateway_.Answer(v4_.Data(0, kGet.substr(0, split)));
    if (split < 4) {
      EXPECT_FALSE(early) << split;
    } else {
      ExpectAck(early, split, v4_);
    }
    ExpectResponse(gateway_.Answer(v4_.Data(split, kGet.substr(split))),
                   Full(narthex::Answer::kHtml), kGet.size(), v4_);
  }
}

// The first bytes are lost, and the next ones could be a method's: acknowledged, they would never
// come again.
TEST_F(ResponderTest, LostFirstBytesAreNotAcknowledged) {
  const std::string request = "GET /PO HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_FALSE(gateway_.Answer(v4_.Data(5, "P")));
  EXPECT_FALSE(gateway_.Answer(v4_.Data(6, "O")));
  EXPECT_FALSE(gateway_.Answer(v4_.Data(7, " ")));
  ExpectAck(gateway_.Answer(v4_.Data(0, request.substr(0, 5))), 8, v4_);
  ExpectResponse(gateway_.Answer(v4_.Data(8, request.substr(8))), Full(narthex::Answer::kHtml),
                 request.size(), v4_);
}

// The second piece alone may look like anything, even like a request or an error. Only what lacks
// one or two letters of its method is a request of another one, and is answered as such.
TEST_F(ResponderTest, EverySplitReorderedDrawsNoError) {
  for (uint32_t split = 3; split < kGet.size(); split++) {
    v4_.sport++;
    const auto early = gateway_.Answer(v4_.Data(split, kGet.substr(split)));
    EXPECT_FALSE(early) << "split at " << split;
    ExpectResponse(gateway_.Answer(v4_.Data(0, kGet.substr(0, split))),
                   Full(narthex::Answer::kHtml), kGet.size(), v4_);
  }
  EXPECT_EQ(gateway_.Count(NX_WORKER_ERROR_RESPONSE), 0u);
}

// REQ 3.split
TEST_F(ResponderTest, ThreePiecesInEveryOrder) {
  const uint32_t cuts[] = {0, 20, 50, static_cast<uint32_t>(kGet.size())};
  int order[] = {0, 1, 2};
  do {
    v4_.sport++;
    std::optional<Segment> reply;
    for (const int i : order) {
      reply = gateway_.Answer(v4_.Data(cuts[i], kGet.substr(cuts[i], cuts[i + 1] - cuts[i])));
    }
    ExpectResponse(reply, Full(narthex::Answer::kHtml), kGet.size(), v4_);
  } while (std::next_permutation(order, order + 3));
}

// REQ 3.split
TEST_F(ResponderTest, OverlappingPieces) {
  ExpectAck(gateway_.Answer(v4_.Data(0, kGet.substr(0, 30))), 30, v4_);
  ExpectAck(gateway_.Answer(v4_.Data(10, kGet.substr(10, 30))), 40, v4_);
  ExpectAck(gateway_.Answer(v4_.Data(0, kGet.substr(0, 20))), 40, v4_);
  ExpectAck(gateway_.Answer(v4_.Data(50, kGet.substr(50, 5))), 40, v4_);
  ExpectResponse(gateway_.Answer(v4_.Data(35, kGet.substr(35))), Full(narthex::Answer::kHtml),
                 kGet.size(), v4_);
}

TEST_F(ResponderTest, SequenceNumbersWrapInsideARequest) {
  v4_.isn = 0xfffffff0;
  ExpectAck(gateway_.Answer(v4_.Data(0, kGet.substr(0, 30))), 30, v4_);
  ExpectResponse(gateway_.Answer(v4_.Data(30, kGet.substr(30))), Full(narthex::Answer::kHtml),
                 kGet.size(), v4_);
}

TEST_F(ResponderTest, RetransmittedLastPieceDrawsIdenticalBytes) {
  gateway_.Receive(v4_.Data(0, kGet.substr(0, 30)));
  const auto first = gateway_.Receive(v4_.Data(30, kGet.substr(30)));
  ASSERT_TRUE(first);
  EXPECT_EQ(gateway_.Receive(v4_.Data(30, kGet.substr(30))), first);
  EXPECT_EQ(gateway_.Receive(v4_.Data(0, kGet.substr(0, 30))), first);
}

TEST_F(ResponderTest, FinWithAnIncompleteRequestIsABadRequest) {
  const std::string part = "GET / HTTP/1.1\r\nHost: a\r\n";
  ExpectResponse(gateway_.Answer(v4_.Data(0, part, kAck | kFin)),
                 Full(narthex::Answer::kBadRequest), part.size() + 1, v4_);
}

TEST_F(ResponderTest, FinBehindAGapIsNotAcknowledgedEarly) {
  const std::string tail = kGet.substr(40);
  EXPECT_FALSE(gateway_.Answer(v4_.Data(40, tail, kAck | kFin)));
  ExpectAck(gateway_.Answer(v4_.Data(0, kGet.substr(0, 20))), 20, v4_);
  ExpectResponse(gateway_.Answer(v4_.Data(20, kGet.substr(20, 20))), Full(narthex::Answer::kHtml),
                 kGet.size() + 1, v4_);
}

TEST_F(ResponderTest, TextThatIsNoHttpIsRefusedWhenItComesTheThirdTime) {
  const std::string text = "hello there\r\n\r\n";
  EXPECT_FALSE(gateway_.Answer(v4_.Data(0, text)));
  EXPECT_FALSE(gateway_.Answer(v4_.Data(0, text)));
  ExpectResponse(gateway_.Answer(v4_.Data(0, text)), Full(narthex::Answer::kBadRequest),
                 text.size(), v4_);
}

TEST_F(ResponderTest, LargeHeadersAreReassembled) {
  const std::string request =
      "GET / HTTP/1.1\r\nHost: a\r\nCookie: " + std::string(12000, 'c') + "\r\n\r\n";
  for (uint32_t at = 0; at < request.size(); at += 1460) {
    const std::string piece = request.substr(at, 1460);
    const auto reply = gateway_.Answer(v4_.Data(at, piece));
    if (at + piece.size() < request.size()) {
      ExpectAck(reply, at + piece.size(), v4_);
    } else {
      ExpectResponse(reply, Full(narthex::Answer::kHtml), request.size(), v4_);
    }
  }
}

// REQ 2.long-fields
TEST_F(ResponderTest, HeadersBeyondTheBufferDraw431Once) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nCookie: ";
  ExpectAck(gateway_.Answer(v4_.Data(0, start)), start.size(), v4_);
  const std::string piece(1460, 'c');
  auto at = static_cast<uint32_t>(start.size());
  std::optional<Segment> reply;
  while (at < NX_WINDOW_BYTES) {
    reply = gateway_.Answer(v4_.Data(at, piece));
    ASSERT_TRUE(reply);
    at += 1460;
  }
  ExpectResponse(reply, Full(narthex::Answer::kFieldsTooLarge), NX_WINDOW_BYTES, v4_);
  ExpectResponse(gateway_.Answer(v4_.Data(at, piece)), Full(narthex::Answer::kFieldsTooLarge),
                 at + 1460, v4_);
}

// REQ 2.incomplete
TEST_F(ResponderTest, RequestThatNeverCompletesIsDroppedByTheTimer) {
  ExpectAck(gateway_.Answer(v4_.Data(0, kGet.substr(0, 30))), 30, v4_);
  gateway_.now_ns += 9'999'999'999;
  gateway_.responder.Expire(Instant::FromNs(gateway_.now_ns));
  EXPECT_EQ(gateway_.Count(NX_WORKER_REASSEMBLY_EXPIRED), 0u);
  gateway_.now_ns += 1;
  gateway_.responder.Expire(Instant::FromNs(gateway_.now_ns));
  EXPECT_EQ(gateway_.Count(NX_WORKER_REASSEMBLY_EXPIRED), 1u);
  EXPECT_FALSE(gateway_.Answer(v4_.Data(30, kGet.substr(30))));
}

// REQ 3.flat
TEST_F(ResponderTest, AFullTableEvictsTheOldestAndHurtsNobodyElse) {
  Gateway small({.entries = 4, .entry_bytes = 1024, .timeout_ns = 1000});
  Connection connection{.gateway = &small};
  for (uint16_t i = 0; i < 5; i++) {
    connection.sport = static_cast<uint16_t>(2000 + i);
    ASSERT_TRUE(small.Answer(connection.Data(0, kGet.substr(0, 30))));
  }
  EXPECT_EQ(small.Count(NX_WORKER_REASSEMBLY_EVICTED), 1u);
  for (uint16_t i = 1; i < 5; i++) {
    connection.sport = static_cast<uint16_t>(2000 + i);
    const auto reply = small.Answer(connection.Data(30, kGet.substr(30)));
    ExpectResponse(reply, std::string(small.responses.Full({narthex::Answer::kHtml}).View()),
                   kGet.size(), connection);
  }
  connection.sport = 3000;  // one segment needs no table
  EXPECT_TRUE(small.Answer(connection.Data(0, kGet)));
}

TEST_F(ResponderTest, SlowlorisLeavesWholeRequestsAlone) {
  for (int i = 0; i < 10'000; i++) {
    v4_.sport = static_cast<uint16_t>(1024 + i);
    ASSERT_TRUE(gateway_.Answer(v4_.Data(0, "GET / HTTP/1.1\r\nX: ")));
  }
  v4_.sport = 60000;
  ExpectResponse(gateway_.Answer(v4_.Data(0, kGet)), Full(narthex::Answer::kHtml), kGet.size(),
                 v4_);
  EXPECT_EQ(gateway_.Count(NX_WORKER_REASSEMBLY_EVICTED),
            10'000u - ReassemblyLimits{}.entries_of_ipv4);
}

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

// ---- languages --------------------------------------------------------------------------

ResponseSet Bilingual() {
  std::string error;
  return *ResponseSet::Render(
      {.network_name = "N",
       .portal_url = "http://198.51.100.20/login",
       .languages = {{}, {.tag = "de", .title = "t", .message = "m", .link_text = "l"}}},
      error);
}

TEST_F(ResponderTest, AnswersInTheLanguageAskedFor) {
  const ResponseSet set = Bilingual();
  gateway_.responder.Use(set);
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Language: de-AT\r\n\r\n";
  const std::string german(set.Full({narthex::Answer::kHtml, 1}).View());
  ExpectResponse(gateway_.Answer(v4_.Data(0, get)), german, get.size(), v4_);
  // In pieces, and repeated.
  for (int i = 0; i < 2; i++) {
    gateway_.Answer(v6_.Data(0, get.substr(0, 20)));
    ExpectResponse(gateway_.Answer(v6_.Data(20, get.substr(20))), german, get.size(), v6_);
  }
}

TEST_F(ResponderTest, AnAnswerOutlivesALanguageThatIsGone) {
  const ResponseSet set = Bilingual();
  gateway_.responder.Use(set);
  const std::string post =
      "POST / HTTP/1.1\r\nHost: a\r\nAccept-Language: de\r\nContent-Length: 9\r\n\r\n";
  ASSERT_TRUE(gateway_.Answer(v4_.Data(0, post)));
  gateway_.responder.Use(gateway_.responses);
  ExpectResponse(gateway_.Answer(v4_.Data(static_cast<uint32_t>(post.size()), "123456789")),
                 Full(narthex::Answer::kHtml), post.size() + 9, v4_);
}

}  // namespace
}  // namespace narthex::test
