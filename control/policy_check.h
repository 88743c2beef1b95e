// SPDX-License-Identifier: Apache-2.0
// Whether the dataplane will take a policy, asked before it is written.
//
// Only the dataplane knows what a page may hold and what fits a segment; the two share no code. So
// narthexd runs `narthex-dataplane --check-policy -`, no shell, from the installation that it
// belongs to itself, and hands on what that says. The dataplane checks again when it loads the
// policy.
#ifndef NARTHEX_CONTROL_POLICY_CHECK_H
#define NARTHEX_CONTROL_POLICY_CHECK_H

#include <chrono>
#include <string>

#include "control/error.h"

namespace narthex {

enum class PolicyVerdict { kGood, kUnchecked };  // kUnchecked: there is no narthex-dataplane here

// The program that is asked; empty if there is none beside narthexd, in ../bin or, in a build
// directory, in ../dataplane.
std::string PolicyChecker();

// 100,000 hosts compile in 4 s.
inline constexpr std::chrono::milliseconds kCheckLimit{30'000};

// kInvalid with the dataplane's reason if it would refuse `policy`, the snapshot's JSON.
// kUnavailable if it does not say so within the limit; the program is killed then.
Result<PolicyVerdict> CheckPolicy(const std::string& policy,
                                  const std::string& program = PolicyChecker(),
                                  std::chrono::milliseconds limit = kCheckLimit);

// What the policy in the file answers to a request, as JSON (`narthex-dataplane --decide`).
// kInvalid with the dataplane's reason; kPrecondition if there is no narthex-dataplane here.
Result<std::string> AskDecision(const std::string& policy_path, const std::string& zone,
                                const std::string& request);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_POLICY_CHECK_H
