// SPDX-License-Identifier: Apache-2.0
#include "senderauth/iprev.h"

#include "senderauth/spf_internal.h"

#include "base/banned.h"

const char *iprev_status_name(enum iprev_status s)
{
    static const char *const names[] = {"none", "pass", "fail", "temperror"};

    return names[s];
}

static bool has_address(const struct dns_answer *a, const struct ip_address *ip)
{
    size_t n = ip->is_ip6 ? 16 : 4;

    for (size_t i = 0; i < a->n; i++) {
        if (a->records[i].data.n == n && memcmp(a->records[i].data.p, ip->bytes, n) == 0) {
            return true;
        }
    }
    return false;
}

// Looks at one name; all are asked about before an answer is waited for.
static enum err look(const struct ip_address *ip, const struct resolver *r, struct span text,
                     struct iprev_result *out)
{
    const struct dns_answer *a = NULL;
    struct domain_name name;

    if (domain_name_parse(text, &name) != ERR_OK) {
        return ERR_OK;
    }
    enum err e = resolver_ask(r, domain_name_span(&name), ip->is_ip6 ? DNS_AAAA : DNS_A, &a);

    if (e != ERR_OK || out->status == IPREV_PASS) {
        return e;
    }
    if (has_address(a, ip)) {
        out->status = IPREV_PASS;
        out->name = name;
    } else if (a->status == DNS_TEMPFAIL) {
        out->status = IPREV_TEMPERROR;
    }
    return ERR_OK;
}

enum err iprev_check(const struct ip_address *ip, const struct resolver *r,
                     struct iprev_result *out)
{
    struct iprev_result result = {.status = IPREV_FAIL};
    const struct dns_answer *names = NULL;
    struct buf arpa;
    enum err e = ERR_OK;

    buf_init(&arpa, SPF_ARPA_BYTES_MAX);
    spf_put_arpa(&arpa, ip);
    e = resolver_ask(r, buf_span(&arpa), DNS_PTR, &names);
    buf_finish(&arpa);
    if (e != ERR_OK) {
        return e;
    }
    if (names->status == DNS_TEMPFAIL) {
        result.status = IPREV_TEMPERROR;
    }
    for (size_t i = 0; i < names->n && i < IPREV_NAMES_MAX; i++) {
        enum err looked = look(ip, r, names->records[i].data, &result);

        e = looked == ERR_OK ? e : looked;
    }
    if (e == ERR_OK) {
        *out = result;
    }
    return e;
}
