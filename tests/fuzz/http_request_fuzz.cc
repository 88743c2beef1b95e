// SPDX-License-Identifier: Apache-2.0
// Any bytes into the HTTP parser. Oracle: a plain parser says the same, every view lies in the
// input, a prefix never says anything else than the whole, and what is complete without its tail
// stays the same with it.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "decide/decide.h"
#include "parse/http_request.h"
#include "tests/fuzz/check.h"
#include "tests/harness/plain_http.h"

namespace narthex {
namespace {

void CheckView(std::string_view view, std::string_view input) {
  if (!view.data() || view.data() == std::string_view("/").data() || view == "/") return;
  Check(view.data() >= input.data() && view.data() + view.size() <= input.data() + input.size());
}

// In memory of exactly its size, so that ASan sees an over-read.
HttpResult Parse(std::string_view input, HttpRequest& request, std::vector<char>& copy) {
  copy.assign(input.begin(), input.end());
  copy.shrink_to_fit();
  return ParseHttpRequest({copy.data(), copy.size()}, request);
}

void Fuzz(std::string_view input) {
  std::vector<char> copy, prefix_copy;
  HttpRequest request;
  const HttpResult result = Parse(input, request, copy);
  Check(test::AgreesWithPlainHttp({copy.data(), copy.size()}, request, result));
  (void)JudgeBeginning({copy.data(), copy.size()});
  const std::string_view owned(copy.data(), copy.size());
  if (result.status == HttpStatus::kComplete) {
    Check(request.header_bytes <= owned.size() && request.target.size() <= kMaxTargetBytes);
    for (std::string_view view : {request.method_name, request.target, request.host, request.path,
                                  request.accept, request.accept_language, request.user_agent}) {
      CheckView(view, owned);
    }
    static const Offer offer{MediaType::kText, {"en", "de", "zh-hant"}};
    const Decision decision = Decide(request, offer);
    Check(IsNetworkAuthenticationRequired(decision.answer) && decision.language < 3);
  } else if (result.status == HttpStatus::kError) {
    Check(result.error != HttpError::kNone);
    Check(!IsNetworkAuthenticationRequired(DecideError(result.error, result.head).answer));
  }
  if (input.size() < 2) return;
  const size_t split = static_cast<uint8_t>(input[input.size() / 2]) * input.size() / 256;
  HttpRequest part;
  const HttpResult early = Parse(input.substr(0, split), part, prefix_copy);
  if (early.status == HttpStatus::kIncomplete) return;
  Check(early.status == result.status && early.error == result.error);
  Check(early.status != HttpStatus::kComplete || part.header_bytes == request.header_bytes);
}

}  // namespace
}  // namespace narthex

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  narthex::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
