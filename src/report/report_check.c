// SPDX-License-Identifier: Apache-2.0
//
// Looks at all that is kept of reports, for `mailkeep check`.
#include "base/problems.h"
#include "report/report_internal.h"

#include "base/banned.h"

struct check {
    struct snapshot *snapshot;
    struct problems problems;
};

// ---- a report and what belongs to it ------------------------------------------------------------

// *out: whether the hash leads to the report.
static enum err leads_to(struct check *c, const struct report *r, uint64_t number, bool *out)
{
    struct report_key k = report_key_of(REPORT_KEY_KNOWN, report_hash(r));
    struct span value;
    uint64_t known;
    enum err e = snapshot_get(c->snapshot, TRAIL_ACCOUNT, report_key_span(&k), &value);

    *out = e == ERR_OK && report_known_decode(value, &known) == ERR_OK && known == number;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

struct sums {
    uint64_t rows, good, bad;
};

static void add_row(const struct report *r, const struct report_row *w, struct sums *s)
{
    bool good = r->kind == REPORT_DMARC ? w->is_dkim_pass || w->is_spf_pass : w->is_good;

    *(good ? &s->good : &s->bad) += w->count;
    s->rows++;
}

static enum err check_rows(struct check *c, uint64_t number, const struct report *r)
{
    struct report_key from = report_key_row(number, 0), to = report_key_row(number, UINT32_MAX);
    struct sums sums = {0};
    struct report_row w;
    struct span key, value;
    struct scan *scan;
    uint64_t whose;
    uint32_t row;
    enum err e = scan_open(c->snapshot, TRAIL_ACCOUNT, report_key_span(&from), report_key_span(&to),
                           false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        if (!report_key_read_row(key, &whose, &row) || row != sums.rows ||
            report_row_decode(value, &w) != ERR_OK) {
            problems_add(&c->problems, "a row of report %llu cannot be read",
                         (unsigned long long)number);
            w.count = 0;
        }
        add_row(r, &w, &sums);
    }
    scan_close(scan);
    if (sums.rows != r->rows || sums.good > r->good || sums.bad > r->bad) {
        problems_add(&c->problems, "the rows of report %llu are not what it says",
                     (unsigned long long)number);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_report(struct check *c, struct span key, struct span value)
{
    struct report r;
    uint64_t number;
    bool known;

    if (!report_key_read(key, REPORT_KEY_REPORT, &number) || report_decode(value, &r) != ERR_OK) {
        problems_add(&c->problems, "a report cannot be read");
        return ERR_OK;
    }
    enum err e = leads_to(c, &r, number, &known);

    if (e == ERR_OK && !known) {
        problems_add(&c->problems, "report %llu would not be known again",
                     (unsigned long long)number);
    }
    return e == ERR_OK ? check_rows(c, number, &r) : e;
}

// ---- what must belong to a report ---------------------------------------------------------------

static enum err check_known(struct check *c, struct span key, struct span value)
{
    struct report_key k;
    struct span found;
    struct report r;
    uint64_t hash, number;

    if (!report_key_read(key, REPORT_KEY_KNOWN, &hash) ||
        report_known_decode(value, &number) != ERR_OK) {
        problems_add(&c->problems, "a key by which a report is known cannot be read");
        return ERR_OK;
    }
    k = report_key_of(REPORT_KEY_REPORT, number);
    enum err e = snapshot_get(c->snapshot, TRAIL_ACCOUNT, report_key_span(&k), &found);

    if (e == ERR_NOT_FOUND ||
        (e == ERR_OK && report_decode(found, &r) == ERR_OK && report_hash(&r) != hash)) {
        problems_add(&c->problems, "a key leads to report %llu, which is not there or another one",
                     (unsigned long long)number);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_owner(struct check *c, struct span key)
{
    struct report_key k;
    struct span found;
    uint64_t number;
    uint32_t row;

    if (!report_key_read_row(key, &number, &row)) {
        problems_add(&c->problems, "a row of a report has a key that cannot be read");
        return ERR_OK;
    }
    k = report_key_of(REPORT_KEY_REPORT, number);
    enum err e = snapshot_get(c->snapshot, TRAIL_ACCOUNT, report_key_span(&k), &found);

    if (e == ERR_NOT_FOUND) {
        problems_add(&c->problems, "a row of report %llu, which is not there",
                     (unsigned long long)number);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_key(struct check *c, struct span key, struct span value)
{
    struct report_letter letter;
    struct report_session session;
    struct report_seen seen;
    enum report_kind kind;
    struct span domain;
    uint64_t number;
    uint32_t row;

    switch (key.n ? key.p[0] : '\0') {
    case REPORT_KEY_LETTER:
        if (!report_key_read(key, REPORT_KEY_LETTER, &number) ||
            report_letter_decode(value, &letter) != ERR_OK) {
            problems_add(&c->problems, "a letter with a report cannot be read");
        }
        return ERR_OK;
    case REPORT_KEY_REPORT:
        return check_report(c, key, value);
    case REPORT_KEY_SEEN:
        if (!report_seen_key_read(key, &kind, &row, &domain, &number) ||
            (kind == REPORT_DMARC ? report_seen_decode(value, &seen)
                                  : report_session_decode(value, &session)) != ERR_OK) {
            problems_add(&c->problems, "what was seen for a report to others cannot be read");
        }
        return ERR_OK;
    case REPORT_KEY_SENT:
        if (!report_sent_key_read(key) || report_sent_decode(value, &number) != ERR_OK) {
            problems_add(&c->problems, "that a report was sent cannot be read");
        }
        return ERR_OK;
    case REPORT_KEY_ROW:
        return check_owner(c, key);
    case REPORT_KEY_KNOWN:
        return check_known(c, key, value);
    default:
        problems_add(&c->problems, "the trail has a key of an unknown kind");
        return ERR_OK;
    }
}

enum err reports_check(struct engine *engine, trail_problem_fn *fn, void *arg,
                       uint64_t *out_problems)
{
    const char from = TRAIL_OTHERS_FIRST, to = TRAIL_OTHERS_LAST + 1;
    struct check c = {.problems = {.fn = fn, .arg = arg}};
    struct span key, value;
    struct scan *scan;
    enum err e = snapshot_open(engine, &c.snapshot);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_open(c.snapshot, TRAIL_ACCOUNT, span_of(&from, 1), span_of(&to, 1), false, &scan);
    if (e == ERR_OK) {
        while (e == ERR_OK && (e = scan_next(scan, &key, &value)) == ERR_OK) {
            e = check_key(&c, key, value);
        }
        scan_close(scan);
    }
    snapshot_close(c.snapshot);
    e = e == ERR_NOT_FOUND ? ERR_OK : e;
    if (e == ERR_OK) {
        *out_problems = c.problems.n;
    }
    return e;
}
