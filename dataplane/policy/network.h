// SPDX-License-Identifier: Apache-2.0
// A zone's texts, from the policy snapshot.
#pragma once

#include "policy/members.h"
#include "reply/network.h"

namespace narthex {

// Throws BadSnapshot. What the texts become is checked when they are rendered.
NetworkDescription ReadNetwork(const json& zone);

}  // namespace narthex
