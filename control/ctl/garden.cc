// SPDX-License-Identifier: Apache-2.0
#include "control/ctl/garden.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>

#include "control/ctl/output.h"

namespace narthex::ctl {
namespace {

std::string Ports(const google::protobuf::RepeatedPtrField<std::string>& ports) {
  return fmt::format("{}", fmt::join(ports, ", "));
}

std::string Names(const v1::LearnedAddress& learned) {
  std::vector<std::string> names;
  for (const v1::LearnedName& name : learned.names()) {
    std::string entry = name.entry() == name.name() ? "" : fmt::format(" ({})", name.entry());
    int64_t left = std::max<int64_t>(0, name.expire_time().seconds() - time(nullptr));
    names.push_back(fmt::format("{}{} for {} s", name.name(), entry, left));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

void AddEntries(const google::protobuf::RepeatedPtrField<v1::GardenEntry>& entries,
                std::string& text) {
  if (entries.empty()) return;
  std::vector<Row> rows = {{"ZONE", "ENTRY", "PORTS"}};
  for (const v1::GardenEntry& entry : entries)
    rows.push_back({entry.zone(), entry.entry(), Ports(entry.ports())});
  text += Align(rows, {false, false, false});
}

void AddLearned(const google::protobuf::RepeatedPtrField<v1::LearnedAddress>& learned,
                std::string& text) {
  if (learned.empty()) return;
  std::vector<Row> rows = {{"ZONE", "LEARNED", "PORTS", "FROM", "SHARED WITH"}};
  for (const v1::LearnedAddress& one : learned)
    rows.push_back({one.zone(), one.address(), Ports(one.ports()), Names(one),
                    one.shared_with().empty() ? "-" : one.shared_with()});
  if (!text.empty()) text += "\n";
  text += Align(rows, {false, false, false, false, false});
}

}  // namespace

bool ParseHostPort(std::string_view text, v1::TestGardenRequest& request) {
  std::string_view port;
  if (text.starts_with('[')) {
    size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    if (end + 1 < text.size() && text[end + 1] != ':') return false;
    port = text.substr(std::min(text.size(), end + 2));
    if (port.empty() && end + 1 < text.size()) return false;
    text = text.substr(1, end - 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    port = text.substr(text.find(':') + 1);
    text = text.substr(0, text.find(':'));
    if (port.empty()) return false;
  }
  if (text.empty()) return false;
  uint16_t number = 0;
  if (!port.empty()) {
    auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error != std::errc() || end != port.data() + port.size() || number == 0) return false;
  }
  request.set_host(std::string(text));
  request.set_port(number);
  return true;
}

std::string Table(const v1::ListGardenResponse& garden) {
  std::string text;
  AddEntries(garden.entries(), text);
  AddLearned(garden.learned(), text);
  std::vector<Row> counters = {{"COUNT", "NAME", "MEANING"}};
  for (const v1::Counter& counter : garden.counters())
    if (counter.packets() != 0)
      counters.push_back(
          {std::to_string(counter.packets()), counter.name(), counter.description()});
  if (counters.size() > 1) text += "\n" + Align(counters, {true, false, false});
  if (garden.has_learning_median())
    text += fmt::format("\nanswers are in force after {} (median), {} (longest)\n",
                        Milliseconds(garden.learning_median()),
                        Milliseconds(garden.learning_longest()));
  return text.empty() ? "the garden is empty\n" : text;
}

std::string Table(const v1::TestGardenResponse& answer) {
  std::string host = answer.port() == 0 ? answer.host()
                     : answer.host().find(':') == std::string::npos
                         ? fmt::format("{}:{}", answer.host(), answer.port())
                         : fmt::format("[{}]:{}", answer.host(), answer.port());
  std::string text;
  AddEntries(answer.entries(), text);
  AddLearned(answer.learned(), text);
  text = fmt::format("{}: {}\n{}", host, answer.admitted() ? "in the garden" : "not in the garden",
                     text);
  if (!answer.shared_with().empty())
    text += fmt::format("WARNING: {} has this address, too\n", answer.shared_with());
  return text;
}

}  // namespace narthex::ctl
