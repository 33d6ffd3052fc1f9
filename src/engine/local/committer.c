// SPDX-License-Identifier: Apache-2.0
//
// Commits, in groups: whoever runs one takes everybody who waits, checks each batch against the
// state including those before it in the group, appends, syncs once, makes the group visible, and
// answers. One thread at a time does, and owns the journal meanwhile: the committer's own, or a
// thread that commits while nobody else does, which is spared being put to sleep and woken.
//
// Entries go into the active memory table before the sync, with sequence numbers nobody can see
// yet. When the write or sync fails the engine stops writing for good, so they never come out.
#include <stdlib.h>

#include "base/log.h"
#include "engine/local/local_internal.h"

#include "base/banned.h"

// A deletion that may use the ballast is at most this large.
#define SHRINKING_BYTES_MAX (1u << 20)
// Groups of one in a row until the next is believed to be alone, too. Where many commit, the
// committer's own thread is better: until it has woken up, more have come.
#define ALONE_GROUPS 8

struct group {
    struct list requests;
    struct view view;
    uint64_t commits;
};

// ---- one batch ----------------------------------------------------------------------------------

struct change {
    struct body_change c;
    struct pending *pending; // a reference, when the body is new
    int32_t uses;
};

static void changes_free(struct local_engine *e, struct change *changes, size_t n)
{
    for (size_t i = 0; changes && i < n; i++) {
        if (changes[i].pending) {
            pending_unref(e, changes[i].pending);
        }
    }
    free(changes);
}

static enum err find_change(struct local_engine *e, const struct view *v,
                            const struct batch_body *b, struct change *out)
{
    struct change *c = out;
    enum err error;

    c->c.id = b->id;
    c->uses = b->uses;
    error = apply_uses(v, b->id, &c->c.before, &c->c.record);
    if (error != ERR_OK) {
        return error;
    }
    int64_t after = (int64_t)c->c.before + b->uses;

    if (after < 0) {
        return ERR_NOT_FOUND;
    }
    if (after > UINT32_MAX) {
        return ERR_LIMIT;
    }
    c->c.after = (uint64_t)after;
    if (c->c.before == 0) {
        c->pending = pending_find(e, b->id);
    }
    return c->c.before || c->pending ? ERR_OK : ERR_NOT_FOUND;
}

// What the batch does to bodies; the caller frees also after an error.
static enum err find_changes(struct local_engine *e, const struct view *v, const struct batch *b,
                             struct change **out)
{
    enum err error = ERR_OK;

    *out = calloc(b->body_count + 1, sizeof(**out));
    if (!*out) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; error == ERR_OK && i < b->body_count; i++) {
        error = find_change(e, v, &b->bodies[i], &(*out)[i]);
    }
    return error;
}

// What was expected, or, where that is anything, what there is.
static enum err check_version(const struct view *v, struct commit_item *item)
{
    struct index_key key;
    struct span value;
    uint64_t now = 0;
    enum err e = local_view_get(v, key_number(&key, 'a', item->batch->account), &value);

    if (e == ERR_OK) {
        now = value.n == 8 ? get_le64(value.p) : UINT64_MAX;
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    if (item->expected == ENGINE_ANY_VERSION && now < UINT64_MAX - 1) {
        item->expected = now;
    }
    return now == item->expected ? ERR_OK : ERR_CONFLICT;
}

// Bytes of the frames at most: records are not written yet.
static uint64_t frames_bound(const struct commit_item *item, const struct change *changes)
{
    uint64_t bodies = 0, head = 32;

    for (size_t i = 0; i < item->batch->body_count; i++) {
        const struct pending *p = changes[i].pending;

        head += 32;
        if (p) {
            bodies += pending_room(p) + GATHER_ROOM;
            head += p->written ? p->record.n : p->pieces.n + p->hashes.n + 256;
        }
    }
    return bodies + journal_frame_bytes((size_t)head, item->tail.n);
}

static bool is_shrinking(const struct commit_item *item)
{
    const struct batch *b = item->batch;
    bool removes = false;

    for (size_t i = 0; i < b->body_count; i++) {
        if (b->bodies[i].uses > 0) {
            return false;
        }
        removes = true;
    }
    for (size_t i = 0; i < b->op_count && !removes; i++) {
        removes = b->ops[i].kind == BATCH_DELETE;
    }
    return removes && item->tail.n <= SHRINKING_BYTES_MAX;
}

static enum err find_room(struct local_engine *e, const struct commit_item *item, uint64_t n)
{
    if (e->index_full && memtable_bytes(e->active) > e->options.memtable_bytes &&
        (!is_shrinking(item) || memtable_bytes(e->active) > 2 * e->options.memtable_bytes)) {
        return ERR_NOSPACE;
    }
    enum err error = journal_room(&e->journal, n);

    if (error == ERR_NOSPACE && is_shrinking(item) && prepare_drop_ballast(&e->prepare)) {
        error = journal_room(&e->journal, n);
    }
    if (error == ERR_NOSPACE && !e->journal_full) {
        local_set_full(e, &e->journal_full, true, "the disk is full: no room for the journal");
    } else if (error == ERR_OK && e->journal_full && !is_shrinking(item)) {
        local_set_full(e, &e->journal_full, false, NULL);
    }
    return error;
}

static size_t count_gathered(const struct commit_item *item, const struct change *changes)
{
    size_t n = 0;

    for (size_t i = 0; i < item->batch->body_count; i++) {
        n += changes[i].pending && pending_may_gather(changes[i].pending);
    }
    return n;
}

// The new bodies' last pieces, with the summaries of several small ones together behind them.
static enum err append_bodies(struct local_engine *e, const struct commit_item *item,
                              struct change *changes)
{
    size_t n = count_gathered(item, changes);
    struct gather g = {.all = NULL};
    enum err error = ERR_OK;

    if (n > 1) {
        error = gather_begin(&g, n);
    }
    for (size_t i = 0; error == ERR_OK && i < item->batch->body_count; i++) {
        struct pending *p = changes[i].pending;

        if (p) {
            error = n > 1 && pending_may_gather(p) ? gather_add(e, &g, p) : pending_append(e, p);
        }
    }
    gather_flush(e, &g); // also after an error: what is in the journal is complete
    gather_finish(&g);
    return error;
}

// The COMMIT frame; there is room, and its bodies are in the journal.
static enum err append_commit(struct local_engine *e, const struct commit_item *item,
                              struct change *changes)
{
    const struct batch *b = item->batch;
    struct buf head;

    buf_init(&head, FRAME_BYTES_MAX);
    commit_head_put(&head, b->account, item->expected + 1, b->body_count);
    for (size_t i = 0; i < b->body_count; i++) {
        struct change *c = &changes[i];

        if (c->pending) {
            c->c.record = buf_span(&c->pending->record);
        }
        struct commit_body body = {.id = c->c.id,
                                   .uses = c->uses,
                                   .record = c->pending && c->c.after ? c->c.record : SPAN("")};

        commit_body_put(&head, &body);
    }
    enum err error = head.failed ? ERR_NOMEM : ERR_OK;

    if (error == ERR_OK) {
        struct journal_frame f = {.type = FRAME_COMMIT,
                                  .head = buf_span(&head),
                                  .tail = {buf_span(&item->tail)},
                                  .tail_hash = item->tail_hash};

        journal_append(&e->journal, &f, NULL);
    }
    buf_finish(&head);
    return error;
}

// The entries; memory for them is reserved, so that nothing can fail after the frame is written.
static enum err apply_commit(struct local_engine *e, const struct commit_item *item,
                             const struct change *changes)
{
    const struct batch *b = item->batch;

    e->seq++;
    enum err error = apply_version(e, b->account, item->expected + 1);

    for (size_t i = 0; error == ERR_OK && i < b->op_count; i++) {
        error = apply_op(e, b->account, &b->ops[i]);
    }
    for (size_t i = 0; error == ERR_OK && i < b->body_count; i++) {
        error = apply_body(e, &changes[i].c);
    }
    return error;
}

// Memory for the entries, before anything is written.
static enum err reserve(struct local_engine *e, const struct commit_item *item,
                        const struct change *changes)
{
    const struct batch *b = item->batch;
    size_t rows = 1 + b->op_count + 2 * b->body_count, records = 0;

    for (size_t i = 0; i < b->body_count; i++) {
        const struct pending *p = changes[i].pending;

        records += !p ? 0 : p->written ? p->record.n : p->pieces.n + p->hashes.n + 256;
    }
    return memtable_reserve(e->active, rows, b->bytes + rows * 16 + records);
}

static enum err commit_item(struct local_engine *e, struct group *g, struct commit_item *item)
{
    struct change *changes = NULL;
    enum err error = e->read_only ? ERR_UNAVAILABLE : check_version(&g->view, item);

    if (error == ERR_OK) {
        error = find_changes(e, &g->view, item->batch, &changes);
    }
    uint64_t bound = error == ERR_OK ? frames_bound(item, changes) : 0;

    if (error == ERR_OK) {
        error = bound > FRAME_BYTES_MAX ? ERR_LIMIT : reserve(e, item, changes);
    }
    if (error == ERR_OK) {
        error = find_room(e, item, bound);
    }
    if (error == ERR_OK) {
        error = append_bodies(e, item, changes);
    }
    if (error == ERR_OK) {
        error = append_commit(e, item, changes);
    }
    if (error == ERR_OK) {
        error = apply_commit(e, item, changes);
        if (error != ERR_OK) {
            local_fail(e, "no memory for a commit already written", error);
            e->journal.failed = error;
        }
        g->commits++;
    }
    changes_free(e, changes, item->batch->body_count);
    return error;
}

static enum err append_piece(struct local_engine *e, struct pending *p)
{
    struct commit_item none = {.batch = &(struct batch){0}};
    enum err error = e->read_only ? ERR_UNAVAILABLE : find_room(e, &none, pending_room(p));

    return error == ERR_OK ? pending_append(e, p) : error;
}

// ---- a group ------------------------------------------------------------------------------------

static void run_requests(struct local_engine *e, struct group *g)
{
    LIST_EACH(l, &g->requests)
    {
        struct request *r = LIST_ITEM(l, struct request, link);

        if (r->kind == REQUEST_PIECE) {
            r->result = append_piece(e, r->pending);
            continue;
        }
        for (size_t i = 0; i < r->count; i++) {
            struct commit_item *item = &r->items[i];

            if (item->rides_on && *item->rides_on->result != ERR_OK) {
                *item->result = ERR_CONFLICT;
            }
            if (*item->result == ERR_OK) {
                *item->result = commit_item(e, g, item);
            }
        }
    }
}

static void publish(struct local_engine *e, const struct group *g)
{
    lock_take(&e->state_lock);
    e->visible = e->seq;
    e->bodies = e->next_bodies;
    e->body_bytes = e->next_body_bytes;
    e->commits += g->commits;
    e->groups++;
    e->syncs = e->journal.syncs;
    e->tail = e->journal.tail;
    lock_release(&e->state_lock);
}

static void watch(struct local_engine *e, struct group *g)
{
    LIST_EACH(l, &g->requests)
    {
        struct request *r = LIST_ITEM(l, struct request, link);

        for (size_t i = 0; e->watch && i < r->count; i++) {
            if (*r->items[i].result == ERR_OK) {
                e->watch(e->watch_arg, r->items[i].batch->account, r->items[i].expected + 1);
            }
        }
    }
}

static void answer(struct group *g)
{
    while (!list_is_empty(&g->requests)) {
        struct request *r = LIST_ITEM(g->requests.next, struct request, link);

        list_remove(&r->link);
        sem_post(&r->done); // it is gone from here on
    }
}

// After a failed write or sync nothing of the group is known to have happened.
static void fail_group(struct local_engine *e, struct group *g, enum err error)
{
    local_fail(e, "writing the journal failed", error);
    LIST_EACH(l, &g->requests)
    {
        struct request *r = LIST_ITEM(l, struct request, link);

        r->result = ERR_IO;
        for (size_t i = 0; i < r->count; i++) {
            if (*r->items[i].result == ERR_OK) {
                *r->items[i].result = ERR_IO;
            }
        }
    }
}

static enum err open_view(struct local_engine *e, struct view *out)
{
    lock_take(&e->state_lock);
    enum err error = local_view_open(e, out);

    lock_release(&e->state_lock);
    out->seq = UINT64_MAX; // also what is not visible yet: earlier batches of the group
    return error;
}

static void refuse_group(struct group *g, enum err error)
{
    LIST_EACH(l, &g->requests)
    {
        struct request *r = LIST_ITEM(l, struct request, link);

        r->result = error;
        for (size_t i = 0; i < r->count; i++) {
            *r->items[i].result = *r->items[i].result == ERR_OK ? error : *r->items[i].result;
        }
    }
}

static void run_group(struct local_engine *e, struct group *g)
{
    enum err error = open_view(e, &g->view);

    if (error != ERR_OK) {
        refuse_group(g, error);
        answer(g);
        return;
    }
    run_requests(e, g);
    local_view_close(&g->view);
    // Also when another thread has found the medium broken meanwhile: what is answered is synced.
    error = g->commits     ? journal_sync(&e->journal)
            : e->read_only ? ERR_OK
                           : journal_flush(&e->journal);
    if (error != ERR_OK) {
        fail_group(e, g, error);
    } else if (g->commits) {
        publish(e, g);
        watch(e, g);
    }
    answer(g);
}

// When the index is behind by a whole table, commits wait for it; unless it cannot go on.
static void wait_for_checkpoint(struct local_engine *e)
{
    if (memtable_bytes(e->active) <= e->options.memtable_bytes || e->read_only) {
        return;
    }
    if (!apply_freeze(e, e->journal.durable, e->epoch)) {
        lock_take(&e->state_lock);
        while (e->frozen && !e->read_only && !e->index_full) {
            lock_cond_wait(&e->state_changed, &e->state_lock, -1);
        }
        lock_release(&e->state_lock);
        apply_freeze(e, e->journal.durable, e->epoch);
    }
}

static void freeze_if_worth(struct local_engine *e)
{
    struct position at = e->journal.durable;

    lock_take(&e->state_lock);
    bool moved = position_cmp(at, e->checkpointed) != 0;

    lock_release(&e->state_lock);
    if (!e->read_only && (moved || !memtable_is_empty(e->active))) {
        apply_freeze(e, at, e->epoch);
    }
    lock_take(&e->state_lock);
    e->freeze_wanted = false;
    pthread_cond_broadcast(&e->state_changed);
    lock_release(&e->state_lock);
}

static size_t take_queue(struct local_engine *e, struct list *out)
{
    size_t n = 0;

    list_init(out);
    while (!list_is_empty(&e->queue)) {
        struct list *l = e->queue.next;

        list_remove(l);
        list_append(out, l);
        n++;
    }
    return n;
}

// One group, of all who wait. With the queue's lock held, which is released meanwhile; nobody else
// leads.
static void lead(struct local_engine *e)
{
    struct group g = {.commits = 0};
    size_t n = take_queue(e, &g.requests);
    bool freeze = e->freeze_asked;

    e->freeze_asked = false;
    e->is_led = true;
    lock_release(&e->queue_lock);
    if (freeze) {
        freeze_if_worth(e);
    }
    if (n) {
        wait_for_checkpoint(e);
        run_group(e, &g);
    }
    lock_take(&e->queue_lock);
    e->is_led = false;
    e->groups_alone = n > 1 ? 0 : e->groups_alone + (n && e->groups_alone < ALONE_GROUPS);
}

static bool has_work(const struct local_engine *e)
{
    return !list_is_empty(&e->queue) || e->freeze_asked || e->committer_stop;
}

void *committer_run(void *engine)
{
    struct local_engine *e = engine;

    lock_take(&e->queue_lock);
    for (;;) {
        while (e->is_led || !has_work(e)) {
            lock_cond_wait(&e->queue_changed, &e->queue_lock, -1);
        }
        if (e->committer_stop) {
            break;
        }
        lead(e);
    }
    lock_release(&e->queue_lock);
    return NULL;
}

// ---- calls --------------------------------------------------------------------------------------

void committer_submit(struct local_engine *e, struct request *r)
{
    sem_init(&r->done, 0, 0);
    lock_take(&e->queue_lock);
    bool is_idle = !e->is_led && !has_work(e);

    list_append(&e->queue, &r->link);
    if (is_idle && e->groups_alone == ALONE_GROUPS) {
        lead(e);
        is_idle = has_work(e); // of others by now: the committer's
    }
    if (is_idle) {
        pthread_cond_signal(&e->queue_changed);
    }
    lock_release(&e->queue_lock);
    while (sem_wait(&r->done) != 0) {
        // interrupted
    }
    sem_destroy(&r->done);
}

// The frame's tail is written here, by whoever commits.
static void item_fill(struct commit_item *item, const struct batch *b, uint64_t expected,
                      enum err *result)
{
    item->batch = b;
    item->expected = expected;
    item->result = result;
    buf_init(&item->tail, FRAME_BYTES_MAX / 2);
    if (*result == ERR_OK && expected == UINT64_MAX - 1) {
        *result = ERR_CONFLICT; // there is no version behind it
    }
    if (*result == ERR_OK) {
        buf_reserve(&item->tail, commit_tail_bytes(b)); // at once: growing copies
        commit_tail_put(&item->tail, b);
        item->tail_hash = frame_hash(buf_span(&item->tail));
        *result = item->tail.failed ? ERR_NOMEM : ERR_OK;
    }
}

// Each batch, with its rider behind it.
static void items_fill(struct request *r, struct batch *const *b, const uint64_t *expected,
                       size_t count, enum err *results)
{
    for (size_t i = 0; i < count; i++) {
        struct commit_item *item = &r->items[r->count++];

        item_fill(item, b[i], expected[i], &results[i]);
        if (b[i]->rider) {
            struct commit_item *rider = &r->items[r->count++];

            rider->rides_on = item;
            item_fill(rider, b[i]->rider, ENGINE_ANY_VERSION, &rider->ridden);
        }
    }
}

void local_commit(struct engine *engine, struct batch *const *b, const uint64_t *expected,
                  size_t count, enum err *results)
{
    struct request r = {.kind = REQUEST_COMMIT};

    if (count == 0) {
        return;
    }
    r.items = calloc(2 * count, sizeof(*r.items));
    for (size_t i = 0; i < count && !r.items; i++) {
        results[i] = results[i] == ERR_OK ? ERR_NOMEM : results[i];
    }
    if (r.items) {
        items_fill(&r, b, expected, count, results);
        committer_submit(local_of(engine), &r);
        for (size_t i = 0; i < r.count; i++) {
            buf_finish(&r.items[i].tail);
        }
        free(r.items);
    }
}
