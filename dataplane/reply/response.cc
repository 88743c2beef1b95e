// SPDX-License-Identifier: Apache-2.0
#include "reply/response.h"

#include <algorithm>
#include <cstring>

#include "reply/page.h"

namespace narthex {
namespace {

struct Message {
  std::string header_section;
  std::string body;
};

// The status line says HTTP/1.1 to clients of HTTP/1.0, too: a server sends the highest version
// of the major version that it conforms to (RFC 9110 §6.2). No Date and no Server: a 511 has no
// origin to imitate, and a clock is not required where caching is forbidden.
Message Compose(std::string_view status, std::string_view type, std::string body) {
  Message message;
  message.header_section = "HTTP/1.1 ";
  message.header_section += status;
  message.header_section += "\r\nContent-Type: ";
  message.header_section += type;
  message.header_section += "\r\nContent-Length: " + std::to_string(body.size());
  message.header_section += "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
  message.body = std::move(body);
  return message;
}

Message ComposeError(std::string_view status) {
  return Compose(status, "text/plain; charset=utf-8", std::string(status) + "\n");
}

constexpr std::string_view kStatus511 = "511 Network Authentication Required";

Message ComposeAnswer(Answer answer, const NetworkDescription& network, Size size) {
  const std::string& name = network.network_name;
  const std::string& url = network.portal_url;
  switch (answer) {
    case Answer::kHtml:
      return Compose(kStatus511, "text/html; charset=utf-8", HtmlPage(name, url, size));
    case Answer::kJson:
      return Compose(kStatus511, "application/problem+json; charset=utf-8",
                     ProblemJson(name, url, size));
    case Answer::kText:
      return Compose(kStatus511, "text/plain; charset=utf-8", TextPage(name, url, size));
    case Answer::kTargetTooLong:
      return ComposeError("414 URI Too Long");
    case Answer::kFieldsTooLarge:
      return ComposeError("431 Request Header Fields Too Large");
    case Answer::kVersionNotSupported:
      return ComposeError("505 HTTP Version Not Supported");
    case Answer::kHttp2GoAway:
      return {Http2GoAway(url), ""};
    default:
      return ComposeError("400 Bad Request");
  }
}

bool Store(const std::string& text, size_t limit, Response& response) {
  if (text.size() > limit) return false;
  std::memcpy(response.bytes.data(), text.data(), text.size());
  response.size = static_cast<uint16_t>(text.size());
  response.sum = ChecksumAdd(response.bytes.data(), response.size);
  return true;
}

}  // namespace

std::optional<ResponseSet> ResponseSet::Render(const NetworkDescription& network,
                                               std::string& error) {
  ResponseSet set;
  for (size_t i = 0; i < kRenderedAnswers; i++) {
    const auto answer = static_cast<Answer>(i);
    const bool has_head = answer != Answer::kHttp2GoAway;
    for (Size size : {Size::kFull, Size::kCompact}) {
      const bool full = size == Size::kFull;
      const size_t limit = full ? NX_FULL_RESPONSE_BYTES : NX_COMPACT_RESPONSE_BYTES;
      auto& responses = full ? set.full_ : set.compact_;
      const Message message = ComposeAnswer(answer, network, size);
      const std::string whole = message.header_section + message.body;
      if (!Store(whole, limit, responses[i])) {
        error = "network_name and portal_url are too long: a response would take " +
                std::to_string(whole.size()) + " bytes of the " + std::to_string(limit) +
                " that fit one segment";
        return std::nullopt;
      }
      if (has_head) Store(message.header_section, limit, responses[i + 1]);
    }
    if (has_head) i++;
  }
  return set;
}

}  // namespace narthex
