// SPDX-License-Identifier: Apache-2.0
//
// Secrets that the server makes for itself and keeps in account 0: keys for hashes in addresses,
// tokens, cookies. Threads and blocking: see store.h.
#ifndef STORE_SECRET_H
#define STORE_SECRET_H

#include "store/store.h"

#define SECRET_BYTES 32

// The secret of this name ("srs"; at most 32 bytes), made at the first call.
enum err store_secret(struct store *s, const char *name, char out[SECRET_BYTES]);

#endif
