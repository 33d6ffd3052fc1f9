// SPDX-License-Identifier: Apache-2.0
#include "gate/verdict/verdict_words.h"

#include <arpa/inet.h>

#include "base/banned.h"

#define NAME_SHOWN_MAX 80 // of a name in an answer

// ---- header fields ------------------------------------------------------------------------------

// Printable ASCII without what ends a quoted string.
static void put_quoted(struct buf *out, struct span s)
{
    buf_put_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '"' || c == '\\') {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, byte_is_ctl(c) || (unsigned char)c > 126 ? '?' : c);
    }
    buf_put_byte(out, '"');
}

// A comment may not end early, nor hold what makes another one.
static void put_comment(struct buf *out, struct span s)
{
    buf_put_byte(out, '(');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        buf_put_byte(
            out, byte_is_ctl(c) || (unsigned char)c > 126 || c == '(' || c == ')' || c == '\\' ? '?'
                                                                                               : c);
    }
    buf_put_byte(out, ')');
}

static void put_address(struct buf *out, const struct ip_address *ip)
{
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop(ip->is_ip6 ? AF_INET6 : AF_INET, ip->bytes, text, sizeof(text));
    buf_put_str(out, text);
}

static void put_received_spf(struct buf *out, const struct sender_question *q,
                             const struct spf_result *r)
{
    struct buf sender;

    buf_printf(out, "Received-SPF: %s ", spf_status_name(r->status));
    put_comment(out, r->words);
    buf_put_str(out, "\r\n\tclient-ip=");
    put_address(out, &q->ip);
    buf_put_str(out, ";\r\n\tidentity=");
    buf_put_str(out, r->is_helo ? "helo" : "mailfrom");
    buf_put_str(out, "; helo=");
    put_quoted(out, q->helo);
    buf_put_str(out, ";\r\n\tenvelope-from=");
    buf_init(&sender, q->local.n + q->domain.n + 1);
    buf_put(&sender, q->local);
    buf_put(&sender, q->local.n ? SPAN("@") : SPAN(""));
    buf_put(&sender, q->domain);
    put_quoted(out, buf_span(&sender));
    buf_finish(&sender);
    if (r->mechanism.n) {
        buf_put_str(out, ";\r\n\tmechanism=");
        put_quoted(out, r->mechanism);
    }
    buf_put_str(out, "\r\n");
}

// Without properties and reasons, which a stranger can make as long as a header.
static enum err put_short(struct buf *out, const struct sender_question *q,
                          const struct sender_result *s, bool is_utf8)
{
    struct auth_result list[] = {
        {.method = SPAN("spf"), .result = span_from_str(spf_status_name(s->mail_from.status))},
        {.method = SPAN("arc"), .result = span_from_str(arc_status_name(s->arc.status))},
        {.method = SPAN("dmarc"), .result = span_from_str(dmarc_status_name(s->dmarc.status))}};
    struct auth_results all = {q->receiver, list, 3};

    return auth_results_put_field(out, &all, is_utf8);
}

enum err words_put_fields(struct buf *out, const struct sender_question *q,
                          const struct sender_result *s, bool is_spf, bool is_utf8,
                          struct arena *arena)
{
    size_t before = out->n;

    buf_put_str(out, "Authentication-Results: ");
    enum err e = sender_check_put(out, q, s, arena, is_utf8);

    buf_put_str(out, "\r\n");
    if (e == ERR_OK && is_spf) {
        put_received_spf(out, q, &s->mail_from);
    }
    if (e == ERR_NOMEM || (e == ERR_OK && !out->failed)) {
        return e;
    }
    out->n = before;
    out->failed = false;
    return put_short(out, q, s, is_utf8);
}

// ---- the log ------------------------------------------------------------------------------------

static const char *action_words(enum verdict_action a)
{
    static const char *const words[] = {"accepted", "filed as junk", "refused", "put off"};

    return words[a];
}

static void put_override(struct buf *out, const struct policy_decision *d)
{
    if (d->wanted != d->action) {
        buf_printf(out, " (only observed; else it would be %s)", action_words(d->wanted));
    } else if (d->override == OVERRIDE_SAMPLED_OUT) {
        buf_put_str(out, " (pct= of the policy leaves it out)");
    } else if (d->override == OVERRIDE_TRUSTED_FORWARDER) {
        buf_put_str(out, " (in spite of DMARC: it was good when it came to ");
        buf_put(out, d->sealer);
        buf_put_byte(out, ')');
    } else if (d->override == OVERRIDE_MAILING_LIST) {
        buf_put_str(out, " (DMARC asks for more, but it comes from a mailing list)");
    }
}

static void put_dkim(struct buf *out, const struct sender_result *s)
{
    buf_put_str(out, "; DKIM ");
    if (s->dkim_count == 0) {
        buf_put_str(out, "none");
    }
    for (size_t i = 0; i < s->dkim_count; i++) {
        buf_put_str(out, i ? ", " : "");
        buf_put_str(out, dkim_status_name(s->dkim[i].status));
        buf_put_byte(out, ' ');
        buf_put(out, domain_name_span(&s->dkim[i].domain));
    }
}

static void put_summary(struct buf *out, const struct sender_result *s)
{
    buf_printf(out, "SPF %s ", spf_status_name(s->mail_from.status));
    buf_put(out, domain_name_span(&s->mail_from.domain));
    put_dkim(out, s);
    if (s->arc.status != ARC_NONE) {
        buf_printf(out, "; ARC %s", arc_status_name(s->arc.status));
    }
    buf_printf(out, "; DMARC %s ", dmarc_status_name(s->dmarc.status));
    buf_put(out, domain_name_span(&s->dmarc.domain));
    if (s->dmarc.status == DMARC_FAIL) {
        buf_printf(out, " (p=%s)", dmarc_policy_name(s->dmarc.published));
    }
    buf_put_str(out, s->name.status == IPREV_FAIL ? "; client without a name" : "");
}

void words_put_log(struct buf *out, const struct sender_result *s, const struct policy_decision *d)
{
    size_t from = out->n;

    buf_put_str(out, action_words(d->action));
    put_override(out, d);
    buf_put_str(out, ": ");
    put_summary(out, s);
    buf_put_str(out, ". ");
    buf_put(out, d->cause == CAUSE_SPF ? s->mail_from.words : s->dmarc.words);
    for (size_t i = from; i < out->n; i++) { // names are a stranger's
        out->p[i] = byte_is_ctl(out->p[i]) || (unsigned char)out->p[i] > 126 ? '?' : out->p[i];
    }
}

// ---- the answer ---------------------------------------------------------------------------------

static void put_name(struct buf *out, const struct domain_name *d)
{
    buf_put(out, span_first(domain_name_span(d), NAME_SHOWN_MAX));
    buf_put_str(out, d->n > NAME_SHOWN_MAX ? "..." : "");
}

static void put_dmarc_answer(struct buf *out, const struct sender_question *q,
                             const struct sender_result *s)
{
    buf_put_str(out, "Refused as the DMARC policy of ");
    put_name(out, &s->dmarc.found);
    buf_printf(out, " asks: not proved to come from there (SPF %s for ",
               spf_status_name(s->mail_from.status));
    put_name(out, &s->mail_from.domain);
    buf_put_str(out, s->dkim_count ? ", no DKIM signature of it holds" : ", no DKIM signature");
    buf_put_str(out, "). Its administrator can sign with DKIM or list ");
    put_address(out, &q->ip);
    buf_put_str(out, " in SPF");
}

void words_put_answer(struct buf *out, const struct sender_question *q,
                      const struct sender_result *s, const struct policy_decision *d)
{
    size_t from = out->n;

    if (d->cause == CAUSE_FROM) {
        buf_put_str(out,
                    "The From field must name one sender, with the domain of an Internet host, "
                    "so that somebody can answer for the message");
    } else if (d->cause == CAUSE_SPF) {
        buf_put_str(out, "The SPF record of ");
        put_name(out, &s->mail_from.domain);
        buf_put_str(out, " does not allow ");
        put_address(out, &q->ip);
        buf_put_str(out, " to send its mail. Its administrator can add it there");
    } else if (d->cause == CAUSE_DNS) {
        buf_put_str(out, "Whether this comes from ");
        put_name(out, &s->dmarc.domain);
        buf_put_str(out, " cannot be checked now, the DNS does not answer. Try again later");
    } else {
        put_dmarc_answer(out, q, s);
    }
    for (size_t i = from; i < out->n; i++) {
        out->p[i] = byte_is_ctl(out->p[i]) || (unsigned char)out->p[i] > 126 ? '?' : out->p[i];
    }
}
