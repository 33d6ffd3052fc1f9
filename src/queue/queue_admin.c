// SPDX-License-Identifier: Apache-2.0
//
// What a person may see and do: list, hold, release, retry, remove, fail; pause a destination.
#include "base/clock.h"
#include "queue/queue_internal.h"

#include "base/banned.h"

// ---- listing ------------------------------------------------------------------------------------

struct list_walk {
    struct snapshot *snapshot;
    const struct queue_message *message;
    queue_list_fn *fn;
    void *arg;
};

// ERR_EOF: the caller has seen enough.
static enum err list_recipient(void *arg, const struct queue_recipient *r)
{
    struct list_walk *w = arg;

    return w->fn(w->arg, w->message, r) ? ERR_OK : ERR_EOF;
}

static enum err list_message(void *arg, const struct queue_message *m)
{
    struct list_walk *w = arg;

    w->message = m;
    return queue_each_recipient(w->snapshot, m->id, list_recipient, w);
}

// Calls `fn` for each message of a shard; ends with its first error. One that cannot be read is
// passed over: queue_check names it, and the others are as good as before.
typedef enum err message_fn(void *arg, const struct queue_message *m);
static enum err each_message(struct snapshot *s, unsigned shard, message_fn *fn, void *arg)
{
    struct queue_key from = queue_key_plain(QUEUE_KEY_MESSAGE), to = queue_key_after(from);
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(s, queue_shard_account(shard), queue_key_span(&from),
                           queue_key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        struct queue_message m;
        queue_id id;

        if (queue_key_read_id(key, &id) && queue_message_decode(id, value, &m) == ERR_OK) {
            e = fn(arg, &m);
        }
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err queue_list(struct queue *q, queue_id only, queue_list_fn *fn, void *arg)
{
    struct list_walk w = {.fn = fn, .arg = arg};
    struct queue_message m;
    enum err e = snapshot_open(q->engine, &w.snapshot);

    if (e != ERR_OK) {
        return e;
    }
    if (only) {
        unsigned shard = queue_shard_of(only);

        e = shard < QUEUE_SHARDS ? queue_get_message(w.snapshot, shard, only, &m) : ERR_NOT_FOUND;
        e = e == ERR_OK ? list_message(&w, &m) : e;
    }
    for (unsigned i = 0; i < QUEUE_SHARDS && !only && e == ERR_OK; i++) {
        e = each_message(w.snapshot, i, list_message, &w);
    }
    snapshot_close(w.snapshot);
    return e == ERR_EOF ? ERR_OK : e;
}

struct bodies_walk {
    void (*add)(void *to, body_id id);
    void *to;
};

static enum err add_body(void *arg, const struct queue_message *m)
{
    const struct bodies_walk *w = arg;

    w->add(w->to, m->body);
    return ERR_OK;
}

enum err queue_bodies(struct snapshot *s, void (*add)(void *to, body_id id), void *to)
{
    struct bodies_walk w = {add, to};
    enum err e = ERR_OK;

    for (unsigned i = 0; i < QUEUE_SHARDS && e == ERR_OK; i++) {
        e = each_message(s, i, add_body, &w);
    }
    return e;
}

// ---- acting -------------------------------------------------------------------------------------

struct act {
    queue_id id;
    uint32_t number; // UINT32_MAX: all
    enum queue_action action;
    uint32_t changed;
    int64_t now_ms;
    struct queue_edit *edit;
    struct queue_message message;
    bool owes;
    struct span told[TRAIL_RECIPIENTS_MAX]; // changed, and not in the trail yet
    size_t told_count;
};

// False: this action means nothing to it.
static bool act_on(const struct act *a, struct queue_recipient *r)
{
    bool waits = r->state == QUEUE_WAITING, held = r->state == QUEUE_HELD;

    switch (a->action) {
    case QUEUE_HOLD:
        r->state = QUEUE_HELD;
        return waits;
    case QUEUE_RELEASE:
        r->state = QUEUE_WAITING;
        r->due_ms = a->now_ms;
        return held;
    case QUEUE_RETRY:
        r->due_ms = a->now_ms;
        return waits;
    case QUEUE_FAIL:
        r->state = QUEUE_FAILED;
        r->reply = SPAN("5.0.0 given up by the administrator");
        return waits || held;
    case QUEUE_REMOVE:
        return true;
    }
    return false;
}

static enum err flush_told(struct act *a)
{
    size_t n = a->told_count;

    a->told_count = 0;
    return n ? queue_trail_acted(a->edit, &a->message, a->action, a->told, n) : ERR_OK;
}

static enum err tell(struct act *a, struct span address)
{
    a->told[a->told_count++] = address;
    return a->told_count == TRAIL_RECIPIENTS_MAX ? flush_told(a) : ERR_OK;
}

static enum err act_one(void *arg, const struct queue_recipient *before)
{
    struct act *a = arg;
    struct queue_recipient after = *before;

    if (!act_on(a, &after)) {
        return ERR_OK;
    }
    a->changed++;
    enum err e = tell(a, before->address);

    if (e != ERR_OK) {
        return e;
    }
    if (a->action == QUEUE_REMOVE || (a->action == QUEUE_FAIL && a->message.sender.n == 0)) {
        return queue_drop_recipient(a->edit, &a->message, before);
    }
    a->owes |= after.state == QUEUE_FAILED;
    return queue_put_recipient(a->edit, a->id, before, &after);
}

static enum err act_edit(struct queue_edit *ed, void *arg)
{
    struct act *a = arg;
    struct queue_recipient r;
    enum err e = queue_get_message(ed->snapshot, ed->shard, a->id, &a->message);

    a->edit = ed;
    a->changed = 0;
    a->told_count = 0;
    if (e == ERR_OK && a->number == UINT32_MAX) {
        e = queue_each_recipient(ed->snapshot, a->id, act_one, a);
    } else if (e == ERR_OK) {
        e = queue_get_recipient(ed->snapshot, ed->shard, a->id, a->number, &r);
        e = e == ERR_OK ? act_one(a, &r) : e;
    }
    e = e == ERR_OK ? flush_told(a) : e;
    return e == ERR_OK && ed->is_changed ? queue_settle_message(ed, &a->message, a->owes) : e;
}

// Tells the schedule of a recipient that may wait now; nobody stops the walk.
static bool schedule_one(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    struct queue *q = arg;

    if (r->state == QUEUE_WAITING) {
        lock_take(&q->lock);
        struct queue_destination *d = queue_destination_need(q, r->destination);

        if (d) {
            d->back_off_until_ms = 0; // a person knows that it is worth a try
            d->failures = 0;
        }
        queue_ask_active(q, m->id, r->number);
        queue_schedule_due(q, m->id, r);
        lock_release(&q->lock);
    }
    return true;
}

enum err queue_act(struct queue *q, queue_id id, uint32_t number, enum queue_action action,
                   uint32_t *out_changed)
{
    struct act a = {.id = id, .number = number, .action = action, .now_ms = clock_real_ms()};

    if (queue_shard_of(id) >= QUEUE_SHARDS) {
        return ERR_NOT_FOUND;
    }
    enum err e = queue_edit(q, queue_shard_of(id), act_edit, &a);

    if (e != ERR_OK) {
        return e;
    }
    if (action == QUEUE_RELEASE || action == QUEUE_RETRY) {
        queue_list(q, id, schedule_one, q);
    }
    queue_wake(q);
    *out_changed = a.changed;
    return ERR_OK;
}

// ---- destinations -------------------------------------------------------------------------------

struct pause {
    struct span destination, reason;
    bool on;
};

static enum err pause_edit(struct queue_edit *ed, void *arg)
{
    const struct pause *p = arg;
    struct queue_key k = queue_key_pause(p->destination);
    char room[QUEUE_PAUSE_BYTES_MAX];

    ed->is_changed = true;
    if (!p->on) {
        return batch_delete(ed->batch, queue_key_span(&k));
    }
    return batch_put(ed->batch, queue_key_span(&k),
                     queue_pause_encode(clock_real_ms(), p->reason, room));
}

static enum err set_pause(struct queue *q, struct pause *p)
{
    if (p->destination.n == 0 || p->destination.n > QUEUE_DESTINATION_MAX ||
        span_find_byte(p->destination, '\0') != p->destination.n) {
        return ERR_INVALID;
    }
    enum err e = queue_edit(q, 0, pause_edit, p);

    if (e != ERR_OK) {
        return e;
    }
    lock_take(&q->lock);
    struct queue_destination *d = queue_destination_need(q, p->destination);

    if (d) {
        d->is_paused = p->on;
        d->back_off_until_ms = 0;
        queue_destination_arm(q, d, clock_real_ms());
    }
    lock_release(&q->lock);
    queue_wake(q);
    return ERR_OK;
}

enum err queue_pause(struct queue *q, struct span destination, struct span reason)
{
    struct pause p = {destination, reason, true};

    return set_pause(q, &p);
}

enum err queue_resume(struct queue *q, struct span destination)
{
    struct pause p = {destination, SPAN(""), false};

    return set_pause(q, &p);
}

void queue_destinations(struct queue *q, queue_destination_fn *fn, void *arg)
{
    size_t cursor = 0;
    struct span name;
    void *value;

    lock_take(&q->lock);
    while (map_next(&q->destinations, &cursor, &name, &value)) {
        const struct queue_destination *d = value;
        struct queue_destination_status s = {.name = name,
                                             .is_paused = d->is_paused,
                                             .running = d->running,
                                             .window = d->window,
                                             .back_off_until_ms = d->back_off_until_ms,
                                             .failures = d->failures};

        fn(arg, &s);
    }
    lock_release(&q->lock);
}
