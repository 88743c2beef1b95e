// SPDX-License-Identifier: Apache-2.0
// A strict HTTP/1 request parser for an interceptor: bytes in; request, incomplete or error out.
//
// It keeps only what decisions need, allocates nothing, and never reads beyond its input. The
// views point into the input. A request is complete when its header section is: the body does
// not change the answer. Why not picohttpparser: it accepts what RFC 9112 wants refused (spaces
// before the colon, obs-fold, any Host, any Content-Length), so that the strict half would have
// to be written anyway, in a second pass over the headers.
//
// Threads: pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace narthex {

// RFC 9112 §3 recommends at least 8000 octets of request line.
inline constexpr size_t kMaxTargetBytes = 8000;
inline constexpr size_t kMaxMethodBytes = 32;

enum class HttpStatus : uint16_t {
  kComplete,
  kIncomplete,  // may become a request when more arrives
  kError,
};

enum class HttpError : uint8_t {
  kNone,
  kNotHttp,              // the first line is no request line at all
  kBadRequest,           // RFC 9112 wants 400
  kTargetTooLong,        // 414
  kVersionNotSupported,  // 505
  kHttp2Preface,         // HTTP/2 with prior knowledge (RFC 9113 §3.4)
  kTls,                  // a TLS record
};

enum class HttpMethod : uint8_t { kOther, kGet, kHead, kConnect, kOptions };

// RFC 9112 §3.2
enum class TargetForm : uint8_t { kOrigin, kAbsolute, kAuthority, kAsterisk };

struct HttpRequest {
  HttpMethod method = HttpMethod::kOther;
  TargetForm target_form = TargetForm::kOrigin;
  uint8_t minor_version = 1;  // of HTTP/1
  bool has_body = false;      // content follows the header section
  std::string_view method_name;
  std::string_view target;  // as received
  std::string_view host;    // of the target if absolute, else the Host field; port included
  std::string_view path;    // without the query; empty for authority and asterisk form
  std::string_view accept;  // first field line of each name
  std::string_view accept_language;
  std::string_view user_agent;
  size_t header_bytes = 0;  // from the first byte of input to the end of the header section
};

// Four bytes, so that it is returned in a register.
struct HttpResult {
  HttpStatus status;
  HttpError error;
  // On kError: the method was HEAD, so the answer has no body.
  bool head;
};

// Reads the request at the start of `input`. `request` is complete only on kComplete.
[[nodiscard]] HttpResult ParseHttpRequest(std::string_view input, HttpRequest& request);

// Whether `input` can be the first bytes that a client sends, as far as a reader can tell: the
// start of a request line, of a TLS record or of an HTTP/2 preface. What cannot be is a later
// piece of a request whose first one is missing, or no HTTP.
enum class Beginning : uint8_t {
  kCertain,   // a known method, or four bytes of one
  kPossible,  // fewer, other capital letters, or only line ends
  kUnlikely,
};
[[nodiscard]] Beginning JudgeBeginning(std::string_view input);

// The uri-host [":" port] of RFC 9110 §7.2.
[[nodiscard]] bool ValidHost(std::string_view host);

}  // namespace narthex
