// SPDX-License-Identifier: Apache-2.0
//
// A commit's changes become entries of the active memory table: the same for a commit now and for
// one read again from the journal.
#include <stdlib.h>

#include "base/log.h"
#include "engine/local/local_internal.h"

#include "base/banned.h"

enum err apply_uses(const struct view *v, body_id id, uint64_t *out_uses, struct span *out_record)
{
    struct index_key key;
    struct span uses;
    enum err e = local_view_get(v, key_number(&key, 'b', id), out_record);

    if (e == ERR_NOT_FOUND) {
        *out_uses = 0;
        *out_record = SPAN("");
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return e;
    }
    e = local_view_get(v, key_number(&key, 'u', id), &uses);
    if (e == ERR_NOT_FOUND) {
        *out_uses = 1;
        return ERR_OK;
    }
    if (e == ERR_OK && uses.n != 4) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        *out_uses = get_le32(uses.p);
    }
    return e;
}

enum err apply_version(struct local_engine *e, account_id account, uint64_t version)
{
    struct index_key key;
    char value[8];
    struct span v;

    put_le64(value, version);
    v = span_of(value, 8);
    return memtable_put(e->active, key_number(&key, 'a', account), &v, e->seq);
}

enum err apply_op(struct local_engine *e, account_id account, const struct batch_op *op)
{
    struct index_key key;

    return memtable_put(e->active, key_data(&key, account, op->key),
                        op->kind == BATCH_PUT ? &op->value : NULL, e->seq);
}

// Bodies in memory tables keep their segments from compaction, which only knows the index.
static enum err pin_segment(struct local_engine *e, uint64_t segment)
{
    if (e->pin_count && e->pins[e->pin_count - 1] == segment) {
        return ERR_OK;
    }
    if (e->pin_count == e->pin_cap) {
        size_t cap = e->pin_cap ? e->pin_cap * 2 : 64;
        uint64_t *pins = reallocarray(e->pins, cap, sizeof(*pins));

        if (!pins) {
            return ERR_NOMEM;
        }
        e->pins = pins;
        e->pin_cap = cap;
    }
    segment_pin(&e->segments, segment, +1);
    e->pins[e->pin_count++] = segment;
    return ERR_OK;
}

static enum err pin_record(struct local_engine *e, const struct record *r)
{
    struct record rest = *r;
    struct piece p;
    enum err error = r->summary_n ? pin_segment(e, r->summary_at.segment) : ERR_OK;

    while (error == ERR_OK && record_piece_next(&rest, &p)) {
        error = pin_segment(e, p.at.segment);
    }
    return error;
}

static enum err put_uses(struct local_engine *e, const struct body_change *c)
{
    struct index_key key;
    char value[4];
    struct span v;

    if (c->after <= 1 && c->before <= 1) {
        return ERR_OK; // one use needs no row
    }
    put_le32(value, (uint32_t)c->after);
    v = span_of(value, 4);
    return memtable_put(e->active, key_number(&key, 'u', c->id), c->after > 1 ? &v : NULL, e->seq);
}

enum err apply_body(struct local_engine *e, const struct body_change *c)
{
    struct index_key key;
    struct record r;
    enum err error = c->before && c->after ? ERR_OK : record_get(c->record, &r);

    if (error == ERR_OK && c->before == 0 && c->after) {
        error = pin_record(e, &r);
        if (error == ERR_OK) {
            error = memtable_put(e->active, key_number(&key, 'b', c->id), &c->record, e->seq);
        }
        e->next_bodies++;
        e->next_body_bytes += r.bytes;
    } else if (error == ERR_OK && c->before && c->after == 0) {
        error = memtable_put(e->active, key_number(&key, 'b', c->id), NULL, e->seq);
        e->next_bodies--;
        e->next_body_bytes -= r.bytes;
    }
    return error == ERR_OK ? put_uses(e, c) : error;
}

bool apply_freeze(struct local_engine *e, struct position position, uint32_t epoch)
{
    struct frozen *f = calloc(1, sizeof(*f));
    struct memtable *fresh = memtable_create();

    lock_take(&e->state_lock);
    bool ok = f && fresh && !e->frozen;

    if (ok) {
        *f = (struct frozen){.table = e->active,
                             .position = position,
                             .epoch = epoch,
                             .bodies = e->next_bodies,
                             .body_bytes = e->next_body_bytes,
                             .pins = e->pins,
                             .pin_count = e->pin_count};
        e->frozen = f;
        e->active = fresh;
        e->pins = NULL;
        e->pin_count = e->pin_cap = 0;
        pthread_cond_broadcast(&e->state_changed);
    }
    lock_release(&e->state_lock);
    if (!ok) {
        free(f);
        memtable_unref(fresh);
    }
    return ok;
}

void frozen_destroy(struct local_engine *e, struct frozen *f)
{
    for (size_t i = 0; i < f->pin_count; i++) {
        segment_pin(&e->segments, f->pins[i], -1);
    }
    memtable_unref(f->table);
    free(f->pins);
    free(f);
}
