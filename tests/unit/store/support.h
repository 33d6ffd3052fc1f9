// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the store share: a store on a fresh engine, an account, short calls.
#ifndef TESTS_UNIT_STORE_SUPPORT_H
#define TESTS_UNIT_STORE_SUPPORT_H

#include "../test.h"
#include "store/append.h"
#include "store/change.h"
#include "store/check/store_check.h"
#include "store/directory.h"
#include "store/expunged.h"
#include "store/quota.h"

struct bench {
    struct engine *engine;
    struct store *store;
    account_id account; // u1@example.org, with standard mailboxes
    struct arena arena; // of the test
    bool is_local;
    char dir[64]; // of the local engine
    int dir_fd;
};

extern const struct actor tester;

// The engine that bench_open takes next: in memory at first.
extern bool bench_use_local;
void bench_open(struct bench *b);
// Closes the store and, with the local engine, the engine too, and opens them again.
void bench_reopen(struct bench *b);
void bench_close(struct bench *b);
void bench_check(struct bench *b); // store_check finds nothing

// Runs the tests on the engine in memory, then on the local one; returns failures. The set-up of
// each (or the test) says bench_choose with its state first.
void bench_choose(void *const *state);
int bench_run(const char *name, const struct CMUnitTest *tests, size_t count);
#define BENCH_RUN(name, tests) bench_run(name, tests, sizeof(tests) / sizeof((tests)[0]))

account_id bench_account(struct bench *b, const char *name); // one more, with standard mailboxes
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
