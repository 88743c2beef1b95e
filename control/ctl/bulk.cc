// SPDX-License-Identifier: Apache-2.0
#include "control/ctl/bulk.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>

namespace narthex::ctl {

std::vector<SessionWish> ReadWishes(std::istream& file, const SessionWish& common,
                                    std::vector<size_t>& lines) {
  std::vector<SessionWish> wishes;
  size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    std::istringstream words(line.substr(0, line.find('#')));
    SessionWish wish = common;
    for (std::string key; words >> key;) wish.keys.push_back(key);
    if (wish.keys.empty()) continue;
    wishes.push_back(std::move(wish));
    lines.push_back(number);
  }
  return wishes;
}

grpc::Status AuthoriseAll(Client& client, const std::vector<SessionWish>& wishes,
                          const std::vector<size_t>& lines, BulkReport& report) {
  const bool watched = isatty(STDERR_FILENO) != 0;
  size_t answered = 0;
  auto status = client.AuthoriseAll(wishes, [&](size_t first, const auto& response) {
    for (int i = 0; i < response.results_size(); ++i) {
      const auto& result = response.results(i);
      if (result.code() == 0)
        ++report.authorised;
      else
        report.refused.push_back(
            fmt::format("{}: {}", lines[first + static_cast<size_t>(i)], result.message()));
    }
    answered += static_cast<size_t>(response.results_size());
    if (watched) std::fprintf(stderr, "\r%zu of %zu", answered, wishes.size());
  });
  if (watched && answered > 0) std::fputc('\n', stderr);
  return status;
}

}  // namespace narthex::ctl
