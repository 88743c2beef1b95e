// SPDX-License-Identifier: Apache-2.0
#include "reply/response.h"

#include <algorithm>
#include <cstring>

#include "reply/page.h"

namespace narthex {
namespace {

char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

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

// Nothing if the operator's template cannot be used.
std::optional<Message> ComposeAnswer(Decision decision, const NetworkDescription& network,
                                     Size size, std::string& error) {
  const LanguageDescription& language = network.languages[decision.language];
  switch (decision.answer) {
    case Answer::kHtml: {
      auto page = HtmlPage(network, language, size, error);
      if (!page) return std::nullopt;
      return Compose(kStatus511, "text/html; charset=utf-8", std::move(*page));
    }
    case Answer::kJson:
      return Compose(kStatus511, "application/problem+json; charset=utf-8",
                     ProblemJson(network, language, size));
    case Answer::kText:
      return Compose(kStatus511, "text/plain; charset=utf-8", TextPage(network, language, size));
    case Answer::kTargetTooLong:
      return ComposeError("414 URI Too Long");
    case Answer::kFieldsTooLarge:
      return ComposeError("431 Request Header Fields Too Large");
    case Answer::kVersionNotSupported:
      return ComposeError("505 HTTP Version Not Supported");
    case Answer::kHttp2GoAway:
      return Message{Http2GoAway(network.portal_url), ""};
    default:
      return ComposeError("400 Bad Request");
  }
}

std::string_view FormOf(Answer answer) {
  switch (answer) {
    case Answer::kHtml:
      return "HTML";
    case Answer::kJson:
      return "JSON";
    case Answer::kText:
      return "text";
    default:
      return "error";
  }
}

// Which response is too long, by how much, and what makes it long.
std::string TooLong(Decision decision, const NetworkDescription& network, Size size, size_t bytes) {
  const bool full = size == Size::kFull;
  const size_t limit = full ? NX_FULL_RESPONSE_BYTES : NX_COMPACT_RESPONSE_BYTES;
  const LanguageDescription& language = network.languages[decision.language];
  const auto& own = full ? language.page : language.compact_page;
  std::string error;
  if (decision.answer == Answer::kHtml && own) error = own->file + ": ";
  error += std::string("the ") + (full ? "full " : "compact ") +
           std::string(FormOf(decision.answer)) + " response in '" + language.tag + "' has " +
           std::to_string(bytes) + " bytes with its header fields, " +
           std::to_string(bytes - limit) + " too many for one segment (" + std::to_string(limit) +
           "): portal_url has " + std::to_string(network.portal_url.size()) + ", network_name " +
           std::to_string(network.network_name.size());
  if (!network.api_url.empty()) error += ", api_url " + std::to_string(network.api_url.size());
  return error + ", message " + std::to_string(language.message.size());
}

void Store(const std::string& text, Response& response) {
  std::memcpy(response.bytes.data(), text.data(), text.size());
  response.size = static_cast<uint16_t>(text.size());
  response.sum = ChecksumAdd(response.bytes.data(), response.size);
}

}  // namespace

// Both sizes, and the twin for HEAD.
bool ResponseSet::RenderAnswer(const NetworkDescription& network, Decision decision,
                               std::string& error) {
  for (Size size : {Size::kFull, Size::kCompact}) {
    const bool full = size == Size::kFull;
    const size_t limit = full ? NX_FULL_RESPONSE_BYTES : NX_COMPACT_RESPONSE_BYTES;
    const auto message = ComposeAnswer(decision, network, size, error);
    if (!message) return false;
    const std::string whole = message->header_section + message->body;
    if (whole.size() > limit) {
      error = TooLong(decision, network, size, whole.size());
      return false;
    }
    auto& responses = full ? full_ : compact_;
    Store(whole, responses[Index(decision)]);
    if (decision.answer != Answer::kHttp2GoAway) {
      Store(message->header_section, responses[Index(decision) + 1]);
    }
  }
  return true;
}

std::optional<ResponseSet> ResponseSet::Render(const NetworkDescription& network,
                                               std::string& error) {
  ResponseSet set;
  set.offer_ = {network.default_media_type, {}};
  for (const LanguageDescription& language : network.languages) {
    std::string tag = language.tag;
    std::transform(tag.begin(), tag.end(), tag.begin(), AsciiLower);
    set.offer_.languages.push_back(std::move(tag));
  }
  const size_t count =
      kRenderedAnswers + (network.languages.size() - 1) * size_t{kLocalisedAnswers};
  set.full_.resize(count);
  set.compact_.resize(count);
  for (uint8_t language = 0; language < network.languages.size(); language++) {
    for (Answer answer : {Answer::kHtml, Answer::kJson, Answer::kText}) {
      if (!set.RenderAnswer(network, {answer, language}, error)) return std::nullopt;
    }
  }
  for (Answer answer : {Answer::kBadRequest, Answer::kTargetTooLong, Answer::kFieldsTooLarge,
                        Answer::kVersionNotSupported, Answer::kHttp2GoAway}) {
    if (!set.RenderAnswer(network, {answer}, error)) return std::nullopt;
  }
  return set;
}

}  // namespace narthex
