// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the store share: a store on a fresh engine, an account, short calls.
#ifndef TESTS_UNIT_STORE_SUPPORT_H
#define TESTS_UNIT_STORE_SUPPORT_H

#include "../test.h"
#include "store/append.h"
#include "store/change.h"
#include "store/directory.h"
#include "store/expunged.h"
#include "store/quota.h"
#include "store/store_check.h"

struct bench {
    struct engine *engine;
    struct store *store;
    account_id account; // u1@example.org, with standard mailboxes
    struct arena arena; // of the test
    char dir[64];       // of the local engine
};

extern const struct actor tester;

void bench_open(struct bench *b);
// Closes the store and, with the local engine, the engine too, and opens them again.
void bench_reopen(struct bench *b);
void bench_close(struct bench *b);
void bench_check(struct bench *b); // store_check finds nothing

mailbox_id bench_mailbox(struct bench *b, const char *name); // 0: none
struct mailbox bench_mailbox_get(struct bench *b, const char *name);
struct incoming *bench_incoming(struct store *s, struct span text);
// Appends one message; its UID.
uint32_t bench_append(struct bench *b, const char *mailbox, const char *text, uint16_t flags);
struct uid_set bench_set(struct bench *b, uint32_t first, uint32_t last);
// All placements of a mailbox as "uid:flags ..." in the arena.
const char *bench_list(struct bench *b, const char *mailbox);
const char *bench_set_text(struct bench *b, const struct uid_set *set);

#endif
