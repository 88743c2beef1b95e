// SPDX-License-Identifier: Apache-2.0
#include "worker/reassembly.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace narthex {
namespace {

constexpr ReassemblyLimits kSmall{.entries = 4, .entry_bytes = 100, .timeout_ns = 1000};

nx_flow Flow(uint16_t port) {
  nx_flow flow{};
  flow.client_port = port;
  return flow;
}

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class ReassemblyTest : public testing::Test {
 protected:
  Reassembly::Entry* Create(uint16_t port, uint32_t sequence = 1000, uint64_t now = 0) {
    return table_.Create(Flow(port), Seq(1), Seq(sequence), now, evicted_);
  }
  Reassembly::Entry* Find(uint16_t port, uint32_t sequence = 1000) {
    return table_.Find(Flow(port), Seq(1), Seq(sequence));
  }
  Reassembly table_{kSmall, 1, 2};
  bool evicted_ = false;
};

TEST_F(ReassemblyTest, FindsByFlowAndCookie) {
  Reassembly::Entry* entry = Create(1);
  EXPECT_EQ(Find(1), entry);
  EXPECT_EQ(Find(2), nullptr);
  EXPECT_EQ(table_.Find(Flow(1), Seq(2), Seq(1000)), nullptr);
}

TEST_F(ReassemblyTest, AnotherStreamOfTheSamePortsRemovesTheOldEntry) {
  Create(1);
  EXPECT_EQ(Find(1, 500'000), nullptr);
  EXPECT_EQ(table_.Size(), 0u);
}

TEST_F(ReassemblyTest, EvictsTheOldest) {
  for (uint16_t port = 1; port <= 4; port++) Create(port);
  EXPECT_FALSE(evicted_);
  Create(5);
  EXPECT_TRUE(evicted_);
  EXPECT_EQ(Find(1), nullptr);
  for (uint16_t port = 2; port <= 5; port++) EXPECT_NE(Find(port), nullptr) << port;
}

nx_flow FlowOf(bool ipv6, uint8_t client, uint8_t host, uint16_t port) {
  nx_flow flow = Flow(port);
  flow.ipv6 = ipv6;
  flow.client[ipv6 ? 7 : 14] = client;
  flow.client[15] = host;
  return flow;
}

TEST(Reassembly, AClientBeyondItsShareLosesItsOwnOldest) {
  const struct {
    const char* name;
    bool ipv6;
    uint8_t spread;  // of the client's last byte
  } cases[] = {{"an IPv4 address", false, 1}, {"the addresses of an IPv6 /64", true, 200}};
  for (const auto& [name, ipv6, spread] : cases) {
    SCOPED_TRACE(name);
    Reassembly table(
        {.entries = 64, .entry_bytes = 100, .entries_of_ipv4 = 8, .entries_of_prefix = 8}, 1, 2);
    bool evicted = true;
    const nx_flow honest = FlowOf(ipv6, 1, 1, 1);
    table.Create(honest, Seq(1), Seq(1000), 0, evicted);
    ASSERT_FALSE(evicted);
    const auto flood = [&](uint16_t i) {
      return FlowOf(ipv6, 2, static_cast<uint8_t>(i % spread), static_cast<uint16_t>(100 + i));
    };
    for (uint16_t i = 0; i < 1000; i++) {
      table.Create(flood(i), Seq(1), Seq(1000), 1 + i, evicted);
      EXPECT_EQ(evicted, i >= 8) << i;
    }
    EXPECT_EQ(table.Size(), 9u);
    EXPECT_NE(table.Find(honest, Seq(1), Seq(1000)), nullptr);
    for (uint16_t i = 992; i < 1000; i++) {
      EXPECT_NE(table.Find(flood(i), Seq(1), Seq(1000)), nullptr) << i;
    }
    // What has gone leaves room.
    EXPECT_EQ(table.Expire(UINT64_MAX), 9u);
    table.Create(flood(0), Seq(1), Seq(1000), 0, evicted);
    EXPECT_FALSE(evicted);
  }
}

TEST_F(ReassemblyTest, AnAnswerBeginsTheTimeAnew) {
  for (uint16_t port = 1; port <= 4; port++) Create(port);
  table_.MarkAnswered(Find(1), {Answer::kHtml}, Seq(1001), 10);
  Create(5, 1000, 20);
  EXPECT_FALSE(evicted_);
  EXPECT_EQ(table_.Expire(1009), 3u);  // ports 2, 3 and 4
  EXPECT_NE(Find(1), nullptr);
  EXPECT_EQ(table_.Expire(1010), 0u);  // port 1 went, answered
  EXPECT_EQ(Find(1), nullptr);
  EXPECT_NE(Find(5), nullptr);
}

TEST_F(ReassemblyTest, TheAnsweredAndTheWaitingTakeNoRoomFromEachOther) {
  constexpr uint16_t kAnswered = 4 * Reassembly::kAnsweredForEachWaiting;
  for (uint16_t port = 1; port <= kAnswered + 1; port++) {
    table_.MarkAnswered(Create(port), {Answer::kHtml}, Seq(1001), 0);
    ASSERT_FALSE(evicted_) << port;
  }
  EXPECT_EQ(Find(1), nullptr);  // the one too many
  for (uint16_t port = 1001; port <= 1004; port++) Create(port);
  EXPECT_FALSE(evicted_);
  for (uint16_t port = 1005; port <= 1100; port++) {
    Create(port);
    EXPECT_TRUE(evicted_);
  }
  EXPECT_EQ(table_.Size(), kAnswered + 4u);
  for (uint16_t port = 2; port <= kAnswered + 1; port++) EXPECT_NE(Find(port), nullptr) << port;
}

TEST_F(ReassemblyTest, KeepsNoMoreThanItsBuffer) {
  Reassembly::Entry* entry = Create(1);
  EXPECT_TRUE(entry->Add(Seq(1000), Bytes(std::string(60, 'a')), false));
  EXPECT_TRUE(entry->Add(Seq(1060), Bytes(std::string(60, 'b')), true));
  EXPECT_TRUE(entry->Full());
  EXPECT_FALSE(entry->FinReached());
  EXPECT_EQ(entry->RunEnd(), Seq(1100));
  EXPECT_FALSE(entry->Add(Seq(1100), Bytes("c"), false));
  EXPECT_FALSE(entry->Add(Seq(999), Bytes("c"), false));  // no room before it either
}

TEST_F(ReassemblyTest, BoundsTheGaps) {
  Reassembly::Entry* entry = Create(1);
  for (uint32_t i = 0; i < Reassembly::kMaxRanges; i++) {
    EXPECT_TRUE(entry->Add(Seq(1000 + 2 * i), Bytes("x"), false));
  }
  EXPECT_FALSE(entry->Add(Seq(1050), Bytes("x"), false));
  EXPECT_FALSE(entry->Add(Seq(990), Bytes("x"), false));
  EXPECT_EQ(entry->Run(), "x");
  EXPECT_TRUE(entry->Add(Seq(1001), Bytes("y"), false));
  EXPECT_EQ(entry->Run(), "xyx");
}

// Against a plain map of bytes: random pieces, some before the first.
TEST_F(ReassemblyTest, AgreesWithAModel) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; round++) {
    Reassembly table(kSmall, 1, 2);
    const uint32_t start = 0xffffffc0 + random() % 64;
    Reassembly::Entry* entry = table.Create(Flow(1), Seq(1), Seq(start), 0, evicted_);
    std::map<int32_t, char> model;  // offset from start
    for (int piece = 0; piece < 30; piece++) {
      const int32_t offset = piece == 0 ? 0 : static_cast<int32_t>(random() % 90) - 20;
      std::string text(1 + random() % 15, ' ');
      // Equal bytes at equal places, as a real stream has.
      for (size_t i = 0; i < text.size(); i++) {
        text[i] = static_cast<char>('a' + (offset + static_cast<int>(i) + 64) % 26);
      }
      if (!entry->Add(Seq(start) + static_cast<uint32_t>(offset), Bytes(text), false)) continue;
      for (size_t i = 0; i < text.size(); i++) model[offset + static_cast<int>(i)] = text[i];
      std::string run;
      const int32_t base = model.begin()->first;
      for (int32_t at = base; model.count(at) && run.size() < kSmall.entry_bytes; at++) {
        run += model[at];
      }
      ASSERT_EQ(entry->Run(), run);
      ASSERT_EQ(entry->RunEnd(),
                Seq(start) + static_cast<uint32_t>(base) + static_cast<uint32_t>(run.size()));
    }
  }
}

// REQ 3.flat: what is taken lazily would let a flood of half requests make the process grow.
TEST(ReassemblyMemory, EveryPageIsThereFromTheBeginning) {
  constexpr ReassemblyLimits kLimits{.entries = 256};
  Reassembly table(kLimits, 1, 2);
  const std::string piece(kLimits.entry_bytes, 'x');
  rusage before;
  getrusage(RUSAGE_THREAD, &before);
  for (uint16_t port = 1; port <= kLimits.entries; port++) {
    bool evicted;
    table.Create(Flow(port), Seq(1), Seq(1000), 0, evicted)->Add(Seq(1000), Bytes(piece), false);
  }
  rusage after;
  getrusage(RUSAGE_THREAD, &after);
  EXPECT_LT(after.ru_minflt - before.ru_minflt, 16);
}

}  // namespace
}  // namespace narthex
