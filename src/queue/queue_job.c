// SPDX-License-Identifier: Apache-2.0
//
// A job: copies of a message's and its recipients' records, so that no snapshot is held while they
// are tried.
#include <stdlib.h>

#include "queue/queue_internal.h"

#include "base/banned.h"

#define JOB_BYTES_MAX (QUEUE_MESSAGE_BYTES_MAX + QUEUE_JOB_RECIPIENTS_MAX * 4096)

static bool dup(struct arena *a, struct span *s)
{
    *s = arena_dup(a, *s);
    return s->p;
}

enum err queue_job_create(const struct queue_message *m, struct queue_job **out)
{
    struct queue_job *j = calloc(1, sizeof(*j));

    if (!j) {
        return ERR_NOMEM;
    }
    arena_init(&j->arena, JOB_BYTES_MAX);
    j->message = *m;
    struct queue_message *c = &j->message;

    if (!dup(&j->arena, &c->sender) || !dup(&j->arena, &c->envid) ||
        !dup(&j->arena, &c->message_id) || !dup(&j->arena, &c->device) ||
        !dup(&j->arena, &c->origin) || !dup(&j->arena, &c->prefix) || !dup(&j->arena, &c->once) ||
        !dup(&j->arena, &c->same)) {
        queue_job_destroy(j);
        return ERR_NOMEM;
    }
    *out = j;
    return ERR_OK;
}

enum err queue_job_add(struct queue_job *j, const struct queue_recipient *r)
{
    if (j->count == QUEUE_JOB_RECIPIENTS_MAX) {
        return ERR_LIMIT;
    }
    struct queue_recipient *c = &j->recipients[j->count];

    *c = *r;
    if (!dup(&j->arena, &c->address) || !dup(&j->arena, &c->orcpt) ||
        !dup(&j->arena, &c->destination) || !dup(&j->arena, &c->host) ||
        !dup(&j->arena, &c->reply)) {
        return ERR_NOMEM;
    }
    j->count++;
    return ERR_OK;
}

void queue_job_destroy(struct queue_job *j)
{
    if (j) {
        arena_finish(&j->arena);
        free(j);
    }
}
