// SPDX-License-Identifier: Apache-2.0
#include "control/garden_report.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <optional>

#include "control/garden_name.h"

namespace narthex {
namespace {

std::string PortText(const char* protocol, uint16_t first, uint16_t last) {
  return first == last ? fmt::format("{} {}", protocol, first)
                       : fmt::format("{} {}-{}", protocol, first, last);
}

template <typename Entry>
std::vector<std::string> EntryPorts(const Entry& entry) {
  std::vector<std::string> ports;
  for (const PortRange& range : entry.tcp)
    ports.push_back(PortText("tcp", range.first, range.last));
  for (const PortRange& range : entry.udp)
    ports.push_back(PortText("udp", range.first, range.last));
  return ports;
}

template <typename Entry>
bool HasPort(const Entry& entry, uint16_t port) {
  auto holds = [&](const PortRange& range) { return range.first <= port && port <= range.last; };
  return port == 0 || std::any_of(entry.tcp.begin(), entry.tcp.end(), holds) ||
         std::any_of(entry.udp.begin(), entry.udp.end(), holds);
}

bool HasPort(const LearnedAddress& learned, uint16_t port) {
  return port == 0 ||
         std::any_of(learned.ports.begin(), learned.ports.end(), [&](const nx_port_range& range) {
           return range.first <= port && port <= range.last;
         });
}

// A zone's part of the answer to what is an address, or else a name.
void TestZone(const ZoneConfig& zone, const GardenQuestion& question,
              const std::optional<Address>& address, GardenFinding& finding) {
  if (!address) {
    for (const GardenNameEntry& entry : zone.garden_names)
      if (MatchesGardenName(entry.name, question.host) && HasPort(entry, question.port))
        finding.entries.push_back({zone.name, entry.name, EntryPorts(entry)});
    return;
  }
  for (const GardenEntry& entry : zone.garden)
    if (entry.prefix.Contains(*address) && HasPort(entry, question.port))
      finding.entries.push_back({zone.name, entry.prefix.ToString(), EntryPorts(entry)});
}

bool IsAbout(const LearnedAddress& learned, const GardenQuestion& question,
             const std::optional<Address>& address) {
  if (address) return learned.address == *address;
  return std::any_of(learned.names.begin(), learned.names.end(),
                     [&](const auto& name) { return name.text == question.host; });
}

}  // namespace

std::vector<std::string> PortTexts(const std::vector<nx_port_range>& ports) {
  std::vector<std::string> texts;
  for (const nx_port_range& range : ports)
    texts.push_back(
        PortText(range.protocol == IPPROTO_TCP ? "tcp" : "udp", range.first, range.last));
  return texts;
}

std::vector<GardenLine> GardenLines(const ZoneConfig& zone) {
  std::vector<GardenLine> lines;
  for (const GardenEntry& entry : zone.garden)
    lines.push_back({zone.name, entry.prefix.ToString(), EntryPorts(entry)});
  for (const GardenNameEntry& entry : zone.garden_names)
    lines.push_back({zone.name, entry.name, EntryPorts(entry)});
  return lines;
}

Result<GardenFinding> TestGarden(const Config& config, const LearnedGarden& learned,
                                 const GardenQuestion& asked) {
  GardenQuestion question = asked;
  std::optional<Address> address;
  if (auto parsed = ParseAddress(question.host)) {
    address = *parsed;
  } else {
    auto name = ParseGardenName(question.host);
    if (!name || name->find('*') != std::string::npos)
      return Fail(ErrorKind::kInvalid,
                  fmt::format("'{}' is neither an address nor a host name", question.host));
    question.host = *name;
  }
  GardenFinding finding;
  bool known_zone = question.zone.empty();
  for (const ZoneConfig& zone : config.zones) {
    if (!question.zone.empty() && zone.name != question.zone) continue;
    known_zone = true;
    TestZone(zone, question, address, finding);
    for (LearnedAddress& one : learned.List())
      if (one.zone == zone.id && IsAbout(one, question, address)) {
        finding.admitted = finding.admitted || HasPort(one, question.port);
        finding.learned.push_back(std::move(one));
      }
    if (address && finding.shared_with.empty())
      finding.shared_with = learned.SharedWith(zone.id, *address);
  }
  if (!known_zone)
    return Fail(ErrorKind::kNotFound, fmt::format("there is no zone '{}'", question.zone));
  finding.admitted = finding.admitted || !finding.entries.empty();
  if (!finding.admitted) finding.shared_with.clear();
  return finding;
}

}  // namespace narthex
