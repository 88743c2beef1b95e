// SPDX-License-Identifier: Apache-2.0
// Requests that do not come in one segment: REQUIREMENTS §2, and RFC sections where they decide.
#include <gtest/gtest.h>

#include <algorithm>

#include "responder_fixture.h"
#include "worker/responder.h"

namespace narthex::test {
namespace {

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

// A household behind one address, whose link has lost the responses: the end of each request, the
// only part of it that was not acknowledged, draws the response, not an error.
TEST_F(ResponderTest, AnAnswerIsStillKnownAfterManyOthersOfItsClient) {
  constexpr uint16_t kConnections = 200;
  for (uint16_t i = 0; i < kConnections; i++) {
    v4_.sport = static_cast<uint16_t>(2000 + i);
    ExpectAck(gateway_.Answer(v4_.Data(0, kGet.substr(0, 30))), 30, v4_);
    ASSERT_TRUE(gateway_.Answer(v4_.Data(30, kGet.substr(30))));
  }
  for (uint16_t i = 0; i < kConnections; i++) {
    v4_.sport = static_cast<uint16_t>(2000 + i);
    for (int repeated = 0; repeated < Reassembly::kSightings; repeated++) {
      ExpectResponse(gateway_.Answer(v4_.Data(30, kGet.substr(30))), Full(narthex::Answer::kHtml),
                     kGet.size(), v4_);
    }
  }
  EXPECT_EQ(gateway_.Count(NX_WORKER_REASSEMBLY_EVICTED), 0u);
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

}  // namespace
}  // namespace narthex::test
