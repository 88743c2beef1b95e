// SPDX-License-Identifier: Apache-2.0
#include "policy/snapshot.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "policy/swap.h"

namespace narthex {
namespace {

using nlohmann::json;

json Good() {
  return json::parse(R"({
    "version": 3, "instance": "narthex", "bpffs": "/sys/fs/bpf/narthex", "hugepages": "auto",
    "idle_backoff": true,
    "zones": [
      { "id": 1, "name": "lobby", "interface": "lan0", "queues": 2, "worker_base": 0,
        "network_name": "Stadium Wi-Fi", "portal_url": "http://198.51.100.20/login" },
      { "id": 2, "name": "stands", "interface": "lan1", "queues": 1, "worker_base": 64,
        "network_name": "Stadium Wi-Fi", "portal_url": "https://p.example/login",
        "api_url": "https://p.example/api", "default_media_type": "text",
        "languages": [
          { "tag": "en" },
          { "tag": "de-AT", "title": "t", "message": "m", "link_text": "l",
            "template": { "file": "/p.html", "text":
              "<!DOCTYPE html><html lang=de><a href={{login_url}}>x</a>" } } ] } ] })");
}

std::unique_ptr<const Snapshot> Parse(const json& policy) {
  std::string error;
  return ParseSnapshot(policy.dump(), error);
}

TEST(ParseSnapshot, ReadsWhatNarthexdWrites) {
  const auto snapshot = Parse(Good());
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->version, 3u);
  EXPECT_TRUE(snapshot->hugepages);
  EXPECT_TRUE(snapshot->idle_backoff);
  ASSERT_EQ(snapshot->zones.size(), 2u);
  EXPECT_EQ(snapshot->zones[0].interface, "lan0");
  EXPECT_EQ(snapshot->zones[1].worker_base, 64);
  EXPECT_EQ(snapshot->WorkerCount(), 3u);
  const Offer& plain = snapshot->zones[0].responses.GetOffer();
  EXPECT_EQ(plain.default_media_type, MediaType::kHtml);
  EXPECT_EQ(plain.languages, LanguageTags{"en"});
  const Offer& rich = snapshot->zones[1].responses.GetOffer();
  EXPECT_EQ(rich.default_media_type, MediaType::kText);
  EXPECT_EQ(rich.languages, (LanguageTags{"en", "de-at"}));
}

TEST(ParseSnapshot, IgnoresMembersOfLaterVersions) {
  json policy = Good();
  policy["something"] = json::array();
  EXPECT_TRUE(Parse(policy));
}

// ---- rules --------------------------------------------------------------------------------

json Rules(const std::string& text) {
  json policy = Good();
  policy["rules"] = json::parse(text);
  return policy;
}

TEST(ParseSnapshot, ReadsRules) {
  const auto snapshot = Parse(Rules(R"([
    { "name": "a", "host": { "exact": ["a.test"], "suffix": ["b.test"] },
      "zone": { "glob": ["st*"] }, "respond": "redirect" },
    { "name": "b", "path": { "regex": ["/x+"] }, "respond": "redirect",
      "location": "https://l.test/" },
    { "name": "c", "method": { "exact": ["PUT"] }, "respond": "511",
      "template": { "file": "/p", "text":
        "<!DOCTYPE html><html lang={{language}}><a href={{login_url}}>own</a>" } } ])"));
  ASSERT_TRUE(snapshot);
  const auto& rules = snapshot->rules->Rules();
  ASSERT_EQ(rules.size(), 3u);
  EXPECT_EQ(rules[0].conditions[0].any.size(), 2u);
  EXPECT_EQ(rules[0].zones, 0b10u);
  EXPECT_EQ(rules[0].variant, 0);
  EXPECT_EQ(rules[1].variant, 1);
  EXPECT_EQ(rules[2].variant, 1);
  EXPECT_EQ(snapshot->rule_states.size(), 3u);  // workers
  const ResponseSet& responses = snapshot->zones[0].responses;
  EXPECT_NE(responses.Full({Answer::kRedirect, 0, 1}).View().find("https://l.test/"),
            std::string_view::npos);
  EXPECT_NE(responses.Full({Answer::kHtml, 0, 1}).View().find("own"), std::string_view::npos);
}

TEST(ParseSnapshot, RefusesBadRulesByTheirName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([7])", "rule 1: it is no object"},
      {R"([{"respond":"511"}])", "rule 1: \"name\" is missing"},
      {R"([{"name":"r"}])", "rule 'r': \"respond\" is missing"},
      {R"([{"name":"r","respond":"204"}])", "rule 'r': \"respond\" is none of"},
      {R"([{"name":"r","respond":"511","host":"a"}])", "rule 'r': a condition is no object"},
      {R"([{"name":"r","respond":"511","host":{}}])", "rule 'r': a condition has no pattern"},
      {R"([{"name":"r","respond":"511","host":{"like":["a"]}}])", "rule 'r': a condition is no li"},
      {R"([{"name":"r","respond":"511","host":{"exact":[7]}}])",
       "rule 'r': a pattern is no string"},
      {R"([{"name":"r","place":"f:1:2","respond":"511","path":{"regex":["("]}}])",
       "f:1:2: rule 'r': path.regex '(': "},
      {R"([{"name":"r","respond":"511","zone":{"regex":["("]}}])", "rule 'r': zone: "},
      {R"([{"name":"r","respond":"redirect","location":"/x"}])", "rule 'r': \"location\" is no ab"},
  };
  for (const auto& [text, words] : cases) {
    std::string error;
    EXPECT_FALSE(ParseSnapshot(Rules(text).dump(), error)) << text;
    EXPECT_EQ(error.find(words), 0u) << error;
  }
  std::string long_url = R"([{"name":"r","respond":"redirect","location":"http://)";
  std::string error;
  EXPECT_FALSE(ParseSnapshot(Rules(long_url + std::string(500, 'x') + "\"}]").dump(), error));
  EXPECT_NE(error.find("full redirect to http://xxx"), error.npos) << error;
}

struct Row {
  const char* pointer;
  json value;
};

TEST(ParseSnapshot, RefusesEveryValueOutOfBounds) {
  const Row kRows[] = {
      {"/version", 0},
      {"/version", -1},
      {"/version", "3"},
      {"/version", 4294967296},
      {"/instance", ""},
      {"/instance", "a/b"},
      {"/instance", "a,b=c"},
      {"/instance", std::string(33, 'a')},
      {"/bpffs", 1},
      {"/bpffs", std::string(2000, 'a')},
      {"/hugepages", "sometimes"},
      {"/idle_backoff", 1},
      {"/zones", json::array()},
      {"/zones", json::object()},
      {"/zones/0", 7},
      {"/zones/0/id", 0},
      {"/zones/0/id", 65536},
      {"/zones/0/id", 2},  // that of the other zone
      {"/zones/0/interface", "lan1"},
      {"/zones/0/interface", "a,start_queue=1"},
      {"/zones/0/interface", "0123456789abcdef"},
      {"/zones/0/interface", ".."},
      {"/zones/0/queues", 0},
      {"/zones/0/queues", 65},
      {"/zones/0/worker_base", 1023},
      {"/zones/1/worker_base", 1},
      {"/zones/0/network_name", ""},
      {"/zones/0/network_name", "line\nline"},
      {"/zones/0/network_name", std::string(1000, 'n')},
      {"/zones/0/portal_url", "/login"},
      {"/zones/0/portal_url", "javascript:alert(1)"},
      {"/zones/0/portal_url", "http://"},
      {"/zones/0/portal_url", "http://a/ b"},
      {"/zones/0/portal_url", "http://a/\"onclick"},
      {"/zones/0/portal_url", "http://\xc3\xa9/"},
      {"/zones/0/portal_url", nullptr},
      {"/zones/0/portal_url", "http://p.example/" + std::string(400, 'x')},  // no segment
      {"/zones/1/api_url", "http://p.example/api"},
      {"/zones/1/api_url", ""},
      {"/zones/1/default_media_type", "json"},
      {"/zones/1/default_media_type", 1},
      {"/zones/1/languages", json::array()},
      {"/zones/1/languages", "en"},
      {"/zones/1/languages", json(17, json{{"tag", "en"}})},
      {"/zones/1/languages/0", "en"},
      {"/zones/1/languages/0/tag", ""},
      {"/zones/1/languages/0/tag", "e n"},
      {"/zones/1/languages/0/tag", "e\"onload=x"},
      {"/zones/1/languages/0/tag", std::string(36, 'e')},
      {"/zones/1/languages/0/tag", "de-AT"},  // that of the other
      {"/zones/1/languages/0/tag", "fr"},     // has no texts
      {"/zones/1/languages/1/title", nullptr},
      {"/zones/1/languages/1/message", "a\nb"},
      {"/zones/1/languages/1/link_text", ""},
      {"/zones/1/languages/1/template", "x"},
      {"/zones/1/languages/1/template", json::object()},
      {"/zones/1/languages/1/template/text", 1},
      {"/zones/1/languages/1/template/text", "<script>"},
      {"/zones/1/languages/1/template/text", std::string(20000, 'x')},
      {"/zones/1/languages/1/template/file", "a\nb"},
      {"/zones/1/languages/1/template_compact", json{{"file", "f"}, {"text", ""}}},
  };
  for (const Row& row : kRows) {
    json policy = Good();
    policy[json::json_pointer(row.pointer)] = row.value;
    std::string error;
    EXPECT_FALSE(ParseSnapshot(policy.dump(), error)) << row.pointer << " " << row.value;
    EXPECT_FALSE(error.empty());
    EXPECT_EQ(error.find('\n'), error.npos);
  }
}

TEST(ParseSnapshot, RefusesEachMissingMember) {
  const json good = Good();
  for (const auto& [name, value] : good.items()) {
    json policy = Good();
    policy.erase(name);
    EXPECT_FALSE(Parse(policy)) << name;
  }
  const json& zone = good["zones"][0];
  for (const auto& [name, value] : zone.items()) {
    json policy = Good();
    policy["zones"][0].erase(name);
    EXPECT_FALSE(Parse(policy)) << name;
  }
}

TEST(ParseSnapshot, NamesTheZoneAndTheFile) {
  json policy = Good();
  policy["zones"][1]["languages"][1]["template"]["text"] = "<!DOCTYPE html>\n<form>";
  std::string error;
  EXPECT_FALSE(ParseSnapshot(policy.dump(), error));
  EXPECT_EQ(error.substr(0, 36), "zone 'stands': /p.html:2: a form: th");
}

TEST(ParseSnapshot, RefusesEveryPrefixOfAFile) {
  const std::string text = Good().dump();
  for (size_t bytes = 0; bytes < text.size(); bytes++) {
    std::string error;
    ASSERT_FALSE(ParseSnapshot(std::string_view(text).substr(0, bytes), error)) << bytes;
  }
}

TEST(ReadSnapshot, NamesTheFileAndWhatToDo) {
  std::string error;
  EXPECT_FALSE(ReadSnapshot("/nonexistent/policy.json", error));
  EXPECT_NE(error.find("/nonexistent/policy.json"), error.npos);
  EXPECT_NE(error.find("start narthexd first"), error.npos);
}

class Swap : public testing::Test {
 protected:
  static std::unique_ptr<const Snapshot> Version(int version) {
    json policy = Good();
    policy["version"] = version;
    return Parse(policy);
  }
  // What a worker does between two bursts.
  static uint32_t Take(PolicySlot& slot) {
    const Snapshot* taken = slot.Take();
    if (!taken) return 0;
    slot.Taken(taken);
    return taken->version;
  }
};

TEST_F(Swap, FreesTheOldSnapshotOnlyWhenNoWorkerUsesIt) {
  PolicySwap swap(Version(1));
  PolicySlot slots[2];
  for (PolicySlot& slot : slots) {
    slot.Offer(&swap.Current());
    swap.Attach(slot);
    EXPECT_EQ(Take(slot), 1u);
    EXPECT_EQ(Take(slot), 0u);
  }
  std::string error;
  ASSERT_TRUE(swap.Replace(Version(2), error));
  EXPECT_EQ(Take(slots[0]), 2u);
  swap.FreeUnused();
  EXPECT_EQ(swap.Kept(), 2u);
  ASSERT_TRUE(swap.Replace(Version(3), error));
  EXPECT_EQ(Take(slots[1]), 3u);
  swap.FreeUnused();
  EXPECT_EQ(swap.Kept(), 3u);
  EXPECT_EQ(Take(slots[0]), 3u);
  swap.FreeUnused();
  EXPECT_EQ(swap.Kept(), 1u);
  EXPECT_EQ(swap.Current().version, 3u);
}

TEST_F(Swap, RefusesASnapshotThatNeedsOtherWorkers) {
  PolicySwap swap(Version(1));
  json policy = Good();
  policy["version"] = 2;
  policy["zones"][0]["queues"] = 3;
  std::string error;
  EXPECT_FALSE(swap.Replace(Parse(policy), error));
  EXPECT_NE(error.find("restart"), error.npos);
  EXPECT_EQ(swap.Current().version, 1u);
}

}  // namespace
}  // namespace narthex
