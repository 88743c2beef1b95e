// SPDX-License-Identifier: Apache-2.0
// Our values as messages of the API.
#ifndef NARTHEX_CONTROL_MESSAGES_H
#define NARTHEX_CONTROL_MESSAGES_H

#include "control/clock.h"
#include "control/config.h"
#include "control/session.h"
#include "narthex.pb.h"

namespace narthex {

// Boot times become wall times by both clocks as they are now: a step of the wall clock moves
// what is shown, not when it happens.
// `policy`: the session's; null: none.
void ToMessage(const Session& session, const PolicyConfig* policy, const Clock& clock,
               v1::Session& message);

void ToMessage(const Usage& usage, const PolicyConfig& policy, v1::Usage& message);
void ToMessage(const PolicyConfig& policy, v1::Policy& message);

void ToMessage(int64_t wall_ns, google::protobuf::Timestamp& message);
void ToMessage(int64_t span_ns, google::protobuf::Duration& message);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_MESSAGES_H
