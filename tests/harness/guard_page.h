// SPDX-License-Identifier: Apache-2.0
// Memory that ends, or begins, exactly at a page that may not be touched: a read beyond it
// faults, whatever compiler flags the test was built with.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <string_view>

namespace narthex::test {

class GuardPage {
 public:
  explicit GuardPage(size_t max_bytes = 32768)
      : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))),
        bytes_((max_bytes + page_ - 1) / page_ * page_) {
    void* memory = mmap(nullptr, bytes_ + 2 * page_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<char*>(memory);
    mprotect(memory_, page_, PROT_NONE);
    mprotect(memory_ + page_ + bytes_, page_, PROT_NONE);
  }
  ~GuardPage() { munmap(memory_, bytes_ + 2 * page_); }
  GuardPage(const GuardPage&) = delete;
  GuardPage& operator=(const GuardPage&) = delete;

  // A copy whose last byte is the last before the guard.
  std::string_view AtEnd(std::string_view text) {
    if (text.size() > bytes_) throw std::length_error("guard page");
    char* at = memory_ + page_ + bytes_ - text.size();
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    return {at, text.size()};
  }

 private:
  const size_t page_;
  const size_t bytes_;
  char* memory_;
};

}  // namespace narthex::test
