// SPDX-License-Identifier: Apache-2.0
#include "control/policy_snapshot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "bpf/abi.h"
#include "control/layout.h"

namespace narthex {
namespace {

Outcome Refuse(const std::string& path) {
  return Fail(fmt::format("policy snapshot {}: {}", path, std::strerror(errno)));
}

Outcome WriteWhole(const std::string& path, const std::string& text) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return Refuse(path);
  bool good =
      write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  int error = errno;
  close(fd);
  errno = error;
  return good ? Outcome() : Refuse(path);
}

Outcome Rename(const std::string& directory, const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) return Refuse(to);
  int directory_fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_fd >= 0) {
    fsync(directory_fd);
    close(directory_fd);
  }
  return {};
}

void AddPage(nlohmann::ordered_json& json, const char* name,
             const std::optional<TemplateConfig>& page) {
  if (page) json[name] = {{"file", page->file}, {"text", page->text}};
}

nlohmann::ordered_json LanguageJson(const LanguageConfig& language) {
  nlohmann::ordered_json json = {{"tag", language.tag}};
  if (!language.title.empty()) {
    json["title"] = language.title;
    json["message"] = language.message;
    json["link_text"] = language.link_text;
  }
  AddPage(json, "template", language.page);
  AddPage(json, "template_compact", language.compact_page);
  return json;
}

nlohmann::ordered_json ZoneJson(const ZoneConfig& zone, const std::vector<ZoneConfig>& zones) {
  nlohmann::ordered_json json = {{"id", zone.id},
                                 {"name", zone.name},
                                 {"interface", zone.interface},
                                 {"queues", zone.queues},
                                 {"worker_base", WorkerBase(zones, zone)},
                                 {"network_name", zone.network_name},
                                 {"portal_url", zone.portal_url},
                                 {"default_media_type", zone.default_media_type}};
  if (!zone.vlans.empty()) json["vlans"] = zone.vlans;
  if (!zone.api_url.empty()) json["api_url"] = zone.api_url;
  json["languages"] = nlohmann::ordered_json::array();
  for (const LanguageConfig& language : zone.languages)
    json["languages"].push_back(LanguageJson(language));
  return json;
}

// Tells one text from another; nobody can gain by making two alike.
std::string Digest(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016x}-{}", hash, text.size());
}

// The version of a text: the last one if it is the same text, else one more.
Result<uint32_t> NextVersion(const std::string& digest, SessionStore& store) {
  auto last_version = store.Meta("policy_version");
  if (!last_version) return Fail(last_version.error());
  auto last_digest = store.Meta("policy_content");
  if (!last_digest) return Fail(last_digest.error());
  auto version = static_cast<uint32_t>(std::strtoul(last_version->c_str(), nullptr, 10));
  if (digest == *last_digest && version != 0) return version;
  ++version;
  if (auto saved = store.SetMeta("policy_version", std::to_string(version)); !saved)
    return Fail(saved.error());
  if (auto saved = store.SetMeta("policy_content", digest); !saved) return Fail(saved.error());
  return version;
}

nlohmann::ordered_json RuleJson(const RuleConfig& rule) {
  nlohmann::ordered_json json = {{"name", rule.name}, {"respond", rule.respond}};
  bool may_be_refused = rule.page || rule.compact_page;
  for (size_t field = 0; field < kRuleFields.size(); ++field) {
    for (size_t kind = 0; kind < kPatternKinds.size(); ++kind) {
      const auto& texts = rule.fields[field].texts[kind];
      if (texts.empty()) continue;
      json[std::string(kRuleFields[field])][std::string(kPatternKinds[kind])] = texts;
      may_be_refused = may_be_refused || kind > kSuffixKind;
    }
  }
  // Only where the dataplane may have something to say: there can be very many rules.
  if (may_be_refused) json["place"] = rule.place;
  if (!rule.location.empty()) json["location"] = rule.location;
  AddPage(json, "template", rule.page);
  AddPage(json, "template_compact", rule.compact_page);
  return json;
}

// All of the snapshot behind its version.
std::string Body(const Config& config) {
  nlohmann::ordered_json zones = nlohmann::ordered_json::array();
  for (const ZoneConfig& zone : config.zones) zones.push_back(ZoneJson(zone, config.zones));
  nlohmann::ordered_json rules = nlohmann::ordered_json::array();
  for (const RuleConfig& rule : config.rules) rules.push_back(RuleJson(rule));
  nlohmann::ordered_json policy = {
      {"instance", config.instance},   {"bpffs", config.bpffs_dir},
      {"hugepages", config.hugepages}, {"idle_backoff", config.idle_backoff},
      {"zones", std::move(zones)},     {"rules", std::move(rules)}};
  // What is no UTF-8 becomes U+FFFD, which the dataplane refuses with its place.
  return policy.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(1) + "\n";
}

std::string WithVersion(const std::string& body, uint32_t version) {
  return fmt::format("{{\"version\":{},", version) + body;
}

}  // namespace

std::string PolicyPath(const Config& config) { return config.run_dir + "/policy.json"; }

std::string NewPolicyPath(const Config& config) { return PolicyPath(config) + ".new"; }

std::string PolicyText(const Config& config, uint32_t version) {
  return WithVersion(Body(config), version);
}

Outcome PolicyWriter::Write(const Config& config) {
  if (auto prepared = Prepare(config); !prepared) return prepared;
  return PutInForce(config);
}

Outcome PolicyWriter::PutInForce(const Config& config) {
  auto renamed = Rename(config.run_dir, NewPolicyPath(config), PolicyPath(config));
  if (renamed) version_ = prepared_;
  return renamed;
}

Outcome PolicyWriter::Prepare(const Config& config) {
  uint32_t version = 0;
  const std::string body = Body(config);
  const std::string digest = Digest(body);
  auto counted = sessions_.InStore([&](SessionStore& store) {
    auto next = NextVersion(digest, store);
    if (!next) return Outcome(Fail(next.error()));
    version = *next;
    return Outcome();
  });
  if (!counted) return counted;
  prepared_ = version;
  return WriteWhole(NewPolicyPath(config), WithVersion(body, version));
}

}  // namespace narthex
