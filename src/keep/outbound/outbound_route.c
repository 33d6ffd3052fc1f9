// SPDX-License-Identifier: Apache-2.0
//
// By which way one message leaves: looked up as it does, so that a changed route counts at once for
// what waits, too.
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/outbound/outbound_internal.h"
#include "store/directory/relay_route.h"

#include "base/banned.h"

_Static_assert((int)RELAY_ROUTE_REQUIRED == (int)IPC_RELAY_TLS_REQUIRED &&
                   (int)RELAY_ROUTE_IMPLICIT == (int)IPC_RELAY_TLS_IMPLICIT,
               "the store's numbers are the courier's");

enum err outbound_route_find(struct outbound *o, const struct queue_job *job, struct arena *a,
                             struct outbound_route *out, struct span *out_refused)
{
    const struct queue_message *m = &job->message;
    struct relay_route r;
    enum err e = o->options.store
                     ? relay_route_find(o->options.store, job->recipients[0].destination, m->sender,
                                        m->submitter, a, &r)
                     : ERR_NOT_FOUND;

    if (e == ERR_NOT_FOUND) {
        *out = o->options.route;
        return ERR_OK;
    }
    if (e == ERR_OK && r.kind == RELAY_REFUSE) {
        *out_refused = r.words.n ? r.words : SPAN("This server sends no mail there");
        return ERR_DENIED;
    }
    if (e == ERR_OK) {
        *out = (struct outbound_route){.host = r.host,
                                       .user = r.user,
                                       .password = r.password,
                                       .port = r.port,
                                       .tls = (uint8_t)r.tls};
    }
    return e;
}

void outbound_refuse(struct outbound *o, struct queue_job *job, struct span words)
{
    struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];
    queue_id id = job->message.id;
    char reply[RELAY_WORDS_BYTES_MAX + 8];
    int n = snprintf(reply, sizeof(reply), "5.7.1 %.*s", SPAN_ARG(words));

    for (size_t i = 0; i < job->count; i++) {
        results[i] = (struct queue_result){
            .outcome = QUEUE_OUT_FAILED, .host = SPAN(""), .reply = span_of(reply, (size_t)n)};
        log_info("message %s to %s: a route forbids it: %s", queue_id_text(id).s,
                 log_text(job->recipients[i].address).s, log_text(words).s);
    }
    enum err e = queue_done(o->options.queue, job, results, clock_real_ms());

    if (e != ERR_OK) {
        outbound_say_unstored(id, e);
    }
}
