// SPDX-License-Identifier: Apache-2.0
//
// All of it for one incoming message: SPF of HELO and MAIL FROM, DKIM, ARC, DMARC, iprev, and the
// Authentication-Results field that says so. Like its parts it is run again where the resolver says
// ERR_AGAIN; what is independent is asked at once.
#ifndef SENDERAUTH_SENDER_CHECK_H
#define SENDERAUTH_SENDER_CHECK_H

#include "senderauth/arc.h"
#include "senderauth/auth_results.h"
#include "senderauth/dmarc.h"
#include "senderauth/iprev.h"
#include "senderauth/spf.h"

struct sender_question {
    struct auth_message *message; // read to its end
    struct ip_address ip;
    struct span helo;
    struct span local, domain; // MAIL FROM; both empty for "<>"
    struct span receiver;      // our name, the authserv-id
    int64_t now_s;
    unsigned sample; // a random number below 100, for DMARC's pct=
    bool asks_name;  // iprev, too
};

struct sender_result {
    struct spf_result helo, mail_from; // mail_from judges HELO when MAIL FROM was empty
    struct dkim_result *dkim;
    size_t dkim_count;
    struct arc_result arc;
    struct dmarc_result dmarc;
    struct iprev_result name;
};

// What needs no message, to have the answers early: SPF, and iprev where it is wanted. ERR_AGAIN,
// ERR_NOMEM.
enum err sender_check_client(const struct sender_question *q, const struct resolver *r,
                             struct arena *arena, struct sender_result *out);

// ERR_AGAIN, ERR_NOMEM, or the error of a message that could not be read (then its SPF alone can
// still be had). Spans live in `arena` or the question. One thread at a time.
enum err sender_check(const struct sender_question *q, const struct resolver *r,
                      struct arena *arena, struct sender_result *out);

// Appends the body of our Authentication-Results field: what auth_results_put writes, also for
// arc_seal. ERR_NOMEM, ERR_LIMIT.
enum err sender_check_put(struct buf *out, const struct sender_question *q,
                          const struct sender_result *s, struct arena *arena, bool is_utf8);

#endif
