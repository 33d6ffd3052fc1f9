// SPDX-License-Identifier: Apache-2.0
//
// The copy of what a user of ours has sent, in that user's own mailbox for sent mail.
//
// Crash story: accounts and the queue commit apart, so the copy comes last. A crash before it
// leaves a message that is on its way without a copy, and a client that heard nothing and sends
// again; never a copy of something that was not sent.
#include "base/log.h"
#include "delivery/delivery_internal.h"

#include "base/banned.h"

// As the client hears it (inbound_end.c): what it is to send again is not sent yet.
static bool is_accepted(const struct delivery_envelope *env)
{
    bool some = false;

    for (size_t i = 0; i < env->count; i++) {
        if (env->recipients[i].answer.outcome == DELIVERY_TEMPORARY) {
            return false;
        }
        some |= env->recipients[i].answer.outcome == DELIVERY_ACCEPTED;
    }
    return some;
}

// The same bytes are stored once: `*made` is only set for others.
static enum err body_of(struct run *r, struct incoming **made, struct incoming **out)
{
    enum err e = ERR_OK;

    if (r->env->sent_copy != r->message) {
        e = deliver_take_in_other(r, r->env->sent_copy, made);
        *out = *made;
        return e;
    }
    if (!r->leaving && !r->incoming) {
        e = deliver_need_leaving(r);
    }
    *out = r->leaving ? r->leaving : r->incoming;
    return e;
}

static enum err file(struct run *r, enum sent_outcome *out)
{
    struct actor by = {.kind = ACTOR_USER,
                       .device = span_first(r->env->device, 64),
                       .origin = span_first(r->env->origin, 128),
                       .device_id = r->env->device_id};
    struct incoming *made = NULL, *body = NULL;
    enum err e = body_of(r, &made, &body);

    e = e == ERR_OK ? sent_file(r->d->store, r->env->submitter, &by, body, out) : e;
    incoming_destroy(made);
    return e;
}

void deliver_sent(struct run *r)
{
    enum sent_outcome outcome = SENT_FILED;

    if (!r->env->sent_copy || !r->env->submitter || !is_accepted(r->env)) {
        return;
    }
    enum err e = file(r, &outcome);

    if (e != ERR_OK) {
        log_warn("what %s has sent is on its way; a copy of it cannot be filed: %s",
                 log_text(r->env->user).s, e == ERR_QUOTA ? "the mailbox is full" : err_name(e));
    } else if (outcome == SENT_NO_MAILBOX) {
        log_warn("what %s has sent is on its way; a copy of it cannot be filed: no mailbox is for "
                 "sent mail, and none can be made",
                 log_text(r->env->user).s);
    }
}
