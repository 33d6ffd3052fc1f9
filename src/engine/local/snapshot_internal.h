// SPDX-License-Identifier: Apache-2.0
//
// Snapshots: one view each, and what reading through it needs.
#ifndef ENGINE_LOCAL_SNAPSHOT_INTERNAL_H
#define ENGINE_LOCAL_SNAPSHOT_INTERNAL_H

#include "engine/local/local_internal.h"

struct summary_reader;

struct local_snapshot {
    struct snapshot base;
    struct list link;
    struct view view;
    uint64_t generation;
    uint64_t bodies, body_bytes; // of this moment, for verify
    struct position end;
    unsigned scans;
    struct segment *segment;          // the one used last, or NULL
    struct summary_reader *summaries; // NULL until asked for one
};

struct local_scan {
    struct scan base;
    struct view_cursor cursor;
};

enum err local_snapshot_open(struct engine *e, struct snapshot **out);
void local_snapshot_close(struct snapshot *s);
enum err local_version(struct snapshot *s, account_id account, uint64_t *out);
enum err local_get(struct snapshot *s, account_id account, struct span key, struct span *out);
enum err local_scan_open(struct snapshot *s, account_id account, struct span from, struct span to,
                         bool reverse, struct scan **out);
enum err local_scan_next(struct scan *c, struct span *out_key, struct span *out_value);
void local_scan_close(struct scan *c);
void local_prefetch(struct snapshot *s, account_id account, struct span from, struct span to,
                    struct span probe);
enum err local_next_account(struct snapshot *s, account_id from, account_id *out);
enum err local_next_body(struct snapshot *s, body_id from, body_id *out);

// verify.c
enum err local_verify(struct engine *e, const struct engine_verify_options *o,
                      engine_problem_fn *fn, void *arg, struct engine_report *out);

// body_read.c
enum err local_body_info(struct snapshot *s, body_id id, struct body_info *out);
enum err local_body_read(struct snapshot *s, body_id id, uint64_t offset, size_t n,
                         struct buf *out);
// The segment stays in use, as s->segment, until another is asked for.
enum err local_use_segment(struct local_snapshot *s, uint64_t id);
enum err local_read_at(struct local_snapshot *s, struct position at, char *out, size_t n);
// For compaction: a body's record, and a piece's stored bytes, checked.
enum err local_find_record(struct local_snapshot *s, body_id id, struct span *out);
enum err local_piece_read(struct local_snapshot *s, const struct piece *p, struct buf *out);

// summary_read.c
// As local_find_record, for bodies asked for one after another.
enum err local_walk_record(struct local_snapshot *s, body_id id, struct span *out);
enum err local_body_summary(struct snapshot *s, body_id id, struct span *out);
enum err local_summary_read(struct local_snapshot *s, const struct record *r, struct span *out);
void local_summaries_done(struct local_snapshot *s); // when it is closed
void local_summaries_finish(struct local_engine *e); // when all are

#endif
