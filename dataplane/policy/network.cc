// SPDX-License-Identifier: Apache-2.0
#include "policy/network.h"

#include <cstring>
#include <set>

#include "decide/language.h"
#include "parse/http_chars.h"

namespace narthex {
namespace {

constexpr size_t kMaxTemplateBytes = 16384;

std::string Tag(const json& language) {
  std::string tag = Text(language, "tag", kMaxLanguageTagBytes);
  for (char c : tag) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-') {
      throw BadSnapshot("\"tag\" is no language tag such as de or zh-Hant");
    }
  }
  return tag;
}

LanguageDescription ReadLanguage(const json& language) {
  if (!language.is_object()) throw BadSnapshot("a language is no object");
  LanguageDescription read;
  read.tag = Tag(language);
  // English has texts of its own; any other language brings all of them.
  const bool own = read.tag != "en";
  if (own || language.contains("title")) read.title = Text(language, "title");
  if (own || language.contains("message")) read.message = Text(language, "message");
  if (own || language.contains("link_text")) read.link_text = Text(language, "link_text");
  read.page = ReadTemplate(language, "template");
  read.compact_page = ReadTemplate(language, "template_compact");
  return read;
}

std::vector<LanguageDescription> ReadLanguages(const json& zone) {
  if (!zone.contains("languages")) return {{}};  // English
  const json& languages = Member(zone, "languages");
  if (!languages.is_array() || languages.empty() || languages.size() > kMaxLanguages) {
    throw BadSnapshot("\"languages\" is no list of 1 to " + std::to_string(kMaxLanguages) +
                      " languages");
  }
  std::vector<LanguageDescription> read;
  for (const json& language : languages) {
    read.push_back(ReadLanguage(language));
    for (size_t i = 0; i + 1 < read.size(); i++) {
      if (read[i].tag == read.back().tag) {
        throw BadSnapshot("language '" + read[i].tag + "' is there twice");
      }
    }
  }
  return read;
}

MediaType DefaultMediaType(const json& zone) {
  if (!zone.contains("default_media_type")) return MediaType::kHtml;
  const std::string name = Text(zone, "default_media_type");
  if (name == "html") return MediaType::kHtml;
  if (name == "text") return MediaType::kText;
  throw BadSnapshot("\"default_media_type\" is neither \"html\" nor \"text\"");
}

}  // namespace

std::string ReadUrl(const json& object, const char* name, bool only_https) {
  std::string url = Text(object, name);
  const bool http = url.rfind("http://", 0) == 0 && url.size() > 7;
  const bool https = url.rfind("https://", 0) == 0 && url.size() > 8;
  if (!https && (only_https || !http)) {
    throw BadSnapshot(std::string("\"") + name + "\" is no absolute " +
                      (only_https ? "https" : "http or https") + " URL");
  }
  for (char c : url) {
    if (static_cast<uint8_t>(c) <= 0x20 || static_cast<uint8_t>(c) >= 0x7f ||
        std::strchr("\"<>\\^`{|}", c)) {
      throw BadSnapshot(std::string("\"") + name +
                        "\" holds characters that a URL must percent-encode");
    }
  }
  return url;
}

// A page is no single line: what it may hold is checked after rendering.
std::optional<PageTemplate> ReadTemplate(const json& owner, const char* name) {
  if (!owner.contains(name)) return std::nullopt;
  const json& page = Member(owner, name);
  if (!page.is_object()) throw BadSnapshot(std::string("\"") + name + "\" is no object");
  const json& text = Member(page, "text");
  if (!text.is_string()) throw BadSnapshot(std::string("\"") + name + "\" has no text");
  PageTemplate read{Text(page, "file"), text.get<std::string>()};
  if (read.text.size() > kMaxTemplateBytes) {
    throw BadSnapshot(read.file + ": " + std::to_string(read.text.size()) +
                      " bytes are no page for one segment");
  }
  return read;
}

NetworkDescription ReadNetwork(const json& zone) {
  NetworkDescription network;
  network.network_name = Text(zone, "network_name");
  network.portal_url = ReadUrl(zone, "portal_url", false);
  if (zone.contains("api_url")) network.api_url = ReadUrl(zone, "api_url", true);
  network.default_media_type = DefaultMediaType(zone);
  network.languages = ReadLanguages(zone);
  return network;
}

}  // namespace narthex
