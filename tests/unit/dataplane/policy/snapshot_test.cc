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
  policy["rules"] = json::array();
  EXPECT_TRUE(Parse(policy));
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
