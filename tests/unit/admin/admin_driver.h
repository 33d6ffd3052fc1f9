// SPDX-License-Identifier: Apache-2.0
//
// What the tests of admin/ share: a store and a queue on an engine in memory, and an operation run
// as the control socket would, with its items collected.
#ifndef TESTS_UNIT_ADMIN_ADMIN_DRIVER_H
#define TESTS_UNIT_ADMIN_ADMIN_DRIVER_H

#include "../store/support.h"
#include "admin/admin.h"
#include "base/clock.h"
#include "queue/queue.h"

struct admin_bench {
    struct bench store;
    struct queue *queue;
    struct settings *settings;
    struct admin admin;
    json_t *items;                // of the last operation
    struct admin_outcome outcome; //
};

void admin_bench_open(struct admin_bench *b);
void admin_bench_close(struct admin_bench *b);
// Runs an operation; takes the reference to `args`.
enum err admin_bench_run(struct admin_bench *b, const char *operation, json_t *args);
enum err admin_bench_run_by(struct admin_bench *b, const struct admin_caller *by,
                            const char *operation, json_t *args);
// Gives the account a second factor.
void admin_bench_factor(struct admin_bench *b, account_id account);
// A field of item `i`, or of the result (i < 0); "" when it is not there.
const char *admin_bench_text(const struct admin_bench *b, int i, const char *name);
json_int_t admin_bench_number(const struct admin_bench *b, int i, const char *name);
bool admin_bench_said(const struct admin_bench *b, const char *words); // in the error's sentence

#endif
