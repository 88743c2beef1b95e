// SPDX-License-Identifier: Apache-2.0
#include "reply/html_check.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "parse/http_chars.h"

namespace narthex {
namespace {

constexpr std::string_view kElements[] = {
    "html",    "head",    "meta", "title", "style",   "body", "header", "main", "footer",
    "section", "article", "nav",  "div",   "span",    "p",    "h1",     "h2",   "h3",
    "h4",      "ul",      "ol",   "li",    "dl",      "dt",   "dd",     "a",    "b",
    "strong",  "i",       "em",   "small", "address", "br",   "hr",     "img"};
constexpr std::string_view kAttributes[] = {
    "lang", "dir", "class", "id",    "title",  "style",   "role", "href",   "hreflang",
    "rel",  "src", "alt",   "width", "height", "charset", "name", "content"};

struct Refusal {
  std::string_view element;
  std::string_view why;
};
constexpr std::string_view kForm =
    "a form: the page links to the login and does not hold it (RFC 6585 §6)";
constexpr Refusal kRefusedElements[] = {
    {"form", kForm},
    {"input", kForm},
    {"button", kForm},
    {"select", kForm},
    {"textarea", kForm},
    {"script", "a script: the page must work without"},
    {"iframe", "a frame: nothing is loaded from elsewhere"},
    {"frame", "a frame: nothing is loaded from elsewhere"},
    {"base", "<base> changes where links lead: write absolute URLs"},
};

template <size_t N>
bool IsOneOf(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lower;
}

// How many bytes the character at the start of `text` has; 0 if it is none (RFC 3629 §4).
size_t Utf8Bytes(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return 1;
  const size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return 0;
  for (size_t i = 1; i < bytes; i++) {
    if ((static_cast<uint8_t>(text[i]) & 0xc0) != 0x80) return 0;
  }
  const auto second = static_cast<uint8_t>(text[1]);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool beyond = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
  return overlong || beyond ? 0 : bytes;
}

class PageReader {
 public:
  PageReader(std::string_view page, std::string_view login_url)
      : page_(page), login_url_(login_url) {}

  void Read() {
    CheckCharacters();
    constexpr std::string_view kDoctype = "<!doctype html>";
    if (Lower(page_.substr(0, kDoctype.size())) != kDoctype) {
      Refuse("the page must begin with <!DOCTYPE html>");
    }
    at_ = kDoctype.size();
    while (at_ < page_.size()) {
      if (page_[at_] == '<') {
        ReadTag();
      } else {
        if (in_link_ && !IsBlank(page_[at_])) link_found_ = true;
        at_++;
      }
    }
    if (!language_found_) throw PageFault{0, "no language: write <html lang={{language}}>"};
    if (!link_found_) {
      throw PageFault{0, "no link to the login page: write <a href=\"{{login_url}}\">…</a>"};
    }
  }

 private:
  [[noreturn]] void Refuse(std::string why) const {
    const auto until = page_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, page_.size()));
    throw PageFault{1 + static_cast<size_t>(std::count(page_.begin(), until, '\n')),
                    std::move(why)};
  }

  void CheckCharacters() {
    // narthexd writes U+FFFD for what is no UTF-8: JSON can hold nothing else.
    constexpr std::string_view kReplacement = "\xef\xbf\xbd";
    for (at_ = 0; at_ < page_.size();) {
      const std::string_view rest = page_.substr(at_);
      const size_t bytes = Utf8Bytes(rest);
      if (bytes == 0 || rest.starts_with(kReplacement)) Refuse("not UTF-8");
      const auto first = static_cast<uint8_t>(rest[0]);
      const bool c1 = first == 0xc2 && static_cast<uint8_t>(rest[1]) < 0xa0;
      if ((first < 0x20 && !IsBlank(rest[0])) || first == 0x7f || c1) Refuse("a control character");
      at_ += bytes;
    }
  }

  void SkipBlanks() {
    while (at_ < page_.size() && IsBlank(page_[at_])) at_++;
  }

  char Here() const {
    if (at_ == page_.size()) Refuse("the page ends within a tag");
    return page_[at_];
  }

  std::string ReadName() {
    const size_t start = at_;
    while (at_ < page_.size() &&
           (IsLetter(page_[at_]) || Is(page_[at_], kDigitChar) || page_[at_] == '-')) {
      at_++;
    }
    return Lower(page_.substr(start, at_ - start));
  }

  void ReadTag() {
    const size_t start = at_++;
    const bool end_tag = at_ < page_.size() && page_[at_] == '/';
    if (end_tag) at_++;
    if (at_ == page_.size() || !IsLetter(page_[at_])) {
      at_ = start;
      Refuse(page_.substr(start, 4) == "<!--" ? "a comment: its bytes are needed for the page"
                                              : "'<' outside a tag: write &lt;");
    }
    const std::string element = ReadName();
    CheckElement(element);
    if (end_tag) {
      SkipBlanks();
      if (Here() != '>') Refuse("</" + element + "> is malformed");
      at_++;
      if (element == "a") in_link_ = false;
      return;
    }
    ReadAttributes(element);
    if (element == "style" || element == "title") ReadRawText(element);
  }

  void CheckElement(const std::string& element) const {
    for (const Refusal& refused : kRefusedElements) {
      if (element == refused.element) Refuse(std::string(refused.why));
    }
    if (!IsOneOf(kElements, element)) Refuse("<" + element + "> is not among the elements allowed");
  }

  void ReadAttributes(const std::string& element) {
    std::string seen = " ";
    if (element == "a") in_link_ = false;
    while (true) {
      const bool separated = IsBlank(Here());
      SkipBlanks();
      if (Here() == '>') break;
      if (Here() == '/' && page_.substr(at_, 2) == "/>") {
        at_++;
        break;
      }
      if (!separated) Refuse("<" + element + "> is malformed");
      const std::string name = ReadName();
      if (name.empty()) Refuse("an attribute of <" + element + "> is malformed");
      if (seen.find(" " + name + " ") != seen.npos) Refuse("attribute " + name + " is there twice");
      seen += name + " ";
      const std::string_view value = ReadValue(name);
      CheckAttribute(element, name, value);
    }
    at_++;
  }

  // The value of an attribute; empty if it has none.
  std::string_view ReadValue(const std::string& name) {
    if (Here() != '=') return {};
    at_++;
    const char quote = Here();
    size_t end;
    size_t start = at_;
    if (quote == '"' || quote == '\'') {
      start++;
      end = page_.find(quote, start);
      at_ = end == page_.npos ? page_.size() : end + 1;
      if (end == page_.npos) Refuse("the quote after " + name + "= is never closed");
    } else {
      end = std::min(page_.find_first_of(" \t\r\n>", start), page_.size());
      at_ = end;
      if (page_.substr(start, end - start).find_first_of("\"'`") != page_.npos || start == end) {
        Refuse("the value of " + name + " needs quotes");
      }
    }
    const std::string_view value = page_.substr(start, end - start);
    if (value.find('<') != value.npos) Refuse("'<' in the value of " + name + ": write &lt;");
    return value;
  }

  void CheckAttribute(const std::string& element, const std::string& name, std::string_view value) {
    if (name.starts_with("on")) Refuse("event handler " + name + ": the page must work without");
    if (name == "http-equiv") {
      Refuse("http-equiv (refresh, set-cookie and the like): the page may not act by itself");
    }
    if (!IsOneOf(kAttributes, name) && !name.starts_with("aria-")) {
      Refuse("attribute " + name + " is not among those allowed");
    }
    const std::string lower = Lower(value);
    if (name == "charset" && lower != "utf-8") Refuse("charset must be utf-8");
    if (name == "style") {
      if (value.find('&') != value.npos) Refuse("'&' in a style");
      CheckStyle(lower);
    }
    if (name == "lang" && element == "html" && !value.empty()) language_found_ = true;
    const bool web = (lower.starts_with("http://") && lower.size() > 7) ||
                     (lower.starts_with("https://") && lower.size() > 8);
    if (name == "src" && !web && !lower.starts_with("data:image/")) {
      Refuse("src must be an absolute http or https URL, or data:image/…");
    }
    if (name == "href" && !web && !lower.starts_with("tel:") && !lower.starts_with("mailto:")) {
      Refuse("href must be an absolute http or https URL: a relative one would be the origin's");
    }
    if (name == "href" && element == "a" && value == login_url_) in_link_ = true;
  }

  // Until its end tag nothing is a tag: a browser reads it so.
  void ReadRawText(const std::string& element) {
    const std::string lower = Lower(page_.substr(at_));
    const size_t bytes = lower.find("</" + element);
    if (bytes == lower.npos) Refuse("<" + element + "> is never closed");
    const std::string_view text = std::string_view(lower).substr(0, bytes);
    if (text.find('<') != text.npos) Refuse("'<' in <" + element + ">");
    if (element == "style") CheckStyle(text);
    at_ += bytes;
  }

  void CheckStyle(std::string_view lower) const {
    for (const char* loads : {"url(", "@import", "image-set(", "src("}) {
      if (lower.find(loads) != lower.npos) {
        Refuse(std::string(loads) + " in a style: nothing is loaded from elsewhere");
      }
    }
    if (lower.find('\\') != lower.npos) Refuse("'\\' in a style");
  }

  const std::string_view page_;
  const std::string_view login_url_;
  size_t at_ = 0;
  bool in_link_ = false;
  bool link_found_ = false;
  bool language_found_ = false;
};

}  // namespace

std::optional<PageFault> CheckPage(std::string_view page, std::string_view login_url) {
  try {
    PageReader(page, login_url).Read();
  } catch (const PageFault& fault) {  // thrown in this file only: loading is no hot path
    return fault;
  }
  return std::nullopt;
}

}  // namespace narthex
