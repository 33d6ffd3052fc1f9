// SPDX-License-Identifier: Apache-2.0
//
// Reports as JSON, and what they mean in a sentence.
#include "admin/history/admin_reports_internal.h"

#include "base/banned.h"

static void set_text(json_t *j, const char *name, struct span text)
{
    if (text.n) {
        json_object_set_new(j, name, admin_json_text(text));
    }
}

static void set_number(json_t *j, const char *name, uint64_t n)
{
    json_object_set_new(j, name, json_integer((json_int_t)n));
}

static const char *kind_word(enum report_kind k)
{
    return k == REPORT_DMARC ? "dmarc" : "tls";
}

json_t *reports_head_json(uint64_t number, const struct report *r)
{
    json_t *j = json_object();
    bool dmarc = r->kind == REPORT_DMARC;

    json_object_set_new(j, "report", json_string(queue_id_text(number).s));
    json_object_set_new(j, "kind", json_string(kind_word(r->kind)));
    admin_json_time(j, "received", r->received_ms / 1000);
    admin_json_time(j, "begin", r->begin_s);
    admin_json_time(j, "end", r->end_s);
    set_text(j, "domain", r->texts[REPORT_DOMAIN]);
    set_text(j, "organization", r->texts[REPORT_ORGANIZATION]);
    set_text(j, "contact", r->texts[REPORT_CONTACT]);
    set_text(j, "report_id", r->texts[REPORT_ID]);
    set_text(j, "policy", r->texts[REPORT_POLICY]);
    set_text(j, "from", r->texts[REPORT_SENDER]);
    set_number(j, dmarc ? "passed" : "good", r->good);
    set_number(j, "failed", r->bad);
    set_number(j, "rows", r->rows);
    if (r->rows_left_out) {
        set_number(j, "rows_left_out", r->rows_left_out);
    }
    if (r->mail) {
        json_object_set_new(j, "mail", json_string(queue_id_text(r->mail).s));
    }
    return j;
}

static void set_dmarc_texts(json_t *j, const struct span *texts)
{
    set_text(j, "source", texts[REPORT_SOURCE]);
    set_text(j, "header_from", texts[REPORT_HEADER_FROM]);
    set_text(j, "envelope_from", texts[REPORT_ENVELOPE_FROM]);
    set_text(j, "checks", texts[REPORT_CHECKS]);
    set_text(j, "reason", texts[REPORT_REASON]);
}

static void set_tls_texts(json_t *j, const struct span *texts)
{
    set_text(j, "result", texts[REPORT_RESULT]);
    set_text(j, "host", texts[REPORT_HOST]);
    set_text(j, "policy_type", texts[REPORT_POLICY_TYPE]);
    set_text(j, "source", texts[REPORT_SOURCE]);
    set_text(j, "details", texts[REPORT_DETAILS]);
}

json_t *reports_row_json(const struct report *r, const struct report_row *w)
{
    static const char *const dispositions[] = {"none", "quarantine", "reject"};
    json_t *j = json_object();

    json_object_set_new(j, "kind", json_string(kind_word(r->kind)));
    if (r->kind == REPORT_DMARC) {
        set_number(j, "messages", w->count);
        json_object_set_new(j, "disposition", json_string(dispositions[w->disposition]));
        json_object_set_new(j, "dkim", json_boolean(w->is_dkim_pass));
        json_object_set_new(j, "spf", json_boolean(w->is_spf_pass));
        set_dmarc_texts(j, w->texts);
    } else {
        set_number(j, "sessions", w->count);
        json_object_set_new(j, "good", json_boolean(w->is_good));
        set_tls_texts(j, w->texts);
    }
    return j;
}

// ---- mail in our name ---------------------------------------------------------------------------

static void put_messages(struct buf *b, uint64_t n)
{
    buf_printf(b, "%llu %s", (unsigned long long)n, n == 1 ? "message" : "messages");
}

static void put_fate(struct buf *b, const struct reports_sum *s)
{
    if (s->quarantined || s->rejected) {
        buf_printf(b, " %llu went to Junk there, %llu %s refused.",
                   (unsigned long long)s->quarantined, (unsigned long long)s->rejected,
                   s->rejected == 1 ? "was" : "were");
    }
}

static void put_dmarc_words(struct buf *b, const struct reports_sum *s)
{
    uint64_t all = s->good + s->bad;

    buf_put(b, s->texts[REPORT_SOURCE]);
    buf_put_str(b, " sent ");
    put_messages(b, all);
    if (s->texts[REPORT_HEADER_FROM].n) {
        buf_put_str(b, " as ");
        buf_put(b, s->texts[REPORT_HEADER_FROM]);
    }
    if (!s->bad) {
        buf_put_str(b, all == 1 ? ": proved to be yours" : ": all proved to be yours");
        buf_put_str(b, !s->spf    ? ", by DKIM alone, as forwarded mail is."
                       : !s->dkim ? ", by SPF alone: let it sign (DKIM), too."
                                  : ".");
    } else if (s->good) {
        buf_printf(b, ": %llu proved to be yours, %llu not.", (unsigned long long)s->good,
                   (unsigned long long)s->bad);
        put_fate(b, s);
        buf_put_str(b,
                    " It may forward mail and change it on the way, as mailing lists do, or sign "
                    "only some of it.");
    } else {
        buf_put_str(b, all == 1 ? ": not proved to be yours." : ": none proved to be yours.");
        put_fate(b, s);
        buf_put_str(b, " If this is a server or a service of yours, name it in SPF and let it sign "
                       "with DKIM; else somebody uses the name.");
    }
}

// ---- TLS ----------------------------------------------------------------------------------------

// RFC 8460 section 4.3.
static const struct {
    const char *result, *words;
} troubles[] = {
    {"starttls-not-supported", "did not offer STARTTLS"},
    {"certificate-host-mismatch", "showed a certificate for another name"},
    {"certificate-expired", "showed a certificate that has expired"},
    {"certificate-not-trusted", "showed a certificate by nobody who is trusted"},
    {"validation-failure", "failed the checks for another reason"},
    {"tlsa-invalid", "has TLSA records that are wrong or do not fit its certificate"},
    {"dnssec-invalid", "has DNSSEC signatures that do not hold"},
    {"dane-required", "has no TLSA records, and the sender demands them"},
    {"sts-policy-fetch-error", "has an MTA-STS policy that could not be fetched"},
    {"sts-policy-invalid", "has an MTA-STS policy that cannot be read, or does not name it"},
    {"sts-webpki-invalid", "has a web server for its MTA-STS policy with a bad certificate"},
};

static const char *trouble_of(struct span result)
{
    for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
        if (span_eq_nocase(result, span_from_str(troubles[i].result))) {
            return troubles[i].words;
        }
    }
    return NULL;
}

static void put_tls_words(struct buf *b, const struct reports_sum *s)
{
    const char *words = trouble_of(s->texts[REPORT_RESULT]);

    buf_printf(b, "%llu %s from ", (unsigned long long)s->bad,
               s->bad == 1 ? "connection" : "connections");
    buf_put(b, s->organization);
    buf_put_str(b, ": ");
    buf_put(b, s->texts[REPORT_HOST].n ? s->texts[REPORT_HOST] : SPAN("the domain"));
    buf_put_str(b, words ? " " : " gave ");
    if (words) {
        buf_put_str(b, words);
    } else {
        buf_put(b, s->texts[REPORT_RESULT].n ? s->texts[REPORT_RESULT] : SPAN("no reason"));
    }
    buf_put_str(b, ".");
    if (s->texts[REPORT_DETAILS].n) {
        buf_put_str(b, " They say: ");
        buf_put(b, s->texts[REPORT_DETAILS]);
    }
}

json_t *reports_sum_json(const struct reports_sum *s)
{
    json_t *j = json_object();
    struct buf words;

    buf_init(&words, 8 * REPORT_TEXT_BYTES_MAX);
    json_object_set_new(j, "kind", json_string(kind_word(s->kind)));
    if (s->kind == REPORT_DMARC) {
        put_dmarc_words(&words, s);
        set_number(j, "messages", s->good + s->bad);
        set_number(j, "passed", s->good);
        set_number(j, "failed", s->bad);
        set_number(j, "dkim", s->dkim);
        set_number(j, "spf", s->spf);
        set_number(j, "quarantined", s->quarantined);
        set_number(j, "rejected", s->rejected);
        set_dmarc_texts(j, s->texts);
    } else {
        put_tls_words(&words, s);
        set_number(j, "failed", s->bad);
        set_text(j, "organization", s->organization);
        set_tls_texts(j, s->texts);
    }
    json_object_set_new(j, "text", admin_json_text(buf_span(&words)));
    buf_finish(&words);
    return j;
}
