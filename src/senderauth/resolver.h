// SPDX-License-Identifier: Apache-2.0
//
// What sender authentication asks of the DNS, and of whom: a resolver it is handed. Nothing here
// opens a socket. A resolver may know the answer (or wait for it, in a worker thread that may), or
// say ERR_AGAIN: the evaluation then stops, returns ERR_AGAIN too, and is run again from the start
// when the answer is there. `struct dns_memo` is such a resolver. See
// docs/decisions/0009-sender-auth-questions.md.
#ifndef SENDERAUTH_RESOLVER_H
#define SENDERAUTH_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dns_type.h"
#include "base/err.h"
#include "base/span.h"

enum dns_status {
    DNS_OK,       // at least one record
    DNS_NXDOMAIN, // no such name
    DNS_NODATA,   // the name exists, not this type
    DNS_TEMPFAIL, // no answer, a broken one, or one that DNSSEC found false
};

struct dns_record {
    // A: 4 bytes. AAAA: 16 bytes. MX, PTR: a host name as text, no dot at its end. TXT: all strings
    // of the record joined. TLSA: the record's bytes.
    struct span data;
    uint16_t preference; // MX only
};

struct dns_answer {
    enum dns_status status;
    bool is_validated;    // DNSSEC proved it, on a way we trust
    uint32_t ttl_seconds; // 0 when unknown
    const struct dns_record *records;
    size_t n; // 0 unless status is DNS_OK
};

struct resolver {
    // Asks for `name` (ASCII, lower case, no dot at its end, at most 253 bytes). ERR_OK and an
    // answer that stays in place until the evaluation is over; or ERR_AGAIN: noted, not known yet.
    // Any other result is taken as a temporary error of the DNS.
    enum err (*ask)(void *context, struct span name, enum dns_type type,
                    const struct dns_answer **out_answer);
    void *context;
};

// A resolver that remembers: answers that were given to it are answers it knows, everything else
// is ERR_AGAIN and becomes a question. One message's evaluations share one. One thread at a time.
struct dns_memo;

#define DNS_MEMO_QUESTIONS_MAX 256        // more are answered by DNS_TEMPFAIL
#define DNS_MEMO_RECORDS_MAX   1000       // of one answer; the rest is left out
#define DNS_MEMO_BYTES_MAX     (4u << 20) // of all answers; one that no longer fits is DNS_TEMPFAIL

struct dns_question {
    struct span name; // lives as long as the memo
    enum dns_type type;
};

enum err dns_memo_create(struct dns_memo **out_memo); // ERR_NOMEM only
void dns_memo_destroy(struct dns_memo *m);            // NULL is allowed

struct resolver dns_memo_resolver(struct dns_memo *m);

// The next question that has not been handed out yet; each is handed out once. False: none.
bool dns_memo_next(struct dns_memo *m, struct dns_question *out);

// Stores (a copy of) the answer; a second answer to the same question is dropped. ERR_NOMEM only.
enum err dns_memo_answer(struct dns_memo *m, struct span name, enum dns_type type,
                         const struct dns_answer *answer);

// Time is up: whatever has no answer by now, or is asked later, is answered by DNS_TEMPFAIL.
void dns_memo_give_up(struct dns_memo *m);

// Asks, and answers DNS_TEMPFAIL in place of errors and DNS_NXDOMAIN for a name the DNS cannot
// hold. The result is ERR_OK or ERR_AGAIN. For the evaluations.
enum err resolver_ask(const struct resolver *r, struct span name, enum dns_type type,
                      const struct dns_answer **out_answer);

#endif
