// SPDX-License-Identifier: Apache-2.0
// A zone's texts, from the policy snapshot.
#pragma once

#include "policy/members.h"
#include "reply/network.h"

namespace narthex {

// Throws BadSnapshot. What the texts become is checked when they are rendered.
NetworkDescription ReadNetwork(const json& zone);

// Also for policy/rule_list.cc: an absolute URL of ASCII that can stand in HTML, JSON, text and a
// header field (RFC 3986 §2); a page, if there is one of this name.
std::string ReadUrl(const json& object, const char* name, bool only_https);
std::optional<PageTemplate> ReadTemplate(const json& owner, const char* name);

}  // namespace narthex
