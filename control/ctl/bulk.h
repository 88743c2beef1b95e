// SPDX-License-Identifier: Apache-2.0
// Many logins at once: `session authorize --from FILE`.
#ifndef NARTHEX_CONTROL_CTL_BULK_H
#define NARTHEX_CONTROL_CTL_BULK_H

#include <istream>
#include <string>
#include <vector>

#include "control/ctl/client.h"

namespace narthex::ctl {

// One client a line: its keys, separated by blanks. Empty lines and what follows a '#' are skipped.
// Zone, policy and duration are those of `common`. `lines` gets the line of each wish.
std::vector<SessionWish> ReadWishes(std::istream& file, const SessionWish& common,
                                    std::vector<size_t>& lines);

struct BulkReport {
  size_t authorised = 0;
  std::vector<std::string> refused;  // "12: 10.9.9.9 is in no zone of this gateway"
};

// Progress goes to stderr, if that is a terminal.
grpc::Status AuthoriseAll(Client& client, const std::vector<SessionWish>& wishes,
                          const std::vector<size_t>& lines, BulkReport& report);

}  // namespace narthex::ctl

#endif  // NARTHEX_CONTROL_CTL_BULK_H
