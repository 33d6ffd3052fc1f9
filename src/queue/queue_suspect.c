// SPDX-License-Identifier: Apache-2.0
//
// A message that stops whoever works on it would stop it again and again, and with it the mail of
// everybody else. How often that happened is counted on the disk, and after QUEUE_CRASHES_MAX times
// the message is set aside until a person looks at it.
#include "base/log.h"
#include "queue/queue_internal.h"

#include "base/banned.h"

const char queue_suspect_reply[] =
    "4.3.0 set aside: the process that worked on this message ended each time";

enum err queue_crashes_get(struct queue_edit *ed, queue_id id, uint32_t *out)
{
    struct queue_key k = queue_key_id(QUEUE_KEY_CRASHES, id);
    struct span value;
    enum err e =
        snapshot_get(ed->snapshot, queue_shard_account(ed->shard), queue_key_span(&k), &value);

    *out = 0;
    return e == ERR_OK ? queue_crashes_decode(value, out) : e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err queue_crashes_put(struct queue_edit *ed, queue_id id, uint32_t n)
{
    struct queue_key k = queue_key_id(QUEUE_KEY_CRASHES, id);
    char room[QUEUE_CRASHES_BYTES_MAX];

    ed->is_changed = true;
    return n ? batch_put(ed->batch, queue_key_span(&k), queue_crashes_encode(n, room))
             : batch_delete(ed->batch, queue_key_span(&k));
}

void queue_say_suspect(queue_id id)
{
    struct queue_id_text t = queue_id_text(id);

    log_error("message %s is set aside: the process that worked on it ended %d times. `mailkeep "
              "queue release %s` tries it again",
              t.s, QUEUE_CRASHES_MAX, t.s);
}

// ---- work in this process -----------------------------------------------------------------------

struct
try {
    const struct queue_job *job;
    bool is_held, is_notice;
};

static enum err hold_one(struct queue_edit *ed, const struct queue_job *j, uint32_t number)
{
    struct queue_recipient before, after;
    enum err e = queue_get_recipient(ed->snapshot, ed->shard, j->message.id, number, &before);

    if (e != ERR_OK || before.state != QUEUE_WAITING) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    after = before;
    after.state = QUEUE_HELD;
    after.reply = span_from_str(queue_suspect_reply);
    return queue_put_recipient(ed, j->message.id, &before, &after);
}

static enum err hold_all(struct queue_edit *ed, const struct queue_job *j)
{
    enum err e = queue_crashes_put(ed, j->message.id, 0);

    for (size_t i = 0; i < j->count && e == ERR_OK; i++) {
        e = hold_one(ed, j, j->recipients[i].number);
    }
    return e;
}

static enum err try_edit(struct queue_edit *ed, void *arg)
{
    struct try *t = arg;
    uint32_t n;
    enum err e = queue_crashes_get(ed, t->job->message.id, &n);

    t->is_held = e == ERR_OK && n >= QUEUE_CRASHES_MAX;
    if (e != ERR_OK) {
        return e;
    }
    if (!t->is_held) {
        return queue_crashes_put(ed, t->job->message.id, n + 1);
    }
    return t->is_notice ? ERR_OK : hold_all(ed, t->job); // the count of a notice stays
}

static enum err begin(struct queue *q, const struct queue_job *job, bool is_notice)
{
    struct try t = {.job = job, .is_notice = is_notice};
    enum err e = queue_edit(q, queue_shard_of(job->message.id), try_edit, &t);

    if (e == ERR_OK && t.is_held) {
        queue_say_suspect(job->message.id);
        return ERR_DENIED;
    }
    return e;
}

enum err queue_try(struct queue *q, struct queue_job *job)
{
    enum err e = begin(q, job, false);

    if (e != ERR_OK) {
        queue_abandon(q, job);
    }
    return e;
}

enum err queue_notice_try(struct queue *q, struct queue_job *job)
{
    enum err e = begin(q, job, true);

    if (e == ERR_DENIED) { // its notice stays claimed: nobody takes it before the next start
        queue_job_destroy(job);
    } else if (e != ERR_OK) {
        queue_notice_done(q, job, false);
    }
    return e;
}
