// SPDX-License-Identifier: Apache-2.0
// The rules of parse/http_request.h once more, byte by byte and without a thought of speed: what
// the parser is compared with.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "parse/http_request.h"

namespace narthex::test {

class PlainHttp {
 public:
  explicit PlainHttp(std::string_view input) : all_(input), left_(input) {}

  HttpResult Read(HttpRequest& request) {
    request_ = HttpRequest();
    HttpResult result{HttpStatus::kComplete, HttpError::kNone, false};
    try {
      ReadRequestLine();
      ReadFields();
      request_.header_bytes = all_.size() - left_.size();
    } catch (HttpStatus) {
      result.status = HttpStatus::kIncomplete;
    } catch (HttpError error) {
      result = {HttpStatus::kError, error, false};
    }
    result.head = request_.method == HttpMethod::kHead;
    request = request_;
    return result;
  }

 private:
  static bool In(char c, std::string_view set) { return set.find(c) != set.npos; }
  static bool Digit(char c) { return c >= '0' && c <= '9'; }
  static bool Letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
  static bool Token(char c) { return Digit(c) || Letter(c) || In(c, "!#$%&'*+-.^_`|~"); }
  static bool Visible(char c) { return c > ' ' && c < 0x7f; }
  static bool Control(char c) { return (c >= 0 && c < ' ') || c == 0x7f; }
  static std::string Lower(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return lower;
  }
  static void Demand(bool fulfilled, HttpError error = HttpError::kBadRequest) {
    if (!fulfilled) throw error;
  }

  char Peek(size_t at = 0) const {
    if (at >= left_.size()) throw HttpStatus::kIncomplete;
    return left_[at];
  }
  std::string_view Take(size_t bytes) {
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(taken.size());
    return taken;
  }
  template <class Wanted>
  std::string_view TakeWhile(Wanted wanted) {
    size_t bytes = 0;
    while (bytes < left_.size() && wanted(left_[bytes])) bytes++;
    return Take(bytes);
  }
  void TakeLineEnd() {
    if (Peek() == '\r') {
      Demand(Peek(1) == '\n');
      Take(1);
    }
    Demand(Peek() == '\n');
    Take(1);
  }

  void ReadRequestLine() {
    while (Peek() == '\n' || (Peek() == '\r' && Peek(1) == '\n')) Take(1);
    if (Peek() == 0x16) throw Peek(1) == 3 ? HttpError::kTls : HttpError::kNotHttp;
    request_.method_name = TakeWhile(Token);
    Demand(request_.method_name.size() <= kMaxMethodBytes, HttpError::kNotHttp);
    Demand(Peek() == ' ' && !request_.method_name.empty(), HttpError::kNotHttp);
    Take(1);
    constexpr std::string_view kMethods[] = {"", "GET", "HEAD", "CONNECT", "OPTIONS"};
    for (uint8_t i = 1; i < 5; i++) {
      if (request_.method_name == kMethods[i]) request_.method = static_cast<HttpMethod>(i);
    }
    request_.target = TakeWhile(Visible);
    Demand(request_.target.size() <= kMaxTargetBytes, HttpError::kTargetTooLong);
    if (Peek() == '\r') Peek(1);
    Demand(Peek() == ' ' && !request_.target.empty(), HttpError::kNotHttp);
    Take(1);
    for (size_t i = 0; i < 5; i++) Demand(Peek(i) == "HTTP/"[i], HttpError::kNotHttp);
    Peek(7);
    Demand(Digit(left_[5]) && left_[6] == '.' && Digit(left_[7]));
    const std::string_view version = Take(8);
    TakeLineEnd();
    Demand(version[5] != '2' || request_.method_name != "PRI" || request_.target != "*",
           HttpError::kHttp2Preface);
    Demand(version[5] == '1', HttpError::kVersionNotSupported);
    request_.minor_version = static_cast<uint8_t>(version[7] - '0');
    CheckTarget(request_.target);
  }

  void CheckTarget(std::string_view target) {
    if (request_.method == HttpMethod::kConnect) {
      request_.target_form = TargetForm::kAuthority;
      return Demand(In(':', target) && ValidHost(target));
    }
    if (target[0] == '/') {
      request_.path = target.substr(0, target.find('?'));
      return;
    }
    if (target == "*") {
      request_.target_form = TargetForm::kAsterisk;
      return Demand(request_.method == HttpMethod::kOptions);
    }
    request_.target_form = TargetForm::kAbsolute;
    const std::string lower = Lower(target);
    const size_t scheme = lower.starts_with("http://") ? 7 : lower.starts_with("https://") ? 8 : 0;
    Demand(scheme != 0 && target.size() > scheme);
    const std::string_view rest = target.substr(scheme);
    request_.host = rest.substr(0, rest.find_first_of("/?#"));
    Demand(!request_.host.empty() && ValidHost(request_.host));
    const std::string_view path = rest.substr(request_.host.size());
    request_.path = path.substr(0, path.find('?'));
    if (request_.path.empty()) request_.path = "/";
  }

  void ReadFields() {
    while (true) {
      const std::string_view name = TakeWhile(Token);
      if (Peek() != ':' || name.empty()) {
        Demand(name.empty());
        TakeLineEnd();
        break;
      }
      Take(1);
      std::string_view value = TakeWhile([](char c) { return c == '\t' || !Control(c); });
      TakeLineEnd();
      const size_t begin = std::min(value.find_first_not_of(" \t"), value.size());
      value = value.substr(begin, value.find_last_not_of(" \t") + 1 - begin);
      TakeField(Lower(name), value);
    }
    Demand(host_ || request_.minor_version == 0);
    Demand(!chunked_ || (!length_.data() && request_.minor_version > 0));
    request_.has_body = chunked_ || length_.find_first_not_of('0') != length_.npos;
  }

  void TakeField(const std::string& name, std::string_view value) {
    const auto first = [&](std::string_view& field) {
      if (!field.data()) field = value;
    };
    if (name == "accept") first(request_.accept);
    if (name == "accept-language") first(request_.accept_language);
    if (name == "user-agent") first(request_.user_agent);
    if (name == "host") {
      Demand(!host_ && ValidHost(value));
      host_ = true;
      if (request_.target_form != TargetForm::kAbsolute) request_.host = value;
    }
    if (name == "content-length") {
      Demand(!value.empty() && value.size() <= 18 &&
             std::all_of(value.begin(), value.end(), Digit));
      Demand(!length_.data() || length_ == value);
      length_ = value;
    }
    if (name == "transfer-encoding") {
      Demand(Lower(value).ends_with("chunked"));
      Demand(value.size() == 7 || In(value[value.size() - 8], " ,\t"));
      chunked_ = true;
    }
  }

  const std::string_view all_;
  std::string_view left_;
  HttpRequest request_;
  bool host_ = false;
  bool chunked_ = false;
  std::string_view length_;
};

// Whether both say the same of `input`.
inline bool AgreesWithPlainHttp(std::string_view input, const HttpRequest& request,
                                HttpResult result) {
  HttpRequest plain;
  const HttpResult wanted = PlainHttp(input).Read(plain);
  if (result.status != wanted.status || result.error != wanted.error) return false;
  if (result.status == HttpStatus::kError && result.head != wanted.head) return false;
  if (result.status != HttpStatus::kComplete) return true;
  return request.method == plain.method && request.target_form == plain.target_form &&
         request.minor_version == plain.minor_version && request.has_body == plain.has_body &&
         request.method_name == plain.method_name && request.target == plain.target &&
         request.host == plain.host && request.path == plain.path &&
         request.accept == plain.accept && request.accept_language == plain.accept_language &&
         request.user_agent == plain.user_agent && request.header_bytes == plain.header_bytes;
}

}  // namespace narthex::test
