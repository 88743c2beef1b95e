// SPDX-License-Identifier: Apache-2.0
#include "wire/sequence.h"

#include <gtest/gtest.h>

namespace narthex {
namespace {

TEST(Seq, ComparesAcrossTheWrap) {
  EXPECT_LT(Seq(0xffffffff), Seq(0));
  EXPECT_GT(Seq(5), Seq(0xfffffff0));
  EXPECT_LE(Seq(7), Seq(7));
  EXPECT_LT(Seq(0x7fffffff), Seq(0x80000000));
}

TEST(Seq, ArithmeticWraps) {
  EXPECT_EQ(Seq(0xfffffffe) + 4, Seq(2));
  EXPECT_EQ(Seq(2) - 4, Seq(0xfffffffe));
  EXPECT_EQ(Seq(2) - Seq(0xfffffffe), 4);
  EXPECT_EQ(Seq(0xfffffffe) - Seq(2), -4);
}

}  // namespace
}  // namespace narthex
