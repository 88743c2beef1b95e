// SPDX-License-Identifier: Apache-2.0
// What wakes the main thread: signals to stop, a replaced policy snapshot, time; and what it
// tells the service manager.
//
// Threads: the main thread only.
#pragma once

#include <memory>
#include <string>

namespace narthex {

enum class Event { kStop, kPolicy, kTick };

class Events {
 public:
  // Blocks SIGTERM and SIGINT in this thread and those it will start, and watches `directory`
  // for a new `file`. Null and one line in `error` on failure.
  static std::unique_ptr<Events> Open(const std::string& directory, const std::string& file,
                                      std::string& error);
  ~Events();
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // Waits for the next event; kTick comes a few times a second.
  Event Wait();

 private:
  explicit Events(std::string file) : file_(std::move(file)) {}
  bool FileReplaced();

  const std::string file_;
  int signal_fd_ = -1;
  int inotify_fd_ = -1;
};

}  // namespace narthex
