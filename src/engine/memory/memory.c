// SPDX-License-Identifier: Apache-2.0
//
// One lock, three trees (data, versions, bodies) and the bodies whose writers still live. A
// snapshot holds the three roots. Watchers are called by whichever committing thread finds nobody
// else calling them, in the order of commits.
#include "engine/memory/memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/log.h"
#include "engine/engine_internal.h"
#include "engine/memory/memory_tree_internal.h"

#include "base/banned.h"

#define SCANS_MAX 8
#define KEY_MAX   (8 + ENGINE_KEY_BYTES_MAX + 1)

struct roots {
    memory_tree *data;     // account, key -> value
    memory_tree *versions; // account -> version
    memory_tree *bodies;   // id -> uses, with the body
};

struct memory_engine {
    struct engine base;
    struct lock lock;
    struct roots now;
    struct list writers; // struct memory_writer.link
    body_id last_body;
    size_t snapshots;
    struct engine_memory_faults faults;
    uint64_t commits, groups;
    engine_watch_fn *watch;
    void *watch_arg;
    struct list news; // struct news.link, not yet told
    bool telling;
};

struct news {
    struct list link;
    account_id account;
    uint64_t version;
};

struct memory_snapshot {
    struct snapshot base;
    struct roots roots;
    unsigned scans;
};

struct memory_scan {
    struct scan base;
    memory_tree *tree; // of the snapshot
    bool reverse, started, ended;
    size_t at_n, end_n;
    char at[KEY_MAX], end[KEY_MAX]; // where it is, and where it ends
};

struct memory_writer {
    struct body_writer base;
    struct list link;
    body_id id; // 0 until finished
    struct memory_body *body;
};

static struct memory_engine *engine_of(struct engine *e)
{
    return (struct memory_engine *)e;
}

// ---- keys and roots -----------------------------------------------------------------------------

static struct span id_key(char room[8], uint64_t id)
{
    put_be64(room, id);
    return span_of(room, 8);
}

static struct span data_key(char room[KEY_MAX], account_id account, struct span key)
{
    put_be64(room, account);
    if (key.n) {
        memcpy(room + 8, key.p, key.n);
    }
    return span_of(room, 8 + key.n);
}

static uint64_t tree_number(const memory_tree *t, uint64_t id)
{
    char room[8];
    const struct memory_item *i = memory_tree_get(t, id_key(room, id));

    return i ? get_le64(item_value(i).p) : 0;
}

static struct roots roots_ref(const struct roots *r)
{
    return (struct roots){memory_tree_ref(r->data), memory_tree_ref(r->versions),
                          memory_tree_ref(r->bodies)};
}

static void roots_unref(struct roots *r)
{
    memory_tree_unref(r->data);
    memory_tree_unref(r->versions);
    memory_tree_unref(r->bodies);
}

// Replaces *t by its changed form; drops the reference to the old one.
static enum err tree_change(memory_tree **t, struct span key, const struct span *value,
                            struct memory_body *body)
{
    memory_tree *changed;
    enum err e = value ? memory_tree_put(*t, key, *value, body, &changed)
                       : memory_tree_delete(*t, key, &changed);

    if (e == ERR_OK) {
        memory_tree_unref(*t);
        *t = changed;
    }
    return e;
}

static enum err tree_set_number(memory_tree **t, uint64_t id, uint64_t number,
                                struct memory_body *body)
{
    char key[8], value[8];
    struct span v;

    put_le64(value, number);
    v = span_of(value, 8);
    return tree_change(t, id_key(key, id), &v, body);
}

// ---- engine -------------------------------------------------------------------------------------

static void memory_close(struct engine *e)
{
    struct memory_engine *m = engine_of(e);

    ASSERT(m->snapshots == 0 && list_is_empty(&m->writers) && list_is_empty(&m->news));
    roots_unref(&m->now);
    lock_finish(&m->lock);
    free(m);
}

static void memory_set_watch(struct engine *e, engine_watch_fn *fn, void *arg)
{
    engine_of(e)->watch = fn;
    engine_of(e)->watch_arg = arg;
}

static enum engine_state memory_state(struct engine *e)
{
    struct memory_engine *m = engine_of(e);

    lock_take(&m->lock);
    enum engine_state state = m->faults.state;

    lock_release(&m->lock);
    return state;
}

static void memory_status(struct engine *e, struct engine_status *out)
{
    struct memory_engine *m = engine_of(e);

    *out = (struct engine_status){0};
    lock_take(&m->lock);
    out->state = m->faults.state;
    if (out->state != ENGINE_OK) {
        snprintf(out->reason, sizeof(out->reason), "a test asked for it");
    }
    out->commits = m->commits;
    out->commit_groups = out->syncs = m->groups;
    struct roots r = roots_ref(&m->now);

    lock_release(&m->lock);
    char key[8];

    for (const struct memory_item *i = memory_tree_above(r.bodies, SPAN(""), false); i;
         i = memory_tree_above(r.bodies, id_key(key, get_be64(i->bytes)), true)) {
        out->bodies++;
        out->body_bytes += i->body->bytes.n;
    }
    roots_unref(&r);
}

void engine_memory_set_faults(struct engine *e, const struct engine_memory_faults *faults)
{
    struct memory_engine *m = engine_of(e);

    lock_take(&m->lock);
    m->faults = *faults;
    lock_release(&m->lock);
}

// Counts down to the failing call.
static bool fault_due(unsigned *after, bool forever)
{
    if (*after == 0) {
        return false;
    }
    if (*after > 1) {
        --*after;
        return false;
    }
    *after = forever ? 1 : 0;
    return true;
}

static enum err read_fault(struct snapshot *s)
{
    struct memory_engine *m = engine_of(s->engine);

    lock_take(&m->lock);
    enum err e = fault_due(&m->faults.read_after, false) ? m->faults.read_error : ERR_OK;

    lock_release(&m->lock);
    return e;
}

// ---- reading ------------------------------------------------------------------------------------

static enum err memory_snapshot_open(struct engine *e, struct snapshot **out)
{
    struct memory_engine *m = engine_of(e);
    struct memory_snapshot *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    s->base.engine = e;
    lock_take(&m->lock);
    s->roots = roots_ref(&m->now);
    m->snapshots++;
    lock_release(&m->lock);
    *out = &s->base;
    return ERR_OK;
}

static void memory_snapshot_close(struct snapshot *snapshot)
{
    struct memory_snapshot *s = (struct memory_snapshot *)snapshot;
    struct memory_engine *m = engine_of(snapshot->engine);

    ASSERT(s->scans == 0);
    lock_take(&m->lock);
    m->snapshots--;
    lock_release(&m->lock);
    roots_unref(&s->roots);
    free(s);
}

static enum err memory_version(struct snapshot *s, account_id account, uint64_t *out)
{
    *out = tree_number(((struct memory_snapshot *)s)->roots.versions, account);
    return ERR_OK;
}

static enum err memory_get(struct snapshot *s, account_id account, struct span key,
                           struct span *out)
{
    char room[KEY_MAX];
    enum err e = read_fault(s);
    const struct memory_item *i =
        memory_tree_get(((struct memory_snapshot *)s)->roots.data, data_key(room, account, key));

    if (e != ERR_OK || !i) {
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    }
    *out = item_value(i);
    return ERR_OK;
}

static enum err memory_scan_open(struct snapshot *snapshot, account_id account, struct span from,
                                 struct span to, bool reverse, struct scan **out)
{
    struct memory_snapshot *s = (struct memory_snapshot *)snapshot;

    if (s->scans == SCANS_MAX) {
        return ERR_LIMIT;
    }
    struct memory_scan *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    c->base.snapshot = snapshot;
    c->tree = s->roots.data;
    c->reverse = reverse;
    // To the account's end is up to the next account; the last account has none after it.
    char low[KEY_MAX], high[KEY_MAX];
    size_t low_n = data_key(low, account, from).n;
    size_t high_n = to.n ? data_key(high, account, to).n : data_key(high, account + 1, SPAN("")).n;

    if (!to.n && account == UINT64_MAX) {
        memset(high, 0xff, sizeof(high));
        high_n = sizeof(high);
    }
    c->ended = span_cmp(span_of(low, low_n), span_of(high, high_n)) >= 0;
    memcpy(reverse ? c->end : c->at, low, low_n);
    memcpy(reverse ? c->at : c->end, high, high_n);
    c->at_n = reverse ? high_n : low_n;
    c->end_n = reverse ? low_n : high_n;
    s->scans++;
    *out = &c->base;
    return ERR_OK;
}

static enum err memory_scan_next(struct scan *scan, struct span *out_key, struct span *out_value)
{
    struct memory_scan *c = (struct memory_scan *)scan;
    struct span at = span_of(c->at, c->at_n), end = span_of(c->end, c->end_n);
    enum err e = read_fault(scan->snapshot);

    if (e != ERR_OK) {
        return e;
    }
    const struct memory_item *i = c->ended     ? NULL
                                  : c->reverse ? memory_tree_below(c->tree, at)
                                               : memory_tree_above(c->tree, at, c->started);

    if (!i || (c->reverse ? span_cmp(item_key(i), end) < 0 : span_cmp(item_key(i), end) >= 0)) {
        c->ended = true;
        return ERR_NOT_FOUND;
    }
    c->started = true;
    memcpy(c->at, i->bytes, i->key_n);
    c->at_n = i->key_n;
    *out_key = span_skip(item_key(i), 8);
    *out_value = item_value(i);
    return ERR_OK;
}

static void memory_scan_close(struct scan *c)
{
    ((struct memory_snapshot *)c->snapshot)->scans--;
    free(c);
}

static enum err next_id(const memory_tree *t, uint64_t from, uint64_t *out)
{
    char room[8];
    const struct memory_item *i = memory_tree_above(t, id_key(room, from), false);

    if (!i) {
        return ERR_NOT_FOUND;
    }
    *out = get_be64(i->bytes);
    return ERR_OK;
}

static enum err memory_next_account(struct snapshot *s, account_id from, account_id *out)
{
    return next_id(((struct memory_snapshot *)s)->roots.versions, from, out);
}

static enum err memory_next_body(struct snapshot *s, body_id from, body_id *out)
{
    return next_id(((struct memory_snapshot *)s)->roots.bodies, from, out);
}

// ---- bodies -------------------------------------------------------------------------------------

static enum err memory_body_begin(struct engine *e, struct body_writer **out)
{
    struct memory_writer *w = calloc(1, sizeof(*w));

    if (!w || !(w->body = memory_body_create())) {
        free(w);
        return ERR_NOMEM;
    }
    w->base.engine = e;
    lock_take(&engine_of(e)->lock);
    list_append(&engine_of(e)->writers, &w->link);
    lock_release(&engine_of(e)->lock);
    *out = &w->base;
    return ERR_OK;
}

static enum err memory_body_write(struct body_writer *writer, struct span bytes)
{
    struct memory_writer *w = (struct memory_writer *)writer;
    struct memory_engine *m = engine_of(writer->engine);

    ASSERT(w->id == 0);
    lock_take(&m->lock);
    bool bad = fault_due(&m->faults.body_write_after, false);
    enum err e = m->faults.body_write_error;

    lock_release(&m->lock);
    if (bad) {
        return e;
    }
    buf_put(&w->body->bytes, bytes);
    return buf_result(&w->body->bytes);
}

static enum err memory_body_finish(struct body_writer *writer, struct span summary, body_id *out)
{
    struct memory_writer *w = (struct memory_writer *)writer;
    struct memory_engine *m = engine_of(writer->engine);

    ASSERT(w->id == 0);
    buf_put(&w->body->summary, summary);
    if (w->body->summary.failed || w->body->bytes.failed) {
        return ERR_LIMIT;
    }
    lock_take(&m->lock);
    w->id = ++m->last_body;
    lock_release(&m->lock);
    *out = w->id;
    return ERR_OK;
}

static void memory_body_writer_destroy(struct body_writer *writer)
{
    struct memory_writer *w = (struct memory_writer *)writer;
    struct memory_engine *m = engine_of(writer->engine);

    lock_take(&m->lock);
    list_remove(&w->link);
    lock_release(&m->lock);
    memory_body_unref(w->body);
    free(w);
}

static const struct memory_item *find_body(struct snapshot *s, body_id id)
{
    char room[8];

    return memory_tree_get(((struct memory_snapshot *)s)->roots.bodies, id_key(room, id));
}

static enum err memory_body_info(struct snapshot *s, body_id id, struct body_info *out)
{
    const struct memory_item *i = find_body(s, id);

    if (!i) {
        return ERR_NOT_FOUND;
    }
    *out = (struct body_info){.bytes = i->body->bytes.n,
                              .summary_bytes = (uint32_t)i->body->summary.n,
                              .uses = (uint32_t)get_le64(item_value(i).p)};
    return ERR_OK;
}

static enum err memory_body_read(struct snapshot *s, body_id id, uint64_t offset, size_t n,
                                 struct buf *out)
{
    const struct memory_item *i = find_body(s, id);
    enum err e = read_fault(s);

    if (e != ERR_OK || !i) {
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    }
    struct span all = buf_span(&i->body->bytes);

    buf_put(out, span_first(span_skip(all, offset < all.n ? (size_t)offset : all.n), n));
    return buf_result(out);
}

static enum err memory_body_summary(struct snapshot *s, body_id id, struct span *out)
{
    const struct memory_item *i = find_body(s, id);
    enum err e = read_fault(s);

    if (e != ERR_OK || !i) {
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    }
    *out = buf_span(&i->body->summary);
    return ERR_OK;
}

// ---- writing ------------------------------------------------------------------------------------

// The body in the tree, or of a living writer; NULL when there is none.
static struct memory_body *commit_body(struct memory_engine *m, const struct roots *r, body_id id)
{
    char room[8];
    const struct memory_item *i = memory_tree_get(r->bodies, id_key(room, id));

    if (i) {
        return i->body;
    }
    LIST_EACH(l, &m->writers)
    {
        struct memory_writer *w = LIST_ITEM(l, struct memory_writer, link);

        if (w->id == id) {
            return w->body;
        }
    }
    return NULL;
}

static enum err commit_uses(struct memory_engine *m, struct roots *r, const struct batch_body *b)
{
    struct memory_body *body = commit_body(m, r, b->id);
    int64_t uses = (int64_t)tree_number(r->bodies, b->id) + b->uses;
    char room[8];

    if (!body || uses < 0) {
        return ERR_NOT_FOUND;
    }
    return uses ? tree_set_number(&r->bodies, b->id, (uint64_t)uses, body)
                : tree_change(&r->bodies, id_key(room, b->id), NULL, NULL);
}

// Makes the batch's changes to `r`, which the caller throws away on an error.
static enum err commit_apply(struct memory_engine *m, struct roots *r, const struct batch *b,
                             uint64_t version)
{
    enum err e = tree_set_number(&r->versions, b->account, version, NULL);

    for (size_t i = 0; e == ERR_OK && i < b->body_count; i++) {
        e = commit_uses(m, r, &b->bodies[i]);
    }
    for (size_t i = 0; e == ERR_OK && i < b->op_count; i++) {
        const struct batch_op *op = &b->ops[i];
        char room[KEY_MAX];

        e = tree_change(&r->data, data_key(room, b->account, op->key),
                        op->kind == BATCH_PUT ? &op->value : NULL, NULL);
    }
    return e;
}

static enum err commit_refused(struct memory_engine *m)
{
    if (m->faults.state != ENGINE_OK) {
        return m->faults.state == ENGINE_FULL ? ERR_NOSPACE : ERR_UNAVAILABLE;
    }
    return fault_due(&m->faults.commit_after, m->faults.commit_forever) ? m->faults.commit_error
                                                                        : ERR_OK;
}

static enum err commit_one(struct memory_engine *m, const struct batch *b, uint64_t expected)
{
    uint64_t now = tree_number(m->now.versions, b->account);

    if (expected == ENGINE_ANY_VERSION) {
        expected = now;
    } else if (now != expected) {
        return ERR_CONFLICT;
    }
    struct news *news = malloc(sizeof(*news));
    struct roots changed = roots_ref(&m->now);

    enum err e = news ? commit_apply(m, &changed, b, expected + 1) : ERR_NOMEM;

    if (e != ERR_OK) {
        roots_unref(&changed);
        free(news);
        return e;
    }
    roots_unref(&m->now);
    m->now = changed;
    m->commits++;
    *news = (struct news){.account = b->account, .version = expected + 1};
    list_append(&m->news, &news->link);
    return ERR_OK;
}

// One thread tells, in order; the others leave theirs to it.
static void tell(struct memory_engine *m)
{
    lock_take(&m->lock);
    if (!m->telling) {
        m->telling = true;
        while (!list_is_empty(&m->news)) {
            struct news *n = LIST_ITEM(m->news.next, struct news, link);

            list_remove(&n->link);
            lock_release(&m->lock);
            if (m->watch) {
                m->watch(m->watch_arg, n->account, n->version);
            }
            free(n);
            lock_take(&m->lock);
        }
        m->telling = false;
    }
    lock_release(&m->lock);
}

static void memory_commit(struct engine *e, struct batch *const *b, const uint64_t *expected,
                          size_t count, enum err *results)
{
    struct memory_engine *m = engine_of(e);

    lock_take(&m->lock);
    for (size_t i = 0; i < count; i++) {
        if (results[i] == ERR_OK) {
            results[i] = commit_refused(m);
        }
        if (results[i] == ERR_OK) {
            results[i] = commit_one(m, b[i], expected[i]);
        }
        if (results[i] == ERR_OK && b[i]->rider) {
            commit_one(m, b[i]->rider, ENGINE_ANY_VERSION);
        }
    }
    m->groups++;
    lock_release(&m->lock);
    tell(m);
}

static const struct engine_ops memory_ops = {
    .close = memory_close,
    .set_watch = memory_set_watch,
    .status = memory_status,
    .state = memory_state,
    .snapshot_open = memory_snapshot_open,
    .snapshot_close = memory_snapshot_close,
    .version = memory_version,
    .get = memory_get,
    .scan_open = memory_scan_open,
    .scan_next = memory_scan_next,
    .scan_close = memory_scan_close,
    .next_account = memory_next_account,
    .next_body = memory_next_body,
    .body_begin = memory_body_begin,
    .body_write = memory_body_write,
    .body_finish = memory_body_finish,
    .body_writer_destroy = memory_body_writer_destroy,
    .body_info = memory_body_info,
    .body_read = memory_body_read,
    .body_summary = memory_body_summary,
    .commit = memory_commit,
};

enum err engine_memory_open(struct engine **out)
{
    struct memory_engine *m = calloc(1, sizeof(*m));

    if (!m) {
        return ERR_NOMEM;
    }
    m->base.ops = &memory_ops;
    lock_init(&m->lock, LOCK_ENGINE_STATE);
    list_init(&m->writers);
    list_init(&m->news);
    *out = &m->base;
    return ERR_OK;
}
