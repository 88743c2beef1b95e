// SPDX-License-Identifier: Apache-2.0
// A responder without rules, two clients of it, and what they expect.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/harness/gateway.h"

namespace narthex::test {

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

}  // namespace narthex::test
