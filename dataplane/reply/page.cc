// SPDX-License-Identifier: Apache-2.0
#include "reply/page.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "reply/html_check.h"

namespace narthex {
namespace {

constexpr std::string_view kFullPage =
    "<!DOCTYPE html>\n"
    "<html lang={{language}}>\n"
    "<meta charset=utf-8>\n"
    "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
    "<title>{{title}}</title>\n"
    "<style>"
    ":root{color-scheme:light dark}"
    "body{font:1.1em/1.5 system-ui,sans-serif;max-width:30em;margin:12vh auto;padding:0 1.5em;"
    "color:#1b1b1f;background:#fff}"
    "a{display:inline-block;padding:.6em 1.4em;border-radius:.5em;background:#0b57d0;color:#fff}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#1b1b1f}}"
    "</style>\n"
    "<main>\n"
    "<h1>{{title}}.</h1>\n"
    "<p><b>{{network_name}}</b>: {{message}}</p>\n"
    "<p><a href=\"{{login_url}}\">{{link_text}}</a></p>\n"
    "</main>\n"
    "</html>\n";
constexpr std::string_view kCompactPage =
    "<!DOCTYPE html><html lang={{language}}><meta name=viewport content=\"width=device-width\">"
    "<title>{{title}}</title>"
    "<h1>{{title}}.</h1><p>{{network_name}}: {{message}}<p><a "
    "href=\"{{login_url}}\">{{link_text}}</a>\n";

struct Placeholder {
  std::string_view name;
  std::string_view value;
};

// For a message of one line.
std::string Printable(std::string_view text) {
  std::string out(text.substr(0, 40));
  for (char& c : out) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

// The template with its placeholders replaced by their escaped values.
std::string Fill(std::string_view text, std::span<const Placeholder> placeholders) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t open = std::min(text.find("{{", at), text.size());
    out += text.substr(at, open - at);
    if (open == text.size()) break;
    const size_t close = text.find("}}", open);
    const std::string_view name =
        close == text.npos ? text.substr(open + 2, 20) : text.substr(open + 2, close - open - 2);
    const auto known = std::find_if(placeholders.begin(), placeholders.end(),
                                    [&](const Placeholder& each) { return each.name == name; });
    if (close == text.npos || known == placeholders.end()) {
      std::string names;
      for (const Placeholder& each : placeholders) {
        names += (names.empty() ? "" : ", ") + std::string(each.name);
      }
      throw PageFault{
          1 + static_cast<size_t>(
                  std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(open), '\n')),
          "unknown placeholder {{" + Printable(name) + "}}; known: " + names};
    }
    out += EscapeHtml(known->value);
    at = close + 2;
  }
  return out;
}

void AppendMember(std::string& out, std::string_view name, std::string_view value) {
  out += out.empty() ? "{\"" : ",\"";
  out += name;
  out += "\":\"" + EscapeJson(value) + '"';
}

void AppendBigEndian(std::string& out, uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xff);
  }
}

// RFC 9113 §4.1
void AppendFrameHeader(std::string& out, size_t payload_bytes, uint8_t type) {
  AppendBigEndian(out, static_cast<uint32_t>(payload_bytes), 3);
  AppendBigEndian(out, type, 1);
  AppendBigEndian(out, 0, 1);  // flags
  AppendBigEndian(out, 0, 4);  // stream
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string EscapeJson(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> HtmlPage(const NetworkDescription& network,
                                    const LanguageDescription& language, Size size,
                                    std::string& error) {
  const bool full = size == Size::kFull;
  const std::optional<PageTemplate>& own = full ? language.page : language.compact_page;
  const Placeholder placeholders[] = {{"network_name", network.network_name},
                                      {"login_url", network.portal_url},
                                      {"title", language.title},
                                      {"message", language.message},
                                      {"link_text", language.link_text},
                                      {"language", language.tag}};
  PageFault fault;
  try {
    std::string page = Fill(own    ? std::string_view(own->text)
                            : full ? kFullPage
                                   : kCompactPage,
                            placeholders);
    const auto found = CheckPage(page, EscapeHtml(network.portal_url));
    if (!found) return page;
    fault = *found;
  } catch (const PageFault& unknown) {
    fault = unknown;
  }
  error = own ? own->file : "built-in page";
  if (fault.line) error += ":" + std::to_string(fault.line);
  error += ": " + fault.why;
  return std::nullopt;
}

std::string ProblemJson(const NetworkDescription& network, const LanguageDescription& language,
                        Size size) {
  std::string out;
  if (size == Size::kFull) {
    AppendMember(out, "type", "https://www.rfc-editor.org/rfc/rfc6585#section-6");
  }
  AppendMember(out, "title", "Network Authentication Required");
  out += ",\"status\":511";
  AppendMember(out, "detail", language.message);
  AppendMember(out, "network", network.network_name);
  AppendMember(out, "login_url", network.portal_url);
  if (!network.api_url.empty()) AppendMember(out, "api_url", network.api_url);
  return out + "}\n";
}

std::string TextPage(const NetworkDescription& network, const LanguageDescription& language,
                     Size size) {
  const bool full = size == Size::kFull;
  return language.title + (full ? ".\n\n" : ".\n") + network.network_name + ": " +
         language.message + "\n" + (full ? "\n" + language.link_text + ": " : "") +
         network.portal_url + "\n";
}

std::string Http2GoAway(std::string_view portal_url) {
  constexpr uint8_t kSettings = 4;
  constexpr uint8_t kGoAway = 7;
  constexpr uint32_t kHttp11Required = 0xd;
  const std::string debug = "Network login required: " + std::string(portal_url);
  std::string out;
  AppendFrameHeader(out, 0, kSettings);
  AppendFrameHeader(out, 8 + debug.size(), kGoAway);
  AppendBigEndian(out, 0, 4);  // last stream that was looked at: none
  AppendBigEndian(out, kHttp11Required, 4);
  return out + debug;
}

}  // namespace narthex
