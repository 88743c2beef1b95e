// SPDX-License-Identifier: Apache-2.0
#include "reply/response.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "reply/page.h"

namespace narthex {
namespace {

char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

struct Message {
  std::string header_section;
  std::string body;
  size_t date_offset = 0;
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

// For probes. Few bytes before the date, an even number of them: Store leaves a gap there.
// The compact one has no body: the URL alone may be long.
Message ComposeRedirect(const std::string& location, Size size) {
  Message message;
  message.header_section = "HTTP/1.1 302 Found\r\nDate: ";
  message.date_offset = message.header_section.size();
  message.header_section.append(kDateBytes, '\0');
  const bool full = size == Size::kFull;
  if (full) message.body = "<!DOCTYPE html><a href=\"" + EscapeHtml(location) + "\">Log in</a>\n";
  message.header_section += "\r\nLocation: " + location;
  if (full) message.header_section += "\r\nContent-Type: text/html; charset=utf-8";
  message.header_section += "\r\nContent-Length: " + std::to_string(message.body.size());
  message.header_section += "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
  return message;
}

constexpr std::string_view kStatus511 = "511 Network Authentication Required";

std::string LocationOf(Decision decision, const NetworkDescription& network) {
  return decision.variant ? network.redirects[decision.variant - 1u] : network.portal_url;
}

// Nothing if the operator's template cannot be used.
std::optional<Message> ComposeAnswer(Decision decision, const NetworkDescription& network,
                                     Size size, std::string& error) {
  LanguageDescription language = network.languages[decision.language];
  if (decision.variant && decision.answer == Answer::kHtml) {
    const RulePage& page = network.rule_pages[decision.variant - 1u];
    if (page.page) language.page = page.page;
    if (page.compact_page) language.compact_page = page.compact_page;
  }
  switch (decision.answer) {
    case Answer::kRedirect:
      return ComposeRedirect(LocationOf(decision, network), size);
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
  if (decision.answer == Answer::kRedirect) {
    return std::string("the ") + (full ? "full" : "compact") + " redirect to " +
           LocationOf(decision, network).substr(0, 80) + " has " + std::to_string(bytes) +
           " bytes with its header fields, " + std::to_string(bytes - limit) +
           " too many for one segment (" + std::to_string(limit) + ")";
  }
  const LanguageDescription& language = network.languages[decision.language];
  const RulePage rule_page =
      decision.variant ? network.rule_pages[decision.variant - 1u] : RulePage{};
  const auto& of_rule = full ? rule_page.page : rule_page.compact_page;
  const auto& own = of_rule ? of_rule : full ? language.page : language.compact_page;
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

void Store(const std::string& text, size_t date_offset, Response& response) {
  response.date_offset = static_cast<uint16_t>(date_offset);
  std::memcpy(response.bytes.data(), text.data(), text.size());
  response.size = static_cast<uint16_t>(text.size());
  response.sum = ChecksumAdd(response.bytes.data(), response.size);
}

}  // namespace

void DateText::Set(int64_t wall_s) {
  if (wall_s == wall_s_) return;
  wall_s_ = wall_s;
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t seconds = wall_s;
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];  // of which kDateBytes are used in the years 1000 to 9999
  std::snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[utc.tm_wday],
                utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  std::memcpy(bytes_.data(), text, kDateBytes);
  sum_ = ChecksumAdd(bytes_.data(), kDateBytes);
}

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
    Store(whole, message->date_offset, responses[Index(decision)]);
    if (decision.answer != Answer::kHttp2GoAway) {
      Store(message->header_section, message->date_offset, responses[Index(decision) + 1]);
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
  set.redirects_ = 1 + network.redirects.size();
  const auto pages = static_cast<uint16_t>(1 + network.rule_pages.size());
  const size_t count = kRenderedAnswers - kLocalisedAnswers + 2 * set.redirects_ +
                       pages * network.languages.size() * size_t{kLocalisedAnswers};
  set.full_.resize(count);
  set.compact_.resize(count);
  for (uint16_t page = 0; page < pages; page++) {
    for (uint8_t language = 0; language < network.languages.size(); language++) {
      for (Answer answer : {Answer::kHtml, Answer::kJson, Answer::kText}) {
        if (!set.RenderAnswer(network, {answer, language, page}, error)) return std::nullopt;
      }
    }
  }
  for (uint16_t redirect = 0; redirect < set.redirects_; redirect++) {
    if (!set.RenderAnswer(network, {Answer::kRedirect, 0, redirect}, error)) return std::nullopt;
  }
  for (Answer answer : {Answer::kBadRequest, Answer::kTargetTooLong, Answer::kFieldsTooLarge,
                        Answer::kVersionNotSupported, Answer::kHttp2GoAway}) {
    if (!set.RenderAnswer(network, {answer}, error)) return std::nullopt;
  }
  return set;
}

}  // namespace narthex
