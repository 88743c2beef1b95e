// SPDX-License-Identifier: Apache-2.0
// The log on standard error. A line is written at once; those of a LogBatch together, at its end.
#ifndef NARTHEX_CONTROL_LOG_SINK_H
#define NARTHEX_CONTROL_LOG_SINK_H

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <string>

namespace narthex {

// Thread-safe, as all sinks of spdlog.
class LogSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LogSink(int fd) : fd_(fd) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override;

 private:
  const int fd_;
  spdlog::memory_buf_t text_;
};

// Warnings and what is worse are still written at once. Another one waits until this one ends.
class LogBatch {
 public:
  LogBatch() : turn_(Turn()), logger_(spdlog::default_logger()), level_(logger_->flush_level()) {
    logger_->flush_on(spdlog::level::warn);
  }
  ~LogBatch() {
    logger_->flush_on(level_);
    logger_->flush();
  }
  LogBatch(const LogBatch&) = delete;
  LogBatch& operator=(const LogBatch&) = delete;

 private:
  static std::mutex& Turn() {
    static std::mutex turn;
    return turn;
  }
  std::lock_guard<std::mutex> turn_;
  std::shared_ptr<spdlog::logger> logger_;
  spdlog::level::level_enum level_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_LOG_SINK_H
