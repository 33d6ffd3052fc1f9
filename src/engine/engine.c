// SPDX-License-Identifier: Apache-2.0
//
// The commit interface's calls: checks that are the same for all engines, then the engine's own.
#include "engine/engine.h"

#include "base/clock.h"
#include "engine/engine_internal.h"

#include "base/banned.h"

struct metrics_times engine_commit_times;

void engine_close(struct engine *e)
{
    if (e) {
        e->ops->close(e);
    }
}

void engine_set_watch(struct engine *e, engine_watch_fn *fn, void *arg)
{
    e->ops->set_watch(e, fn, arg);
}

void engine_status(struct engine *e, struct engine_status *out)
{
    e->ops->status(e, out);
}

enum engine_state engine_state(struct engine *e)
{
    return e->ops->state(e);
}

enum err snapshot_open(struct engine *e, struct snapshot **out)
{
    return e->ops->snapshot_open(e, out);
}

void snapshot_close(struct snapshot *s)
{
    if (s) {
        s->engine->ops->snapshot_close(s);
    }
}

enum err snapshot_version(struct snapshot *s, account_id account, uint64_t *out)
{
    return s->engine->ops->version(s, account, out);
}

enum err snapshot_get(struct snapshot *s, account_id account, struct span key, struct span *out)
{
    if (key.n > ENGINE_KEY_BYTES_MAX) {
        return ERR_NOT_FOUND; // such a key was never accepted
    }
    return s->engine->ops->get(s, account, key, out);
}

enum err scan_open(struct snapshot *s, account_id account, struct span from, struct span to,
                   bool reverse, struct scan **out)
{
    // Longer bounds hold nothing that shorter ones do not; engines count on the limit.
    if (from.n > ENGINE_KEY_BYTES_MAX + 1 || to.n > ENGINE_KEY_BYTES_MAX + 1) {
        return ERR_LIMIT;
    }
    return s->engine->ops->scan_open(s, account, from, to, reverse, out);
}

enum err scan_next(struct scan *c, struct span *out_key, struct span *out_value)
{
    return c->snapshot->engine->ops->scan_next(c, out_key, out_value);
}

void scan_close(struct scan *c)
{
    if (c) {
        c->snapshot->engine->ops->scan_close(c);
    }
}

void scan_prefetch(struct snapshot *s, account_id account, struct span from, struct span to,
                   struct span probe)
{
    const struct engine_ops *ops = s->engine->ops;

    if (ops->prefetch && from.n <= ENGINE_KEY_BYTES_MAX && to.n <= ENGINE_KEY_BYTES_MAX &&
        probe.n <= ENGINE_KEY_BYTES_MAX) {
        ops->prefetch(s, account, from, to, probe);
    }
}

enum err snapshot_next_account(struct snapshot *s, account_id from, account_id *out)
{
    return s->engine->ops->next_account(s, from, out);
}

enum err snapshot_next_body(struct snapshot *s, body_id from, body_id *out)
{
    return s->engine->ops->next_body(s, from, out);
}

enum err engine_verify(struct engine *e, const struct engine_verify_options *o,
                       engine_problem_fn *fn, void *arg, struct engine_report *out)
{
    if (!e->ops->verify) {
        *out = (struct engine_report){0};
        return ERR_OK;
    }
    return e->ops->verify(e, o, fn, arg, out);
}

enum err body_begin(struct engine *e, struct body_writer **out)
{
    return e->ops->body_begin(e, out);
}

enum err body_write(struct body_writer *w, struct span bytes)
{
    return w->engine->ops->body_write(w, bytes);
}

enum err body_finish(struct body_writer *w, struct span summary, body_id *out)
{
    if (summary.n > ENGINE_SUMMARY_BYTES_MAX) {
        return ERR_LIMIT;
    }
    return w->engine->ops->body_finish(w, summary, out);
}

void body_writer_destroy(struct body_writer *w)
{
    if (w) {
        w->engine->ops->body_writer_destroy(w);
    }
}

enum err body_info(struct snapshot *s, body_id id, struct body_info *out)
{
    return s->engine->ops->body_info(s, id, out);
}

enum err body_read(struct snapshot *s, body_id id, uint64_t offset, size_t n, struct buf *out)
{
    return s->engine->ops->body_read(s, id, offset, n, out);
}

enum err body_summary(struct snapshot *s, body_id id, struct span *out)
{
    return s->engine->ops->body_summary(s, id, out);
}

enum err engine_commit(struct engine *e, struct batch *b, uint64_t expected)
{
    enum err result;

    engine_commit_many(e, &b, &expected, 1, &result);
    return result;
}

enum err engine_commit_many(struct engine *e, struct batch *const *b, const uint64_t *expected,
                            size_t count, enum err *results)
{
    for (size_t i = 0; i < count; i++) {
        results[i] = batch_seal(b[i]);
        if (b[i]->rider && (batch_seal(b[i]->rider) != ERR_OK || b[i]->rider->body_count)) {
            b[i]->rider = NULL;
        }
    }
    int64_t began = clock_monotonic_us();

    e->ops->commit(e, b, expected, count, results);
    metrics_time(&engine_commit_times, clock_monotonic_us() - began);
    for (size_t i = 0; i < count; i++) {
        if (results[i] != ERR_OK) {
            return results[i];
        }
    }
    return ERR_OK;
}
