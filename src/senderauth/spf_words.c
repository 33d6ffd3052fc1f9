// SPDX-License-Identifier: Apache-2.0
//
// What SPF found, said to a person in one sentence.
#include <arpa/inet.h>

#include "senderauth/spf_internal.h"

#include "base/banned.h"

#define WORDS_BYTES_MAX 2048

const char *spf_status_name(enum spf_status s)
{
    static const char *const names[] = {"none",     "neutral",   "pass",     "fail",
                                        "softfail", "temperror", "permerror"};

    return names[s];
}

static void put_trouble(struct buf *b, const struct spf_run *run, const struct spf_result *r)
{
    if (run->trouble.n && !span_eq(run->trouble, domain_name_span(&r->domain))) {
        buf_put(b, run->trouble);
        buf_put_str(b, ", which it names,");
    } else {
        buf_put_str(b, "its domain");
    }
    buf_printf(b, " %s", run->why ? run->why : "has an SPF record with an error in it");
}

static void put_sentence(struct buf *b, const struct spf_run *run, const struct spf_result *r)
{
    char ip[INET6_ADDRSTRLEN] = "";
    int n = (int)r->domain.n;
    const char *domain = r->domain.text;

    inet_ntop(run->q->ip.is_ip6 ? AF_INET6 : AF_INET, run->q->ip.bytes, ip, sizeof(ip));
    switch (r->status) {
    case SPF_NONE:
        if (n == 0) {
            buf_put_str(b, "The sender names no domain that could say who may send for it.");
        } else {
            buf_printf(b, "%.*s does not say which hosts may send its mail.", n, domain);
        }
        break;
    case SPF_NEUTRAL:
        buf_printf(b, "%.*s does not say whether %s may send its mail.", n, domain, ip);
        break;
    case SPF_PASS:
        buf_printf(b, "%.*s allows %s to send its mail.", n, domain, ip);
        break;
    case SPF_FAIL:
        buf_printf(b, "%.*s does not allow %s to send its mail.", n, domain, ip);
        break;
    case SPF_SOFTFAIL:
        buf_printf(b, "%.*s says that %s should probably not send its mail.", n, domain, ip);
        break;
    case SPF_TEMPERROR:
        buf_printf(b, "Whether %s may send mail of %.*s cannot be told now: ", ip, n, domain);
        put_trouble(b, run, r);
        buf_put_byte(b, '.');
        break;
    case SPF_PERMERROR:
        buf_printf(b, "Who may send mail of %.*s cannot be told: ", n, domain);
        put_trouble(b, run, r);
        buf_put_byte(b, '.');
        break;
    }
}

struct span spf_words(struct arena *arena, const struct spf_run *run, const struct spf_result *r)
{
    struct span s = {NULL, 0};
    struct buf b;

    buf_init(&b, WORDS_BYTES_MAX);
    put_sentence(&b, run, r);
    for (size_t i = 0; i < b.n; i++) { // names are printable; it may become part of a reply
        b.p[i] = b.p[i] < 32 || b.p[i] == 127 ? '?' : b.p[i];
    }
    s = arena_dup(arena, buf_span(&b));
    buf_finish(&b);
    return s;
}
