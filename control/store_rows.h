// SPDX-License-Identifier: Apache-2.0
// How keys stand in the rows of the session store.
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

Query& BindKey(Query& query, const Key& key);
void BindCounters(Query& query, const SessionCounters& counters);
void BindUsage(Query& query, const Usage& usage);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_STORE_ROWS_H
