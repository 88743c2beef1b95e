// SPDX-License-Identifier: Apache-2.0
// The tables of the session store, and the way from one version of them to the next.
#ifndef NARTHEX_CONTROL_STORE_SCHEMA_H
#define NARTHEX_CONTROL_STORE_SCHEMA_H

#include "control/error.h"
#include "control/sqlite.h"

namespace narthex {

// An empty database gets the tables, an older one becomes the newest with all that it holds, in
// one transaction; a newer one, or a damaged one, is an error.
Outcome PrepareSchema(Database& database);

}  // namespace narthex

#endif  // NARTHEX_CONTROL_STORE_SCHEMA_H
