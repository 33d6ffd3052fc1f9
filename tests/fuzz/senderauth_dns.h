// SPDX-License-Identifier: Apache-2.0
//
// A DNS whose every answer is cut from the fuzzer's input: the rest of it, up to the next 0xff, is
// the next answer. The same question gets the same answer.
#ifndef TESTS_FUZZ_SENDERAUTH_DNS_H
#define TESTS_FUZZ_SENDERAUTH_DNS_H

#include "fuzz.h"
#include "senderauth/domain_name.h"
#include "senderauth/resolver.h"

struct fuzz_dns {
    struct span rest;
    struct dns_memo *memo;
    unsigned asked;
};

static inline enum err fuzz_dns_ask(void *context, struct span name, enum dns_type type,
                                    const struct dns_answer **out)
{
    struct fuzz_dns *d = context;
    struct resolver memo = dns_memo_resolver(d->memo);
    struct dns_record records[16];
    struct dns_answer a = {.status = DNS_OK, .records = records};
    enum err e = memo.ask(memo.context, name, type, out);

    CHECK(name.n && name.n <= DOMAIN_BYTES_MAX);
    if (e != ERR_AGAIN) {
        return e;
    }
    struct span answer = span_split(&d->rest, (char)0xff);

    d->asked++;
    if (answer.n == 0) {
        a.status = DNS_NXDOMAIN;
    } else if (answer.p[0] == '!') {
        a.status = DNS_TEMPFAIL;
    } else if (answer.p[0] == '-') {
        a.status = DNS_NODATA;
    }
    while (a.status == DNS_OK && answer.n && a.n < 16) {
        struct span one = span_split(&answer, (char)0xfe);

        if ((type == DNS_A || type == DNS_AAAA) && one.n < 16) {
            one = span_of("\xc0\x00\x02\x01           ", type == DNS_A ? 4 : 16);
        }
        records[a.n++] = (struct dns_record){one, 1};
    }
    CHECK(dns_memo_answer(d->memo, name, type, &a) == ERR_OK);
    return memo.ask(memo.context, name, type, out);
}

#endif
