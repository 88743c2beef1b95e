// SPDX-License-Identifier: Apache-2.0
// How narthexctl shows answers: tables for people, JSON with the API's field names for scripts.
#ifndef NARTHEX_CONTROL_CTL_OUTPUT_H
#define NARTHEX_CONTROL_CTL_OUTPUT_H

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "narthex.pb.h"

namespace narthex::ctl {

using Row = std::vector<std::string>;
// Columns as wide as their widest cell, two blanks between; those of `right` to the right.
std::string Align(const std::vector<Row>& rows, const std::vector<bool>& right);

// snake_case names, every field present; one document, newline at the end.
std::string Json(const google::protobuf::Message& message);
std::string Json(const std::vector<v1::Session>& sessions);  // {"sessions": […]}

std::string Table(const v1::Session& session);
std::string Table(const std::vector<v1::Session>& sessions);
std::string Table(const v1::Status& status);
std::string Table(const v1::Policy& policy);
std::string Table(const v1::ListPoliciesResponse& response);
std::string Table(const v1::Explanation& explanation);
std::string Table(const v1::ReloadResponse& response);

// "0.4 ms"
std::string Milliseconds(const google::protobuf::Duration& duration);

}  // namespace narthex::ctl

#endif  // NARTHEX_CONTROL_CTL_OUTPUT_H
