// SPDX-License-Identifier: Apache-2.0
//
// The message that tells a sender what became of a message: it failed, it is late, it arrived.
// RFC 3464 in form (RFC 6533 for addresses in UTF-8), for people in its words. Pure; any thread.
#ifndef DELIVERY_NOTICE_H
#define DELIVERY_NOTICE_H

#include "base/buf.h"
#include "queue/queue.h"

#define NOTICE_RETURNED_BYTES_MAX                                                                  \
    (64u << 10) // of a whole message that is sent back; else its header

struct notice_facts {
    struct span server;     // this server's name: "mail.example.org"
    struct span message_id; // of the notice, with angle brackets
    int64_t now_ms;         // since 1970
    // The message it is about: the header as it was to be sent, and the whole when RET=FULL asked
    // for it and it is not larger than NOTICE_RETURNED_BYTES_MAX (else empty).
    struct span header, whole;
};

// Appends the notice about a job's recipients (all that are failed, delivered or late; at least
// one) to `out`. From the null path, to the job's sender; lines end in CR LF. ERR_LIMIT: no room.
enum err notice_write(const struct queue_job *job, const struct notice_facts *f, struct buf *out);

// A reply in words for somebody who is no mail expert: what happened, and what one can do. Static
// texts; never NULL. `reply` as the queue keeps it: "550 5.1.1 no such user", or our own words.
void notice_explain(struct span reply, const char **out_what, const char **out_advice);

#endif
