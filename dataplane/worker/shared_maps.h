// SPDX-License-Identifier: Apache-2.0
// The pinned maps that the workers share with narthexd and the classifier, mapped into memory:
// `cookie_keys` to read, `workers` to write (each worker its own entry; bpf/abi.h).
//
// Threads: opened and closed by the main thread; the memory is valid while the object lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "bpf/abi.h"

namespace narthex {

class SharedMaps {
 public:
  // Null and one line in `error` if a map is missing or of another shape or NX_ABI_VERSION.
  static std::unique_ptr<SharedMaps> Open(const std::string& bpffs, std::string& error);
  ~SharedMaps();
  SharedMaps(const SharedMaps&) = delete;
  SharedMaps& operator=(const SharedMaps&) = delete;

  const nx_cookie_keys& CookieKeys() const {
    return *static_cast<const nx_cookie_keys*>(cookie_keys_.data);
  }
  // The pin that is another map by now, or an empty string: narthexd has made the maps anew, so
  // nobody reads what is written here. A pin that is gone is none.
  std::string Replaced() const;
  // `index` below NX_MAX_WORKERS.
  nx_worker& Worker(uint32_t index) { return static_cast<nx_worker*>(workers_.data)[index]; }

 private:
  struct Mapping {
    void* data = nullptr;
    size_t bytes = 0;
    std::string path;
    uint32_t id = 0;  // the kernel's, of the map
  };
  SharedMaps() = default;
  static Mapping Map(const std::string& path, uint32_t value_bytes, uint32_t entries, bool writable,
                     std::string& error);

  Mapping cookie_keys_;
  Mapping workers_;
};

// Empty if the classifier is attached to the interface; otherwise one line that says what to do.
// Must be asked before a socket is opened: libxdp would attach a program of its own where there
// is none, and that program knows no session.
std::string CheckClassifier(const std::string& interface);

}  // namespace narthex
