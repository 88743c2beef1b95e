// SPDX-License-Identifier: Apache-2.0
#include "control/policy_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <vector>

namespace narthex {
namespace {

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// A file in memory; its content is written by us or by the child, so no pipe can block.
File InMemory(const std::string& content) {
  int fd = memfd_create("policy", MFD_CLOEXEC);
  if (fd >= 0 && !content.empty() &&
      (write(fd, content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
       lseek(fd, 0, SEEK_SET) != 0)) {
    close(fd);
    fd = -1;
  }
  return File(fd);
}

std::string FirstLine(int fd) {
  std::string text(4096, '\0');
  ssize_t bytes = pread(fd, text.data(), text.size(), 0);
  text.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
  return text.substr(0, text.find('\n'));
}

tl::unexpected<Error> CannotRun(const std::string& program, int error) {
  return Fail(fmt::format("{} cannot be run: {}", program, std::strerror(error)));
}

}  // namespace

std::string PolicyChecker() {
  std::error_code error;
  auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "";
  for (const char* place : {".", "../bin", "../dataplane"}) {
    auto program = (self.parent_path() / place / "narthex-dataplane").lexically_normal();
    if (access(program.c_str(), X_OK) == 0) return program;
  }
  return "";
}

namespace {

struct Ended {
  int exit_code = -1;  // -1: it did not exit by itself
  std::string line;    // the first of its output
};

// Waits for a child until it ends; false: the time is over, or its end cannot be waited for.
bool WaitFor(pid_t child, std::chrono::milliseconds limit) {
  using std::chrono::steady_clock;
  File process(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  const auto end = steady_clock::now() + limit;
  for (auto left = limit; process.fd() >= 0 && left.count() > 0;
       left = std::chrono::ceil<std::chrono::milliseconds>(end - steady_clock::now())) {
    pollfd ended{process.fd(), POLLIN, 0};
    int ready = poll(&ended, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
  return false;
}

Result<Ended> Run(const std::string& program, const std::vector<std::string>& words,
                  const std::string& standard_input, std::chrono::milliseconds limit) {
  File input = InMemory(standard_input);
  File output = InMemory("");
  if (input.fd() < 0 || output.fd() < 0) return CannotRun(program, errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.fd(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.fd(), STDERR_FILENO);
  std::vector<const char*> arguments = {program.c_str()};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  arguments.push_back(nullptr);
  pid_t child;
  int error = posix_spawn(&child, program.c_str(), &actions, nullptr,
                          const_cast<char* const*>(arguments.data()), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return CannotRun(program, error);
  const bool in_time = WaitFor(child, limit);
  if (!in_time) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return CannotRun(program, errno);
  if (!in_time)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("{} {} did not end within {} s and was killed", program, words.front(),
                            std::chrono::duration<double>(limit).count()));
  return Ended{WIFEXITED(status) ? WEXITSTATUS(status) : -1, FirstLine(output.fd())};
}

// What it says of its input, or that it failed.
tl::unexpected<Error> Refused(const std::string& program, const Ended& ended,
                              std::string_view prefix) {
  if (ended.exit_code != 1 || !ended.line.starts_with(prefix))
    return Fail(fmt::format("{} failed: {}", program, ended.line));
  return Fail(ErrorKind::kInvalid, ended.line.substr(prefix.size()));
}

}  // namespace

Result<PolicyVerdict> CheckPolicy(const std::string& policy, const std::string& program,
                                  std::chrono::milliseconds limit) {
  if (program.empty()) return PolicyVerdict::kUnchecked;
  auto ended = Run(program, {"--check-policy", "-"}, policy, limit);
  if (!ended) return Fail(ended.error());
  if (ended->exit_code == 0) return PolicyVerdict::kGood;
  return Refused(program, *ended, "narthex-dataplane: -: ");
}

Result<std::string> AskDecision(const std::string& policy_path, const std::string& zone,
                                const std::string& request) {
  const std::string program = PolicyChecker();
  if (program.empty())
    return Fail(ErrorKind::kPrecondition, "there is no narthex-dataplane beside narthexd");
  std::vector<std::string> words = {"--decide", policy_path};
  if (!zone.empty()) words.insert(words.end(), {"--zone", zone});
  auto ended = Run(program, words, request, kCheckLimit);
  if (!ended) return Fail(ended.error());
  if (ended->exit_code == 0) return ended->line;
  return Refused(program, *ended, "narthex-dataplane: ");
}

}  // namespace narthex
