// SPDX-License-Identifier: Apache-2.0
//
// What the account's IMAP sessions go without (row `C` of the account): names of capabilities that
// are neither announced to them nor taken from them, for a mail program that makes a mess of one.
// Which names mean something is keep/imap's to say. Threads and blocking: see store.h.
#ifndef STORE_IMAP_WITHOUT_H
#define STORE_IMAP_WITHOUT_H

#include "store/store.h"

#define IMAP_WITHOUT_MAX       64 // names
#define IMAP_WITHOUT_BYTES_MAX 64 // of one

// In the arena; none for an account without the row. ERR_NOT_FOUND: no account.
enum err imap_without_get(struct store *s, account_id account, struct arena *a,
                          const struct span **out, size_t *out_n);
// `n` 0: the row goes. ERR_LIMIT: too many, or a name is empty or too long.
enum err imap_without_set(struct store *s, account_id account, const struct actor *by,
                          const struct span *names, size_t n);

// A row of docs/format/store.md, for the check: spans point into the value, `names` has room for
// IMAP_WITHOUT_MAX. ERR_CORRUPT.
enum err imap_without_decode(struct span value, struct span *names, size_t *out_n);

#endif
