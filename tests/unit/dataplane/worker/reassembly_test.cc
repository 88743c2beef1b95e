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

TEST_F(ReassemblyTest, AnAnswerMakesAnEntryTheNewest) {
  for (uint16_t port = 1; port <= 4; port++) Create(port);
  table_.MarkAnswered(Find(1), {Answer::kHtml}, Seq(1001), 10);
  Create(5, 1000, 20);
  EXPECT_NE(Find(1), nullptr);
  EXPECT_EQ(Find(2), nullptr);
  EXPECT_EQ(table_.Expire(1009), 2u);  // ports 3 and 4
  EXPECT_EQ(table_.Expire(1010), 0u);  // port 1 went, answered
  EXPECT_EQ(Find(1), nullptr);
  EXPECT_NE(Find(5), nullptr);
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
