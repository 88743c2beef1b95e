// SPDX-License-Identifier: Apache-2.0
#include "wire/checksum.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace narthex {
namespace {

// RFC 1071 word by word, big endian, nothing shared with the product.
uint16_t Independent(const uint8_t* data, size_t bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes; i += 2) {
    sum += data[i] << 8 | (i + 1 < bytes ? data[i + 1] : 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<uint16_t>(~sum & 0xffff);
}

uint16_t Product(ChecksumSum sum) { return __builtin_bswap16(ChecksumFinish(sum)); }

TEST(Checksum, AgreesWithIndependentImplementationOnAMillionInputs) {
  std::mt19937_64 random(1);
  std::vector<uint8_t> noise(1 << 16);
  for (auto& byte : noise) byte = static_cast<uint8_t>(random());
  for (int i = 0; i < 1'000'000; i++) {
    const size_t bytes = random() % (i % 100 ? 64 : 1600);
    const uint8_t* data = &noise[random() % (noise.size() - bytes)];
    ASSERT_EQ(Product(ChecksumAdd(data, static_cast<uint32_t>(bytes))), Independent(data, bytes))
        << bytes << " bytes";
  }
}

TEST(Checksum, HoldsForExtremeInputs) {
  for (const uint8_t byte : {0x00, 0xff}) {
    std::vector<uint8_t> data(65535, byte);
    for (const uint32_t bytes : {0u, 1u, 2u, 15u, 16u, 17u, 1500u, 65534u, 65535u}) {
      EXPECT_EQ(Product(ChecksumAdd(data.data(), bytes)), Independent(data.data(), bytes)) << bytes;
    }
  }
}

TEST(Checksum, SumsOfEvenPartsAdd) {
  std::vector<uint8_t> data(999);
  std::mt19937 random(2);
  for (auto& byte : data) byte = static_cast<uint8_t>(random());
  for (uint32_t split = 0; split < data.size(); split += 2) {
    const ChecksumSum sum =
        ChecksumAdd(data.data(), split) +
        ChecksumAdd(data.data() + split, static_cast<uint32_t>(data.size()) - split);
    ASSERT_EQ(Product(sum), Independent(data.data(), data.size())) << split;
  }
}

TEST(Checksum, UpdateEqualsComputingAnew) {
  std::mt19937 random(3);
  for (int i = 0; i < 100'000; i++) {
    uint16_t words[10];
    for (auto& word : words) word = static_cast<uint16_t>(random());
    const uint16_t before = ChecksumFinish(ChecksumAdd(words, sizeof(words)));
    const uint16_t old_word = words[i % 10];
    words[i % 10] = static_cast<uint16_t>(random());
    ASSERT_EQ(ChecksumUpdate(before, old_word, words[i % 10]),
              ChecksumFinish(ChecksumAdd(words, sizeof(words))));
  }
}

TEST(Checksum, KnownHeaderIsValid) {
  // IP 172.16.10.99 > 172.16.10.12: the example of RFC 1071 in many textbooks.
  const uint8_t header[] = {0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06,
                            0xb1, 0xe6, 0xac, 0x10, 0x0a, 0x63, 0xac, 0x10, 0x0a, 0x0c};
  EXPECT_TRUE(ChecksumValid(ChecksumAdd(header, sizeof(header))));
}

}  // namespace
}  // namespace narthex
