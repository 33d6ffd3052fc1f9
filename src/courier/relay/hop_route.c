// SPDX-License-Identifier: Apache-2.0
#include "courier/relay/hop_route.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/random.h"
#include "courier/policy/tlsa.h"
#include "wire/smtp/smtp_address.h"

#include "base/banned.h"

#define MX_MAX 500 // looked at; of these the best are tried

// ---- which hosts --------------------------------------------------------------------------------

static void nowhere(struct hop_route *r, enum ipc_relay_outcome outcome, const char *words)
{
    r->n = 0;
    r->outcome = outcome;
    snprintf(r->words, sizeof(r->words), "%s", words);
}

static void add_target(struct hop_route *r, uint16_t preference, struct span name)
{
    struct hop_target *t = &r->targets[r->n++];

    t->preference = preference;
    t->dice = (uint32_t)random_u64();
    snprintf(t->name, sizeof(t->name), "%.*s", SPAN_ARG(span_first(name, sizeof(t->name) - 1)));
}

static int by_preference(const void *a, const void *b)
{
    const struct hop_target *x = a, *y = b;

    if (x->preference != y->preference) {
        return x->preference < y->preference ? -1 : 1;
    }
    return x->dice < y->dice ? -1 : x->dice > y->dice;
}

// We are among the hosts: only those that are better than us may be tried, or mail would turn in
// circles (RFC 5321 section 5.1).
static void drop_ourselves(struct hop_target *all, size_t *n, struct span helo)
{
    for (size_t i = 0; i < *n; i++) {
        if (span_eq_nocase(span_from_str(all[i].name), helo)) {
            uint16_t own = all[i].preference;

            while (*n && all[*n - 1].preference >= own) {
                --*n;
            }
            return;
        }
    }
}

// The records, sorted and cut to what is tried.
static void take_records(struct hop_route *r, struct span records, struct span helo)
{
    struct hop_target *all = calloc(MX_MAX, sizeof(*all));
    struct hop_route room = {.n = 0}; // for add_target
    struct span record, host;
    uint16_t preference;
    size_t n = 0, seen = 0;
    bool is_null = false;

    while (all && n < MX_MAX && lookup_record_next(&records, &record)) {
        if (lookup_mx_read(record, &preference, &host) != ERR_OK) {
            continue;
        }
        seen++;
        is_null |= host.n == 0;
        if (host.n && host.n < sizeof(all->name)) {
            room.n = 0;
            add_target(&room, preference, host);
            all[n++] = room.targets[0];
        }
    }
    if (!all) {
        nowhere(r, IPC_RELAY_UNTRIED, "no memory");
    } else if (is_null && seen == 1) {
        nowhere(r, IPC_RELAY_FAILED, "5.1.10 The domain accepts no mail (null MX)");
    } else if (n == 0) {
        nowhere(r, IPC_RELAY_UNTRIED, "4.4.4 The domain's MX records name no host");
    } else {
        qsort(all, n, sizeof(*all), by_preference);
        drop_ourselves(all, &n, helo);
        r->n = n < HOP_TARGETS_MAX ? n : HOP_TARGETS_MAX;
        memcpy(r->targets, all, r->n * sizeof(*all));
        if (n == 0) {
            nowhere(r, IPC_RELAY_FAILED,
                    "5.4.6 This server is the best MX of the domain, but does not know it: mail "
                    "would loop");
        }
    }
    free(all);
}

// Without MX records the domain itself is the host, when it exists.
static void find_mx(struct lookup *k, const struct hop_destination *d, struct hop_route *r)
{
    struct lookup_answer a;

    lookup_ask(k, span_from_str(r->domain), DNS_MX, &a);
    r->mx_secure = a.secure;
    switch (a.status) {
    case IPC_DNS_OK:
        take_records(r, buf_span(&a.records), d->helo);
        break;
    case IPC_DNS_NO_DATA:
        add_target(r, 0, span_from_str(r->domain));
        drop_ourselves(r->targets, &r->n, d->helo);
        if (r->n == 0) {
            nowhere(r, IPC_RELAY_FAILED,
                    "5.4.6 The domain is this server's own name: mail would "
                    "loop");
        }
        break;
    case IPC_DNS_NO_NAME:
        nowhere(r, IPC_RELAY_FAILED, "5.1.2 The domain does not exist");
        break;
    case IPC_DNS_BOGUS:
        nowhere(r, IPC_RELAY_UNTRIED,
                "4.4.3 The DNS's answer about the domain is forged or its signatures are broken");
        break;
    default:
        nowhere(r, IPC_RELAY_UNTRIED, "4.4.3 The DNS gives no answer about the domain");
        break;
    }
    lookup_answer_finish(&a);
}

static enum err take_domain(struct span domain, struct hop_route *r)
{
    struct arena arena;
    struct span ascii = domain;
    enum err e = ERR_OK;

    arena_init(&arena, 16384);
    if (domain.n == 0 || domain.p[0] != '[') {
        e = smtp_domain_to_ascii(domain, &arena, &ascii);
    }
    if (e == ERR_OK && ascii.n >= sizeof(r->domain)) {
        e = ERR_INVALID;
    }
    if (e == ERR_OK) {
        snprintf(r->domain, sizeof(r->domain), "%.*s", SPAN_ARG(ascii));
    }
    arena_finish(&arena);
    return e;
}

void hop_route_find(struct lookup *k, struct sts *sts, const struct hop_destination *d,
                    struct hop_route *out)
{
    *out = (struct hop_route){.outcome = IPC_RELAY_UNTRIED};
    buf_init(&out->sts.mx, 0);
    if (d->route_host.n) {
        add_target(out, 0, d->route_host);
        return;
    }
    if (take_domain(d->domain, out) != ERR_OK) {
        nowhere(out, IPC_RELAY_FAILED, "5.1.2 The domain is no name that the DNS could know");
        return;
    }
    out->is_by_mx = true;
    if (out->domain[0] == '[') {
        add_target(out, 0, span_from_str(out->domain));
        return;
    }
    find_mx(k, d, out);
    if (out->n) {
        static const enum ipc_tls_result results[] = {
            [STS_NO_PROBLEM] = IPC_TLS_NONE,
            [STS_NOT_FETCHED] = IPC_TLS_STS_POLICY_FETCH_ERROR,
            [STS_NOT_VALID] = IPC_TLS_STS_POLICY_INVALID,
            [STS_NOT_TRUSTED] = IPC_TLS_STS_WEBPKI_INVALID};
        enum sts_problem problem;

        sts_find(sts, span_from_str(out->domain), &out->sts, &problem);
        out->sts_problem = results[problem];
    }
}

void hop_route_finish(struct hop_route *r)
{
    sts_policy_finish(&r->sts);
}

// ---- what a host must show ----------------------------------------------------------------------

void hop_target_facts_finish(struct hop_target_facts *f)
{
    lookup_answer_finish(&f->tlsa);
}

// Takes the TLSA records into the policy. Those that nobody can use still demand TLS.
static void take_tlsa(struct hop_target_facts *f)
{
    struct span records = buf_span(&f->tlsa.records), record;
    struct tlsa t;
    bool usable = false;

    while (f->policy.tlsa_n < HOP_TLSA_MAX && lookup_record_next(&records, &record)) {
        if (tlsa_read(record, &t) == ERR_OK && tlsa_is_usable(&t)) {
            f->policy.tlsa[f->policy.tlsa_n++] = record;
            usable = true;
        }
    }
    f->policy.level = usable ? HOP_DANE : HOP_ENCRYPT;
    f->policy.demand = "DANE";
}

// TLSA of a base name. ERR_NOT_FOUND: there is none; ERR_UNAVAILABLE: nobody can say.
static enum err ask_tlsa(struct lookup *k, const char *base, uint16_t port,
                         struct hop_target_facts *f)
{
    char name[300];

    lookup_answer_finish(&f->tlsa);
    snprintf(name, sizeof(name), "_%u._tcp.%s", port, base);
    lookup_ask(k, span_from_str(name), DNS_TLSA, &f->tlsa);
    if (f->tlsa.status == IPC_DNS_BOGUS || f->tlsa.status == IPC_DNS_TEMPORARY) {
        return ERR_UNAVAILABLE;
    }
    if (f->tlsa.status != IPC_DNS_OK || !f->tlsa.secure) {
        return ERR_NOT_FOUND;
    }
    snprintf(f->tlsa_base, sizeof(f->tlsa_base), "%s", base);
    return ERR_OK;
}

// RFC 7672 section 2.2: only when everything on the way there is signed; the name at the end of
// CNAMEs first, then the one we were told.
static enum err find_dane(struct lookup *k, const struct hop_route *r, const struct hop_target *t,
                          uint16_t port, struct hop_target_facts *f)
{
    enum err e = ERR_NOT_FOUND;

    if (!r->is_by_mx || !r->mx_secure || !f->addresses.secure) {
        return ERR_OK;
    }
    if (f->addresses.canonical[0]) {
        e = ask_tlsa(k, f->addresses.canonical, port, f);
    }
    if (e == ERR_NOT_FOUND) {
        e = ask_tlsa(k, t->name, port, f);
    }
    if (e == ERR_OK) {
        take_tlsa(f);
        f->policy.name = f->tlsa_base;
        f->policy.next_name = r->domain;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// A route's own wish.
static void set_route_policy(const struct hop_destination *d, struct hop_policy *p)
{
    p->is_implicit = d->route_tls == IPC_RELAY_TLS_IMPLICIT;
    if (d->route_tls != IPC_RELAY_TLS_OPPORTUNISTIC) {
        p->level = HOP_PKIX;
        p->demand = "the route";
    }
}

// ERR_DENIED: the policy does not know this host.
static enum err set_sts_policy(const struct hop_route *r, const struct hop_target *t,
                               struct hop_policy *p)
{
    bool allowed = r->sts.mode == STS_NONE || sts_policy_allows(&r->sts, span_from_str(t->name));

    if (r->sts.mode == STS_TESTING && !allowed) {
        log_info("%s is no MX by the MTA-STS policy of %s, which is being tested only",
                 log_text(span_from_str(t->name)).s, r->domain);
    }
    if (r->sts.mode != STS_ENFORCE) {
        return ERR_OK;
    }
    if (!allowed) {
        return ERR_DENIED;
    }
    if (p->level < HOP_PKIX) { // DANE is stronger and stays (RFC 8461 section 2)
        p->level = HOP_PKIX;
        p->demand = "MTA-STS";
        p->name = t->name;
    }
    return ERR_OK;
}

// The sender's REQUIRETLS: who the host is must be sure, by DNSSEC or MTA-STS, and its certificate
// checked (RFC 8689 section 4.2.1).
static enum err set_requiretls(const struct hop_route *r, struct hop_policy *p)
{
    bool sure = !r->is_by_mx || r->mx_secure || r->sts.mode == STS_ENFORCE;

    if (!sure) {
        return ERR_DENIED;
    }
    if (p->level < HOP_PKIX) {
        p->level = HOP_PKIX;
        p->demand = "the sender (REQUIRETLS)";
    }
    return ERR_OK;
}

static enum err look_at_addresses(struct lookup *k, const struct hop_target *t, uint16_t port,
                                  struct hop_target_facts *out, char *words)
{
    lookup_addresses(k, span_from_str(t->name), port, &out->addresses);
    if (out->addresses.n) {
        return ERR_OK;
    }
    snprintf(words, HOP_WORDS_BYTES_MAX, "%s",
             out->addresses.status == IPC_DNS_BOGUS
                 ? "4.4.3 The DNS's answer about the host is forged or its signatures are broken"
             : out->addresses.status == IPC_DNS_TEMPORARY
                 ? "4.4.3 The DNS gives no answer about the host"
                 : "4.4.4 The host has no address");
    return ERR_UNAVAILABLE;
}

enum err hop_target_look(struct lookup *k, const struct hop_destination *d,
                         const struct hop_route *r, const struct hop_target *t, uint16_t port,
                         struct hop_target_facts *out, char words[HOP_WORDS_BYTES_MAX])
{
    *out = (struct hop_target_facts){
        .policy = {.level = HOP_TRY, .demand = "", .name = t->name[0] == '[' ? "" : t->name}};
    buf_init(&out->tlsa.records, 0);
    buf_init(&out->tlsa.canonical, 0);
    enum err e = look_at_addresses(k, t, port, out, words);

    if (e != ERR_OK) {
        return e;
    }
    set_route_policy(d, &out->policy);
    e = find_dane(k, r, t, port, out);
    if (e != ERR_OK) {
        out->failure = IPC_TLS_DNSSEC_INVALID;
        snprintf(words, HOP_WORDS_BYTES_MAX,
                 "4.4.3 The DNS gives no answer about the host's TLSA records, or a forged one");
        return e;
    }
    e = set_sts_policy(r, t, &out->policy);
    if (e != ERR_OK) {
        out->failure = IPC_TLS_VALIDATION_FAILURE;
        snprintf(words, HOP_WORDS_BYTES_MAX,
                 "4.7.0 The MTA-STS policy of the domain does not know this host");
        return e;
    }
    e = d->requiretls ? set_requiretls(r, &out->policy) : ERR_OK;
    if (e != ERR_OK) {
        snprintf(words, HOP_WORDS_BYTES_MAX,
                 "5.7.30 The sender demands TLS all the way (REQUIRETLS), and nobody vouches for "
                 "who the domain's host is (DNSSEC or MTA-STS)");
    }
    return e;
}
