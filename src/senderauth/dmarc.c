// SPDX-License-Identifier: Apache-2.0
//
// RFC 7489 sections 3.1 (alignment), 6.6 (what a receiver does) and 7.1.
#include "senderauth/dmarc.h"

#include "mime/mime_address.h"
#include "senderauth/auth_message_internal.h"

#include "base/banned.h"

#define WORDS_BYTES_MAX 1024

const char *dmarc_status_name(enum dmarc_status s)
{
    static const char *const names[] = {"none", "pass", "fail", "temperror", "permerror"};

    return names[s];
}

// Adds the domains of one From field to what is known.
static enum dmarc_from read_from(struct span body, struct domain_name *domain)
{
    struct mime_address_reader r;
    struct mime_address a;
    enum dmarc_from state = DMARC_FROM_MISSING;
    size_t n = 0;

    mime_address_begin(&r, body);
    while (mime_address_next(&r, &a) && n < DMARC_FROM_ADDRESSES_MAX) {
        struct domain_name d;

        if (a.kind != MIME_MAILBOX) {
            continue;
        }
        n++;
        if (domain_name_parse(a.domain, &d) != ERR_OK ||
            !domain_name_is_host(domain_name_span(&d))) {
            state = DMARC_FROM_BROKEN;
            break;
        }
        if (state == DMARC_FROM_MISSING) {
            *domain = d;
            state = DMARC_FROM_ONE;
        } else if (!span_eq(domain_name_span(&d), domain_name_span(domain))) {
            state = DMARC_FROM_SEVERAL;
            break;
        }
    }
    if (n == DMARC_FROM_ADDRESSES_MAX || r.scratch.failed) {
        state = DMARC_FROM_SEVERAL;
    }
    mime_address_finish(&r);
    return state;
}

enum dmarc_from dmarc_from_domain(const struct auth_message *m, struct domain_name *out)
{
    size_t name = auth_message_name(m, SPAN("From"));
    uint32_t at = name ? m->lowest[name] : 0;
    struct domain_name d = {.n = 0};

    if (!at) {
        return DMARC_FROM_MISSING;
    }
    if (m->fields[at - 1].above) {
        return DMARC_FROM_SEVERAL;
    }
    enum dmarc_from state = read_from(m->fields[at - 1].f.body, &d);

    if (state == DMARC_FROM_ONE) {
        *out = d;
    }
    return state;
}

// "v=DMARC1" and then a semicolon or nothing.
static bool is_dmarc(struct span text)
{
    struct span first = span_split(&text, ';');
    struct span name = span_split(&first, '=');

    return span_eq(span_trim(name), SPAN("v")) && span_eq(span_trim(first), SPAN("DMARC1"));
}

struct found {
    size_t n; // records at that name
    struct dmarc_record record;
    bool is_usable;
};

// The DMARC records at a name. A record to be ignored counts as found, but not as usable.
static enum err look(const struct resolver *r, struct span domain, struct found *out,
                     bool *out_failed)
{
    char text[DOMAIN_BYTES_MAX + 10] = "_dmarc.";
    const struct dns_answer *a = NULL;

    *out = (struct found){.n = 0};
    *out_failed = false;
    memcpy(text + 7, domain.p, domain.n);
    enum err e = resolver_ask(r, span_of(text, domain.n + 7), DNS_TXT, &a);

    if (e != ERR_OK) {
        return e;
    }
    *out_failed = a->status == DNS_TEMPFAIL;
    for (size_t i = 0; i < a->n; i++) {
        struct span t = a->records[i].data;

        if (is_dmarc(t)) {
            out->n++;
            out->is_usable = dmarc_record_parse(t, &out->record) == ERR_OK;
        }
    }
    return ERR_OK;
}

// Policy discovery, section 6.6.3. Both names are asked for at once. `*out_failed`: not now.
static enum err discover(const struct resolver *r, struct dmarc_result *d, bool *out_failed)
{
    struct span own = domain_name_span(&d->domain);
    struct span organization = domain_name_organization(&d->domain);
    struct found here, above = {.n = 0};
    bool above_failed = false;
    enum err e = look(r, own, &here, out_failed), e2 = ERR_OK;

    if (organization.n != own.n) {
        e2 = look(r, organization, &above, &above_failed);
    }
    if (e != ERR_OK || (e2 != ERR_OK && here.n == 0)) {
        return e != ERR_OK ? e : e2;
    }
    struct found *use = here.n ? &here : &above;

    *out_failed = *out_failed || (here.n == 0 && above_failed);
    if (!*out_failed && use->n == 1 && use->is_usable) {
        d->has_record = true;
        d->record = use->record;
        domain_name_parse(use == &here ? own : organization, &d->found);
    }
    return ERR_OK;
}

static bool is_aligned(const struct domain_name *a, const struct domain_name *from, bool is_strict)
{
    if (a->n == 0) {
        return false;
    }
    return is_strict ? span_eq(domain_name_span(a), domain_name_span(from))
                     : span_eq(domain_name_organization(a), domain_name_organization(from));
}

static void align(const struct dmarc_question *q, struct dmarc_result *d)
{
    d->is_spf_aligned = q->spf && q->spf->status == SPF_PASS &&
                        is_aligned(&q->spf->domain, &d->domain, d->record.is_spf_strict);
    for (size_t i = 0; i < q->dkim_count; i++) {
        const struct dkim_result *k = &q->dkim[i];

        d->is_dkim_aligned |= k->status == DKIM_PASS && !k->is_partial &&
                              is_aligned(&k->domain, &d->domain, d->record.is_dkim_strict);
    }
}

// What could still have proved it, had the DNS answered.
static bool is_undecided(const struct dmarc_question *q)
{
    bool any = q->spf && q->spf->status == SPF_TEMPERROR;

    for (size_t i = 0; i < q->dkim_count; i++) {
        any |= q->dkim[i].status == DKIM_TEMPERROR;
    }
    return any;
}

// RFC 9091 section 2.7: neither address nor mail host has the name.
static enum err does_exist(const struct resolver *r, struct span name, bool *out)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_MX};
    enum err e = ERR_OK;

    *out = false;
    for (size_t i = 0; i < 3; i++) {
        const struct dns_answer *a = NULL;
        enum err asked = resolver_ask(r, name, types[i], &a);

        e = asked != ERR_OK ? asked : e;
        *out |= asked == ERR_OK && a->status != DNS_NXDOMAIN && a->status != DNS_NODATA;
    }
    return e;
}

static enum err choose_policy(const struct resolver *r, struct dmarc_result *d)
{
    bool is_own = span_eq(domain_name_span(&d->domain), domain_name_span(&d->found));
    bool exists = true;

    d->published = is_own ? d->record.policy : d->record.subdomain_policy;
    if (!is_own && d->record.has_missing_policy) {
        enum err e = does_exist(r, domain_name_span(&d->domain), &exists);

        if (e != ERR_OK) {
            return e;
        }
        d->published = exists ? d->published : d->record.missing_policy;
    }
    return ERR_OK;
}

static void apply(const struct dmarc_question *q, struct dmarc_result *d)
{
    if (d->status != DMARC_FAIL) {
        return;
    }
    d->apply = d->published;
    d->is_sampled_out = q->sample >= d->record.percent && d->published != DMARC_POLICY_NONE;
    if (d->is_sampled_out) { // section 6.6.4: the next milder one
        d->apply = d->published == DMARC_REJECT ? DMARC_QUARANTINE : DMARC_POLICY_NONE;
    }
}

static void put_from_words(struct buf *b, enum dmarc_from from)
{
    buf_put_str(b, from == DMARC_FROM_MISSING   ? "The message names no sender (From)."
                   : from == DMARC_FROM_SEVERAL ? "The message names senders of several domains "
                                                  "(From), so no domain can answer for it."
                                                : "The sender (From) has an address that is none.");
}

static void put_words(struct buf *b, const struct dmarc_result *d)
{
    int n = (int)d->domain.n;
    const char *domain = d->domain.text;

    if (d->from != DMARC_FROM_ONE) {
        put_from_words(b, d->from);
    } else if (d->status == DMARC_NONE) {
        buf_printf(b, "%.*s does not say how its mail can be recognized.", n, domain);
    } else if (d->status == DMARC_PASS) {
        buf_printf(b, "The message really comes from %.*s: its %s.", n, domain,
                   d->is_dkim_aligned ? "signature says so" : "sending host is allowed to");
    } else if (d->status == DMARC_TEMPERROR) {
        buf_printf(b,
                   "Whether the message comes from %.*s cannot be told now: the DNS does not "
                   "answer.",
                   n, domain);
    } else {
        buf_printf(b,
                   "Nothing proves that the message comes from %.*s: neither the sending host "
                   "nor a signature belongs to it",
                   n, domain);
        buf_put_str(b, d->published == DMARC_REJECT ? ", and it asks to refuse such mail."
                       : d->published == DMARC_QUARANTINE
                           ? ", and it asks to treat such mail as suspicious."
                           : ".");
    }
}

static enum err judge(const struct dmarc_question *q, const struct resolver *r,
                      struct dmarc_result *d)
{
    bool has_failed = false;
    enum err e = auth_message_result(q->message);

    if (e != ERR_OK) {
        return e;
    }
    d->from = dmarc_from_domain(q->message, &d->domain);
    if (d->from != DMARC_FROM_ONE) {
        d->status = DMARC_PERMERROR;
        d->published = d->apply = DMARC_REJECT;
        return ERR_OK;
    }
    e = discover(r, d, &has_failed);
    if (e != ERR_OK || has_failed || !d->has_record) {
        d->status = has_failed ? DMARC_TEMPERROR : DMARC_NONE;
        return e;
    }
    align(q, d);
    d->status = d->is_spf_aligned || d->is_dkim_aligned ? DMARC_PASS
                : is_undecided(q)                       ? DMARC_TEMPERROR
                                                        : DMARC_FAIL;
    e = choose_policy(r, d);
    apply(q, d);
    return e;
}

static enum err keep_spans(struct arena *arena, struct dmarc_result *d)
{
    struct span *all[] = {&d->record.aggregate, &d->record.failure, &d->record.failure_options};

    for (size_t i = 0; i < 3; i++) {
        if (all[i]->p) {
            *all[i] = arena_dup(arena, *all[i]);
            if (!all[i]->p) {
                return ERR_NOMEM;
            }
        }
    }
    return ERR_OK;
}

enum err dmarc_check(const struct dmarc_question *q, const struct resolver *r, struct arena *arena,
                     struct dmarc_result *out)
{
    struct dmarc_result d = {.status = DMARC_NONE};
    struct buf b;
    enum err e = judge(q, r, &d);

    if (e == ERR_OK) {
        e = keep_spans(arena, &d);
    }
    if (e != ERR_OK) {
        return e;
    }
    buf_init(&b, WORDS_BYTES_MAX);
    put_words(&b, &d);
    d.words = arena_dup(arena, buf_span(&b));
    buf_finish(&b);
    if (!d.words.p) {
        return ERR_NOMEM;
    }
    *out = d;
    return ERR_OK;
}

enum err dmarc_report_is_wanted(const struct domain_name *domain,
                                const struct domain_name *receiver, const struct resolver *r)
{
    const struct dns_answer *a = NULL;
    struct buf name;
    enum err e = ERR_OK;

    if (is_aligned(receiver, domain, false)) {
        return ERR_OK;
    }
    buf_init(&name, 3 * DOMAIN_BYTES_MAX);
    buf_put(&name, domain_name_span(domain));
    buf_put_str(&name, "._report._dmarc.");
    buf_put(&name, domain_name_span(receiver));
    e = resolver_ask(r, buf_span(&name), DNS_TXT, &a);
    buf_finish(&name);
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (is_dmarc(a->records[i].data)) {
            return ERR_OK;
        }
    }
    return a->status == DNS_TEMPFAIL ? ERR_UNAVAILABLE : ERR_DENIED;
}
