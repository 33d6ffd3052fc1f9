// SPDX-License-Identifier: Apache-2.0
#include "report/report_seen.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "report/report_internal.h"

#include "base/banned.h"

#define FORGET_KEYS_MAX 2000 // in one commit

// ---- days ---------------------------------------------------------------------------------------

static struct report_day_key key_of(char kind, const struct report_owed *o)
{
    return report_day_key_of(kind, o->kind, o->day, span_of(o->domain, o->domain_n));
}

// What comes behind all keys of a day's domain: their zero byte is a one there.
static struct report_day_key end_of(struct report_day_key k)
{
    k.p[k.n - 1] = 1;
    return k;
}

enum err report_day_scan(struct snapshot *s, const struct report_owed *o, struct scan **out)
{
    struct report_day_key from = key_of(REPORT_KEY_SEEN, o), to = end_of(from);

    return scan_open(s, TRAIL_ACCOUNT, span_of(from.p, from.n), span_of(to.p, to.n), false, out);
}

enum err report_owed_next(struct reports *r, enum report_kind kind, const struct report_owed *after,
                          uint32_t before_day, struct report_owed *out)
{
    struct report_day_key from = report_day_key_of(REPORT_KEY_SEEN, kind, 0, SPAN("")),
                          to = report_day_key_of(REPORT_KEY_SEEN, kind, before_day, SPAN(""));
    struct span key, value, domain;
    struct snapshot *s;
    struct scan *scan;
    uint64_t mail;
    enum err e = snapshot_open(r->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    if (after) {
        from = end_of(key_of(REPORT_KEY_SEEN, after));
    }
    e = scan_open(s, TRAIL_ACCOUNT, span_of(from.p, from.n), span_of(to.p, to.n), false, &scan);
    if (e == ERR_OK) {
        e = scan_next(scan, &key, &value);
        if (e == ERR_OK && !report_seen_key_read(key, &out->kind, &out->day, &domain, &mail)) {
            e = ERR_CORRUPT;
        } else if (e == ERR_OK) {
            out->domain_n = domain.n;
            memcpy(out->domain, domain.p, domain.n);
        }
        scan_close(scan);
    }
    snapshot_close(s);
    return e;
}

// ---- adding up ----------------------------------------------------------------------------------

struct adding {
    struct report_day *day;
    struct map map;
    char room[REPORT_SEEN_BYTES_MAX];
};

static bool keep_texts(struct arena *a, struct report_seen *s)
{
    struct span *texts[] = {&s->source, &s->header_from, &s->envelope_from, &s->reason, &s->checks};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = arena_dup(a, *texts[i]);
        if (!texts[i]->p) {
            return false;
        }
    }
    return true;
}

// What tells rows apart: all but the policy.
static struct span sort_of(struct adding *g, struct report_seen s)
{
    struct span key, value;

    s.policy = s.subdomain_policy = s.percent = s.strict = 0;
    s.domain = SPAN("");
    return report_seen_row(&s, 0, g->room, &key, &value) ? value : SPAN("");
}

static enum err add_seen(struct adding *g, struct report_seen *s)
{
    struct report_day *d = g->day;
    struct span sort = sort_of(g, *s);
    struct report_count *c = map_get(&g->map, sort);

    d->messages++;
    d->policy = (struct report_seen){.policy = s->policy,
                                     .subdomain_policy = s->subdomain_policy,
                                     .percent = s->percent,
                                     .strict = s->strict};
    if (!c && (d->n == REPORT_ROWS_MAX || !keep_texts(&d->arena, s))) {
        d->left_out++;
        return ERR_OK;
    }
    if (!c) {
        c = &d->rows[d->n++];
        *c = (struct report_count){.seen = *s};
        if (map_put(&g->map, sort, c, NULL) != ERR_OK) {
            return ERR_NOMEM;
        }
    }
    c->count++;
    return ERR_OK;
}

static enum err add_day(struct adding *g, struct snapshot *s, const struct report_owed *o)
{
    struct span key, value;
    struct report_seen seen;
    struct scan *scan;
    enum err e = report_day_scan(s, o, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while (e == ERR_OK && (e = scan_next(scan, &key, &value)) == ERR_OK) {
        if (report_seen_decode(value, &seen) == ERR_OK) { // reports_check names others
            e = add_seen(g, &seen);
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err report_day_read(struct reports *r, const struct report_owed *o, struct report_day *out)
{
    struct adding g = {.day = out};
    struct snapshot *s;

    *out = (struct report_day){.n = 0};
    arena_init(&out->arena, REPORT_FOLD_BYTES_MAX);
    out->rows = arena_zalloc(&out->arena, REPORT_ROWS_MAX, sizeof(*out->rows));
    if (!out->rows) {
        return ERR_NOMEM;
    }
    enum err e = snapshot_open(r->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    map_init(&g.map);
    e = add_day(&g, s, o);
    map_finish(&g.map);
    snapshot_close(s);
    return e;
}

void report_day_finish(struct report_day *d)
{
    arena_finish(&d->arena);
}

// ---- sent ---------------------------------------------------------------------------------------

enum err report_is_sent(struct reports *r, const struct report_owed *o, bool *out)
{
    struct report_day_key k = key_of(REPORT_KEY_SENT, o);
    struct span value;
    struct snapshot *s;
    enum err e = snapshot_open(r->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_get(s, TRAIL_ACCOUNT, span_of(k.p, k.n), &value);
    snapshot_close(s);
    *out = e == ERR_OK;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err report_set_sent(struct reports *r, const struct report_owed *o, uint64_t messages,
                         uint64_t mail)
{
    struct report_day_key k = key_of(REPORT_KEY_SENT, o);
    char room[REPORT_SEEN_BYTES_MAX];
    struct batch *b;
    enum err e = trail_batch(&b);

    if (e != ERR_OK) {
        return e;
    }
    e = batch_put(b, span_of(k.p, k.n), report_sent_encode(clock_real_ms(), messages, mail, room));
    e = e == ERR_OK ? engine_commit(r->engine, b, ENGINE_ANY_VERSION) : e;
    batch_destroy(b);
    return e;
}

// ---- forgetting ---------------------------------------------------------------------------------

// Some of the keys; *out_n: how many.
static enum err forget_some(struct reports *r, struct span from, struct span to, size_t *out_n)
{
    struct span key, value;
    struct snapshot *s;
    struct scan *scan;
    struct batch *b;
    size_t n = 0;
    enum err e = trail_batch(&b);

    if (e != ERR_OK) {
        return e;
    }
    e = snapshot_open(r->engine, &s);
    if (e == ERR_OK) {
        e = scan_open(s, TRAIL_ACCOUNT, from, to, false, &scan);
        if (e == ERR_OK) {
            while (n < FORGET_KEYS_MAX && (e = scan_next(scan, &key, &value)) == ERR_OK &&
                   (e = batch_delete(b, key)) == ERR_OK) {
                n++;
            }
            scan_close(scan);
        }
        snapshot_close(s);
    }
    e = e == ERR_NOT_FOUND ? ERR_OK : e;
    e = e == ERR_OK && n ? engine_commit(r->engine, b, ENGINE_ANY_VERSION) : e;
    batch_destroy(b);
    *out_n = n;
    return e;
}

static enum err forget_all(struct reports *r, struct report_day_key from, struct report_day_key to)
{
    size_t n = FORGET_KEYS_MAX;
    enum err e = ERR_OK;

    while (e == ERR_OK && n == FORGET_KEYS_MAX) {
        e = forget_some(r, span_of(from.p, from.n), span_of(to.p, to.n), &n);
    }
    return e;
}

enum err report_forget_seen(struct reports *r, const struct report_owed *o)
{
    struct report_day_key from = key_of(REPORT_KEY_SEEN, o);

    return forget_all(r, from, end_of(from));
}

enum err report_trim_sent(struct reports *r, enum report_kind kind, uint32_t before_day)
{
    return forget_all(r, report_day_key_of(REPORT_KEY_SENT, kind, 0, SPAN("")),
                      report_day_key_of(REPORT_KEY_SENT, kind, before_day, SPAN("")));
}
