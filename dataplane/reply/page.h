// SPDX-License-Identifier: Apache-2.0
// The bodies of the responses as text. Used at load only: strings and allocation are fine here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "reply/network.h"

namespace narthex {

enum class Size { kFull, kCompact };

std::string EscapeHtml(std::string_view text);
std::string EscapeJson(std::string_view text);

// The page of the 511, from the operator's template of that size or the built-in one: it says who
// speaks and holds a link to the login page rather than the login itself (RFC 6585 §6). Nothing,
// and a line in `error` that names the template's file, if it cannot be used.
std::optional<std::string> HtmlPage(const NetworkDescription& network,
                                    const LanguageDescription& language, Size size,
                                    std::string& error);

// RFC 9457 problem details with the login page as member `login_url`, and the RFC 8908 API as
// `api_url` if there is one.
std::string ProblemJson(const NetworkDescription& network, const LanguageDescription& language,
                        Size size);

std::string TextPage(const NetworkDescription& network, const LanguageDescription& language,
                     Size size);

// SETTINGS and GOAWAY(HTTP_1_1_REQUIRED) with the link as debug data (RFC 9113 §3.4, §6.8).
std::string Http2GoAway(std::string_view portal_url);

}  // namespace narthex
