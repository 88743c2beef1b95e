// SPDX-License-Identifier: Apache-2.0
#include "control/session_blocks.h"

#include <limits>
#include <vector>

namespace narthex {
namespace {

// A row of SQLite's that stays in its leaf, pages being 4,096 bytes: at most 4,061 with what goes
// before it.
constexpr size_t kBlockBytes = 4040;

}  // namespace

Outcome SessionBlocks::Prepare() {
  const std::pair<Statement*, std::string_view> statements[] = {
      {&insert_, "INSERT INTO session VALUES (?,?)"},
      {&update_, "UPDATE session SET sessions=?2 WHERE first=?1"},
      {&delete_, "DELETE FROM session WHERE first=?"},
      {&block_of_,
       "SELECT first, sessions FROM session WHERE first<=? ORDER BY first DESC LIMIT 1"},
      {&from_,
       "SELECT sessions FROM session WHERE first>=ifnull((SELECT max(first) FROM session WHERE "
       "first<=?1), ?1) ORDER BY first"},
      {&firsts_, "SELECT first FROM session"},
  };
  for (const auto& [statement, sql] : statements) {
    auto prepared = database_.Prepare(sql);
    if (!prepared) return Fail(prepared.error());
    *statement = std::move(*prepared);
  }
  return {};
}

Outcome SessionBlocks::Writer::Add(const StoredSession& session) {
  const size_t before = block_.size();
  if (before == 0) first_ = session.number;
  AppendSession(session, block_);
  if (before == 0 || block_.size() <= kBlockBytes) return {};
  std::string next = block_.substr(before);
  block_.resize(before);
  if (auto done = Finish(); !done) return done;
  first_ = session.number;
  block_ = std::move(next);
  return {};
}

Outcome SessionBlocks::Writer::Finish() {
  if (block_.empty()) return {};
  Query query(blocks_.database_, blocks_.insert_.get());
  auto done = query.Bind(first_).BindBlob(block_.data(), block_.size()).Run();
  block_.clear();
  return done;
}

Result<std::optional<int64_t>> SessionBlocks::Load(int64_t number, std::string& block) {
  Query query(database_, block_of_.get());
  auto row = query.Bind(number).Step();
  if (!row) return Fail(row.error());
  if (!*row) return std::optional<int64_t>();
  block = query.Blob(1);
  return std::optional(query.Integer(0));
}

// One that has become empty goes.
Outcome SessionBlocks::Write(int64_t first, std::string_view block) {
  if (block.empty()) return Query(database_, delete_.get()).Bind(first).Run();
  Query query(database_, update_.get());
  return query.Bind(first).BindBlob(block.data(), block.size()).Run();
}

Result<std::optional<SessionBlocks::Editor::Place>> SessionBlocks::Editor::Find(int64_t number) {
  auto look = [&]() -> Result<std::optional<Place>> {
    std::string_view rest = block_;
    if (behind_ != 0 && number > last_) rest.remove_prefix(behind_);
    while (!rest.empty()) {
      const size_t begin = block_.size() - rest.size();
      auto session = TakeSession(rest);
      if (!session) return Fail(session.error());
      if (session->number == number)
        return std::optional(Place{*session, begin, block_.size() - rest.size()});
    }
    return std::optional<Place>();
  };
  if (loaded_) {
    auto found = look();
    if (!found || *found) return found;
  }
  if (auto written = Finish(); !written) return Fail(written.error());
  auto first = blocks_.Load(number, block_);
  if (!first) return Fail(first.error());
  if (!*first) return std::optional<Place>();
  loaded_ = true;
  first_ = **first;
  behind_ = 0;
  return look();
}

Result<bool> SessionBlocks::Editor::Change(int64_t number,
                                           const std::function<void(StoredSession&)>& change) {
  auto found = Find(number);
  if (!found) return Fail(found.error());
  if (!*found) return false;
  Place& place = **found;
  change(place.session);
  std::string changed;
  AppendSession(place.session, changed);
  block_.replace(place.begin, place.end - place.begin, changed);
  last_ = number;
  behind_ = place.begin + changed.size();
  changed_ = true;
  return true;
}

Result<bool> SessionBlocks::Editor::Remove(
    int64_t number, const std::function<Outcome(const StoredSession&)>& visit) {
  auto found = Find(number);
  if (!found) return Fail(found.error());
  if (!*found) return false;
  const Place& place = **found;
  if (auto seen = visit(place.session); !seen) return Fail(seen.error());
  block_.erase(place.begin, place.end - place.begin);
  last_ = number;
  behind_ = place.begin;
  changed_ = true;
  return true;
}

Outcome SessionBlocks::Editor::Finish() {
  if (!changed_) return {};
  changed_ = loaded_ = false;
  return blocks_.Write(first_, block_);
}

Result<bool> SessionBlocks::Find(int64_t number,
                                 const std::function<Outcome(const StoredSession&)>& visit) {
  Query query(database_, block_of_.get());
  auto row = query.Bind(number).Step();
  if (!row) return Fail(row.error());
  if (!*row) return false;
  for (std::string_view rest = query.Blob(1); !rest.empty();) {
    auto session = TakeSession(rest);
    if (!session) return Fail(session.error());
    if (session->number != number) continue;
    if (auto seen = visit(*session); !seen) return Fail(seen.error());
    return true;
  }
  return false;
}

Outcome SessionBlocks::ForEachFrom(int64_t number,
                                   const std::function<Result<bool>(const StoredSession&)>& visit) {
  Query query(database_, from_.get());
  query.Bind(number);
  for (;;) {
    auto row = query.Step();
    if (!row) return Fail(row.error());
    if (!*row) return {};
    for (std::string_view rest = query.Blob(0); !rest.empty();) {
      auto session = TakeSession(rest);
      if (!session) return Fail(session.error());
      if (session->number < number) continue;
      auto more = visit(*session);
      if (!more) return Fail(more.error());
      if (!*more) return {};
    }
  }
}

Outcome SessionBlocks::ChangeAll(const std::function<void(StoredSession&)>& change) {
  std::vector<int64_t> firsts;
  {
    Query query(database_, firsts_.get());
    for (;;) {
      auto row = query.Step();
      if (!row) return Fail(row.error());
      if (!*row) break;
      firsts.push_back(query.Integer(0));
    }
  }
  std::string before, after;
  for (int64_t first : firsts) {
    auto loaded = Load(first, before);
    if (!loaded) return Fail(loaded.error());
    after.clear();
    for (std::string_view rest = before; !rest.empty();) {
      auto session = TakeSession(rest);
      if (!session) return Fail(session.error());
      change(*session);
      AppendSession(*session, after);
    }
    if (auto done = Write(first, after); !done) return done;
  }
  return {};
}

}  // namespace narthex
