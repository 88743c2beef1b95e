// SPDX-License-Identifier: Apache-2.0
// The rows of `limits`: what each session with a policy has used. narthexd hands them out, fills a
// row before an entry of `sessions` names it, and takes it back after the entry has ended; what is
// used belongs to the classifier meanwhile.
//
// Not thread-safe: Sessions calls it under its lock.
#ifndef NARTHEX_CONTROL_LIMIT_MAP_H
#define NARTHEX_CONTROL_LIMIT_MAP_H

#include <cstdint>
#include <optional>
#include <vector>

#include "control/error.h"
#include "control/session.h"
#include "control/session_table.h"
#include "control/slot_pool.h"

namespace narthex {

// A session that its policy has ended: the classifier passes nothing of it any more.
struct SpentSession {
  int64_t session = 0;
  bool idle = false;  // else its quota is used up
};

struct MovedUsage {
  int64_t session = 0;
  uint32_t row = 0;
  Usage usage;
};

class LimitMap {
 public:
  explicit LimitMap(SessionTable& table);

  // At the start, first: a row that an entry in force names stays as it is, but for its policy.
  // False if the row cannot be this session's.
  bool Adopt(uint32_t row, int64_t session, uint32_t policy);
  // Then once: all other rows are free.
  void FinishAdoption();

  // A row of the session's own, filled. kExhausted when none is free.
  Result<uint32_t> Begin(int64_t session, uint32_t policy, const Usage& usage);
  void SetPolicy(uint32_t row, uint32_t policy);
  // The session's idle time begins anew.
  void Touch(uint32_t row, int64_t now_ns);
  // Gives the row back; no entry in force names it any more.
  void End(uint32_t row);
  Usage Read(uint32_t row) const;
  // What a row said in the maps that this start replaced.
  std::optional<Usage> Replaced(uint32_t row) const;
  uint32_t PolicyOf(uint32_t row) const;

  // At most `most` among `most_rows` from `*from` on; moves `*from` as CollectMoved does.
  std::vector<SpentSession> FindSpent(uint32_t* from, uint32_t most_rows, int64_t now_ns,
                                      size_t most) const;
  // Sessions whose usage moved since it was last collected; as SessionMap::CollectMoved.
  std::vector<MovedUsage> CollectMoved(uint32_t* from, uint32_t most_rows, size_t most);
  uint32_t rows() const { return static_cast<uint32_t>(owners_.size()); }

 private:
  bool Owns(uint32_t row) const { return row > 0 && row < owners_.size() && owners_[row] != 0; }

  SessionTable& table_;
  SlotPool free_;
  std::vector<int64_t> owners_;  // of each row; 0: free
  std::vector<uint32_t> saved_;  // digest of the usage when it was collected
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_LIMIT_MAP_H
