// SPDX-License-Identifier: Apache-2.0
#include "senderauth/sender_check.h"

#include <arpa/inet.h>

#include "base/banned.h"

// The first trouble that is not just a missing answer; else ERR_AGAIN if anything is missing.
static enum err worse(enum err a, enum err b)
{
    return a == ERR_OK || (a == ERR_AGAIN && b != ERR_OK) ? b : a;
}

enum err sender_check_client(const struct sender_question *q, const struct resolver *r,
                             struct arena *arena, struct sender_result *out)
{
    struct spf_question s = {.ip = q->ip,
                             .helo = q->helo,
                             .local = q->local,
                             .domain = q->domain,
                             .receiver = q->receiver,
                             .unix_seconds = q->now_s};
    enum err e = spf_check(&s, r, arena, &out->mail_from);

    s.is_helo = true;
    e = worse(e, spf_check(&s, r, arena, &out->helo));
    return q->asks_name ? worse(e, iprev_check(&q->ip, r, &out->name)) : e;
}

enum err sender_check(const struct sender_question *q, const struct resolver *r,
                      struct arena *arena, struct sender_result *out)
{
    struct sender_result s = {.dkim = NULL};
    enum err e = sender_check_client(q, r, arena, &s);

    e = worse(e, dkim_verify(q->message, r, q->now_s, arena, &s.dkim, &s.dkim_count));
    e = worse(e, arc_verify(q->message, r, arena, &s.arc));
    // With nothing proved DMARC asks for all it may need; its verdict counts when e is ERR_OK.
    struct dmarc_question d = {.message = q->message, .sample = q->sample};

    if (e == ERR_OK) {
        d.spf = &s.mail_from;
        d.dkim = s.dkim;
        d.dkim_count = s.dkim_count;
    }
    e = worse(e, dmarc_check(&d, r, arena, &s.dmarc));
    if (e == ERR_OK) {
        *out = s;
    }
    return e;
}

struct list {
    struct auth_result results[DKIM_SIGNATURES_MAX + 6];
    struct auth_property properties[DKIM_SIGNATURES_MAX + 6][5];
    size_t n;
};

static struct auth_result *add(struct list *l, struct span method, const char *result)
{
    struct auth_result *r = &l->results[l->n];

    r->method = method;
    r->result = span_from_str(result);
    r->properties = l->properties[l->n++];
    return r;
}

static void add_property(struct list *l, struct span type, struct span name, struct span value)
{
    struct auth_result *r = &l->results[l->n - 1];

    l->properties[l->n - 1][r->n++] = (struct auth_property){type, name, value};
}

static struct span address(struct arena *arena, struct span local, struct span domain)
{
    char *p = arena_alloc(arena, local.n + domain.n + 1);

    if (!p || local.n == 0) {
        return p ? domain : (struct span){NULL, 0};
    }
    memcpy(p, local.p, local.n);
    p[local.n] = '@';
    memcpy(p + local.n + 1, domain.p, domain.n);
    return span_of(p, local.n + 1 + domain.n);
}

// Says why only where it did not pass: that is what people ask about.
static struct span reason(bool is_good, struct span words)
{
    return is_good ? SPAN("") : words;
}

static void add_spf(struct list *l, const struct sender_question *q, const struct sender_result *s,
                    struct arena *arena)
{
    struct span smtp = SPAN("smtp");

    if (q->domain.n) {
        add(l, SPAN("spf"), spf_status_name(s->mail_from.status))->reason =
            reason(s->mail_from.status == SPF_PASS, s->mail_from.words);
        add_property(l, smtp, SPAN("mailfrom"), address(arena, q->local, q->domain));
    }
    add(l, SPAN("spf"), spf_status_name(s->helo.status))->reason =
        reason(s->helo.status == SPF_PASS, s->helo.words);
    add_property(l, smtp, SPAN("helo"), q->helo);
}

static void add_dkim(struct list *l, const struct sender_result *s)
{
    struct span header = SPAN("header");

    for (size_t i = 0; i < s->dkim_count; i++) {
        const struct dkim_result *k = &s->dkim[i];

        add(l, SPAN("dkim"), dkim_status_name(k->status))->reason =
            reason(k->status == DKIM_PASS && !k->is_partial, k->words);
        add_property(l, header, SPAN("d"), domain_name_span(&k->domain));
        add_property(l, header, SPAN("s"), k->selector);
        add_property(l, header, SPAN("i"), k->identity);
        add_property(l, header, SPAN("a"), span_from_str(dkim_algorithm_name(k->algorithm)));
        add_property(l, header, SPAN("b"), k->signature);
    }
    if (s->dkim_count == 0) {
        add(l, SPAN("dkim"), "none");
    }
}

static void add_name(struct list *l, const struct sender_question *q, const struct sender_result *s,
                     struct arena *arena)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (s->name.status == IPREV_NONE) {
        return;
    }
    inet_ntop(q->ip.is_ip6 ? AF_INET6 : AF_INET, q->ip.bytes, text, sizeof(text));
    struct auth_result *r = add(l, SPAN("iprev"), iprev_status_name(s->name.status));

    r->reason =
        reason(s->name.status == IPREV_PASS,
               s->name.status == IPREV_FAIL ? SPAN("The address has no name that leads back to it.")
                                            : SPAN("The DNS does not answer."));
    add_property(l, SPAN("policy"), SPAN("iprev"), arena_dup(arena, span_from_str(text)));
    add_property(l, SPAN("policy"), SPAN("name"), domain_name_span(&s->name.name));
}

enum err sender_check_put(struct buf *out, const struct sender_question *q,
                          const struct sender_result *s, struct arena *arena, bool is_utf8)
{
    struct list *l = arena_zalloc(arena, 1, sizeof(*l));

    if (!l) {
        return ERR_NOMEM;
    }
    add_name(l, q, s, arena);
    add_spf(l, q, s, arena);
    add_dkim(l, s);
    add(l, SPAN("arc"), arc_status_name(s->arc.status))->reason =
        reason(s->arc.status != ARC_FAIL, s->arc.words);
    add(l, SPAN("dmarc"), dmarc_status_name(s->dmarc.status))->reason =
        reason(s->dmarc.status == DMARC_PASS || s->dmarc.status == DMARC_NONE, s->dmarc.words);
    add_property(l, SPAN("header"), SPAN("from"), domain_name_span(&s->dmarc.domain));
    if (s->dmarc.status == DMARC_FAIL) {
        add_property(l, SPAN("policy"), SPAN("dmarc"),
                     span_from_str(dmarc_policy_name(s->dmarc.published)));
    }
    struct auth_results all = {q->receiver, l->results, l->n};

    return auth_results_put(out, &all, is_utf8);
}
