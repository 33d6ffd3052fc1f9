// SPDX-License-Identifier: Apache-2.0
#include "courier/relay/tls_note.h"

#include <stdio.h>

#include "courier/policy/tlsa.h"

#include "base/banned.h"

// ---- policies -----------------------------------------------------------------------------------

// As it was published (RFC 8460 section 4.4: a JSON array of its lines).
static void put_sts(struct buf *out, const struct sts_policy *p)
{
    static const char *const modes[] = {"none", "testing", "enforce"};
    struct span names = buf_span(&p->mx);

    buf_printf(out, "version: STSv1\nmode: %s\n", modes[p->mode]);
    while (names.n && out->n < TLS_POLICY_BYTES / 2) {
        buf_printf(out, "mx: %.*s\n", SPAN_ARG(span_split(&names, '\n')));
    }
    buf_printf(out, "max_age: %u", p->max_age_s);
}

// RFC 6698 section 2.2, presentation format.
static void put_tlsa(struct buf *out, const struct hop_target_facts *f)
{
    for (size_t i = 0; i < f->policy.tlsa_n && out->n < TLS_POLICY_BYTES / 2; i++) {
        struct tlsa t;

        if (tlsa_read(f->policy.tlsa[i], &t) != ERR_OK) {
            continue;
        }
        buf_printf(out, "%s%u %u %u ", out->n ? "\n" : "", t.usage, t.selector, t.matching);
        for (size_t k = 0; k < t.data.n && k < 64; k++) {
            buf_printf(out, "%02x", (unsigned char)t.data.p[k]);
        }
    }
}

static void set_policy(struct tls_note *n, const struct hop_route *r,
                       const struct hop_target_facts *f)
{
    struct buf text = {.p = n->text, .cap = TLS_POLICY_BYTES, .max = TLS_POLICY_BYTES};
    bool dane = f && (f->policy.level == HOP_DANE || f->policy.level == HOP_ENCRYPT);

    if (dane) {
        n->policy = IPC_TLS_TLSA;
        put_tlsa(&text, f);
    } else if (r->sts.mode != STS_NONE || r->sts_problem != IPC_TLS_NONE) {
        n->policy = IPC_TLS_STS;
        if (r->sts.mode != STS_NONE) {
            put_sts(&text, &r->sts);
        }
    }
    n->text[text.failed ? 0 : text.n] = '\0';
}

// ---- notes --------------------------------------------------------------------------------------

// A place for one more; NULL: there is none, or nobody is told (the route is no MX).
static struct tls_note *add(struct tls_notes *notes, const struct hop_route *r,
                            enum ipc_tls_result result)
{
    if (!r->is_by_mx || r->domain[0] == '[' || result == IPC_TLS_NONE ||
        notes->n == TLS_NOTES_MAX) {
        return NULL;
    }
    struct tls_note *n = &notes->all[notes->n++];

    *n = (struct tls_note){.result = result};
    return n;
}

void tls_note_session(struct tls_notes *notes, const struct hop_route *r,
                      const struct hop_target *t, const struct hop_target_facts *f,
                      const struct hop *h)
{
    struct tls_note *n = add(notes, r, h->tls_result);

    if (n) {
        set_policy(n, r, f);
        snprintf(n->host, sizeof(n->host), "%s", t->name);
        snprintf(n->address, sizeof(n->address), "%s", address_host_text(&h->address).s);
        snprintf(n->source, sizeof(n->source), "%s", h->source);
        snprintf(n->reason, sizeof(n->reason), "%s", h->tls_reason);
    }
}

void tls_note_host(struct tls_notes *notes, const struct hop_route *r, const struct hop_target *t,
                   const struct hop_target_facts *f, enum ipc_tls_result result, const char *reason)
{
    struct tls_note *n = add(notes, r, result);

    if (n) {
        set_policy(n, r, f);
        n->policy = result == IPC_TLS_DNSSEC_INVALID ? IPC_TLS_TLSA : n->policy;
        snprintf(n->host, sizeof(n->host), "%s", t->name);
        snprintf(n->reason, sizeof(n->reason), "%s", reason);
    }
}

void tls_note_policy(struct tls_notes *notes, const struct hop_route *r)
{
    struct tls_note *n = add(notes, r, r->sts_problem);

    if (n) {
        set_policy(n, r, NULL);
    }
}
