// SPDX-License-Identifier: Apache-2.0
#include "reply/page.h"

#include <cstdint>

namespace narthex {
namespace {

constexpr std::string_view kSentence = "You need to log in to this network before you can use it.";

std::string Replace(std::string_view templ, std::string_view name, std::string_view url) {
  std::string out;
  for (size_t at = 0; at < templ.size(); at++) {
    if (templ.substr(at, 2) == "@N") {
      out += name;
      at++;
    } else if (templ.substr(at, 2) == "@U") {
      out += url;
      at++;
    } else if (templ.substr(at, 2) == "@S") {
      out += kSentence;
      at++;
    } else {
      out += templ[at];
    }
  }
  return out;
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

std::string HtmlPage(std::string_view network_name, std::string_view portal_url, Size size) {
  constexpr std::string_view kFull =
      "<!DOCTYPE html>\n"
      "<html lang=en>\n"
      "<meta charset=utf-8>\n"
      "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
      "<title>Network login required</title>\n"
      "<style>"
      "body{font:1.1em/1.5 system-ui,sans-serif;max-width:30em;margin:12vh auto;padding:0 1.5em;"
      "color:#1b1b1f;background:#fff}"
      "a{display:inline-block;padding:.6em 1.4em;border-radius:.5em;background:#0b57d0;color:#fff}"
      "@media(prefers-color-scheme:dark){body{color:#eee;background:#1b1b1f}}"
      "</style>\n"
      "<main>\n"
      "<h1>Network login required.</h1>\n"
      "<p><b>@N</b>: @S</p>\n"
      "<p><a href=\"@U\">Log in to @N</a></p>\n"
      "</main>\n"
      "</html>\n";
  constexpr std::string_view kCompact =
      "<!DOCTYPE html><html lang=en><meta name=viewport content=\"width=device-width\">"
      "<title>Network login required</title>"
      "<h1>Network login required.</h1><p>@N: @S<p><a href=\"@U\">Log in</a>\n";
  return Replace(size == Size::kFull ? kFull : kCompact, EscapeHtml(network_name),
                 EscapeHtml(portal_url));
}

std::string ProblemJson(std::string_view network_name, std::string_view portal_url, Size size) {
  constexpr std::string_view kFull =
      "{\"type\":\"https://www.rfc-editor.org/rfc/rfc6585#section-6\","
      "\"title\":\"Network Authentication Required\",\"status\":511,"
      "\"detail\":\"@S\",\"network\":\"@N\",\"login_url\":\"@U\"}\n";
  constexpr std::string_view kCompact =
      "{\"title\":\"Network Authentication Required\",\"status\":511,"
      "\"detail\":\"@S\",\"network\":\"@N\",\"login_url\":\"@U\"}\n";
  return Replace(size == Size::kFull ? kFull : kCompact, EscapeJson(network_name),
                 EscapeJson(portal_url));
}

std::string TextPage(std::string_view network_name, std::string_view portal_url, Size size) {
  constexpr std::string_view kFull = "Network login required.\n\n@N: @S\n\nLog in at: @U\n";
  constexpr std::string_view kCompact = "Network login required.\n@N: @S\n@U\n";
  return Replace(size == Size::kFull ? kFull : kCompact, network_name, portal_url);
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
