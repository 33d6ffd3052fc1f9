// SPDX-License-Identifier: Apache-2.0
//
// reports: what others say about mail in our name (DMARC) and about TLS with our servers.
#include <stdlib.h>

#include "admin/history/admin_reports_internal.h"
#include "base/clock.h"
#include "base/map.h"

#include "base/banned.h"

#define SINCE_DEFAULT_MS (30ll * 86400 * 1000)
#define REPORTS_MAX      20000 // that are told of at a time
#define SUMS_MAX         20000 // senders and troubles; the rest is only counted
#define TEXTS_BYTES_MAX  (32u << 20)

struct teller {
    struct admin_call *call;
    struct span domain; // n 0: all
    json_t *items;
    struct {
        uint64_t number;
        enum report_kind kind;
        struct span organization;
    } * reports; // whose rows are added up
    size_t n;
    const struct report *now; // the rows are of
    struct span organization; // the same
    struct map map;           // of sums
    struct reports_sum *sums;
    size_t sum_n;
    struct arena texts;
    uint64_t good[2], bad[2], counts[2]; // DMARC, TLS
    bool failed;
};

// The domain itself or below it.
static bool is_about(const struct teller *t, const struct report *r)
{
    struct span d = r->texts[REPORT_DOMAIN];

    return !t->domain.n || span_eq_nocase(d, t->domain) ||
           (d.n > t->domain.n && d.p[d.n - t->domain.n - 1] == '.' &&
            span_eq_nocase(span_skip(d, d.n - t->domain.n), t->domain));
}

static int64_t since_of(struct admin_call *c)
{
    uint64_t since_ms;

    return admin_number(c, "since_ms", &since_ms) ? (int64_t)(since_ms & INT64_MAX)
                                                  : clock_real_ms() - SINCE_DEFAULT_MS;
}

static void add_item(struct teller *t, json_t *item)
{
    t->failed |= json_array_append_new(t->items, item) != 0;
}

static enum err send_items(struct teller *t)
{
    enum err e = t->failed ? ERR_NOMEM : ERR_OK;

    for (size_t i = 0; i < json_array_size(t->items) && e == ERR_OK; i++) {
        e = admin_item(t->call, json_incref(json_array_get(t->items, i)));
    }
    return e;
}

static enum err end(struct teller *t, enum err e)
{
    return e == ERR_OK || e == ERR_IO ? e : admin_fail_store(t->call, e, "Reading the reports");
}

// ---- list ---------------------------------------------------------------------------------------

static bool list_one(void *arg, uint64_t number, const struct report *r)
{
    struct teller *t = arg;

    if (is_about(t, r)) {
        add_item(t, reports_head_json(number, r));
    }
    return !t->failed && json_array_size(t->items) < REPORTS_MAX;
}

enum err admin_reports_list(struct admin_call *c)
{
    struct teller t = {.call = c, .domain = span_trim(admin_text(c, "domain"))};
    enum err e = (t.items = json_array()) ? ERR_OK : ERR_NOMEM;

    e = e == ERR_OK ? reports_each(store_engine(c->admin->store), since_of(c), list_one, &t) : e;
    e = e == ERR_OK ? send_items(&t) : e;
    if (e == ERR_OK) {
        c->outcome->result = json_pack("{s:I}", "reports", (json_int_t)json_array_size(t.items));
        e = c->outcome->result ? ERR_OK : ERR_NOMEM;
    }
    json_decref(t.items);
    return end(&t, e);
}

// ---- one report ---------------------------------------------------------------------------------

static bool show_row(void *arg, const struct report_row *w)
{
    struct teller *t = arg;

    add_item(t, reports_row_json(t->now, w));
    return !t->failed;
}

static enum err show_one(struct teller *t, uint64_t number)
{
    struct engine *engine = store_engine(t->call->admin->store);
    struct report r;
    enum err e = reports_get(engine, number, &t->call->arena, &r);

    if (e == ERR_NOT_FOUND) {
        return admin_fail(t->call, e,
                          "There is no report with this number. All of them: mailkeep "
                          "reports list --since 400d");
    }
    t->now = &r;
    e = e == ERR_OK ? reports_rows(engine, number, show_row, t) : e;
    e = e == ERR_OK ? send_items(t) : e;
    if (e == ERR_OK) {
        t->call->outcome->result = reports_head_json(number, &r);
        e = t->call->outcome->result ? ERR_OK : ERR_NOMEM;
    }
    return end(t, e);
}

// ---- all about a domain -------------------------------------------------------------------------

static bool note_one(void *arg, uint64_t number, const struct report *r)
{
    struct teller *t = arg;
    struct span organization;
    unsigned i = r->kind - REPORT_DMARC;

    if (!is_about(t, r)) {
        return true;
    }
    organization = arena_dup(&t->texts, r->texts[REPORT_ORGANIZATION]);
    t->failed |= !organization.p;
    t->reports[t->n].number = number;
    t->reports[t->n].kind = r->kind;
    t->reports[t->n++].organization = organization;
    t->counts[i]++;
    t->good[i] += r->good;
    t->bad[i] += r->bad;
    return !t->failed && t->n < REPORTS_MAX;
}

// What tells one sum from another.
static void put_key(const struct teller *t, const struct report_row *w, struct buf *key)
{
    bool dmarc = t->now->kind == REPORT_DMARC;
    const struct span parts[] = {dmarc ? w->texts[REPORT_SOURCE] : w->texts[REPORT_RESULT],
                                 dmarc ? w->texts[REPORT_HEADER_FROM] : w->texts[REPORT_HOST],
                                 dmarc ? SPAN("") : t->organization};

    buf_put_byte(key, dmarc ? 'd' : 't');
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (size_t k = 0; k < parts[i].n; k++) {
            buf_put_byte(key, byte_lower(parts[i].p[k]));
        }
        buf_put_byte(key, '\0');
    }
}

static struct reports_sum *new_sum(struct teller *t, const struct report_row *w, struct span key)
{
    struct reports_sum *s = &t->sums[t->sum_n];

    *s = (struct reports_sum){.kind = t->now->kind, .organization = t->organization};
    for (unsigned i = REPORT_SOURCE; i < REPORT_TEXTS; i++) {
        s->texts[i] = arena_dup(&t->texts, w->texts[i]);
        t->failed |= !s->texts[i].p;
    }
    t->failed |= map_put(&t->map, key, s, NULL) != ERR_OK;
    t->sum_n++;
    return s;
}

static void add_up(struct reports_sum *s, const struct report_row *w)
{
    bool proved = w->is_dkim_pass || w->is_spf_pass;
    bool good = s->kind == REPORT_DMARC ? proved : w->is_good;

    *(good ? &s->good : &s->bad) += w->count;
    s->dkim += w->is_dkim_pass ? w->count : 0;
    s->spf += w->is_spf_pass ? w->count : 0;
    s->quarantined += w->disposition == REPORT_QUARANTINE ? w->count : 0;
    s->rejected += w->disposition == REPORT_REJECT ? w->count : 0;
}

static bool sum_row(void *arg, const struct report_row *w)
{
    struct teller *t = arg;
    struct reports_sum *s;
    struct buf key;

    if (t->now->kind == REPORT_TLS && (w->is_good || !w->count)) {
        return true; // no trouble
    }
    buf_init(&key, 4 * REPORT_TEXT_BYTES_MAX);
    put_key(t, w, &key);
    s = key.failed ? NULL : map_get(&t->map, buf_span(&key));
    if (!s && !key.failed && t->sum_n < SUMS_MAX) {
        s = new_sum(t, w, buf_span(&key));
    }
    buf_finish(&key);
    if (s) {
        add_up(s, w);
    }
    return !t->failed;
}

static enum err sum_all(struct teller *t)
{
    struct engine *engine = store_engine(t->call->admin->store);
    enum err e = reports_each(engine, since_of(t->call), note_one, t);

    for (size_t i = 0; i < t->n && e == ERR_OK && !t->failed; i++) {
        struct report now = {.kind = t->reports[i].kind};

        t->now = &now;
        t->organization = t->reports[i].organization;
        e = reports_rows(engine, t->reports[i].number, sum_row, t);
    }
    return e == ERR_OK && t->failed ? ERR_NOMEM : e;
}

// Mail before TLS, what fails before what does not, much before little.
static int by_weight(const void *a, const void *b)
{
    const struct reports_sum *x = a, *y = b;

    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    if (x->bad != y->bad) {
        return x->bad > y->bad ? -1 : 1;
    }
    return x->good == y->good ? 0 : x->good > y->good ? -1 : 1;
}

static json_t *totals_json(const struct teller *t)
{
    return json_pack("{s:o, s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I}}", "domain",
                     admin_json_text(t->domain), "dmarc", "reports", (json_int_t)t->counts[0],
                     "passed", (json_int_t)t->good[0], "failed", (json_int_t)t->bad[0], "tls",
                     "reports", (json_int_t)t->counts[1], "good", (json_int_t)t->good[1], "failed",
                     (json_int_t)t->bad[1]);
}

static enum err show_domain(struct teller *t)
{
    enum err e = sum_all(t);

    if (e == ERR_OK && !t->n) {
        return admin_fail(
            t->call, ERR_NOT_FOUND,
            "Nobody has reported on %.*s in that time. Reports come when the DNS asks "
            "for them: mailkeep domain dns %.*s --check",
            SPAN_ARG(t->domain), SPAN_ARG(t->domain));
    }
    if (e == ERR_OK) {
        qsort(t->sums, t->sum_n, sizeof(*t->sums), by_weight);
    }
    for (size_t i = 0; i < t->sum_n && e == ERR_OK; i++) {
        e = admin_item(t->call, reports_sum_json(&t->sums[i]));
    }
    if (e == ERR_OK) {
        t->call->outcome->result = totals_json(t);
        e = t->call->outcome->result ? ERR_OK : ERR_NOMEM;
    }
    return end(t, e);
}

enum err admin_reports_show(struct admin_call *c)
{
    struct teller t = {.call = c, .domain = span_trim(admin_text(c, "what"))};
    queue_id number;
    enum err e;

    if (!t.domain.n) {
        return admin_fail(c, ERR_INVALID, "Which reports? Give a domain, or a report's number.");
    }
    arena_init(&t.texts, TEXTS_BYTES_MAX);
    map_init(&t.map);
    t.items = json_array();
    t.reports = calloc(REPORTS_MAX, sizeof(*t.reports));
    t.sums = calloc(SUMS_MAX, sizeof(*t.sums));
    if (!t.items || !t.reports || !t.sums) {
        e = admin_fail_store(c, ERR_NOMEM, "Reading the reports");
    } else {
        e = queue_id_read(t.domain, &number) ? show_one(&t, number) : show_domain(&t);
    }
    json_decref(t.items);
    free(t.reports);
    free(t.sums);
    map_finish(&t.map);
    arena_finish(&t.texts);
    return e;
}
