// SPDX-License-Identifier: Apache-2.0
//
// What waits, in pages and in order of age over all shards; what is paused.
#include <stdlib.h>

#include "base/log.h"
#include "queue/queue_internal.h"

#include "base/banned.h"

struct page {
    queue_id *ids; // QUEUE_SHARDS * max
    size_t n;
    queue_list_fn *fn;
    void *arg;
    const struct queue_message *message;
};

static int by_age(const void *a, const void *b)
{
    queue_id x = *(const queue_id *)a, y = *(const queue_id *)b;

    return (x > y) - (x < y);
}

// The first ids after `after` in a shard.
static enum err collect(struct page *p, struct snapshot *s, unsigned shard, queue_id after,
                        size_t max)
{
    struct queue_key from = queue_key_id(QUEUE_KEY_MESSAGE, after + 1);
    struct queue_key to = queue_key_after(queue_key_plain(QUEUE_KEY_MESSAGE));
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(s, queue_shard_account(shard), queue_key_span(&from),
                           queue_key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < max && (e = scan_next(scan, &key, &value)) == ERR_OK; i++) {
        if (!queue_key_read_id(key, &p->ids[p->n])) {
            e = ERR_CORRUPT;
            break;
        }
        p->n++;
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// ERR_EOF: the caller has seen enough.
static enum err show_recipient(void *arg, const struct queue_recipient *r)
{
    const struct page *p = arg;

    return p->fn(p->arg, p->message, r) ? ERR_OK : ERR_EOF;
}

static enum err show(struct page *p, struct snapshot *s, queue_id id)
{
    struct queue_message m;
    enum err e = queue_get_message(s, queue_shard_of(id), id, &m);

    p->message = &m;
    return e == ERR_OK ? queue_each_recipient(s, id, show_recipient, p) : e;
}

enum err queue_list_after(struct queue *q, queue_id after, size_t max, queue_list_fn *fn, void *arg,
                          queue_id *out_last)
{
    struct page p = {.fn = fn, .arg = arg};
    struct snapshot *s;
    queue_id last = after;

    ASSERT(max > 0 && max <= QUEUE_PAGE_MAX);
    p.ids = calloc(QUEUE_SHARDS * max, sizeof(*p.ids));
    enum err e = p.ids ? snapshot_open(q->engine, &s) : ERR_NOMEM;

    if (e != ERR_OK) {
        free(p.ids);
        return e;
    }
    for (unsigned i = 0; i < QUEUE_SHARDS && e == ERR_OK; i++) {
        e = collect(&p, s, i, after, max);
    }
    qsort(p.ids, p.n, sizeof(*p.ids), by_age);
    for (size_t i = 0; i < p.n && i < max && e == ERR_OK; i++) {
        e = show(&p, s, p.ids[i]);
        last = p.ids[i];
    }
    snapshot_close(s);
    free(p.ids);
    if (e == ERR_OK || e == ERR_EOF) {
        *out_last = last;
        return ERR_OK;
    }
    return e;
}

enum err queue_pauses(struct queue *q, queue_pause_fn *fn, void *arg)
{
    struct queue_key from = queue_key_plain(QUEUE_KEY_PAUSE), to = queue_key_after(from);
    struct snapshot *s;
    struct scan *scan;
    struct span key, value;
    enum err e = snapshot_open(q->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_open(s, queue_shard_account(0), queue_key_span(&from), queue_key_span(&to), false,
                  &scan);
    if (e == ERR_OK) {
        while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
            struct span reason;
            int64_t since_ms;

            e = queue_pause_decode(value, &since_ms, &reason);
            if (e != ERR_OK) {
                break;
            }
            fn(arg, span_skip(key, 1), since_ms, reason);
        }
        scan_close(scan);
    }
    snapshot_close(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}
