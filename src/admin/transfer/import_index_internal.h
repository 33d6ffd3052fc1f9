// SPDX-License-Identifier: Apache-2.0
//
// Which messages a mailbox has, so that an import that is run again adds none twice.
//
// A message is known by the SHA-256 of its bytes as stored. Copies count: when a source has the
// same message three times and the mailbox twice, one is added. Nothing is kept between imports:
// the mailbox itself is the record, so nothing can be out of step with it. Bodies are only read
// when a message of the very same size comes along, each at most once.
#ifndef ADMIN_TRANSFER_IMPORT_INDEX_INTERNAL_H
#define ADMIN_TRANSFER_IMPORT_INDEX_INTERNAL_H

#include "store/placement.h"

#define IMPORT_HASH_BYTES 32

struct import_index;

// Lists the mailbox's messages (sizes only). ERR_NOT_FOUND, ERR_NOMEM, and what the store says.
enum err import_index_create(struct store *s, account_id account, mailbox_id mailbox,
                             struct import_index **out);
// One for a mailbox that does not exist yet.
enum err import_index_create_empty(struct import_index **out);
void import_index_destroy(struct import_index *x); // NULL is allowed
// A new folder of the source begins: its copies are counted from zero.
void import_index_restart(struct import_index *x);
uint64_t import_index_messages(const struct import_index *x); // there at the start

// Counts a message of the source; `*out_wanted`: the mailbox has fewer copies than the source so
// far. A wanted one is taken to be added.
enum err import_index_want(struct import_index *x, uint64_t bytes,
                           const unsigned char hash[IMPORT_HASH_BYTES], bool *out_wanted);
// It was not added after all.
void import_index_forget(struct import_index *x, const unsigned char hash[IMPORT_HASH_BYTES]);

#endif
