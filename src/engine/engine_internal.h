// SPDX-License-Identifier: Apache-2.0
//
// The table an engine fills in. Each engine embeds struct engine, struct snapshot and so on as the
// first member of its own structs. Only engine/ and its subfolders include this.
#ifndef ENGINE_ENGINE_INTERNAL_H
#define ENGINE_ENGINE_INTERNAL_H

#include "engine/engine.h"

struct engine_ops {
    void (*close)(struct engine *e);
    void (*set_watch)(struct engine *e, engine_watch_fn *fn, void *arg);
    void (*status)(struct engine *e, struct engine_status *out);
    enum engine_state (*state)(struct engine *e);
    enum err (*snapshot_open)(struct engine *e, struct snapshot **out);
    void (*snapshot_close)(struct snapshot *s);
    enum err (*version)(struct snapshot *s, account_id account, uint64_t *out);
    enum err (*get)(struct snapshot *s, account_id account, struct span key, struct span *out);
    enum err (*scan_open)(struct snapshot *s, account_id account, struct span from, struct span to,
                          bool reverse, struct scan **out);
    enum err (*scan_next)(struct scan *c, struct span *out_key, struct span *out_value);
    void (*scan_close)(struct scan *c);
    void (*prefetch)(struct snapshot *s, account_id account, struct span from, struct span to,
                     struct span probe); // may be NULL
    enum err (*next_account)(struct snapshot *s, account_id from, account_id *out);
    enum err (*next_body)(struct snapshot *s, body_id from, body_id *out);
    enum err (*body_begin)(struct engine *e, struct body_writer **out);
    enum err (*body_write)(struct body_writer *w, struct span bytes);
    enum err (*body_finish)(struct body_writer *w, struct span summary, body_id *out);
    void (*body_writer_destroy)(struct body_writer *w);
    enum err (*body_info)(struct snapshot *s, body_id id, struct body_info *out);
    enum err (*body_read)(struct snapshot *s, body_id id, uint64_t offset, size_t n,
                          struct buf *out);
    enum err (*body_summary)(struct snapshot *s, body_id id, struct span *out);
    // The batches are sealed. Those with results[i] != ERR_OK on entry are to be left out.
    void (*commit)(struct engine *e, struct batch *const *b, const uint64_t *expected, size_t count,
                   enum err *results);
    // NULL: there is nothing below the accounts that could be damaged.
    enum err (*verify)(struct engine *e, const struct engine_verify_options *o,
                       engine_problem_fn *fn, void *arg, struct engine_report *out);
};

struct engine {
    const struct engine_ops *ops;
};
struct snapshot {
    struct engine *engine;
};
struct scan {
    struct snapshot *snapshot;
};
struct body_writer {
    struct engine *engine;
};

// A batch is the same for all engines: operations in order of key, each key once.
enum batch_kind { BATCH_PUT, BATCH_DELETE };

struct batch_op {
    enum batch_kind kind;
    struct span key, value; // in the batch's arena
    size_t order;           // of the calls: the later one of two for the same key wins
};

struct batch_body {
    body_id id;
    int32_t uses; // +1 or -1 for each call, summed
};

struct batch {
    account_id account;
    struct arena arena;
    struct batch_op *ops; // sorted by key and unique after batch_seal
    size_t op_count, op_cap;
    struct batch_body *bodies;
    size_t body_count, body_cap;
    size_t bytes;
    bool sealed;
    struct batch *rider; // committed behind it; or NULL
    enum err failed;     // the first error of a put, delete or use: such a batch is never committed
};

// Sorts, removes doubles (the last wins) and body uses that sum up to nothing; called by the
// commit. Gives the batch's first error, if any.
enum err batch_seal(struct batch *b);

#endif
