// SPDX-License-Identifier: Apache-2.0
#include "control/log_sink.h"

#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace narthex {
namespace {

constexpr size_t kMostBytes = 256 * 1024;

}  // namespace

void LogSink::sink_it_(const spdlog::details::log_msg& message) {
  formatter_->format(message, text_);
  if (text_.size() >= kMostBytes) flush_();
}

// Nobody is there to hear of a log that cannot be written.
void LogSink::flush_() {
  for (std::string_view left(text_.data(), text_.size()); !left.empty();) {
    ssize_t written = write(fd_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    left.remove_prefix(static_cast<size_t>(written));
  }
  text_.clear();
}

}  // namespace narthex
