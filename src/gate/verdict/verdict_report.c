// SPDX-License-Identifier: Apache-2.0
#include "gate/verdict/verdict_report.h"

#include "ipc/message.h"

#include "base/banned.h"

#define CHECKS_BYTES_MAX 1000 // as MAIL_DMARC has room for

// One result a line. A stranger's selector does not break out of its place; a line without room is
// left out.
static void put_check(struct buf *out, const char *method, const char *result, struct span domain,
                      struct span detail)
{
    char room[CHECKS_BYTES_MAX];
    struct buf line = {.p = room, .cap = sizeof(room), .max = sizeof(room)};

    buf_printf(&line, "%s\t%s\t", method, result);
    size_t from = line.n;

    buf_put(&line, domain);
    buf_put_byte(&line, '\n');
    buf_put(&line, detail);
    for (size_t i = from; i < line.n; i++) {
        line.p[i] = line.p[i] == '\n' ? '\t' : byte_is_ctl(line.p[i]) ? '?' : line.p[i];
    }
    buf_put_byte(&line, '\n');
    if (!line.failed && out->n + line.n <= CHECKS_BYTES_MAX) {
        buf_put(out, buf_span(&line));
    }
}

static void put_checks(struct buf *out, const struct sender_result *s)
{
    put_check(out, "spf", spf_status_name(s->mail_from.status),
              domain_name_span(&s->mail_from.domain),
              s->mail_from.is_helo ? SPAN("helo") : SPAN("mfrom"));
    for (size_t i = 0; i < s->dkim_count; i++) {
        const struct dkim_result *k = &s->dkim[i];

        if (k->domain.n) {
            put_check(out, "dkim", dkim_status_name(k->status), domain_name_span(&k->domain),
                      span_first(k->selector, 63));
        }
    }
}

// Only what was done because of DMARC.
static uint8_t disposition_of(const struct policy_decision *d)
{
    return d->cause != CAUSE_DMARC       ? DMARC_POLICY_NONE
           : d->action == VERDICT_REJECT ? DMARC_REJECT
           : d->action == VERDICT_JUNK   ? DMARC_QUARANTINE
                                         : DMARC_POLICY_NONE;
}

void report_put(struct buf *out, const struct sender_question *q, const struct sender_result *s,
                const struct policy_decision *d)
{
    const struct dmarc_result *m = &s->dmarc;
    char room[CHECKS_BYTES_MAX];
    struct buf checks = {.p = room, .cap = sizeof(room), .max = sizeof(room)};
    struct domain_name envelope = {.n = 0};

    if (!m->has_record || !m->record.aggregate.n ||
        (m->status != DMARC_PASS && m->status != DMARC_FAIL)) {
        return;
    }
    if (q->domain.n && domain_name_parse(q->domain, &envelope) != ERR_OK) {
        envelope.n = 0;
    }
    put_checks(&checks, s);
    const struct ipc_mail_dmarc frame = {
        .domain = domain_name_span(&m->found),
        .header_from = domain_name_span(&m->domain),
        .envelope_from = domain_name_span(&envelope),
        .policy = (uint8_t)m->record.policy,
        .subdomain_policy = (uint8_t)m->record.subdomain_policy,
        .percent = (uint8_t)m->record.percent,
        .strict = (uint8_t)(m->record.is_dkim_strict | m->record.is_spf_strict << 1),
        .disposition = disposition_of(d),
        .aligned = (uint8_t)(m->is_dkim_aligned | m->is_spf_aligned << 1),
        .reason = d->override == OVERRIDE_NONE ? SPAN("")
                                               : span_from_str(policy_override_name(d->override)),
        .checks = buf_span(&checks)};

    if (ipc_mail_dmarc_encode(&frame, 0, out) != ERR_OK) {
        buf_clear(out);
    }
}
