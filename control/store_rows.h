// SPDX-License-Identifier: Apache-2.0
// How sessions and keys stand in the rows of the session store.
#ifndef NARTHEX_CONTROL_STORE_ROWS_H
#define NARTHEX_CONTROL_STORE_ROWS_H

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/error.h"
#include "control/key.h"
#include "control/session.h"
#include "control/sqlite.h"

namespace narthex {

// Kind, bits, the 16 bytes of nx_key.
inline constexpr size_t kKeyBytes = 18;
std::array<uint8_t, kKeyBytes> BlobOf(const Key& key);
Result<Key> KeyOfBlob(std::string_view blob);

// All keys of a session, without their counters, in the order of their bytes. For each: the key,
// its slot (32 bits, little-endian), the MAC address that it is bound to.
std::string EncodeKeys(std::span<const SessionKey> keys, std::span<const SessionKey> more = {});
Result<std::vector<SessionKey>> DecodeKeys(std::string_view blob);

// A session as its row has it. The views hold as long as the bytes they came from.
struct StoredSession {
  int64_t number = 0;
  int64_t created_wall_ns = 0;
  int64_t expires_boot_ns = 0;
  uint32_t limits = 0;
  Usage usage;  // in the row only if it is not zero
  std::string_view zone, creator, policy;
  std::string_view keys;  // EncodeKeys
};

// Numbers are little-endian; what has no fixed length stands behind its length.
void AppendSession(const StoredSession& session, std::string& block);
// Takes the first session off the block's front.
Result<StoredSession> TakeSession(std::string_view& block);

Query& BindKey(Query& query, const Key& key);
void BindCounters(Query& query, const SessionCounters& counters);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_STORE_ROWS_H
