// SPDX-License-Identifier: Apache-2.0
#include "control/log_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

namespace narthex {
namespace {

class LogSinkTest : public testing::Test {
 protected:
  LogSinkTest() {
    EXPECT_EQ(pipe2(pipe_, O_NONBLOCK | O_CLOEXEC), 0);
    auto log = std::make_shared<spdlog::logger>("test", std::make_shared<LogSink>(pipe_[1]));
    log->set_pattern("%l %v");
    log->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(log);
  }
  ~LogSinkTest() override {
    spdlog::set_default_logger(before_);
    for (int fd : pipe_) close(fd);
  }
  // What was written since the last time.
  std::string Written() {
    char text[4096];
    ssize_t size = read(pipe_[0], text, sizeof text);
    return size > 0 ? std::string(text, static_cast<size_t>(size)) : "";
  }

  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  int pipe_[2] = {-1, -1};
};

TEST_F(LogSinkTest, WritesEachLineAtOnce) {
  spdlog::info("one");
  EXPECT_EQ(Written(), "info one\n");
  spdlog::info("two");
  EXPECT_EQ(Written(), "info two\n");
}

TEST_F(LogSinkTest, WritesTheLinesOfABatchTogetherAtItsEnd) {
  {
    LogBatch batch;
    spdlog::info("one");
    spdlog::info("two");
    EXPECT_EQ(Written(), "");
  }
  EXPECT_EQ(Written(), "info one\ninfo two\n");
  spdlog::info("three");
  EXPECT_EQ(Written(), "info three\n");
}

TEST_F(LogSinkTest, AWarningDoesNotWaitForTheBatch) {
  LogBatch batch;
  spdlog::info("one");
  spdlog::warn("two");
  EXPECT_EQ(Written(), "info one\nwarning two\n");
}

}  // namespace
}  // namespace narthex
