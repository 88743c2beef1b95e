// SPDX-License-Identifier: Apache-2.0
// How the control plane reports failure: a value or an error with its context. The kind is
// mapped once, in api_server.cc, to a gRPC code; the message is one line for people.
#ifndef NARTHEX_CONTROL_ERROR_H
#define NARTHEX_CONTROL_ERROR_H

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace narthex {

enum class ErrorKind {
  kInvalid,       // what was asked for makes no sense
  kNotFound,      // no such session
  kExists,        // it is there already
  kPrecondition,  // not in this state
  kExhausted,     // a table is full
  kUnavailable,   // the store or the kernel refuses for now
  kFailed,        // anything else
};

struct Error {
  ErrorKind kind = ErrorKind::kFailed;
  std::string message;
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};
using Outcome = Result<void>;

inline tl::unexpected<Error> Fail(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}
inline tl::unexpected<Error> Fail(std::string message) {
  return Fail(ErrorKind::kFailed, std::move(message));
}
// Passes an error on.
inline tl::unexpected<Error> Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace narthex

#endif  // NARTHEX_CONTROL_ERROR_H
