// SPDX-License-Identifier: Apache-2.0
// Who owns which buffer: each leaves by exactly one of transmit or free.
#include "worker/worker.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "tests/harness/gateway.h"

namespace narthex::test {
namespace {

struct FakeBuffer {
  Bytes bytes;
  uint32_t used;
};

class FakePort {
 public:
  using Buffer = FakeBuffer*;

  uint32_t RxBurst(Buffer* buffers, uint32_t max) {
    uint32_t count = 0;
    for (; count < max && !waiting.empty(); count++) {
      buffers[count] = waiting.front();
      waiting.pop_front();
    }
    return count;
  }
  uint32_t TxBurst(Buffer* buffers, uint32_t count) {
    const uint32_t taken = std::min(count, ring_room);
    for (uint32_t i = 0; i < taken; i++) sent.insert(buffers[i]);
    return taken;
  }
  void Free(Buffer* buffers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) freed.insert(buffers[i]);
  }
  static uint8_t* Data(Buffer buffer) { return buffer->bytes.data(); }
  static uint32_t Length(Buffer buffer) { return buffer->used; }
  static uint32_t Room(Buffer buffer) { return static_cast<uint32_t>(buffer->bytes.size()); }
  static void SetLength(Buffer buffer, uint32_t bytes) { buffer->used = bytes; }
  static void Prefetch(Buffer) {}

  std::deque<Buffer> waiting;
  std::multiset<Buffer> sent, freed;
  uint32_t ring_room = UINT32_MAX;
};

class WorkerTest : public testing::Test {
 protected:
  void Queue(const Bytes& frame) {
    auto buffer = std::make_unique<FakeBuffer>();
    buffer->bytes = frame;
    buffer->bytes.resize(2048);
    buffer->used = static_cast<uint32_t>(frame.size());
    port_.waiting.push_back(buffer.get());
    buffers_.push_back(std::move(buffer));
  }
  uint32_t Run() { return worker_.RunBurst(Instant::FromNs(gateway_.now_ns)); }
  void ExpectEachBufferLeftOnce() {
    for (const auto& buffer : buffers_) {
      EXPECT_EQ(port_.sent.count(buffer.get()) + port_.freed.count(buffer.get()), 1u);
    }
  }

  Gateway gateway_;
  Connection client_{.gateway = &gateway_};
  FakePort port_;
  std::vector<std::unique_ptr<FakeBuffer>> buffers_;
  Worker<FakePort> worker_{port_, gateway_.responder, gateway_.worker};
};

TEST_F(WorkerTest, AnEmptyPollDoesNothing) {
  EXPECT_EQ(Run(), 0u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_RX), 0u);
}

TEST_F(WorkerTest, AnswersABurstAndFreesTheSilent) {
  for (uint16_t i = 0; i < Worker<FakePort>::kBurst; i++) {
    client_.sport = static_cast<uint16_t>(2000 + i);
    Queue(i % 3 ? client_.Data(0, kGet) : Bytes(60, 0xee));
  }
  EXPECT_EQ(Run(), Worker<FakePort>::kBurst);
  ExpectEachBufferLeftOnce();
  EXPECT_EQ(gateway_.Count(NX_WORKER_RX), 32u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_TX), 21u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_MALFORMED_PACKET), 11u);
  for (FakeBuffer* buffer : port_.sent) {
    const auto reply =
        ReadSegment(Bytes(buffer->bytes.begin(), buffer->bytes.begin() + buffer->used));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->payload.substr(0, 12), "HTTP/1.1 511");
  }
}

TEST_F(WorkerTest, FreesTheUnsentTailOfABurst) {
  for (uint16_t i = 0; i < 10; i++) {
    client_.sport = static_cast<uint16_t>(2000 + i);
    Queue(client_.Data(0, kGet));
  }
  port_.ring_room = 4;
  Run();
  ExpectEachBufferLeftOnce();
  EXPECT_EQ(gateway_.Count(NX_WORKER_TX), 4u);
  EXPECT_EQ(gateway_.Count(NX_WORKER_TX_FULL), 6u);
  EXPECT_EQ(port_.freed.size(), 6u);
}

}  // namespace
}  // namespace narthex::test
