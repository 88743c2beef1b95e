// SPDX-License-Identifier: Apache-2.0
#include "control/policy_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace narthex {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

// A checker as narthex-dataplane would be.
class CheckPolicyTest : public testing::Test {
 protected:
  ~CheckPolicyTest() override { std::filesystem::remove(program_); }

  Result<PolicyVerdict> CheckWith(const std::string& script, milliseconds limit) {
    std::ofstream(program_) << "#!/bin/sh\n" << script << "\n";
    chmod(program_.c_str(), 0700);
    return CheckPolicy("{}", program_, limit);
  }

  const std::string program_ = testing::TempDir() + "checker-" + std::to_string(getpid());
};

TEST_F(CheckPolicyTest, SaysWhatTheProgramSays) {
  struct Row {
    const char* script;
    bool good;
    ErrorKind kind;
    const char* message;
  };
  const Row rows[] = {
      {"exit 0", true, {}, ""},
      {"echo 'narthex-dataplane: -: zone x'; exit 1", false, ErrorKind::kInvalid, "zone x"},
      {"echo something; exit 1", false, ErrorKind::kFailed, "failed: something"},
      {"kill -9 $$", false, ErrorKind::kFailed, "failed"},
  };
  for (const Row& row : rows) {
    auto verdict = CheckWith(row.script, milliseconds(10'000));
    ASSERT_EQ(verdict.has_value(), row.good) << row.script;
    if (row.good) continue;
    EXPECT_EQ(verdict.error().kind, row.kind) << row.script;
    EXPECT_THAT(verdict.error().message, HasSubstr(row.message));
  }
}

TEST_F(CheckPolicyTest, EndsAProgramThatDoesNot) {
  const auto begin = steady_clock::now();
  auto verdict = CheckWith("exec sleep 60", milliseconds(100));
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(30));
  ASSERT_FALSE(verdict.has_value());
  EXPECT_EQ(verdict.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(verdict.error().message, HasSubstr("--check-policy did not end within 0.1 s"));
}

TEST_F(CheckPolicyTest, HasNobodyToAsk) {
  EXPECT_EQ(CheckPolicy("{}", "").value(), PolicyVerdict::kUnchecked);
}

}  // namespace
}  // namespace narthex
