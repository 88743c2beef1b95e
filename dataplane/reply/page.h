// SPDX-License-Identifier: Apache-2.0
// The bodies of the responses as text. Used at load only: strings and allocation are fine here.
#pragma once

#include <string>
#include <string_view>

namespace narthex {

enum class Size { kFull, kCompact };

std::string EscapeHtml(std::string_view text);
std::string EscapeJson(std::string_view text);

// The page of the 511: no script, no form, nothing loaded from elsewhere; it says who speaks and
// holds a link to the login page rather than the login itself (RFC 6585 §6).
std::string HtmlPage(std::string_view network_name, std::string_view portal_url, Size size);

// RFC 9457 problem details with the login page as member `login_url`.
std::string ProblemJson(std::string_view network_name, std::string_view portal_url, Size size);

std::string TextPage(std::string_view network_name, std::string_view portal_url, Size size);

// SETTINGS and GOAWAY(HTTP_1_1_REQUIRED) with the link as debug data (RFC 9113 §3.4, §6.8).
std::string Http2GoAway(std::string_view portal_url);

}  // namespace narthex
