// SPDX-License-Identifier: Apache-2.0
//
// check_host() of RFC 7208 section 4. "include" and "redirect" call it again; the limit on lookups
// bounds the depth. Every question goes through spf_ask, which counts.
#include "senderauth/spf.h"

#include "senderauth/spf_internal.h"

#include "base/banned.h"

#define NAME_BYTES_MAX 65536 // an expanded name before its left end is cut

enum match { MATCH_NO, MATCH_YES, MATCH_TEMPERROR, MATCH_PERMERROR };

static enum err evaluate(struct spf_run *run, const struct domain_name *domain, bool is_included,
                         enum spf_status *out);

static void blame(struct spf_run *run, struct span domain, const char *why)
{
    if (!run->why) {
        run->trouble = arena_dup(run->arena, domain);
        run->why = why;
    }
}

static bool over_limit(struct spf_run *run, const char *why)
{
    run->is_over_limit = true;
    blame(run, (struct span){NULL, 0}, why);
    return false;
}

bool spf_count_lookup(struct spf_run *run)
{
    return ++run->lookups <= SPF_LOOKUPS_MAX || over_limit(run, "needs more than 10 DNS lookups");
}

enum err spf_ask(struct spf_run *run, struct span name, enum dns_type type,
                 const struct dns_answer **out)
{
    static const struct dns_answer nothing = {DNS_NXDOMAIN, false, 0, NULL, 0};

    if (run->queries == SPF_QUERIES_MAX) {
        over_limit(run, "needs too many DNS questions");
        *out = &nothing;
        return ERR_OK;
    }
    run->queries++;
    return resolver_ask(run->resolver, name, type, out);
}

// A term found nothing.
static void count_void(struct spf_run *run, const struct dns_answer *a)
{
    if ((a->status == DNS_NXDOMAIN || a->status == DNS_NODATA) && ++run->voids > SPF_VOIDS_MAX) {
        over_limit(run, "asks for too many names that do not exist");
    }
}

bool spf_in_network(const struct ip_address *ip, const uint8_t *data, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(ip->bytes, data, whole) != 0) {
        return false;
    }
    return rest == 0 || ((ip->bytes[whole] ^ data[whole]) >> (8 - rest)) == 0;
}

// One of the answer's addresses is the client's, or in its network.
static bool has_client(const struct spf_run *run, const struct dns_answer *a, unsigned bits4,
                       unsigned bits6)
{
    const struct ip_address *ip = &run->q->ip;

    for (size_t i = 0; i < a->n; i++) {
        struct span data = a->records[i].data;

        if (data.n == (ip->is_ip6 ? 16 : 4) &&
            spf_in_network(ip, (const uint8_t *)data.p, ip->is_ip6 ? bits6 : bits4)) {
            return true;
        }
    }
    return false;
}

static enum dns_type address_type(const struct spf_run *run)
{
    return run->q->ip.is_ip6 ? DNS_AAAA : DNS_A;
}

static enum err ask_client_names(struct spf_run *run, const struct dns_answer **out)
{
    struct buf name;
    enum err e = ERR_OK;

    buf_init(&name, SPF_ARPA_BYTES_MAX);
    spf_put_arpa(&name, &run->q->ip);
    e = spf_ask(run, buf_span(&name), DNS_PTR, out);
    buf_finish(&name);
    return e;
}

enum err spf_validated_names(struct spf_run *run)
{
    const struct dns_answer *names = NULL, *a = NULL;
    enum err e = ERR_OK;

    if (run->has_names) {
        return ERR_OK;
    }
    run->names = arena_zalloc(run->arena, SPF_HOSTS_MAX, sizeof(*run->names));
    if (!run->names) {
        return ERR_NOMEM;
    }
    e = ask_client_names(run, &names);
    if (e != ERR_OK) {
        return e;
    }
    count_void(run, names);
    run->name_count = 0;
    for (size_t i = 0; i < names->n && i < SPF_HOSTS_MAX; i++) {
        struct domain_name *d = &run->names[run->name_count];

        if (domain_name_parse(names->records[i].data, d) != ERR_OK) {
            continue;
        }
        enum err asked = spf_ask(run, domain_name_span(d), address_type(run), &a);

        if (asked != ERR_OK) {
            e = asked; // ask for the others, too
        } else if (has_client(run, a, 32, 128)) {
            run->name_count++;
        }
    }
    run->has_names = e == ERR_OK;
    return e;
}

// The name a term is about. `*out_valid` is false when what the macros gave is no name, or when
// RFC 8616 says that the term matches nothing.
static enum err target(struct spf_run *run, struct span spec, const struct domain_name *domain,
                       struct domain_name *out, bool *out_valid)
{
    struct buf b;
    enum err e = ERR_OK;

    if (spec.n == 0) {
        *out = *domain;
        *out_valid = true;
        return ERR_OK;
    }
    buf_init(&b, NAME_BYTES_MAX);
    e = spf_macro_expand(run, spec, domain_name_span(domain), &b);
    struct span name = buf_span(&b);

    if (name.n && name.p[name.n - 1] == '.') {
        name.n--;
    }
    size_t drop = name.n > DOMAIN_BYTES_MAX ? name.n - DOMAIN_BYTES_MAX : 0;

    if (drop && name.p[drop - 1] != '.') {
        struct span rest = span_skip(name, drop);

        drop += span_find_byte(rest, '.') + 1;
    }
    *out_valid =
        e == ERR_OK && !b.failed && domain_name_parse(span_skip(name, drop), out) == ERR_OK;
    buf_finish(&b);
    return e == ERR_AGAIN || e == ERR_NOMEM ? e : ERR_OK;
}

static enum err match_a(struct spf_run *run, const struct domain_name *name,
                        const struct spf_term *t, enum match *out)
{
    const struct dns_answer *a = NULL;
    enum dns_type type = t->mechanism == SPF_EXISTS ? DNS_A : address_type(run);
    enum err e = spf_ask(run, domain_name_span(name), type, &a);

    if (e != ERR_OK) {
        return e;
    }
    count_void(run, a);
    if (a->status == DNS_TEMPFAIL) {
        blame(run, domain_name_span(name), "could not be looked up");
        *out = MATCH_TEMPERROR;
    } else if (t->mechanism == SPF_EXISTS) {
        *out = a->n ? MATCH_YES : MATCH_NO;
    } else {
        *out = has_client(run, a, t->prefix4, t->prefix6) ? MATCH_YES : MATCH_NO;
    }
    return ERR_OK;
}

// Asks for all hosts before it looks at the first, so that a resolver can ask for all at once.
static enum err match_mx_hosts(struct spf_run *run, const struct dns_answer *mx,
                               const struct spf_term *t, enum match *out)
{
    enum err e = ERR_OK;

    *out = MATCH_NO;
    for (size_t i = 0; i < mx->n && *out == MATCH_NO; i++) {
        const struct dns_answer *a = NULL;
        enum err asked = spf_ask(run, mx->records[i].data, address_type(run), &a);

        if (asked != ERR_OK) {
            e = asked;
        } else if (a->status == DNS_TEMPFAIL) {
            blame(run, (struct span){NULL, 0}, "has a mail host that could not be looked up");
            *out = MATCH_TEMPERROR;
        } else if (has_client(run, a, t->prefix4, t->prefix6)) {
            *out = MATCH_YES;
        }
    }
    return e;
}

static enum err match_mx(struct spf_run *run, const struct domain_name *name,
                         const struct spf_term *t, enum match *out)
{
    const struct dns_answer *mx = NULL;
    enum err e = spf_ask(run, domain_name_span(name), DNS_MX, &mx);

    if (e != ERR_OK) {
        return e;
    }
    count_void(run, mx);
    if (mx->status == DNS_TEMPFAIL) {
        blame(run, domain_name_span(name), "could not be looked up");
        *out = MATCH_TEMPERROR;
        return ERR_OK;
    }
    if (mx->n > SPF_HOSTS_MAX) {
        blame(run, domain_name_span(name), "has more than 10 mail hosts");
        *out = MATCH_PERMERROR;
        return ERR_OK;
    }
    return match_mx_hosts(run, mx, t, out);
}

static enum err match_ptr(struct spf_run *run, const struct domain_name *name, enum match *out)
{
    enum err e = spf_validated_names(run);

    if (e != ERR_OK) {
        return e;
    }
    *out = MATCH_NO;
    for (size_t i = 0; i < run->name_count; i++) {
        if (domain_name_is_within(domain_name_span(&run->names[i]), domain_name_span(name))) {
            *out = MATCH_YES;
        }
    }
    return ERR_OK;
}

static enum err match_include(struct spf_run *run, const struct domain_name *name, enum match *out)
{
    enum spf_status status = SPF_NONE;
    enum err e = evaluate(run, name, true, &status);

    if (e != ERR_OK) {
        return e;
    }
    switch (status) {
    case SPF_PASS:
        *out = MATCH_YES;
        break;
    case SPF_TEMPERROR:
        *out = MATCH_TEMPERROR;
        break;
    case SPF_NONE:
        blame(run, domain_name_span(name), "is included but has no SPF record");
        *out = MATCH_PERMERROR;
        break;
    case SPF_PERMERROR:
        *out = MATCH_PERMERROR;
        break;
    default:
        *out = MATCH_NO;
    }
    return ERR_OK;
}

static bool in_own_network(const struct spf_run *run, const struct spf_term *t)
{
    const struct ip_address *ip = &run->q->ip;

    return ip->is_ip6 == t->network.is_ip6 &&
           spf_in_network(ip, t->network.bytes, ip->is_ip6 ? t->prefix6 : t->prefix4);
}

static enum err match(struct spf_run *run, const struct domain_name *domain,
                      const struct spf_term *t, enum match *out)
{
    struct domain_name name;
    bool is_valid = false;
    enum err e = ERR_OK;

    if (t->mechanism == SPF_ALL) {
        *out = MATCH_YES;
        return ERR_OK;
    }
    if (t->mechanism == SPF_IP4 || t->mechanism == SPF_IP6) {
        *out = in_own_network(run, t) ? MATCH_YES : MATCH_NO;
        return ERR_OK;
    }
    *out = MATCH_PERMERROR;
    if (!spf_count_lookup(run)) {
        return ERR_OK;
    }
    e = target(run, t->spec, domain, &name, &is_valid);
    if (e != ERR_OK || run->is_over_limit) {
        return e;
    }
    if (!is_valid) {
        *out = MATCH_NO;
        return ERR_OK;
    }
    switch (t->mechanism) {
    case SPF_INCLUDE:
        return match_include(run, &name, out);
    case SPF_MX:
        return match_mx(run, &name, t, out);
    case SPF_PTR:
        return match_ptr(run, &name, out);
    default:
        return match_a(run, &name, t, out);
    }
}

// The one SPF record among the TXT records. SPF_PASS stands for "found".
static enum spf_status pick_record(struct spf_run *run, struct span domain,
                                   const struct dns_answer *a, struct span *out)
{
    size_t found = 0;

    if (a->status == DNS_TEMPFAIL) {
        blame(run, domain, "could not be looked up");
        return SPF_TEMPERROR;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (spf_record_is_spf(a->records[i].data)) {
            *out = a->records[i].data;
            found++;
        }
    }
    if (found > 1) {
        blame(run, domain, "has more than one SPF record");
        return SPF_PERMERROR;
    }
    return found ? SPF_PASS : SPF_NONE;
}

static bool is_printable(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 32 || (unsigned char)s.p[i] > 126) {
            return false;
        }
    }
    return true;
}

// Section 6.2. Whatever goes wrong: no explanation.
static enum err explain(struct spf_run *run, struct span spec, const struct domain_name *domain)
{
    const struct dns_answer *a = NULL;
    struct domain_name name;
    struct buf text;
    bool is_valid = false;
    enum err e = target(run, spec, domain, &name, &is_valid);

    if (e != ERR_OK || !is_valid) {
        return e;
    }
    e = resolver_ask(run->resolver, domain_name_span(&name), DNS_TXT, &a);
    if (e != ERR_OK || a->n != 1 || !spf_macro_is_valid(a->records[0].data, true)) {
        return e;
    }
    buf_init(&text, SPF_EXPLANATION_BYTES_MAX);
    e = spf_macro_expand(run, a->records[0].data, domain_name_span(domain), &text);
    if (e == ERR_OK && is_printable(buf_span(&text))) {
        run->explanation = arena_dup(run->arena, buf_span(&text));
    }
    buf_finish(&text);
    return e == ERR_AGAIN ? e : ERR_OK;
}

static enum err redirect(struct spf_run *run, const struct domain_name *domain, struct span spec,
                         bool is_included, enum spf_status *out)
{
    struct domain_name name;
    bool is_valid = false;
    enum err e = ERR_OK;

    *out = SPF_PERMERROR;
    if (!spf_count_lookup(run)) {
        return ERR_OK;
    }
    e = target(run, spec, domain, &name, &is_valid);
    if (e != ERR_OK || !is_valid || run->is_over_limit) {
        blame(run, domain_name_span(domain), "redirects to what is no name");
        return e;
    }
    e = evaluate(run, &name, is_included, out);
    if (e == ERR_OK && *out == SPF_NONE) {
        blame(run, domain_name_span(&name), "is redirected to but has no SPF record");
        *out = SPF_PERMERROR;
    }
    return e;
}

static enum err run_record(struct spf_run *run, const struct domain_name *domain,
                           const struct spf_record *record, bool is_included, enum spf_status *out)
{
    for (size_t i = 0; i < record->n; i++) {
        enum match found = MATCH_NO;
        enum err e = match(run, domain, &record->terms[i], &found);

        if (e != ERR_OK) {
            return e;
        }
        if (run->is_over_limit || found == MATCH_PERMERROR) {
            *out = SPF_PERMERROR;
            return ERR_OK;
        }
        if (found == MATCH_TEMPERROR) {
            *out = SPF_TEMPERROR;
            return ERR_OK;
        }
        if (found == MATCH_YES) {
            *out = record->terms[i].qualifier;
            run->mechanism = record->terms[i].text;
            return *out == SPF_FAIL && !is_included && record->explain.p
                       ? explain(run, record->explain, domain)
                       : ERR_OK;
        }
    }
    if (record->redirect.p) {
        return redirect(run, domain, record->redirect, is_included, out);
    }
    *out = SPF_NEUTRAL;
    return ERR_OK;
}

static enum err evaluate(struct spf_run *run, const struct domain_name *domain, bool is_included,
                         enum spf_status *out)
{
    const struct dns_answer *a = NULL;
    struct spf_record record;
    struct span text = {NULL, 0};
    enum err e = spf_ask(run, domain_name_span(domain), DNS_TXT, &a);

    if (e != ERR_OK) {
        return e;
    }
    *out = pick_record(run, domain_name_span(domain), a, &text);
    if (run->is_over_limit) {
        *out = SPF_PERMERROR;
    }
    if (*out != SPF_PASS) {
        return ERR_OK;
    }
    e = spf_record_parse(run->arena, text, &record);
    if (e == ERR_INVALID) {
        blame(run, domain_name_span(domain), "has an SPF record with an error in it");
        *out = SPF_PERMERROR;
        return ERR_OK;
    }
    return e == ERR_OK ? run_record(run, domain, &record, is_included, out) : e;
}

// Section 4.3. False: there is no name to judge.
static bool prepare(struct spf_run *run, struct domain_name *domain)
{
    const struct spf_question *q = run->q;
    bool is_helo = q->is_helo || q->domain.n == 0;

    if (domain_name_parse(q->helo, &run->helo) != ERR_OK) {
        run->helo.n = 0;
    }
    run->local = is_helo || q->local.n == 0 ? SPAN("postmaster") : q->local;
    if (domain_name_parse(is_helo ? q->helo : q->domain, domain) != ERR_OK ||
        !domain_name_is_host(domain_name_span(domain))) {
        domain->n = 0;
        return false;
    }
    run->sender_domain = *domain;
    return true;
}

enum err spf_check(const struct spf_question *q, const struct resolver *r, struct arena *arena,
                   struct spf_result *out)
{
    struct spf_run run = {.q = q, .resolver = r, .arena = arena};
    struct spf_result result = {.status = SPF_NONE};
    enum err e = ERR_OK;

    result.is_helo = q->is_helo || q->domain.n == 0;
    if (prepare(&run, &result.domain)) {
        e = evaluate(&run, &result.domain, false, &result.status);
    }
    if (e != ERR_OK) {
        return e;
    }
    result.mechanism = arena_dup(arena, run.mechanism);
    result.explanation = run.explanation;
    result.lookups = run.lookups;
    result.voids = run.voids;
    result.queries = run.queries;
    result.words = spf_words(arena, &run, &result);
    if (!result.words.p || !result.mechanism.p) {
        return ERR_NOMEM;
    }
    *out = result;
    return ERR_OK;
}
