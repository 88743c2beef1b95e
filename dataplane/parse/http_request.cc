// SPDX-License-Identifier: Apache-2.0
#include "parse/http_request.h"

#include <algorithm>
#include <cstring>

#include "parse/field_names.h"
#include "parse/http_chars.h"

namespace narthex {
namespace {

constexpr std::string_view kKnownMethods[] = {
    "GET ",   "POST ",  "HEAD ", "PUT ",      "DELETE ", "OPTIONS ",   "CONNECT ",
    "PATCH ", "TRACE ", "PRI ",  "PROPFIND ", "REPORT ", "PROPPATCH ", "MKCOL ",
    "COPY ",  "MOVE ",  "LOCK ", "UNLOCK ",   "SEARCH "};
// A shorter piece of a method may be any capital of a later line: were it taken for the beginning,
// pieces before it that are lost would be acknowledged.
constexpr size_t kTellingBytes = 4;
constexpr uint8_t kTlsHandshakeRecord = 0x16;
constexpr uint8_t kTlsMajorVersion = 3;

// Reads one request; each step returns kNone and advances, or says what is wrong. A step that
// meets the end of the input sets incomplete_.
class Reader {
 public:
  Reader(std::string_view input, HttpRequest& request)
      : begin_(input.data()), at_(begin_), end_(begin_ + input.size()), request_(request) {}

  HttpResult Read() {
    const HttpError error = ReadMessage();
    const bool head = request_.method == HttpMethod::kHead;
    if (error != HttpError::kNone) return {HttpStatus::kError, error, head};
    if (incomplete_) return {HttpStatus::kIncomplete, HttpError::kNone, head};
    request_.header_bytes = static_cast<size_t>(at_ - begin_);
    return {HttpStatus::kComplete, HttpError::kNone, head};
  }

 private:
  HttpError ReadMessage() {
    SkipEmptyLines();
    if (incomplete_) return HttpError::kNone;
    if (HttpError error = RecogniseTls(); error != HttpError::kNone || incomplete_) return error;
    if (HttpError error = ReadMethod(); error != HttpError::kNone || incomplete_) return error;
    if (HttpError error = ReadTarget(); error != HttpError::kNone || incomplete_) return error;
    if (HttpError error = ReadVersion(); error != HttpError::kNone || incomplete_) return error;
    if (HttpError error = CheckTarget(); error != HttpError::kNone) return error;
    return ReadFields();
  }

  bool AtEnd() {
    if (at_ != end_) return false;
    incomplete_ = true;
    return true;
  }

  // RFC 9112 §2.2: a server ignores empty lines before the request line.
  void SkipEmptyLines() {
    while (!AtEnd() && (*at_ == '\r' || *at_ == '\n')) {
      if (*at_ == '\r') {
        if (at_ + 1 == end_) {
          incomplete_ = true;
          return;
        }
        if (at_[1] != '\n') return;  // a bare CR: no method begins so
        at_++;
      }
      at_++;
    }
  }

  HttpError RecogniseTls() {
    if (static_cast<uint8_t>(*at_) != kTlsHandshakeRecord) return HttpError::kNone;
    if (end_ - at_ < 2) {
      incomplete_ = true;
      return HttpError::kNone;
    }
    return static_cast<uint8_t>(at_[1]) == kTlsMajorVersion ? HttpError::kTls : HttpError::kNotHttp;
  }

  HttpError ReadMethod() {
    const char* start = at_;
    constexpr std::string_view kUsual = "GET ";
    if (std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with(kUsual)) {
      request_.method = HttpMethod::kGet;
      request_.method_name = {start, kUsual.size() - 1};
      at_ += kUsual.size();
      return HttpError::kNone;
    }
    at_ = FindNot<kTokenChar>(at_, end_);
    const auto bytes = static_cast<size_t>(at_ - start);
    if (bytes > kMaxMethodBytes) return HttpError::kNotHttp;
    if (AtEnd()) return HttpError::kNone;
    if (*at_ != ' ' || bytes == 0) return HttpError::kNotHttp;
    request_.method_name = {start, bytes};
    at_++;
    if (request_.method_name == "HEAD") {
      request_.method = HttpMethod::kHead;
    } else if (request_.method_name == "CONNECT") {
      request_.method = HttpMethod::kConnect;
    } else if (request_.method_name == "OPTIONS") {
      request_.method = HttpMethod::kOptions;
    }
    return HttpError::kNone;
  }

  HttpError ReadTarget() {
    const char* start = at_;
    at_ = FindNotVisible(at_, end_);
    const auto bytes = static_cast<size_t>(at_ - start);
    if (bytes > kMaxTargetBytes) return HttpError::kTargetTooLong;
    if (AtEnd()) return HttpError::kNone;
    if (*at_ == '\r' && at_ + 1 == end_) {
      incomplete_ = true;
      return HttpError::kNone;
    }
    // A line without a version: HTTP/0.9, or no HTTP (RFC 9112 §3).
    if (*at_ != ' ' || bytes == 0) return HttpError::kNotHttp;
    request_.target = {start, bytes};
    at_++;
    return HttpError::kNone;
  }

  HttpError ReadVersion() {
    constexpr std::string_view kUsual = "HTTP/1.1\r\n";
    if (std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with(kUsual)) {
      at_ += kUsual.size();
      return HttpError::kNone;
    }
    constexpr std::string_view kName = "HTTP/";
    const auto available = static_cast<size_t>(end_ - at_);
    if (std::memcmp(at_, kName.data(), std::min(available, kName.size())) != 0) {
      return HttpError::kNotHttp;
    }
    if (available < kName.size() + 3) {
      incomplete_ = true;
      return HttpError::kNone;
    }
    const char major = at_[5];
    const char minor = at_[7];
    if (!Is(major, kDigitChar) || at_[6] != '.' || !Is(minor, kDigitChar)) {
      return HttpError::kBadRequest;
    }
    at_ += 8;
    bool ended = false;
    if (HttpError error = ReadLineEnd(ended); error != HttpError::kNone || incomplete_) {
      return error;
    }
    if (!ended) return HttpError::kBadRequest;
    if (major == '2' && request_.method_name == "PRI" && request_.target == "*") {
      return HttpError::kHttp2Preface;
    }
    if (major != '1') return HttpError::kVersionNotSupported;
    request_.minor_version = static_cast<uint8_t>(minor - '0');
    return HttpError::kNone;
  }

  // CRLF, or a single LF, which RFC 9112 §2.2 lets a recipient take for one. A CR that is not
  // followed by LF is an error.
  HttpError ReadLineEnd(bool& ended) {
    ended = false;
    if (AtEnd()) return HttpError::kNone;
    const char* at = at_;
    if (*at == '\r') {
      if (++at == end_) {
        incomplete_ = true;
        return HttpError::kNone;
      }
      if (*at != '\n') return HttpError::kBadRequest;
    }
    if (*at != '\n') return HttpError::kNone;
    at_ = at + 1;
    ended = true;
    return HttpError::kNone;
  }

  // RFC 9112 §3.2: which form, and whether the method may have it.
  HttpError CheckTarget() {
    const std::string_view target = request_.target;
    if (request_.method == HttpMethod::kConnect) {
      request_.target_form = TargetForm::kAuthority;
      if (target.find(':') == target.npos || !ValidHostWithin(target, end_))
        return HttpError::kBadRequest;
      return HttpError::kNone;
    }
    if (target[0] == '/') {
      request_.target_form = TargetForm::kOrigin;
      const char* const target_end = target.data() + target.size();
      request_.path = {target.data(), FindChar('?', target.data(), target_end, end_)};
      return HttpError::kNone;
    }
    if (target == "*") {
      request_.target_form = TargetForm::kAsterisk;
      return request_.method == HttpMethod::kOptions ? HttpError::kNone : HttpError::kBadRequest;
    }
    return CheckAbsoluteTarget(target);
  }

  HttpError CheckAbsoluteTarget(std::string_view target) {
    request_.target_form = TargetForm::kAbsolute;
    size_t scheme_bytes = 0;
    if (target.size() > 7 && EqualsIgnoringCase(target.substr(0, 7), "http://")) scheme_bytes = 7;
    if (target.size() > 8 && EqualsIgnoringCase(target.substr(0, 8), "https://")) scheme_bytes = 8;
    if (scheme_bytes == 0) return HttpError::kBadRequest;
    const std::string_view rest = target.substr(scheme_bytes);
    const size_t authority_bytes = std::min(rest.find_first_of("/?#"), rest.size());
    request_.host = rest.substr(0, authority_bytes);
    if (request_.host.empty() || !ValidHostWithin(request_.host, end_))
      return HttpError::kBadRequest;
    const std::string_view path = rest.substr(authority_bytes);
    request_.path = path.substr(0, std::min(path.find('?'), path.size()));
    if (request_.path.empty()) request_.path = "/";
    return HttpError::kNone;
  }

  // The field lines and the empty line that ends the header section.
  HttpError ReadFields() {
    LineEnds line_ends(begin_, at_, end_);
    const char* const end = end_;
    const char* at = at_;  // the compiler cannot keep the member in a register
    while (true) {
      // A token has no controls: the line's end does not wait for that of its name.
      const char* line_end = line_ends.Next();
      KnownNames::Found name = kKnownNames.Find(at, end);
      if (name.bytes == 0) [[unlikely]] {
        if (at != end && *at == '\r') {
          at_ = at;
          return EndFields();
        }
        name = FindName(at, end);
        // Space before the colon, obs-fold and lines without a name end here (RFC 9112 §5.1, §5.2).
        if (name.field == FieldName::kNone) {
          at_ = at + name.bytes;
          return AtEnd() ? HttpError::kNone : name.bytes ? HttpError::kBadRequest : EndFields();
        }
      }
      const char* const value = at + name.bytes + 1;
      const char* const value_end = line_end;
      if (end - line_end >= 2 && std::memcmp(line_end, "\r\n", 2) == 0) [[likely]] {
        at = line_end + 2;
      } else {
        at_ = line_end;
        bool ended = false;
        if (HttpError error = ReadLineEnd(ended); error != HttpError::kNone || incomplete_) {
          return error;
        }
        if (!ended) return HttpError::kBadRequest;  // NUL and other controls
        at = at_;
      }
      if (name.field != FieldName::kOther) {
        const HttpError error = TakeField(name.field, Trimmed(value, value_end));
        if (error != HttpError::kNone) [[unlikely]]
          return error;
      }
    }
  }

  // The name that a line begins with. kNone if what follows it is no colon, or it is empty.
  [[gnu::noinline]] static KnownNames::Found FindName(const char* at, const char* end) {
    const char* const name_end = FindNot<kTokenChar>(at, end);
    const auto bytes = static_cast<uint32_t>(name_end - at);
    if (name_end == end || *name_end != ':' || bytes == 0) return {bytes, FieldName::kNone};
    return {bytes, FieldOf({at, bytes})};
  }

  HttpError EndFields() {
    bool ended = false;
    if (HttpError error = ReadLineEnd(ended); error != HttpError::kNone || incomplete_) {
      return error;
    }
    return ended ? CheckFields() : HttpError::kBadRequest;
  }

  static FieldName FieldOf(std::string_view token) {
    switch (token.size()) {
      case 4:
        return IsName(token, "host") ? FieldName::kHost : FieldName::kOther;
      case 6:
        return IsName(token, "accept") ? FieldName::kAccept : FieldName::kOther;
      case 10:
        return IsName(token, "user-agent") ? FieldName::kUserAgent : FieldName::kOther;
      case 14:
        return IsName(token, "content-length") ? FieldName::kContentLength : FieldName::kOther;
      case 15:
        return IsName(token, "accept-language") ? FieldName::kAcceptLanguage : FieldName::kOther;
      case 17:
        return IsName(token, "transfer-encoding") ? FieldName::kTransferEncoding
                                                  : FieldName::kOther;
      default:
        return FieldName::kOther;
    }
  }

  HttpError TakeField(FieldName field, std::string_view value) {
    switch (field) {
      case FieldName::kHost:
        return TakeHost(value);
      case FieldName::kContentLength:
        return TakeContentLength(value);
      case FieldName::kTransferEncoding:
        return TakeTransferEncoding(value);
      case FieldName::kAccept:
        KeepFirst(request_.accept, value);
        break;
      case FieldName::kUserAgent:
        KeepFirst(request_.user_agent, value);
        break;
      case FieldName::kAcceptLanguage:
        KeepFirst(request_.accept_language, value);
        break;
      case FieldName::kNone:
      case FieldName::kOther:
        break;
    }
    return HttpError::kNone;
  }

  // What lies between the colon before `at` and the line's end without the blanks around it.
  static std::string_view Trimmed(const char* at, const char* end) {
    // Usually one space, none behind.
    const auto visible = [](char c) { return static_cast<uint8_t>(c) > ' '; };
    if (*at == ' ' && visible(at[1]) && visible(end[-1])) [[likely]] {
      at++;
    } else {
      while (end[-1] == ' ' || end[-1] == '\t') end--;  // ends at the colon
      while (at < end && (*at == ' ' || *at == '\t')) at++;
    }
    return {at, static_cast<size_t>(end - at)};
  }

  static void KeepFirst(std::string_view& field, std::string_view value) {
    if (!field.data()) field = value;
  }

  HttpError TakeHost(std::string_view value) {
    if (host_seen_ || !ValidHostWithin(value, end_)) return HttpError::kBadRequest;
    host_seen_ = true;
    if (request_.target_form != TargetForm::kAbsolute) request_.host = value;
    return HttpError::kNone;
  }

  HttpError TakeContentLength(std::string_view value) {
    constexpr size_t kMaxDigits = 18;  // below 2^63
    if (value.empty() || value.size() > kMaxDigits) return HttpError::kBadRequest;
    for (char c : value) {
      if (!Is(c, kDigitChar)) return HttpError::kBadRequest;
    }
    if (content_length_.data() && content_length_ != value) return HttpError::kBadRequest;
    content_length_ = value;
    return HttpError::kNone;
  }

  // RFC 9112 §6.3: the last coding of a request is chunked, or its length cannot be known.
  HttpError TakeTransferEncoding(std::string_view value) {
    constexpr std::string_view kChunked = "chunked";
    if (value.size() < kChunked.size()) return HttpError::kBadRequest;
    const size_t start = value.size() - kChunked.size();
    if (!EqualsIgnoringCase(value.substr(start), kChunked)) return HttpError::kBadRequest;
    if (start && value[start - 1] != ' ' && value[start - 1] != ',' && value[start - 1] != '\t') {
      return HttpError::kBadRequest;
    }
    chunked_ = true;
    return HttpError::kNone;
  }

  HttpError CheckFields() {
    // RFC 9112 §3.2: a request of HTTP/1.1 has exactly one Host.
    if (!host_seen_ && request_.minor_version > 0) return HttpError::kBadRequest;
    // §6.1: both, or chunked in HTTP/1.0, is faulty framing.
    if (chunked_ && (content_length_.data() || request_.minor_version == 0)) {
      return HttpError::kBadRequest;
    }
    request_.has_body = chunked_ || content_length_.find_first_not_of('0') != content_length_.npos;
    return HttpError::kNone;
  }

  const char* const begin_;
  const char* at_;
  const char* const end_;
  HttpRequest& request_;
  bool incomplete_ = false;
  bool host_seen_ = false;
  bool chunked_ = false;
  std::string_view content_length_;
};

// Member by member: g++ clears the whole by `rep stos`, which takes 10 ns to begin.
void Clear(HttpRequest& request) {
  request.method = HttpMethod::kOther;
  request.target_form = TargetForm::kOrigin;
  request.minor_version = 1;
  request.has_body = false;
  request.method_name = {};
  request.target = {};
  request.host = {};
  request.path = {};
  request.accept = {};
  request.accept_language = {};
  request.user_agent = {};
  request.header_bytes = 0;
}

}  // namespace

HttpResult ParseHttpRequest(std::string_view input, HttpRequest& request) {
  Clear(request);
  return Reader(input, request).Read();
}

Beginning JudgeBeginning(std::string_view input) {
  const size_t start = std::min(input.find_first_not_of("\r\n"), input.size());
  const std::string_view line = input.substr(start);
  if (line.empty()) return Beginning::kPossible;
  if (static_cast<uint8_t>(line[0]) == kTlsHandshakeRecord) return Beginning::kCertain;
  for (std::string_view method : kKnownMethods) {
    const size_t bytes = std::min(method.size(), line.size());
    if (line.substr(0, bytes) != method.substr(0, bytes)) continue;
    return bytes < kTellingBytes ? Beginning::kPossible : Beginning::kCertain;
  }
  size_t capitals = 0;
  while (capitals < line.size() && line[capitals] >= 'A' && line[capitals] <= 'Z') capitals++;
  if (capitals > kMaxMethodBytes) return Beginning::kUnlikely;
  if (capitals == line.size()) return Beginning::kPossible;
  return capitals && line[capitals] == ' ' ? Beginning::kPossible : Beginning::kUnlikely;
}

bool ValidHost(std::string_view host) { return ValidHostWithin(host, host.data() + host.size()); }

}  // namespace narthex
