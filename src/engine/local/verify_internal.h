// SPDX-License-Identifier: Apache-2.0
//
// The check of the local engine, in two files: verify.c (files, bodies), verify_index.c (the rows
// of the index). Only these include this.
#ifndef ENGINE_LOCAL_VERIFY_INTERNAL_H
#define ENGINE_LOCAL_VERIFY_INTERNAL_H

#include "engine/local/snapshot_internal.h"

struct verify {
    struct local_engine *e;
    struct local_snapshot *s;
    struct engine_verify_options options;
    engine_problem_fn *fn;
    void *arg;
    body_id next_body;
    struct engine_report report;
};

void verify_problem(struct verify *v, bool repaired, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// One row of table `b`.
void verify_body(struct verify *v, uint64_t id, struct span record);

bool verify_has_dictionary(struct verify *v, uint32_t number);
// Every row is one that is written like that, and what it says is so.
enum err verify_rows(struct verify *v);
// The `s` rows against a recount of the bodies, in one transaction of the index.
enum err verify_live(struct verify *v);

#endif
