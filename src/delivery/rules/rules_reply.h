// SPDX-License-Identifier: Apache-2.0
//
// The messages that rules send by themselves: the answer of somebody who is away (RFC 5230) and a
// notification (RFC 5436), and whether they may be sent at all. Pure; any thread.
#ifndef DELIVERY_RULES_RULES_REPLY_H
#define DELIVERY_RULES_RULES_REPLY_H

#include "base/buf.h"
#include "sieve/sieve_action.h"

#define RULES_REPLY_BYTES_MAX (2u << 20) // a script is no larger than 1 MiB

struct rules_reply {
    struct span owner;      // address of whose rules these are
    struct span recipient;  // of the message, as the envelope has it; empty: the owner
    struct span sender;     // of the message: who gets an answer
    struct span header;     // of the message
    struct span message_id; // of what is written, with angle brackets
    int64_t now_s;          // since 1970
    int zone_minutes;
};

// False, and *out_why in a few words, when this message gets no answer (RFC 5230 section 4.5, 4.6;
// RFC 3834 section 2): from a program or a list, to somebody else, from the owner.
bool rules_may_answer(const struct rules_reply *r, const struct sieve_vacation *v,
                      const char **out_why);
// False for what a notification or an answer of somebody has caused (RFC 5436 section 2.7.1).
bool rules_may_notify(const struct rules_reply *r);

// Append the message; its lines end in CR LF. ERR_LIMIT: no room.
enum err rules_answer_write(const struct rules_reply *r, const struct sieve_vacation *v,
                            struct buf *out);
enum err rules_notify_write(const struct rules_reply *r, const struct sieve_notify *n,
                            struct buf *out);

#endif
