// SPDX-License-Identifier: Apache-2.0
#include "trail/trail.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "trail/trail_internal.h"

#include "base/banned.h"

#define TRIM_KEYS_MAX 2000 // in one commit

// ---- open and close -----------------------------------------------------------------------------

static void raise_last(struct trail *t, struct span key)
{
    for (size_t at = 1; at + 8 <= key.n; at += 8) {
        uint64_t number = get_be64(key.p + at);

        if (number > atomic_load(&t->last)) {
            atomic_store(&t->last, number);
        }
    }
}

// The newest number in use of one kind of key, which is the first thing in it.
static enum err load_last_of(struct trail *t, struct snapshot *s, char kind)
{
    char to = (char)(kind + 1);
    struct span key, value;
    struct scan *scan;
    enum err e = scan_open(s, TRAIL_ACCOUNT, span_of(&kind, 1), span_of(&to, 1), true, &scan);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_next(scan, &key, &value);
    if (e == ERR_OK) {
        raise_last(t, key);
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// So that a clock that was set back gives no number again.
static enum err load_last(struct trail *t)
{
    static const char kinds[] = {TRAIL_KEY_EVENT, TRAIL_KEY_REPORT, TRAIL_KEY_LETTER};
    struct snapshot *s;
    enum err e = snapshot_open(t->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < sizeof(kinds) && e == ERR_OK; i++) {
        e = load_last_of(t, s, kinds[i]);
    }
    snapshot_close(s);
    return e;
}

enum err trail_open(struct engine *engine, struct trail **out)
{
    struct trail *t = calloc(1, sizeof(*t));

    if (!t) {
        return ERR_NOMEM;
    }
    t->engine = engine;
    lock_init(&t->lock, LOCK_LEAF);
    enum err e = load_last(t);

    if (e != ERR_OK) {
        trail_close(t);
        return e;
    }
    *out = t;
    return ERR_OK;
}

void trail_close(struct trail *t)
{
    if (t) {
        batch_destroy(t->refused);
        lock_finish(&t->lock);
        free(t);
    }
}

trail_id trail_number(struct trail *t)
{
    uint64_t now = (uint64_t)clock_real_ms() * 1000, last = atomic_load(&t->last), next;

    do {
        next = last < now ? now : last + 1;
    } while (!atomic_compare_exchange_weak(&t->last, &last, next));
    return next;
}

// ---- writing ------------------------------------------------------------------------------------

enum err trail_batch(struct batch **out)
{
    return batch_create(TRAIL_ACCOUNT, out);
}

static enum err put_index(struct batch *b, trail_id mail, const struct trail_event *e)
{
    static const char mark[1] = {TRAIL_SCHEMA_VERSION};
    uint64_t hashes[TRAIL_HASHES_MAX];
    size_t n = trail_hashes(e, hashes);
    enum err error = ERR_OK;

    for (size_t i = 0; i < n && error == ERR_OK; i++) {
        struct trail_key k = trail_key_index(trail_day(mail), hashes[i], mail);

        error = batch_put(b, trail_key_span(&k), span_of(mark, 1));
    }
    return error;
}

static enum err add_one(struct trail *t, struct batch *b, trail_id mail,
                        const struct trail_event *e)
{
    bool opens = e->kind == TRAIL_TAKEN_IN || e->kind == TRAIL_WRITTEN;
    struct trail_key k = trail_key_event(mail, opens ? mail : trail_number(t));
    char *room = malloc(trail_event_bound(e));

    if (!room) {
        return ERR_NOMEM;
    }
    enum err error = batch_put(b, trail_key_span(&k), trail_event_encode(e, room));

    free(room);
    return error == ERR_OK ? put_index(b, mail, e) : error;
}

enum err trail_add(struct trail *t, struct batch *b, trail_id mail, const struct trail_event *e)
{
    struct trail_event part = *e;
    size_t left = e->recipient_count;
    enum err error;

    part.when_ms = e->when_ms ? e->when_ms : clock_real_ms();
    do {
        part.recipient_count = left < TRAIL_RECIPIENTS_MAX ? left : TRAIL_RECIPIENTS_MAX;
        error = add_one(t, b, mail, &part);
        if (part.recipients) {
            part.recipients += part.recipient_count;
        }
        left -= part.recipient_count;
    } while (left && error == ERR_OK);
    return error;
}

// ---- refusals -----------------------------------------------------------------------------------

// With the lock held.
static void collect(struct trail *t, trail_id mail, const struct trail_event *e, struct span key,
                    struct span value)
{
    struct trail_event counted = *e;
    char words[96];

    if (!t->refused && trail_batch(&t->refused) != ERR_OK) {
        return;
    }
    if (t->left_out) {
        int n = snprintf(words, sizeof(words), "%llu refusals before it were only counted",
                         (unsigned long long)t->left_out);

        counted.texts[TRAIL_WORDS] = span_of(words, (size_t)n);
    }
    if (trail_add(t, t->refused, mail, &counted) == ERR_OK &&
        (!key.n || batch_put(t->refused, key, value) == ERR_OK)) {
        t->refused_count++;
        t->left_out = 0;
    }
}

void trail_set_wake(struct trail *t, void (*fn)(void *arg), void *arg)
{
    t->wake = fn;
    t->wake_arg = arg;
}

void trail_refused(struct trail *t, trail_id mail, const struct trail_event *e)
{
    trail_refused_with(t, mail, e, SPAN(""), SPAN(""));
}

void trail_refused_with(struct trail *t, trail_id mail, const struct trail_event *e,
                        struct span key, struct span value)
{
    lock_take(&t->lock);
    if (t->refused_count < TRAIL_REFUSED_WAIT_MAX &&
        trail_limits_take(&t->limits, e->texts[TRAIL_CLIENT], clock_real_ms())) {
        collect(t, mail, e, key, value);
    } else {
        t->left_out++;
    }
    bool is_first = t->refused_count == 1;

    lock_release(&t->lock);
    if (is_first && t->wake) {
        t->wake(t->wake_arg);
    }
}

void trail_collect(struct trail *t, struct span key, struct span value)
{
    bool is_first = false;

    lock_take(&t->lock);
    if (t->refused_count < TRAIL_REFUSED_WAIT_MAX &&
        (t->refused || trail_batch(&t->refused) == ERR_OK) &&
        batch_put(t->refused, key, value) == ERR_OK) {
        is_first = ++t->refused_count == 1;
    }
    lock_release(&t->lock);
    if (is_first && t->wake) {
        t->wake(t->wake_arg);
    }
}

enum err trail_flush(struct trail *t)
{
    enum err e = ERR_OK;

    lock_take(&t->lock);
    struct batch *b = t->refused;

    t->refused = NULL;
    t->refused_count = 0;
    lock_release(&t->lock);
    if (b) {
        e = engine_commit(t->engine, b, ENGINE_ANY_VERSION);
        batch_destroy(b);
    }
    return e;
}

// ---- forgetting ---------------------------------------------------------------------------------

struct forgetting {
    struct batch *batch;
    trail_id mail; // looked at last
    size_t keys;
};

static enum err forget(struct forgetting *g, struct span key, struct span value)
{
    struct trail_found f = {.mail = 0};
    uint64_t hashes[TRAIL_HASHES_MAX];
    size_t n = 0;

    if (trail_key_read_event(key, &f.mail, &f.event)) {
        if (g->keys >= TRIM_KEYS_MAX && f.mail != g->mail) {
            return ERR_NOT_FOUND; // enough, and no mail in two parts
        }
        n = trail_event_decode(value, &f) == ERR_OK ? trail_hashes(&f.is, hashes) : 0;
    }
    enum err e = batch_delete(g->batch, key);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct trail_key k = trail_key_index(trail_day(f.mail), hashes[i], f.mail);

        e = batch_delete(g->batch, trail_key_span(&k));
    }
    g->mail = f.mail;
    g->keys += n + 1;
    return e;
}

static enum err forget_before(struct trail *t, struct forgetting *g, trail_id before)
{
    struct trail_key from = trail_key_event(0, 0), to = trail_key_event(before, 0);
    struct snapshot *s;
    struct scan *scan;
    struct span key, value;
    enum err e = snapshot_open(t->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_open(s, TRAIL_ACCOUNT, trail_key_span(&from), trail_key_span(&to), false, &scan);
    if (e == ERR_OK) {
        while (e == ERR_OK) {
            e = scan_next(scan, &key, &value);
            e = e == ERR_OK ? forget(g, key, value) : e;
        }
        scan_close(scan);
    }
    snapshot_close(s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err trail_trim(struct trail *t, int64_t before_ms, bool *out_more)
{
    struct forgetting g = {.keys = 0};
    enum err e = trail_batch(&g.batch);

    if (e != ERR_OK) {
        return e;
    }
    e = before_ms > 0 ? forget_before(t, &g, (trail_id)before_ms * 1000) : ERR_OK;
    if (e == ERR_OK && g.keys) {
        e = engine_commit(t->engine, g.batch, ENGINE_ANY_VERSION);
    }
    batch_destroy(g.batch);
    if (e == ERR_OK) {
        *out_more = g.keys >= TRIM_KEYS_MAX;
    }
    return e;
}
