// SPDX-License-Identifier: Apache-2.0
#include "report/report_session.h"

#include <stdlib.h>

#include "base/map.h"
#include "report/report_internal.h"

#include "base/banned.h"

const char *report_session_result(unsigned result)
{
    // RFC 8460 section 4.3; as enum ipc_tls_result has them.
    static const char *const words[REPORT_SESSION_RESULTS] = {"",
                                                              "",
                                                              "starttls-not-supported",
                                                              "certificate-host-mismatch",
                                                              "certificate-expired",
                                                              "certificate-not-trusted",
                                                              "validation-failure",
                                                              "tlsa-invalid",
                                                              "dnssec-invalid",
                                                              "dane-required",
                                                              "sts-policy-fetch-error",
                                                              "sts-policy-invalid",
                                                              "sts-webpki-invalid"};

    return words[result < REPORT_SESSION_RESULTS ? result : 0];
}

struct adding {
    struct report_session_day *day;
    struct map map;
};

static bool keep_texts(struct arena *a, struct report_session *s)
{
    struct span *texts[] = {&s->policy_text, &s->host, &s->address, &s->source, &s->reason};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = arena_dup(a, *texts[i]);
        if (!texts[i]->p) {
            return false;
        }
    }
    return true;
}

// Rows that are alike have the same value.
static enum err add_value(struct adding *g, struct span value)
{
    struct report_session_day *d = g->day;
    struct report_session_count *c = map_get(&g->map, value);
    struct report_session s;

    if (report_session_decode(value, &s) != ERR_OK) {
        return ERR_OK; // reports_check names it
    }
    d->sessions++;
    if (!c && (d->n == REPORT_SESSION_ROWS_MAX || !keep_texts(&d->arena, &s))) {
        d->left_out++;
        return ERR_OK;
    }
    if (!c) {
        c = &d->rows[d->n++];
        *c = (struct report_session_count){.session = s};
        if (map_put(&g->map, value, c, NULL) != ERR_OK) {
            return ERR_NOMEM;
        }
    }
    c->count++;
    return ERR_OK;
}

static enum err add_day(struct adding *g, struct snapshot *s, const struct report_owed *o)
{
    struct span key, value;
    struct scan *scan;
    enum err e = report_day_scan(s, o, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while (e == ERR_OK && (e = scan_next(scan, &key, &value)) == ERR_OK) {
        e = add_value(g, value);
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static int by_policy(const void *a, const void *b)
{
    const struct report_session *x = &((const struct report_session_count *)a)->session,
                                *y = &((const struct report_session_count *)b)->session;

    if (x->policy != y->policy) {
        return x->policy < y->policy ? -1 : 1;
    }
    int order = span_cmp(x->policy_text, y->policy_text);

    return order ? order : span_cmp(x->host, y->host);
}

enum err report_session_day_read(struct reports *r, const struct report_owed *o,
                                 struct report_session_day *out)
{
    struct adding g = {.day = out};
    struct snapshot *s;

    *out = (struct report_session_day){.n = 0};
    arena_init(&out->arena, REPORT_FOLD_BYTES_MAX);
    out->rows = arena_zalloc(&out->arena, REPORT_SESSION_ROWS_MAX, sizeof(*out->rows));
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
    qsort(out->rows, out->n, sizeof(*out->rows), by_policy);
    return e;
}

void report_session_day_finish(struct report_session_day *d)
{
    arena_finish(&d->arena);
}
