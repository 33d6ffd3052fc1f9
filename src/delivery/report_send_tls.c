// SPDX-License-Identifier: Apache-2.0
//
// TLS reports (RFC 8460): whom the record _smtp._tls names, the JSON, and the letter.
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "delivery/report_send_internal.h"
#include "report/report_write.h"
#include "senderauth/tag_list.h"

#include "base/banned.h"

// ---- whom to tell -------------------------------------------------------------------------------

// "v=TLSRPTv1; rua=mailto:a@b.example,https://..." (section 3). False: it is none.
static bool read_record(struct span text, struct span *out_list)
{
    struct span version = span_trim(span_split(&text, ';'));

    if (!span_eq(version, SPAN("v=TLSRPTv1"))) {
        return false;
    }
    while (text.n) {
        struct span value = span_trim(span_split(&text, ';'));
        struct span name = span_trim(span_split(&value, '='));

        if (span_eq(name, SPAN("rua"))) {
            *out_list = span_trim(value);
            return true;
        }
    }
    return false;
}

enum err sender_find_tls_addresses(struct sender *s)
{
    const struct dns_answer *a;
    struct dmarc_address address;
    struct domain_name domain;
    struct span list = SPAN(""), found = SPAN("");
    struct buf name;
    unsigned records = 0;

    s->to_n = 0;
    buf_init(&name, 1024);
    buf_put_str(&name, "_smtp._tls.");
    buf_put(&name, sender_domain(s));
    enum err e = resolver_ask(&s->resolver, buf_span(&name), DNS_TXT, &a);

    buf_finish(&name);
    if (e != ERR_OK || a->status == DNS_TEMPFAIL) {
        return ERR_UNAVAILABLE;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (read_record(a->records[i].data, &found)) {
            list = found;
            records++;
        }
    }
    list = records == 1 ? list : SPAN(""); // several are none
    while (s->to_n < REPORT_ADDRESSES_MAX && dmarc_next_address(&s->arena, &list, &address)) {
        if (sender_takes(s, address.address, &domain)) {
            address.bytes_max = 0; // RFC 8460 knows no limits
            s->to[s->to_n++] = address;
        }
    }
    return ERR_OK;
}

// ---- the JSON -----------------------------------------------------------------------------------

static json_t *text_json(struct span text)
{
    json_t *j = json_stringn(text.p, text.n);

    return j ? j : json_string("?"); // no UTF-8
}

static json_t *moment_json(uint32_t day, int seconds)
{
    time_t at = (time_t)day * 86400 + seconds;
    char text[40];
    struct tm tm;

    gmtime_r(&at, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

static void set_some(json_t *j, const char *name, struct span text)
{
    if (text.n) {
        json_object_set_new(j, name, text_json(text));
    }
}

static json_t *failure_json(const struct report_session_count *c)
{
    json_t *j = json_object();

    json_object_set_new(j, "result-type", json_string(report_session_result(c->session.result)));
    set_some(j, "sending-mta-ip", c->session.source);
    set_some(j, "receiving-mx-hostname", c->session.host);
    set_some(j, "receiving-ip", c->session.address);
    json_object_set_new(j, "failed-session-count", json_integer((json_int_t)c->count));
    set_some(j, "failure-reason-code", c->session.reason);
    return j;
}

// The policy, with its lines, and the hosts that one of MTA-STS names.
static json_t *policy_json(const struct sender *s, const struct report_session *p)
{
    static const char *const types[] = {"no-policy-found", "tlsa", "sts"};
    json_t *j = json_object(), *lines = json_array(), *hosts = json_array();
    struct span rest = p->policy_text;

    while (rest.n) {
        struct span line = span_split(&rest, '\n');

        json_array_append_new(lines, text_json(line));
        if (p->policy == 2 && span_starts(line, SPAN("mx: "))) {
            json_array_append_new(hosts, text_json(span_skip(line, 4)));
        }
    }
    json_object_set_new(j, "policy-type", json_string(types[p->policy]));
    if (json_array_size(lines)) {
        json_object_set(j, "policy-string", lines);
    }
    // The TLSA base domain for DANE (section 1.1).
    json_object_set_new(j, "policy-domain",
                        text_json(p->policy == 1 && p->host.n ? p->host : sender_domain(s)));
    if (json_array_size(hosts)) {
        json_object_set(j, "mx-host", hosts);
    }
    json_decref(lines);
    json_decref(hosts);
    return j;
}

static bool same_policy(const struct report_session *a, const struct report_session *b)
{
    return a->policy == b->policy && span_eq(a->policy_text, b->policy_text) &&
           (a->policy != 1 || span_eq(a->host, b->host));
}

// The rows from `*at` on that have one policy.
static json_t *next_policy_json(const struct sender *s, const struct report_session_day *d,
                                size_t *at)
{
    const struct report_session *first = &d->rows[*at].session;
    json_t *failures = json_array();
    json_int_t good = 0, bad = 0;

    while (*at < d->n && same_policy(first, &d->rows[*at].session)) {
        const struct report_session_count *c = &d->rows[(*at)++];

        if (c->session.result == REPORT_SESSION_GOOD) {
            good += (json_int_t)c->count;
        } else {
            bad += (json_int_t)c->count;
            json_array_append_new(failures, failure_json(c));
        }
    }
    json_t *j =
        json_pack("{s:o, s:{s:I, s:I}}", "policy", policy_json(s, first), "summary",
                  "total-successful-session-count", good, "total-failure-session-count", bad);

    if (json_array_size(failures)) {
        json_object_set(j, "failure-details", failures);
    }
    json_decref(failures);
    return j;
}

static enum err put_json(struct sender *s, const struct report_session_day *d, struct buf *out)
{
    json_t *policies = json_array();
    size_t at = 0;

    while (at < d->n) {
        json_array_append_new(policies, next_policy_json(s, d, &at));
    }
    json_t *j =
        json_pack("{s:o, s:{s:o, s:o}, s:o, s:s, s:o}", "organization-name",
                  text_json(s->o->server), "date-range", "start-datetime",
                  moment_json(s->owed.day, 0), "end-datetime", moment_json(s->owed.day, 86399),
                  "contact-info", text_json(s->o->from), "report-id", s->id, "policies", policies);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

    if (text) {
        buf_put_str(out, text);
    }
    free(text);
    json_decref(j);
    return text ? buf_result(out) : ERR_NOMEM;
}

// ---- the letter ---------------------------------------------------------------------------------

// Section 5.3: multipart/report, and two fields by which it is told from other mail.
static enum err put_letter(struct sender *s, struct span packed, struct buf *out)
{
    sender_put_header(s, out);
    buf_printf(
        out,
        "Subject: Report Domain: %.*s\r\n Submitter: %.*s\r\n Report-ID: <%s@%.*s>\r\n"
        "TLS-Report-Domain: %.*s\r\nTLS-Report-Submitter: %.*s\r\n"
        "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
        " boundary=\"report-%s\"\r\n\r\n--report-%s\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
        "This is a report by %.*s on TLS with servers that take mail for\r\n%.*s. It is made "
        "for programs to read.\r\n\r\n--report-%s\r\n"
        "Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment;\r\n filename=\"",
        SPAN_ARG(sender_domain(s)), SPAN_ARG(s->o->server), s->id, SPAN_ARG(s->o->server),
        SPAN_ARG(sender_domain(s)), SPAN_ARG(s->o->server), s->id, s->id, SPAN_ARG(s->o->server),
        SPAN_ARG(sender_domain(s)), s->id);
    sender_put_file_name(s, out);
    buf_put_str(out, ".json.gz\"\r\n\r\n");
    sender_put_base64(packed, out);
    buf_printf(out, "--report-%s--\r\n", s->id);
    return buf_result(out);
}

enum err sender_send_tls(struct sender *s)
{
    struct report_session_day day;
    struct buf json, packed, text;
    enum err e = report_session_day_read(s->reports, &s->owed, &day);

    buf_init(&json, REPORT_MESSAGE_BYTES_MAX);
    buf_init(&packed, REPORT_PACKED_BYTES_MAX);
    buf_init(&text, REPORT_MESSAGE_BYTES_MAX);
    s->to_n = day.sessions ? s->to_n : 0;
    if (e == ERR_OK && s->to_n) {
        e = put_json(s, &day, &json);
        e = e == ERR_OK ? report_pack(buf_span(&json), &packed) : e;
        e = e == ERR_OK ? put_letter(s, buf_span(&packed), &text) : e;
    }
    e = e == ERR_OK ? sender_send(s, day.sessions, buf_span(&text), SPAN("a TLS report")) : e;
    buf_finish(&json);
    buf_finish(&packed);
    buf_finish(&text);
    report_session_day_finish(&day);
    return e;
}
