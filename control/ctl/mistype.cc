// SPDX-License-Identifier: Apache-2.0
#include "control/ctl/mistype.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace narthex::ctl {
namespace {

// Levenshtein's distance, a row at a time.
size_t Edits(std::string_view from, std::string_view to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < to.size(); ++j) {
      size_t replaced = diagonal + (from[i] != to[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

}  // namespace

std::string Nearest(std::string_view word, const std::vector<std::string>& names) {
  std::string nearest;
  size_t least = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : names)
    if (size_t edits = Edits(word, name); edits < least && edits < name.size()) {
      least = edits;
      nearest = name;
    }
  return nearest;
}

std::string MistypedCommand(const CLI::App& app) {
  const CLI::App* group = &app;
  while (!group->get_subcommands().empty()) group = group->get_subcommands().front();
  std::vector<std::string> names;
  for (const CLI::App* command : CommandsOf(*group)) names.push_back(command->get_name());
  if (names.empty()) return "";  // a command, not a group of them
  std::vector<std::string> words = app.remaining(true);
  auto word = std::find_if(words.begin(), words.end(),
                           [](const std::string& each) { return !each.starts_with("-"); });
  if (word == words.end()) return "";
  std::string what = group == &app ? "there is" : fmt::format("'{}' has", group->get_name());
  std::string nearest = Nearest(*word, names);
  if (!nearest.empty())
    return fmt::format("{} no command '{}'; did you mean '{}'?", what, *word, nearest);
  return fmt::format("{} no command '{}', only {}", what, *word, fmt::join(names, ", "));
}

}  // namespace narthex::ctl
