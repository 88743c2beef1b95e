// SPDX-License-Identifier: Apache-2.0
// What an operator says about an access network, as plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "decide/accept.h"

namespace narthex {

// A page of the operator's own. `file` is for messages only: nobody opens it here.
struct PageTemplate {
  std::string file;
  std::string text;
};

// The texts in one language.
struct LanguageDescription {
  std::string tag = "en";  // RFC 5646
  std::string title = "Network login required";
  std::string message = "You need to log in to this network before you can use it.";
  std::string link_text = "Log in";
  std::optional<PageTemplate> page;
  std::optional<PageTemplate> compact_page;
};

// A page that a rule asks for in place of the zone's.
struct RulePage {
  std::optional<PageTemplate> page;
  std::optional<PageTemplate> compact_page;
};

struct NetworkDescription {
  std::string network_name;  // UTF-8
  std::string portal_url;    // absolute, http or https
  std::string api_url;       // RFC 8908; may be empty
  MediaType default_media_type = MediaType::kHtml;
  std::vector<LanguageDescription> languages = {{}};  // the first is for everybody else
  std::vector<RulePage> rule_pages;                   // variants 1, 2, … of the 511
  std::vector<std::string> redirects;  // variants 1, 2, … of the 302; 0: portal_url
};

}  // namespace narthex
