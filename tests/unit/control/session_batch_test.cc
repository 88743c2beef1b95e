// SPDX-License-Identifier: Apache-2.0
// Many sessions in one call, and many accounts in steps.
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <sstream>

#include "tests/unit/control/configured_sessions.h"

namespace narthex {
namespace {

using std::chrono::seconds;
using SessionBatchTest = ConfiguredSessions;

TEST_F(SessionBatchTest, ABatchAnswersForEachAndStopsForNone) {
  auto wish = [](const char* key, bool extend = false) {
    return AuthoriseRequest{{key}, "", seconds(60), extend, "", "t", "", ""};
  };
  const AuthoriseRequest requests[] = {wish("10.51.1.2"),        wish("10.9.9.9"),
                                       wish("10.51.1.2"),        wish("10.51.1.2", true),
                                       wish("2001:db8:51:1::2"), wish("nobody")};
  auto results = sessions->AuthoriseAll(requests);
  ASSERT_EQ(results.size(), 6u);
  ASSERT_TRUE(results[0]);
  EXPECT_EQ(results[1].error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(results[2].error().kind, ErrorKind::kExists);
  ASSERT_TRUE(results[3]);
  EXPECT_EQ(results[3]->id, results[0]->id);
  EXPECT_TRUE(results[4]);
  EXPECT_FALSE(results[5]);
  EXPECT_EQ(*sessions->Count(), 2u);
  ASSERT_TRUE(Restart());
  EXPECT_EQ(report.kept, 2u);
}

TEST_F(SessionBatchTest, ABatchThatDoesNotFitIsInForceAsFarAsItDoes) {
  std::vector<AuthoriseRequest> requests;
  for (int i = 1; i <= 6; ++i)
    requests.push_back(
        {{"2001:db8:51:1::" + std::to_string(i)}, "", seconds(60), false, "", "t", "", ""});
  auto results = sessions->AuthoriseAll(requests);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(results[i].has_value(), i < 4);
  EXPECT_EQ(results[5].error().kind, ErrorKind::kExhausted);
  EXPECT_EQ(*sessions->Count(), 4u);
}

TEST_F(SessionBatchTest, ABatchKnowsItsOwnRequestIds) {
  auto wish = [](const char* key, const char* id) {
    return AuthoriseRequest{{key}, "", seconds(60), false, id, "t", "", ""};
  };
  const AuthoriseRequest requests[] = {wish("10.51.1.2", "a"), wish("10.51.1.3", "b"),
                                       wish("10.51.1.4", "b"), wish("10.51.1.2", "a")};
  auto results = sessions->AuthoriseAll(requests);
  ASSERT_TRUE(results[0]);
  ASSERT_TRUE(results[1]);
  ASSERT_FALSE(results[2]);
  EXPECT_EQ(results[2].error().message, "request_id: was used for another request");
  ASSERT_TRUE(results[3]);
  EXPECT_EQ(results[3]->id, results[0]->id);
}

// By another key, too: the second wish must see what the first has changed.
TEST_F(SessionBatchTest, ABatchMayExtendOneSessionTwice) {
  auto wish = [](std::vector<std::string> keys, int64_t for_s, const char* policy) {
    return AuthoriseRequest{keys, "", seconds(for_s), true, "", "t", policy, ""};
  };
  std::string id = Authorise({"10.51.1.2", "2001:db8:51:1::2"})->id;
  std::string other = Authorise({"10.51.1.9"})->id;
  const AuthoriseRequest requests[] = {wish({"10.51.1.2", "02:00:00:00:00:01"}, 700, "gold"),
                                       wish({"2001:db8:51:1::2"}, 800, "silver"),
                                       wish({"02:00:00:00:00:01"}, 900, ""),
                                       wish({"10.51.1.9"}, 900, "")};
  auto results = sessions->AuthoriseAll(requests);
  for (const auto& result : results) ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(results[2]->id, id);
  EXPECT_EQ(results[3]->id, other);
  for (int round = 0; round < 2; ++round) {
    Session session = Find("10.51.1.2");
    EXPECT_EQ(session.keys.size(), 3u);
    EXPECT_EQ(session.policy, "silver");
    EXPECT_EQ((session.expires_boot_ns - clock.boot_ns) / kSecondNs, 900);
    EXPECT_EQ(Entry("02:00:00:00:00:01").expires_ns, Entry("10.51.1.2").expires_ns);
    EXPECT_EQ(Row("10.51.1.2").policy, *policies->RowOf("silver"));
    EXPECT_EQ(Entry("02:00:00:00:00:01").limits, Entry("10.51.1.2").limits);
    ASSERT_TRUE(Restart());
    EXPECT_EQ(report.kept, 4u);
  }
}

TEST_F(SessionBatchTest, ABatchTakesBackOnlyTheExtensionThatTheMapRefuses) {
  for (const char* key : {"10.51.1.2", "10.51.1.3"}) ASSERT_TRUE(Authorise({key}));
  table.refuse_keys = true;
  const AuthoriseRequest requests[] = {
      {{"10.51.1.2", "2001:db8:51:1::2"}, "", seconds(900), true, "a", "t", "gold", ""},
      {{"10.51.1.3"}, "", seconds(900), true, "b", "t", "gold", ""}};
  auto results = sessions->AuthoriseAll(requests);
  EXPECT_FALSE(results[0]);
  ASSERT_TRUE(results[1]);
  EXPECT_EQ(Find("10.51.1.2").policy, "");
  EXPECT_EQ(Find("10.51.1.2").keys.size(), 1u);
  EXPECT_EQ(Find("10.51.1.3").policy, "gold");
  table.refuse_keys = false;
  EXPECT_TRUE(sessions->AuthoriseAll(requests)[0]) << "with the same id";
  EXPECT_EQ(Find("2001:db8:51:1::2").policy, "gold");
}

TEST_F(SessionBatchTest, EachSessionOfABatchIsAudited) {
  std::ostringstream log;
  auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("t", std::make_shared<spdlog::sinks::ostream_sink_st>(log)));
  std::vector<AuthoriseRequest> requests;
  for (const char* key : {"10.51.1.2", "10.51.1.3", "10.51.1.2", "10.51.1.4"})
    requests.push_back({{key}, "", seconds(60), false, "", "uid:7", "", ""});
  auto results = sessions->AuthoriseAll(requests);
  spdlog::set_default_logger(before);
  for (int i : {0, 1, 3}) {
    ASSERT_TRUE(results[i]);
    EXPECT_NE(log.str().find("audit: created session " + results[i]->id + " of " +
                             requests[i].keys[0] + " in zone 'lobby', 60 s left, by uid:7"),
              std::string::npos)
        << log.str();
  }
  const std::string text = log.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
}

TEST_F(SessionBatchTest, SavesInBoundedStepsAndOnlyWhatMoved) {
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(Authorise({"10.51.1." + std::to_string(i)}, ""));
  for (int i = 1; i <= 5; ++i) table.up[i] = nx_traffic(i, 0);
  auto stored = [&] {
    int count = 0;
    for (int i = 1; i <= 5; ++i)
      count += (*store->FindByKey("lobby", *ParseKey("10.51.1." + std::to_string(i))))
                   ->keys[0]
                   .counters.packets_up == static_cast<uint64_t>(i);
    return count;
  };
  ASSERT_TRUE(sessions->SaveCounters(2));
  EXPECT_EQ(stored(), 2);
  for (int i = 1; i <= 5; ++i)
    EXPECT_EQ(table.accounts[i].last_seen_s, 1000u) << "all are seen, saved or not: " << i;
  ASSERT_TRUE(sessions->SaveCounters(2));
  EXPECT_EQ(stored(), 4) << "each round goes on where the last one ended";
  ASSERT_TRUE(sessions->SaveCounters(2));
  EXPECT_EQ(stored(), 5);
}

}  // namespace
}  // namespace narthex
