// SPDX-License-Identifier: Apache-2.0
#include "control/ctl/output.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <time.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace narthex::ctl {
namespace {

std::string LocalTime(const google::protobuf::Timestamp& time) {
  time_t seconds = time.seconds();
  tm local{};
  localtime_r(&seconds, &local);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return text;
}

std::string Span(int64_t seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds >= 86400) return fmt::format("{}d{:02}h", seconds / 86400, seconds % 86400 / 3600);
  if (seconds >= 3600) return fmt::format("{}h{:02}m", seconds / 3600, seconds % 3600 / 60);
  if (seconds >= 60) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  return fmt::format("{}s", seconds);
}

std::string Bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string Rate(uint64_t bits) {
  constexpr const char* kUnits[] = {"kbit/s", "Mbit/s", "Gbit/s"};
  double value = static_cast<double>(bits) / 1000;
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.4g} {}", value, kUnits[unit]);
}

Row SessionRow(const v1::Session& session) {
  std::vector<std::string> keys(session.keys().begin(), session.keys().end());
  return {fmt::format("{}", fmt::join(keys, ",")),
          session.zone(),
          session.policy().empty() ? "-" : session.policy(),
          Span(session.expire_time().seconds() - time(nullptr)),
          LocalTime(session.expire_time()),
          Bytes(session.bytes_up()),
          Bytes(session.bytes_down()),
          std::to_string(session.packets_up() + session.packets_down()),
          session.usage().has_bytes_left() ? Bytes(session.usage().bytes_left()) : "-",
          session.name()};
}

std::string WorkerState(const v1::WorkerStatus& worker) {
  switch (worker.state()) {
    case v1::WorkerStatus::RUNNING:
      return "running";
    case v1::WorkerStatus::STALE:
      return "STALE";
    default:
      return "ABSENT";
  }
}

uint64_t CounterOf(const v1::WorkerStatus& worker, std::string_view name) {
  for (const v1::Counter& counter : worker.counters())
    if (counter.name() == name) return counter.packets();
  return 0;
}

}  // namespace

std::string Align(const std::vector<Row>& rows, const std::vector<bool>& right) {
  std::vector<size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += right[i] ? fmt::format("{:>{}}", row[i], widths[i])
                       : fmt::format("{:<{}}", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string Json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return "{}\n";
  return text;
}

std::string Json(const std::vector<v1::Session>& sessions) {
  v1::ListSessionsResponse all;
  for (const v1::Session& session : sessions) *all.add_sessions() = session;
  auto document = nlohmann::ordered_json::parse(Json(all));
  document.erase("next_page_token");
  return document.dump(1) + "\n";
}

std::string Table(const v1::Session& session) { return Table(std::vector<v1::Session>{session}); }

std::string Table(const std::vector<v1::Session>& sessions) {
  if (sessions.empty()) return "no sessions\n";
  std::vector<Row> rows = {{"KEY", "ZONE", "POLICY", "REMAINING", "EXPIRES", "UP", "DOWN",
                            "PACKETS", "LEFT", "SESSION"}};
  for (const v1::Session& session : sessions) rows.push_back(SessionRow(session));
  return Align(rows, {false, false, false, true, false, true, true, true, true, false});
}

std::string Table(const v1::Policy& policy) {
  v1::ListPoliciesResponse one;
  *one.add_policies() = policy;
  return Table(one);
}

std::string Table(const v1::ListPoliciesResponse& response) {
  if (response.policies().empty()) return "no policies\n";
  auto either = [](uint64_t value, auto text) { return value == 0 ? "-" : text(value); };
  std::vector<Row> rows = {{"POLICY", "RATE UP", "RATE DOWN", "QUOTA UP", "QUOTA DOWN",
                            "QUOTA TOTAL", "AT QUOTA", "IDLE", "SESSIONS"}};
  for (const v1::Policy& policy : response.policies()) {
    std::string at_quota = policy.at_quota().empty() ? "-" : policy.at_quota();
    if (policy.throttle_up_bits() != 0) at_quota += " up " + Rate(policy.throttle_up_bits());
    if (policy.throttle_down_bits() != 0) at_quota += " down " + Rate(policy.throttle_down_bits());
    rows.push_back({policy.name(), either(policy.rate_up_bits(), Rate),
                    either(policy.rate_down_bits(), Rate), either(policy.quota_up_bytes(), Bytes),
                    either(policy.quota_down_bytes(), Bytes),
                    either(policy.quota_total_bytes(), Bytes), at_quota,
                    policy.idle().seconds() == 0 ? "-" : Span(policy.idle().seconds()),
                    std::to_string(policy.sessions())});
  }
  return Align(rows, {false, true, true, true, true, true, false, true, true});
}

std::string Table(const v1::Status& status) {
  std::string text = fmt::format(
      "narthexd {}  instance {}  since {}\nsessions {} of {}  maps {}  policy version {}\n\n",
      status.version(), status.instance(), LocalTime(status.start_time()), status.sessions(),
      status.session_capacity(), Bytes(status.map_bytes()), status.policy_version());
  std::vector<Row> zones = {{"ZONE", "INTERFACE", "MODE", "PROGRAM", "ATTACH", "QUEUE", "WORKER",
                             "PID", "POLICY", "511S"}};
  for (const v1::ZoneStatus& zone : status.zones()) {
    Row head = {zone.name(), zone.interface(), zone.mode(),
                zone.program_id() == 0 ? "none" : std::to_string(zone.program_id()), zone.attach()};
    for (const v1::WorkerStatus& worker : zone.workers()) {
      Row row = head;
      row.push_back(std::to_string(worker.queue()));
      row.push_back(WorkerState(worker));
      row.push_back(worker.pid() == 0 ? "-" : std::to_string(worker.pid()));
      row.push_back(std::to_string(worker.policy_version()));
      row.push_back(std::to_string(CounterOf(worker, "network_authentication_required")));
      zones.push_back(row);
    }
  }
  text += Align(zones, {false, false, false, true, false, true, false, true, true, true});
  std::vector<Row> uplinks = {{"UPLINK", "PROGRAM", "ATTACH"}};
  for (const v1::UplinkStatus& uplink : status.uplinks())
    uplinks.push_back({uplink.interface(),
                       uplink.program_id() == 0 ? "none" : std::to_string(uplink.program_id()),
                       uplink.attach()});
  if (uplinks.size() > 1) text += "\n" + Align(uplinks, {false, true, false});
  std::vector<Row> maps = {{"MAP", "MEMORY"}};
  for (const v1::MapStatus& map : status.maps()) maps.push_back({map.name(), Bytes(map.bytes())});
  if (maps.size() > 1) text += "\n" + Align(maps, {false, true});
  const v1::Alarms& alarms = status.alarms();
  if (uint64_t all = alarms.moved() + alarms.wrong_mac() + alarms.elsewhere(); all > 0)
    text += fmt::format(
        "\nalarms {}: {} from another VLAN, {} from another MAC address, {} by another zone's "
        "port\n",
        all, alarms.moved(), alarms.wrong_mac(), alarms.elsewhere());
  std::vector<Row> counters = {{"VERDICT", "PACKETS", "REASON", "MEANING"}};
  for (const v1::Counter& counter : status.counters())
    if (counter.packets() != 0)
      counters.push_back({counter.verdict(), std::to_string(counter.packets()), counter.name(),
                          counter.description()});
  if (counters.size() > 1) text += "\n" + Align(counters, {false, true, false, false});
  return text;
}

std::string Table(const v1::Explanation& explanation) {
  if (explanation.zone().empty())
    return fmt::format("{} is in no zone of this gateway: its packets are not judged by address\n",
                       explanation.address());
  std::string text =
      explanation.has_session()
          ? fmt::format("{} in zone {} is authorised by {}, {} left\n", explanation.address(),
                        explanation.zone(), explanation.session().name(),
                        Span(explanation.session().expire_time().seconds() - time(nullptr)))
          : fmt::format("{} in zone {} is not authorised\n", explanation.address(),
                        explanation.zone());
  if (explanation.samples().empty()) return text;
  std::vector<Row> rows = {{"PACKET", "VERDICT", "REASON", "MEANING"}};
  for (const auto& sample : explanation.samples())
    rows.push_back({sample.packet(), sample.verdict(), sample.reason(), sample.description()});
  return text + "\n" + Align(rows, {false, false, false, false});
}

std::string Table(const v1::ReloadResponse& response) {
  std::string text = fmt::format("{}, policy version {}\n",
                                 response.changed() ? "new configuration" : "nothing has changed",
                                 response.policy_version());
  if (response.has_in_force_after())
    text += fmt::format("in force after {} in {} workers\n",
                        Milliseconds(response.in_force_after()), response.workers_in_force());
  return text;
}

std::string Milliseconds(const google::protobuf::Duration& duration) {
  double milliseconds =
      static_cast<double>(duration.seconds()) * 1e3 + static_cast<double>(duration.nanos()) / 1e6;
  return fmt::format("{:.1f} ms", milliseconds);
}

}  // namespace narthex::ctl
