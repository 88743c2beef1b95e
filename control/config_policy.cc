// SPDX-License-Identifier: Apache-2.0
#include "control/config_policy.h"

#include "control/config_values.h"

namespace narthex {
namespace {

nx_at_quota ReadAtQuota(const Value& value) {
  std::string name = value.OneOf({"portal", "throttle", "block"});
  return name == "portal"     ? NX_AT_QUOTA_PORTAL
         : name == "throttle" ? NX_AT_QUOTA_THROTTLE
                              : NX_AT_QUOTA_BLOCK;
}

// Keys that do nothing without another one: somebody meant something else.
void CheckTogether(const PolicyConfig& policy, const toml::table& table) {
  auto refuse = [&](const char* key, std::string why) {
    Value(*table.get(key), fmt::format("policy.{}", key)).Refuse(std::move(why));
  };
  if (table.contains("at_quota") && !policy.HasQuota())
    refuse("at_quota", "there is no quota: add quota_up, quota_down or quota_total");
  bool throttles = policy.at_quota == NX_AT_QUOTA_THROTTLE;
  for (const char* key : {"throttle_up", "throttle_down"})
    if (table.contains(key) && !throttles) refuse(key, "is for at_quota = \"throttle\" alone");
  if (throttles && policy.throttle_up == 0 && policy.throttle_down == 0)
    refuse("at_quota", "to which rate? Add throttle_up or throttle_down");
}

PolicyConfig ReadPolicy(const Value& value) {
  PolicyConfig policy;
  const toml::table& table = value.Table();
  RequireKey(table, "policy", "name");
  ReadTable(
      table, "policy",
      {{"name", [&](const Value& v) { policy.name = v.Checked(CheckPolicyName); }},
       {"rate_up", [&](const Value& v) { policy.rate_up = v.Parsed(ParseRate); }},
       {"rate_down", [&](const Value& v) { policy.rate_down = v.Parsed(ParseRate); }},
       {"quota_up", [&](const Value& v) { policy.quota_up = v.Parsed(ParseBytes); }},
       {"quota_down", [&](const Value& v) { policy.quota_down = v.Parsed(ParseBytes); }},
       {"quota_total", [&](const Value& v) { policy.quota_total = v.Parsed(ParseBytes); }},
       {"idle", [&](const Value& v) { policy.idle = v.Parsed(ParseDuration); }},
       {"at_quota", [&](const Value& v) { policy.at_quota = ReadAtQuota(v); }},
       {"throttle_up", [&](const Value& v) { policy.throttle_up = v.Parsed(ParseRate); }},
       {"throttle_down", [&](const Value& v) { policy.throttle_down = v.Parsed(ParseRate); }}});
  CheckTogether(policy, table);
  return policy;
}

}  // namespace

std::vector<PolicyConfig> ReadPolicies(const Value& value) {
  std::vector<PolicyConfig> policies;
  for (const Value& element : value.List(NX_MAX_POLICIES - 1)) {
    PolicyConfig policy = ReadPolicy(element);
    if (FindPolicy(policies, policy.name) != nullptr)
      Value(*element.Table().get("name"), "policy.name")
          .Refuse(fmt::format("'{}' is taken already", policy.name));
    policies.push_back(std::move(policy));
  }
  return policies;
}

}  // namespace narthex
