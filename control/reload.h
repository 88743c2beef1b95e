// SPDX-License-Identifier: Apache-2.0
// A new configuration for a running narthexd, without a restart: `narthexctl reload`, SIGHUP.
//
//   read and check all files ─► what needs a restart? refuse ─► each part puts its share in force
//
// All or nothing: until everything is checked nothing is touched, and when a part fails, the parts
// before it go back to the configuration that was in force. Whoever has something that can change
// while narthexd runs adds a part here and its keys to the list in reload.cc; a key that is not
// there needs a restart.
//
// Thread-safe after the last Add.
#ifndef NARTHEX_CONTROL_RELOAD_H
#define NARTHEX_CONTROL_RELOAD_H

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/config.h"
#include "control/error.h"

namespace narthex {

class Reload {
 public:
  // Puts its share of a configuration in force, by difference. It is called again with the
  // configuration before if it or a later part fails.
  using Apply = std::function<Outcome(const Config&)>;
  // What reading the files does not find: an error, or a warning for the log, or nothing.
  using Check = std::function<Result<std::string>(const Config&)>;

  // `start` is in force.
  Reload(std::string path, const Config& start, Check check)
      : path_(std::move(path)),
        check_(std::move(check)),
        current_(std::make_shared<const Config>(start)) {}

  // Parts are applied in the order in which they were added.
  void Add(std::string name, Apply apply) { parts_.push_back({std::move(name), std::move(apply)}); }

  // Whether anything has changed. kInvalid: the files are wrong; kPrecondition: a key that needs a
  // restart has changed. With an error the configuration before is in force. `who` is for the log.
  Result<bool> Run(const std::string& who);

  // What Run would put in force, checked as there; nothing is touched.
  Result<Config> Read() const;

  // The configuration in force.
  std::shared_ptr<const Config> Current() const;

 private:
  struct Part {
    std::string name;
    Apply apply;
  };
  Result<bool> Replace();
  Outcome ApplyAll(const Config& next, const Config& now);

  const std::string path_;
  const Check check_;
  std::vector<Part> parts_;
  std::mutex running_;  // one reload at a time
  mutable std::mutex current_mutex_;
  std::shared_ptr<const Config> current_;
};

// The keys in which two configurations differ and that only a restart puts in force, in order of
// deploy/narthex.toml; empty: `next` can follow `now` at run time.
std::vector<std::string> KeysThatNeedARestart(const Config& now, const Config& next);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_RELOAD_H
