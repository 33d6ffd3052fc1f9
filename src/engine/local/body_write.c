// SPDX-License-Identifier: Apache-2.0
//
// Bodies on their way in. A writer keeps at most one piece in memory: full pieces go to the journal
// as they come, the last one right before the first commit that names the body.
#include <stdlib.h>

#include "base/bytes.h"
#include "base/log.h"
#include "engine/local/local_internal.h"

#include "base/banned.h"

#define GATHER_BYTES       (1u << 20)
#define GATHER_SUMMARY_MAX (64u << 10)

struct local_writer {
    struct body_writer base;
    struct pending *pending;
    bool failed;
};

// ---- the pending body ---------------------------------------------------------------------------

static struct pending *pending_create(void)
{
    struct pending *p = calloc(1, sizeof(*p));

    if (p) {
        p->refs = 1;
        buf_init(&p->data, PIECE_BYTES_MAX + ENGINE_SUMMARY_BYTES_MAX);
        buf_init(&p->pieces, RECORD_BYTES_MAX - 256);
        buf_init(&p->hashes, PIECE_BYTES_MAX / BLOCK_BYTES * 8);
        buf_init(&p->record, RECORD_BYTES_MAX);
    }
    return p;
}

void pending_unref(struct local_engine *e, struct pending *p)
{
    lock_take(&e->bodies_lock);
    bool last = --p->refs == 0;

    if (last) {
        list_remove(&p->link);
    }
    lock_release(&e->bodies_lock);
    if (!last) {
        return;
    }
    for (size_t i = 0; i < p->pin_count; i++) {
        segment_pin(&e->segments, p->pins[i], -1);
    }
    buf_finish(&p->data);
    buf_finish(&p->pieces);
    buf_finish(&p->hashes);
    buf_finish(&p->record);
    free(p->pins);
    free(p);
}

struct pending *pending_find(struct local_engine *e, body_id id)
{
    struct pending *found = NULL;

    lock_take(&e->bodies_lock);
    // Newest first: a body is nearly always named right after it was written.
    for (struct list *l = e->pendings.prev; l != &e->pendings && !found; l = l->prev) {
        struct pending *p = LIST_ITEM(l, struct pending, link);

        found = p->id == id && p->finished && p->refs ? p : NULL;
    }
    if (found) {
        found->refs++;
    }
    lock_release(&e->bodies_lock);
    return found;
}

// Behind the data; there may be neither.
static struct span summary_of(const struct pending *p)
{
    return span_first(span_skip(buf_span(&p->data), p->data_n), p->summary_n);
}

static void pending_hash(struct pending *p)
{
    buf_clear(&p->hashes);
    for (size_t at = 0; at < p->data_n; at += BLOCK_BYTES) {
        char hash[8];

        put_le64(hash,
                 frame_hash(span_first(span_of(p->data.p + at, p->data_n - at), BLOCK_BYTES)));
        buf_put(&p->hashes, span_of(hash, 8));
    }
    p->summary_hash = frame_hash(summary_of(p));
    p->tail_hash = frame_hash(buf_span(&p->data));
}

uint64_t pending_room(const struct pending *p)
{
    return p->written || p->data.n == 0 ? 0 : journal_frame_bytes(FRAME_BODY_HEAD, p->data.n);
}

static enum err pending_pin(struct local_engine *e, struct pending *p, uint64_t segment)
{
    if (p->pin_count && p->pins[p->pin_count - 1] == segment) {
        return ERR_OK;
    }
    if (p->pin_count == p->pin_cap) {
        size_t cap = p->pin_cap ? p->pin_cap * 2 : 4;
        uint64_t *pins = reallocarray(p->pins, cap, sizeof(*pins));

        if (!pins) {
            return ERR_NOMEM;
        }
        p->pins = pins;
        p->pin_cap = cap;
    }
    segment_pin(&e->segments, segment, +1);
    p->pins[p->pin_count++] = segment;
    return ERR_OK;
}

// `summary_n` is 0 when the summary goes elsewhere.
static void append_frame(struct local_engine *e, struct pending *p, size_t summary_n, uint64_t hash,
                         struct position *out_at)
{
    char head[FRAME_BODY_HEAD];
    struct frame_body b = {.id = p->id,
                           .offset = p->bytes - p->data_n,
                           .data_n = (uint32_t)p->data_n,
                           .summary_n = (uint32_t)summary_n,
                           .raw_n = (uint32_t)p->data_n};

    frame_body_put(&b, head);
    struct journal_frame f = {.type = FRAME_BODY,
                              .head = span_of(head, sizeof(head)),
                              .tail = {span_of(p->data.p, p->data_n + summary_n)},
                              .tail_hash = hash};

    journal_append(&e->journal, &f, out_at);
}

// The record of a body that is all in the journal.
static void put_record(struct pending *p, struct position summary_at)
{
    struct record r = {.bytes = p->bytes,
                       .summary_n = (uint32_t)p->summary_n,
                       .summary_at = summary_at,
                       .summary_hash = p->summary_hash,
                       .piece_count = p->piece_count};

    record_put(&p->record, &r);
    buf_put(&p->record, buf_span(&p->pieces));
    p->written = true;
    buf_release(&p->data);
}

// All memory first, so that nothing can go wrong once it is in the journal.
static enum err pending_prepare(struct local_engine *e, struct pending *p)
{
    bool ready = buf_reserve(&p->pieces, p->hashes.n + 64) &&
                 (!p->finished || buf_reserve(&p->record, p->pieces.n + p->hashes.n + 256)) &&
                 pending_pin(e, p, e->journal.tail.segment) == ERR_OK;

    return ready ? ERR_OK : ERR_NOMEM;
}

static void add_piece(struct pending *p, struct position at)
{
    if (p->data_n) {
        struct piece piece = {.at = at,
                              .stored_n = (uint32_t)p->data_n,
                              .raw_n = (uint32_t)p->data_n,
                              .hash_count = (uint32_t)(p->hashes.n / 8),
                              .hashes = p->hashes.p};

        record_piece_put(&p->pieces, &piece);
        p->piece_count++;
    }
}

enum err pending_append(struct local_engine *e, struct pending *p)
{
    struct position at = e->journal.tail;

    if (p->written) {
        return ERR_OK;
    }
    enum err error = pending_prepare(e, p);

    if (error != ERR_OK) {
        return error;
    }
    if (p->data.n) {
        append_frame(e, p, p->summary_n, p->tail_hash, &at);
    }
    add_piece(p, at);
    if (p->finished) {
        put_record(p, (struct position){at.segment, at.offset + p->data_n});
    }
    return ERR_OK;
}

// ---- summaries of several bodies together -------------------------------------------------------

// The data then has one hash, which is its block's. A large body's summary stays with it: it is
// copied, and a large one is not read for a list.
bool pending_may_gather(const struct pending *p)
{
    return p->finished && !p->written && p->summary_n && p->summary_n <= GATHER_SUMMARY_MAX &&
           p->data_n <= BLOCK_BYTES;
}

enum err gather_begin(struct gather *g, size_t n)
{
    *g = (struct gather){.all = calloc(n, sizeof(struct pending *)), .cap = n};
    buf_init(&g->summaries, GATHER_BYTES + GATHER_SUMMARY_MAX);
    return g->all ? ERR_OK : ERR_NOMEM;
}

enum err gather_add(struct local_engine *e, struct gather *g, struct pending *p)
{
    struct position at = e->journal.tail;

    if (p->written) {
        return ERR_OK;
    }
    if (g->n == g->cap || g->summaries.n + p->summary_n > GATHER_BYTES) {
        gather_flush(e, g);
    }
    if (pending_prepare(e, p) != ERR_OK || !buf_reserve(&g->summaries, p->summary_n)) {
        return ERR_NOMEM;
    }
    append_frame(e, p, 0, p->data_n ? get_le64(p->hashes.p) : frame_hash(SPAN("")), &at);
    add_piece(p, at);
    buf_put(&g->summaries, summary_of(p));
    g->all[g->n++] = p;
    return ERR_OK;
}

void gather_flush(struct local_engine *e, struct gather *g)
{
    struct span all = buf_span(&g->summaries);
    struct position at;

    if (g->n) {
        struct journal_frame f = {
            .type = FRAME_SUMMARIES, .head = SPAN(""), .tail = {all}, .tail_hash = frame_hash(all)};

        journal_append(&e->journal, &f, &at);
    }
    for (size_t i = 0; i < g->n; i++) {
        put_record(g->all[i], at);
        at.offset += g->all[i]->summary_n;
    }
    g->n = 0;
    buf_clear(&g->summaries);
}

void gather_finish(struct gather *g)
{
    ASSERT(g->n == 0);
    free(g->all);
    buf_finish(&g->summaries);
}

// ---- the writer ---------------------------------------------------------------------------------

// Ids come from a range that the index knows, so none comes again after a crash.
static enum err next_body_id(struct local_engine *e, body_id *out)
{
    lock_take(&e->bodies_lock);
    bool ok = e->next_body < e->body_limit;

    if (ok) {
        *out = e->next_body++;
    }
    lock_release(&e->bodies_lock);
    return ok ? ERR_OK : ERR_UNAVAILABLE;
}

enum err local_body_begin(struct engine *engine, struct body_writer **out)
{
    struct local_engine *e = local_of(engine);
    struct local_writer *w = calloc(1, sizeof(*w));
    struct pending *p = pending_create();
    enum err error = w && p ? next_body_id(e, &p->id) : ERR_NOMEM;

    if (error == ERR_UNAVAILABLE) { // a million since the last checkpoint
        error = engine_local_checkpoint(engine);
        error = error == ERR_OK ? next_body_id(e, &p->id) : error;
    }
    if (error != ERR_OK) {
        free(w);
        free(p);
        return error;
    }
    w->base.engine = engine;
    w->pending = p;
    lock_take(&e->bodies_lock);
    list_append(&e->pendings, &p->link);
    lock_release(&e->bodies_lock);
    *out = &w->base;
    return ERR_OK;
}

static enum err write_piece(struct local_engine *e, struct pending *p)
{
    struct request r = {.kind = REQUEST_PIECE, .pending = p};

    p->data_n = p->data.n;
    pending_hash(p);
    committer_submit(e, &r);
    buf_clear(&p->data);
    p->data_n = 0;
    return r.result;
}

enum err local_body_write(struct body_writer *writer, struct span bytes)
{
    struct local_writer *w = (struct local_writer *)writer;
    struct pending *p = w->pending;
    enum err e = w->failed                                    ? ERR_UNAVAILABLE
                 : bytes.n > ENGINE_BODY_BYTES_MAX - p->bytes ? ERR_LIMIT
                                                              : ERR_OK;

    ASSERT(!p->finished);
    while (e == ERR_OK && bytes.n) {
        if (p->data.n == PIECE_BYTES_MAX) {
            e = write_piece(local_of(writer->engine), p);
            continue;
        }
        struct span part = span_first(bytes, PIECE_BYTES_MAX - p->data.n);

        buf_put(&p->data, part);
        e = p->data.failed ? ERR_NOMEM : ERR_OK;
        p->bytes += part.n;
        bytes = span_skip(bytes, part.n);
    }
    w->failed = e != ERR_OK;
    return e;
}

enum err local_body_finish(struct body_writer *writer, struct span summary, body_id *out)
{
    struct local_writer *w = (struct local_writer *)writer;
    struct local_engine *e = local_of(writer->engine);
    struct pending *p = w->pending;

    ASSERT(!p->finished);
    p->data_n = p->data.n;
    p->summary_n = summary.n;
    buf_put(&p->data, summary);
    if (w->failed || p->data.failed) {
        w->failed = true;
        return ERR_NOMEM;
    }
    pending_hash(p);
    lock_take(&e->bodies_lock);
    p->finished = true;
    lock_release(&e->bodies_lock);
    *out = p->id;
    return ERR_OK;
}

void local_body_writer_destroy(struct body_writer *writer)
{
    struct local_writer *w = (struct local_writer *)writer;
    struct local_engine *e = local_of(writer->engine);

    lock_take(&e->bodies_lock);
    w->pending->finished = false; // no commit finds it from now on
    lock_release(&e->bodies_lock);
    pending_unref(e, w->pending);
    free(w);
}
