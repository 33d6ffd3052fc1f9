// SPDX-License-Identifier: Apache-2.0
#include "alert/rows/alert_rows.h"

#include "alert/rows/alert_rows_internal.h"
#include "base/problems.h"

#include "base/banned.h"

#define FORGET_AT_ONCE 1000

// ---- reading ------------------------------------------------------------------------------------

// ERR_EOF from the function ends it early.
typedef enum err each_fn(void *arg, struct span key, struct span value);

static enum err each_in(struct snapshot *s, struct span from, struct span to, each_fn *fn,
                        void *arg)
{
    struct span key, value;
    struct scan *scan;
    enum err e = scan_open(s, ALERT_ACCOUNT, from, to, false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        if ((e = fn(arg, key, value)) != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND || e == ERR_EOF ? ERR_OK : e;
}

static enum err each(struct engine *engine, struct span from, struct span to, each_fn *fn,
                     void *arg)
{
    struct snapshot *s;
    enum err e = snapshot_open(engine, &s);

    if (e == ERR_OK) {
        e = each_in(s, from, to, fn, arg);
        snapshot_close(s);
    }
    return e;
}

// The rows of an account, or of all.
static enum err each_row(struct engine *engine, uint64_t account, each_fn *fn, void *arg)
{
    static const char after[1] = {ALERT_KEY_ROW + 1};
    struct alert_key from = alert_key_account(ALERT_KEY_ROW, account),
                     to = alert_key_account(ALERT_KEY_ROW, account + 1);

    return account ? each(engine, alert_key_span(&from), alert_key_span(&to), fn, arg)
                   : each(engine, alert_key_span(&from), span_of(after, 1), fn, arg);
}

struct rows_each {
    alert_row_fn *fn;
    void *arg;
};

static enum err tell_row(void *arg, struct span key, struct span value)
{
    struct rows_each *r = arg;
    struct alert_row row;

    if (alert_row_decode(key, value, &row) != ERR_OK) { // the check names it
        return ERR_OK;
    }
    return r->fn(r->arg, &row) ? ERR_OK : ERR_EOF;
}

enum err alert_rows_each(struct engine *e, uint64_t account, alert_row_fn *fn, void *arg)
{
    struct rows_each r = {fn, arg};

    return each_row(e, account, tell_row, &r);
}

struct due_list {
    struct alert_due *out;
    size_t n, max;
};

static enum err collect_due(void *arg, struct span key, struct span value)
{
    struct due_list *l = arg;

    (void)value;
    if (l->n == l->max) {
        return ERR_EOF;
    }
    l->n += alert_key_read(key, &l->out[l->n]);
    return ERR_OK;
}

enum err alert_due_list(struct engine *engine, const struct alert_due *after, struct alert_due *out,
                        size_t max, size_t *out_count)
{
    static const char to[1] = {ALERT_KEY_DUE + 1};
    struct alert_key from = alert_key_of(ALERT_KEY_DUE, after);
    char behind[ALERT_KEY_BYTES + 1] = {0}; // the next key there can be

    memcpy(behind, from.p, from.n);
    struct due_list l = {out, 0, max};
    enum err e = each(engine, span_of(behind, sizeof(behind)), span_of(to, 1), collect_due, &l);

    if (e == ERR_OK) {
        *out_count = l.n;
    }
    return e;
}

static enum err row_in_arena(struct arena *a, struct alert_row *row)
{
    struct span *texts[] = {&row->is.network, &row->is.client, &row->is.device, &row->is.by,
                            &row->is.words};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = arena_dup(a, *texts[i]);
        if (!texts[i]->p) {
            return ERR_NOMEM;
        }
    }
    return ERR_OK;
}

enum err alert_row_get(struct engine *engine, const struct alert_due *which, struct arena *a,
                       struct alert_row *out)
{
    struct alert_key k = alert_key_of(ALERT_KEY_ROW, which);
    struct alert_row row;
    struct snapshot *s;
    struct span value;
    enum err e = snapshot_open(engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_get(s, ALERT_ACCOUNT, alert_key_span(&k), &value);
    e = e == ERR_OK ? alert_row_decode(alert_key_span(&k), value, &row) : e;
    e = e == ERR_OK ? row_in_arena(a, &row) : e;
    snapshot_close(s);
    if (e == ERR_OK) {
        *out = row;
    }
    return e;
}

// Small values, decoded under the snapshot.
typedef enum err decode_fn(struct span value, void *out);

static enum err get(struct engine *engine, struct span key, decode_fn *decode, void *out)
{
    struct snapshot *s;
    struct span value;
    enum err e = snapshot_open(engine, &s);

    if (e == ERR_OK) {
        e = snapshot_get(s, ALERT_ACCOUNT, key, &value);
        e = e == ERR_OK ? decode(value, out) : e;
        snapshot_close(s);
    }
    return e;
}

static enum err decode_cursor(struct span value, void *out)
{
    return alert_cursor_decode(value, out);
}

static enum err decode_mute(struct span value, void *out)
{
    return alert_mute_decode(value, out);
}

static enum err decode_mark(struct span value, void *out)
{
    (void)value;
    *(bool *)out = true;
    return ERR_OK;
}

enum err alert_cursor_get(struct engine *e, uint64_t account, struct alert_cursor *out)
{
    struct alert_key k = alert_key_account(ALERT_KEY_CURSOR, account);

    return get(e, alert_key_span(&k), decode_cursor, out);
}

enum err alert_mute_get(struct engine *engine, uint64_t account, struct alert_mute *out)
{
    struct alert_key k = alert_key_account(ALERT_KEY_MUTE, account);
    struct alert_mute m = {0};
    enum err e = get(engine, alert_key_span(&k), decode_mute, &m);

    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        *out = m;
        e = ERR_OK;
    }
    return e;
}

enum err alert_mark_get(struct engine *engine, bool *out)
{
    static const char key[1] = {ALERT_KEY_MARK};
    bool is_there = false;
    enum err e = get(engine, span_of(key, 1), decode_mark, &is_there);

    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        *out = is_there;
        e = ERR_OK;
    }
    return e;
}

// ---- writing ------------------------------------------------------------------------------------

enum err alert_mark_put(struct batch *b)
{
    static const char key[1] = {ALERT_KEY_MARK}, value[1] = {ALERT_SCHEMA_VERSION};

    return batch_put(b, span_of(key, 1), span_of(value, 1));
}

static enum err commit(struct engine *engine, struct batch *b, enum err e)
{
    e = e == ERR_OK ? engine_commit(engine, b, ENGINE_ANY_VERSION) : e;
    batch_destroy(b);
    return e;
}

enum err alert_mute_put(struct engine *engine, uint64_t account, const struct alert_mute *m)
{
    struct alert_key k = alert_key_account(ALERT_KEY_MUTE, account);
    char room[1 + 2 * VARINT_BYTES_MAX];
    struct pack p = pack_record(room, sizeof(room), ALERT_SCHEMA_VERSION);
    struct batch *b;
    enum err e = batch_create(ALERT_ACCOUNT, &b);

    if (e != ERR_OK) {
        return e;
    }
    pack_u64(&p, m->kinds);
    pack_i64(&p, m->until);
    e = m->kinds ? batch_put(b, alert_key_span(&k), pack_span(&p))
                 : batch_delete(b, alert_key_span(&k));
    return commit(engine, b, e);
}

struct forget {
    struct batch *batch;
    int64_t before_ms; // INT64_MAX: also what is due
    size_t n;
};

static enum err forget_row(void *arg, struct span key, struct span value)
{
    struct forget *f = arg;
    struct alert_row row;
    struct alert_due name;

    if (f->n == FORGET_AT_ONCE) {
        return ERR_EOF;
    }
    if (!alert_key_read(key, &name)) {
        return ERR_OK;
    }
    bool is_readable = alert_row_decode(key, value, &row) == ERR_OK;

    if (f->before_ms < INT64_MAX && (!is_readable || row.is.when_ms >= f->before_ms ||
                                     row.state & (ALERT_LETTER_DUE | ALERT_HOOK_DUE))) {
        return ERR_OK;
    }
    f->n++;
    return alert_row_delete(f->batch, &(struct alert){.account = name.account,
                                                      .trigger = name.trigger,
                                                      .kind = name.kind,
                                                      .salt = name.salt});
}

static enum err forget(struct engine *engine, uint64_t account, int64_t before_ms, bool *out_more)
{
    struct forget f = {.before_ms = before_ms};
    enum err e = batch_create(ALERT_ACCOUNT, &f.batch);

    if (e != ERR_OK) {
        return e;
    }
    e = each_row(engine, account, forget_row, &f);
    if (e == ERR_OK && account) {
        struct alert_key c = alert_key_account(ALERT_KEY_CURSOR, account),
                         m = alert_key_account(ALERT_KEY_MUTE, account);

        e = batch_delete(f.batch, alert_key_span(&c));
        e = e == ERR_OK ? batch_delete(f.batch, alert_key_span(&m)) : e;
    }
    *out_more = f.n == FORGET_AT_ONCE;
    if (e == ERR_OK && (f.n || account)) {
        e = engine_commit(engine, f.batch, ENGINE_ANY_VERSION);
    }
    batch_destroy(f.batch);
    return e;
}

enum err alert_forget(struct engine *engine, uint64_t account)
{
    bool more = true;
    enum err e = ERR_OK;

    while (more && e == ERR_OK) {
        e = forget(engine, account, INT64_MAX, &more);
    }
    return e;
}

enum err alert_rows_forget(struct engine *engine, int64_t before_ms)
{
    bool more = true;
    enum err e = ERR_OK;

    while (more && e == ERR_OK) {
        e = forget(engine, 0, before_ms, &more);
    }
    return e;
}

// ---- the check ----------------------------------------------------------------------------------

struct check {
    struct snapshot *snapshot;
    struct problems problems;
};

// What is due says so in the row, and the other way round.
static enum err check_pair(struct check *c, struct span key)
{
    char other[ALERT_KEY_BYTES];
    struct alert_row row = {.state = 0};
    struct span value;
    bool is_due = key.p[0] == ALERT_KEY_DUE;

    memcpy(other, key.p, sizeof(other));
    other[0] = ALERT_KEY_ROW;
    enum err e = snapshot_get(c->snapshot, ALERT_ACCOUNT, span_of(other, sizeof(other)), &value);

    e = e == ERR_OK ? alert_row_decode(span_of(other, sizeof(other)), value, &row) : e;
    if (e != ERR_OK) {
        problems_add(&c->problems, "an alert cannot be read, or something is due of one that is "
                                   "not there");
        return ERR_OK;
    }
    bool says = row.state & (ALERT_LETTER_DUE | ALERT_HOOK_DUE);

    other[0] = ALERT_KEY_DUE;
    e = is_due ? ERR_OK
               : snapshot_get(c->snapshot, ALERT_ACCOUNT, span_of(other, sizeof(other)), &value);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    if (says != (e == ERR_OK)) {
        problems_add(&c->problems,
                     "an alert of account %llu says otherwise than the list of what "
                     "is due",
                     (unsigned long long)row.is.account);
    }
    return ERR_OK;
}

static enum err check_one(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct alert_cursor cursor;
    struct alert_mute mute;
    struct alert_due name;
    char kind = key.n ? key.p[0] : '\0';

    if (alert_key_read(key, &name)) {
        return check_pair(c, key);
    }
    bool is_good = kind == ALERT_KEY_CURSOR ? key.n == 9 && !alert_cursor_decode(value, &cursor)
                   : kind == ALERT_KEY_MUTE ? key.n == 9 && !alert_mute_decode(value, &mute)
                                            : kind == ALERT_KEY_MARK && key.n == 1;

    if (!is_good) {
        problems_add(&c->problems, "a row of the alerts cannot be read");
    }
    return ERR_OK;
}

enum err alert_check(struct engine *engine, alert_problem_fn *fn, void *arg, uint64_t *out_problems)
{
    struct check c = {.problems = {fn, arg, 0}};
    enum err e = snapshot_open(engine, &c.snapshot);

    if (e != ERR_OK) {
        return e;
    }
    e = each_in(c.snapshot, SPAN(""), SPAN(""), check_one, &c);
    snapshot_close(c.snapshot);
    if (e == ERR_OK) {
        *out_problems = c.problems.n;
    }
    return e;
}
