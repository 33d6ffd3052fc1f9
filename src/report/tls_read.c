// SPDX-License-Identifier: Apache-2.0
//
// A TLS report's JSON as values. Members are taken where they are what they should be; a report
// with others in their place is read without them.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "report/report_read.h"

#include "base/banned.h"

#define POLICIES_MAX 1000 // of one report

struct tls_read {
    const struct report_sink *sink;
    struct report report;
    struct arena *arena; // of the report's own texts
    enum err error;
    char room[REPORT_TEXTS][REPORT_TEXT_BYTES_MAX]; // of a row's
};

static struct span text_of(const json_t *j)
{
    return json_is_string(j) ? span_of(json_string_value(j), json_string_length(j)) : SPAN("");
}

static struct span get_text(const json_t *object, const char *name)
{
    return text_of(json_object_get(object, name));
}

static uint64_t get_count(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name));

    return n > 0 && (uint64_t)n <= REPORT_COUNT_MAX ? (uint64_t)n : 0;
}

// ---- moments ------------------------------------------------------------------------------------

static bool digits(struct span *s, size_t n, char then, int *out)
{
    uint64_t v;

    if (s->n < n || !span_to_u64(span_first(*s, n), 9999, &v)) {
        return false;
    }
    *s = span_skip(*s, n);
    if (then && (!s->n || byte_lower(s->p[0]) != then)) {
        return false;
    }
    *s = span_skip(*s, then ? 1 : 0);
    *out = (int)v;
    return true;
}

// What stands behind the seconds: a fraction, then Z or an offset in minutes.
static bool zone(struct span s, int *out_minutes)
{
    int hours, minutes, sign;

    if (s.n && s.p[0] == '.') {
        s = span_skip(s, 1);
        while (s.n && byte_is_digit(s.p[0])) {
            s = span_skip(s, 1);
        }
    }
    *out_minutes = 0;
    if (s.n == 1 && byte_lower(s.p[0]) == 'z') {
        return true;
    }
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-')) {
        return false;
    }
    sign = s.p[0] == '-' ? -1 : 1;
    s = span_skip(s, 1);
    bool ok = digits(&s, 2, ':', &hours) && digits(&s, 2, '\0', &minutes);

    if (ok) {
        *out_minutes = sign * (hours * 60 + minutes);
    }
    return ok;
}

// "2026-11-25T00:00:00Z" (RFC 3339 section 5.6).
static bool moment(struct span s, int64_t *out)
{
    struct tm tm = {.tm_isdst = 0};
    int minutes;

    if (!digits(&s, 4, '-', &tm.tm_year) || !digits(&s, 2, '-', &tm.tm_mon) ||
        !digits(&s, 2, 't', &tm.tm_mday) || !digits(&s, 2, ':', &tm.tm_hour) ||
        !digits(&s, 2, ':', &tm.tm_min) || !digits(&s, 2, '\0', &tm.tm_sec) || !zone(s, &minutes) ||
        tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *out = (int64_t)timegm(&tm) - minutes * 60;
    return *out >= 0;
}

// ---- texts --------------------------------------------------------------------------------------

static void set_own(struct tls_read *t, enum report_text which, struct span text)
{
    char room[REPORT_TEXT_BYTES_MAX];
    size_t n = report_clean(text, room, sizeof(room));

    t->report.texts[which] = arena_dup(t->arena, span_of(room, n));
    if (!t->report.texts[which].p) {
        t->error = ERR_NOMEM;
    }
}

static void set_row(struct tls_read *t, struct report_row *row, enum report_text which,
                    struct span text)
{
    row->texts[which] =
        span_of(t->room[which], report_clean(text, t->room[which], REPORT_TEXT_BYTES_MAX));
}

// Two words about one thing: "code: explanation".
static void set_details(struct tls_read *t, struct report_row *row, const json_t *detail)
{
    struct span code = get_text(detail, "failure-reason-code"),
                more = get_text(detail, "additional-information");
    struct buf both;

    buf_init(&both, 2 * REPORT_TEXT_BYTES_MAX);
    buf_put(&both, span_first(code, REPORT_TEXT_BYTES_MAX / 2));
    buf_put_str(&both, code.n && more.n ? ": " : "");
    buf_put(&both, span_first(more, REPORT_TEXT_BYTES_MAX));
    set_row(t, row, REPORT_DETAILS, buf_span(&both));
    buf_finish(&both);
}

// ---- policies -----------------------------------------------------------------------------------

static void give(struct tls_read *t, const struct report_row *row)
{
    t->report.rows++;
    t->error = t->sink->row(t->sink->arg, row);
}

static void read_failure(struct tls_read *t, struct report_row row, const json_t *detail)
{
    row.count = get_count(detail, "failed-session-count");
    row.is_good = false;
    set_row(t, &row, REPORT_RESULT, get_text(detail, "result-type"));
    set_row(t, &row, REPORT_SOURCE, get_text(detail, "sending-mta-ip"));
    set_row(t, &row, REPORT_HOST, get_text(detail, "receiving-mx-hostname"));
    set_details(t, &row, detail);
    give(t, &row);
}

static void read_policy(struct tls_read *t, const json_t *policy)
{
    const json_t *about = json_object_get(policy, "policy"),
                 *summary = json_object_get(policy, "summary"),
                 *details = json_object_get(policy, "failure-details");
    struct report_row row = {.count = get_count(summary, "total-successful-session-count"),
                             .is_good = true};
    uint64_t bad = get_count(summary, "total-failure-session-count"), told = 0;

    set_row(t, &row, REPORT_POLICY_TYPE, get_text(about, "policy-type"));
    if (!t->report.texts[REPORT_DOMAIN].n) {
        set_own(t, REPORT_DOMAIN, get_text(about, "policy-domain"));
    }
    give(t, &row);
    for (size_t i = 0; i < json_array_size(details) && t->error == ERR_OK; i++) {
        told += get_count(json_array_get(details, i), "failed-session-count");
        read_failure(t, row, json_array_get(details, i));
    }
    t->report.good += row.count;
    t->report.bad += bad > told ? bad : told; // some leave the sum out, others the details
}

static void read_all(struct tls_read *t, const json_t *root)
{
    const json_t *range = json_object_get(root, "date-range"),
                 *policies = json_object_get(root, "policies");

    set_own(t, REPORT_ORGANIZATION, get_text(root, "organization-name"));
    set_own(t, REPORT_CONTACT, get_text(root, "contact-info"));
    set_own(t, REPORT_ID, get_text(root, "report-id"));
    if (t->error == ERR_OK &&
        (!t->report.texts[REPORT_ORGANIZATION].n || !json_array_size(policies) ||
         !moment(get_text(range, "start-datetime"), &t->report.begin_s) ||
         !moment(get_text(range, "end-datetime"), &t->report.end_s))) {
        t->error = ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(policies) && i < POLICIES_MAX && t->error == ERR_OK;
         i++) {
        read_policy(t, json_array_get(policies, i));
    }
    if (t->error == ERR_OK && !t->report.texts[REPORT_DOMAIN].n) {
        t->error = ERR_INVALID;
    }
}

enum err tls_report_read(struct span json, const struct report_sink *sink, struct arena *a,
                         struct report *out)
{
    struct tls_read *t = calloc(1, sizeof(*t));
    json_error_t why;
    json_t *root;

    if (!t) {
        return ERR_NOMEM;
    }
    t->sink = sink;
    t->arena = a;
    t->report.kind = REPORT_TLS;
    root = json.n <= REPORT_JSON_BYTES_MAX ? json_loadb(json.p, json.n, 0, &why) : NULL;
    if (!root) {
        t->error = json.n > REPORT_JSON_BYTES_MAX                      ? ERR_LIMIT
                   : json_error_code(&why) == json_error_out_of_memory ? ERR_NOMEM
                                                                       : ERR_INVALID;
    } else {
        read_all(t, root);
        json_decref(root);
    }
    enum err e = t->error;

    if (e == ERR_OK) {
        *out = t->report;
    }
    free(t);
    return e;
}
