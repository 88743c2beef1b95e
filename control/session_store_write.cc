// SPDX-License-Identifier: Apache-2.0
// What changes sessions in the store: rows in a transaction, then the index.
#include <fmt/format.h>

#include <utility>

#include "control/session_store.h"
#include "control/store_rows.h"

namespace narthex {

Outcome SessionStore::InsertSession(SessionBlocks::Writer& writer, const Session& session) {
  const std::string keys = EncodeKeys(session.keys);
  auto added = writer.Add({SessionNumber(session.id), session.created_wall_ns,
                           session.expires_boot_ns, session.limits, session.usage, session.zone,
                           session.creator, session.policy, keys});
  if (!added) return added;
  for (const SessionKey& entry : session.keys)
    if (entry.counters != SessionCounters{})
      if (auto saved = SaveAccount(session.zone, entry); !saved) return saved;
  return {};
}

Outcome SessionStore::SaveAccount(std::string_view zone, const SessionKey& entry) {
  Query query(*database_, save_account_.get());
  BindKey(query.Bind(zone), entry.key);
  BindCounters(query, entry.counters);
  return query.Run();
}

Outcome SessionStore::DeleteAccount(std::string_view zone, const Key& key) {
  Query query(*database_, delete_account_.get());
  return BindKey(query.Bind(zone), key).Run();
}

Outcome SessionStore::InsertRequest(const RequestRecord* request) {
  if (request == nullptr) return {};
  Query query(*database_, insert_request_.get());
  query.Bind(request->id).Bind(request->digest).Bind(request->session_id).Bind(clock_.BootNs());
  return query.Run();
}

Outcome SessionStore::Insert(const Session& session, const RequestRecord* request) {
  return InsertAll({&session, 1}, {request, request == nullptr ? 0u : 1u});
}

// The index knows a key from when its row is written, so that no other row of the transaction gets
// it, and forgets it if the transaction fails.
Outcome SessionStore::InsertAll(std::span<const Session> sessions,
                                std::span<const RequestRecord> requests) {
  size_t indexed = 0;
  int64_t last_number = last_number_;
  auto insert = [&]() -> Outcome {
    auto transaction = Transaction::Begin(*database_);
    if (!transaction) return Fail(transaction.error());
    SessionBlocks::Writer writer(blocks_);
    for (const Session& session : sessions) {
      const int64_t number = SessionNumber(session.id);
      if (number <= std::exchange(last_number, number)) return Fail("session ids do not ascend");
      if (auto added = IndexKeys(session, session.keys); !added) return added;
      ++indexed;
      if (auto done = InsertSession(writer, session); !done) return done;
    }
    if (auto done = writer.Finish(); !done) return done;
    for (const RequestRecord& request : requests)
      if (auto done = InsertRequest(&request); !done) return done;
    return (*transaction)->Commit();
  };
  auto inserted = insert();
  if (!inserted) {
    for (const Session& session : sessions.first(indexed))
      index_.RemoveKeys(session.zone, session.keys, SessionNumber(session.id));
    return inserted;
  }
  for (const Session& session : sessions)
    index_.AddEnd(session.expires_boot_ns, SessionNumber(session.id));
  last_number_ = last_number;
  return inserted;
}

Outcome SessionStore::IndexKeys(const Session& session, std::span<const SessionKey> keys) {
  auto taken = index_.AddKeys(session.zone, keys, SessionNumber(session.id));
  if (!taken) return {};
  return Fail(ErrorKind::kExists, fmt::format("{} belongs to another session", taken->ToString()));
}

// Its end and keys in the index follow when the transaction is over.
Result<int64_t> SessionStore::UpdateSession(SessionBlocks::Editor& editor, const Session& session,
                                            std::span<const SessionKey> added) {
  int64_t old_end_ns = 0;
  const std::string keys = EncodeKeys(session.keys, added);
  auto there = editor.Change(SessionNumber(session.id), [&](StoredSession& stored) {
    old_end_ns = std::exchange(stored.expires_boot_ns, session.expires_boot_ns);
    stored.policy = session.policy;
    stored.limits = session.limits;
    stored.usage = session.usage;
    stored.keys = keys;
  });
  if (!there) return Fail(there.error());
  if (!*there) return Fail(fmt::format("session {} is gone", session.id));
  return old_end_ns;
}

void SessionStore::MoveEnd(const Session& session, int64_t old_end_ns) {
  index_.RemoveEnd(old_end_ns, SessionNumber(session.id));
  index_.AddEnd(session.expires_boot_ns, SessionNumber(session.id));
}

Outcome SessionStore::UpdateAll(std::span<const SessionUpdate> updates,
                                std::span<const RequestRecord> requests) {
  size_t indexed = 0;
  std::vector<int64_t> old_ends;
  auto update = [&]() -> Outcome {
    auto transaction = Transaction::Begin(*database_);
    if (!transaction) return Fail(transaction.error());
    SessionBlocks::Editor editor(blocks_);
    for (const auto& [session, added] : updates) {
      if (auto done = IndexKeys(*session, added); !done) return done;
      ++indexed;
      auto old_end = UpdateSession(editor, *session, added);
      if (!old_end) return Fail(old_end.error());
      old_ends.push_back(*old_end);
    }
    if (auto done = editor.Finish(); !done) return done;
    for (const RequestRecord& request : requests)
      if (auto done = InsertRequest(&request); !done) return done;
    return (*transaction)->Commit();
  };
  auto updated = update();
  if (updated)
    for (size_t i = 0; i < updates.size(); ++i) MoveEnd(*updates[i].session, old_ends[i]);
  else
    for (const auto& [session, added] : updates.first(indexed))
      index_.RemoveKeys(session->zone, added, SessionNumber(session->id));
  return updated;
}

Outcome SessionStore::Update(const Session& session) {
  const SessionUpdate update{&session, {}};
  return UpdateAll({&update, 1}, {});
}

Outcome SessionStore::Shrink(const Session& session, std::span<const SessionKey> removed,
                             const std::string& request_id) {
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  SessionBlocks::Editor editor(blocks_);
  auto old_end = UpdateSession(editor, session, {});
  if (!old_end) return Fail(old_end.error());
  if (auto done = editor.Finish(); !done) return done;
  for (const SessionKey& entry : removed)
    if (auto done = DeleteAccount(session.zone, entry.key); !done) return done;
  if (auto done = DeleteRequest(request_id); !done) return done;
  if (auto done = (*transaction)->Commit(); !done) return done;
  MoveEnd(session, *old_end);
  index_.RemoveKeys(session.zone, removed, SessionNumber(session.id));
  return {};
}

// None has the empty id.
Outcome SessionStore::DeleteRequest(const std::string& id) {
  Query query(*database_, delete_request_.get());
  return query.Bind(id).Run();
}

Outcome SessionStore::DeleteSession(SessionBlocks::Editor& editor, int64_t number,
                                    std::vector<Deleted>& deleted) {
  auto there = editor.Remove(number, [&](const StoredSession& stored) -> Outcome {
    auto keys = DecodeKeys(stored.keys);
    if (!keys) return Fail(keys.error());
    deleted.push_back({number, stored.expires_boot_ns, std::string(stored.zone), std::move(*keys)});
    for (const SessionKey& entry : deleted.back().keys)
      if (auto done = DeleteAccount(stored.zone, entry.key); !done) return done;
    return {};
  });
  if (!there) return Fail(there.error());
  return {};
}

void SessionStore::Forget(std::span<const Deleted> deleted) {
  for (const Deleted& each : deleted) {
    index_.RemoveKeys(each.zone, each.keys, each.number);
    index_.RemoveEnd(each.end_ns, each.number);
  }
}

Outcome SessionStore::Retract(const std::string& id, const std::string& request_id) {
  std::vector<Deleted> deleted;
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  SessionBlocks::Editor editor(blocks_);
  if (auto done = DeleteSession(editor, SessionNumber(id), deleted); !done) return done;
  if (auto done = editor.Finish(); !done) return done;
  if (auto done = DeleteRequest(request_id); !done) return done;
  if (auto done = (*transaction)->Commit(); !done) return done;
  Forget(deleted);
  return {};
}

Outcome SessionStore::DeleteAll(std::span<const Session> sessions) {
  if (sessions.empty()) return {};
  std::vector<Deleted> deleted;
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  SessionBlocks::Editor editor(blocks_);
  for (const Session& session : sessions)
    if (auto done = DeleteSession(editor, SessionNumber(session.id), deleted); !done) return done;
  if (auto done = editor.Finish(); !done) return done;
  if (auto done = (*transaction)->Commit(); !done) return done;
  Forget(deleted);
  return {};
}

// The slots of one session's keys.
Outcome SessionStore::SaveSlots(SessionBlocks::Editor& editor,
                                std::span<const SlotUpdate> updates) {
  Outcome decoded;
  std::string blob;
  auto there = editor.Change(updates.front().session, [&](StoredSession& stored) {
    auto keys = DecodeKeys(stored.keys);
    if (!keys) return void(decoded = Fail(keys.error()));
    for (SessionKey& entry : *keys)
      for (const SlotUpdate& update : updates)
        if (update.key == entry.key) entry.slot = update.slot;
    stored.keys = blob = EncodeKeys(*keys);
  });
  if (!there) return Fail(there.error());
  return decoded;
}

Outcome SessionStore::Save(const Saved& saved) {
  if (saved.keys.empty() && saved.usages.empty() && saved.slots.empty() && saved.metas.empty())
    return {};
  auto transaction = Transaction::Begin(*database_);
  if (!transaction) return Fail(transaction.error());
  for (const KeyUpdate& update : saved.keys)
    if (auto done = SaveAccount(update.zone, *update.key); !done) return done;
  SessionBlocks::Editor editor(blocks_);
  for (const UsageUpdate& update : saved.usages) {
    auto there = editor.Change(update.session, [&](StoredSession& stored) {
      stored.limits = update.limits;
      stored.usage = update.usage;
    });
    if (!there) return Fail(there.error());
  }
  for (size_t i = 0; i < saved.slots.size();) {
    size_t end = i + 1;
    while (end < saved.slots.size() && saved.slots[end].session == saved.slots[i].session) ++end;
    if (auto done = SaveSlots(editor, saved.slots.subspan(i, end - i)); !done) return done;
    i = end;
  }
  if (auto done = editor.Finish(); !done) return done;
  for (const auto& [key, value] : saved.metas)
    if (auto done = SetMeta(key, value); !done) return done;
  return (*transaction)->Commit();
}

}  // namespace narthex
