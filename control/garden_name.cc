// SPDX-License-Identifier: Apache-2.0
#include "control/garden_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace narthex {
namespace {

constexpr size_t kMaxName = 253;
constexpr size_t kMaxLabel = 63;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '*';
}

// Takes the first label off.
std::string_view TakeLabel(std::string_view& name) {
  std::string_view label = name.substr(0, name.find('.'));
  name.remove_prefix(std::min(name.size(), label.size() + 1));
  return label;
}

// '*' stands for any characters, also none. Two pointers and one place to come back to: the time
// is bounded by the product of the lengths, at most 63 times 63.
bool MatchesLabel(std::string_view pattern, std::string_view label) {
  size_t p = 0, l = 0, star = std::string_view::npos, resume = 0;
  while (l < label.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = l;
    } else if (p < pattern.size() && pattern[p] == label[l]) {
      ++p, ++l;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      l = ++resume;
    } else {
      return false;
    }
  }
  return std::all_of(pattern.begin() + static_cast<long>(p), pattern.end(),
                     [](char c) { return c == '*'; });
}

}  // namespace

Result<std::string> ParseGardenName(std::string_view text) {
  auto wrong = [&](std::string_view why) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("'{}' is no host name of a garden: {}", text, why));
  };
  std::string name(text);
  if (name.ends_with('.')) name.pop_back();
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (name.empty() || name.size() > kMaxName) return wrong("it needs 1 to 253 characters");
  std::vector<std::string_view> labels;
  std::string_view rest = name;
  for (bool last = false; !last;) {
    last = rest.find('.') == std::string_view::npos;
    std::string_view label = TakeLabel(rest);
    if (label.empty() || label.size() > kMaxLabel)
      return wrong("between its dots are 1 to 63 characters");
    if (!std::all_of(label.begin(), label.end(), IsNameCharacter))
      return wrong("letters, digits, '-', '_' and '*' are possible (IDNA names as xn--)");
    labels.push_back(label);
  }
  if (labels.size() < 2) return wrong("it needs at least two labels");
  for (size_t i = labels.size() - 2; i < labels.size(); ++i)
    if (labels[i].find('*') != std::string_view::npos)
      return wrong("the last two labels must not have a '*': that would open too much");
  std::string_view top = labels.back();
  if (std::all_of(top.begin(), top.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return wrong("addresses go into prefix");
  return name;
}

bool MatchesGardenName(std::string_view pattern, std::string_view name) {
  if (pattern.starts_with("*.")) {
    // Below, at any depth: the rest of the pattern matches the name's last labels.
    auto below = pattern.substr(2);
    auto depth = [](std::string_view text) { return std::count(text.begin(), text.end(), '.'); };
    auto surplus = depth(name) - depth(below);
    if (surplus < 1) return false;
    for (; surplus > 0; --surplus)
      if (TakeLabel(name).empty()) return false;
    pattern = below;
  }
  while (!pattern.empty() && !name.empty())
    if (!MatchesLabel(TakeLabel(pattern), TakeLabel(name))) return false;
  return pattern.empty() && name.empty();
}

}  // namespace narthex
