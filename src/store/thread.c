// SPDX-License-Identifier: Apache-2.0
//
// Conversations. Two messages belong together when they share an identifier (of Message-ID,
// In-Reply-To, References) and the base subject (RFC 8621 section 3). A thread is named after the
// message that opened it and a message never changes its thread (RFC 8474 5.2): when a late message
// links two threads it joins the older one, and so does all that answers it; both stay as they are.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "mime/mime_header.h"
#include "mime/mime_msgid.h"
#include "mime/mime_subject.h"
#include "store/store_internal.h"

#include "base/banned.h"

#define SUBJECT_BYTES_MAX 2000
#define MSGID_BYTES_MAX   1000
#define REFERENCES_MAX    (THREAD_KEYS_MAX - 4) // the first, and the newest of the others

// ---- keys of a message --------------------------------------------------------------------------

// The base subject without blanks, in lower case.
static void base_subject(struct buf *out, struct span header)
{
    struct span field = span_first(mime_header_get(header, SPAN("Subject")), 4 * SUBJECT_BYTES_MAX);
    struct buf text, base;

    buf_init(&text, 4 * SUBJECT_BYTES_MAX);
    buf_init(&base, 4 * SUBJECT_BYTES_MAX);
    mime_header_text(&text, field);
    mime_subject_base(&base, buf_span(&text), NULL);
    for (size_t i = 0; i < base.n && out->n < SUBJECT_BYTES_MAX; i++) {
        if (!byte_is_space(base.p[i])) {
            buf_put_byte(out, byte_lower(base.p[i]));
        }
    }
    buf_finish(&text);
    buf_finish(&base);
}

struct key_maker {
    struct buf *room;
    struct span subject;
    uint64_t *keys;
    uint32_t count;
};

static void key_add(struct key_maker *k, struct span id)
{
    buf_clear(k->room);
    id = span_first(id, MSGID_BYTES_MAX);
    for (size_t i = 0; i < id.n; i++) {
        if (!byte_is_space(id.p[i])) { // a fold
            buf_put_byte(k->room, id.p[i]);
        }
    }
    if (k->room->n == 0 || k->count == THREAD_KEYS_MAX) {
        return;
    }
    buf_put_byte(k->room, '\0');
    buf_put(k->room, k->subject);
    if (k->room->failed) {
        return;
    }
    uint64_t hash = XXH3_64bits(k->room->p, k->room->n);

    for (uint32_t i = 0; i < k->count; i++) {
        if (k->keys[i] == hash) {
            return;
        }
    }
    k->keys[k->count++] = hash;
}

static void keys_of_field(struct key_maker *k, struct span header, struct span name, size_t max)
{
    struct span rest = mime_header_get(header, name), id;

    for (size_t i = 0; i < max && mime_msgid_next(&rest, &id); i++) {
        key_add(k, id);
    }
}

// However long the field is, only the first and the newest count.
static void keys_of_references(struct key_maker *k, struct span header)
{
    struct span rest = mime_header_get(header, SPAN("References")), id, newest[REFERENCES_MAX - 1];
    size_t n = 0, kept = REFERENCES_MAX - 1;

    if (mime_msgid_next(&rest, &id)) {
        key_add(k, id);
    }
    while (mime_msgid_next(&rest, &id)) {
        newest[n++ % kept] = id;
    }
    for (size_t i = n > kept ? n - kept : 0; i < n; i++) {
        key_add(k, newest[i % kept]);
    }
}

uint32_t thread_keys_of(struct span header, uint64_t *out)
{
    struct buf subject, room;

    buf_init(&subject, SUBJECT_BYTES_MAX + 8);
    buf_init(&room, SUBJECT_BYTES_MAX + MSGID_BYTES_MAX + 8);
    base_subject(&subject, header);
    struct key_maker k = {.room = &room, .subject = buf_span(&subject), .keys = out};

    keys_of_field(&k, header, SPAN("Message-ID"), 1);
    keys_of_field(&k, header, SPAN("In-Reply-To"), 2);
    keys_of_references(&k, header);
    buf_finish(&subject);
    buf_finish(&room);
    return k.count;
}

// ---- the index ----------------------------------------------------------------------------------

static struct thread_slot *table_find(struct thread_table *t, uint64_t hash)
{
    size_t i = hash & (t->slot_count - 1);

    while (t->slots[i].is_used && t->slots[i].hash != hash) {
        i = (i + 1) & (t->slot_count - 1);
    }
    return &t->slots[i];
}

static bool table_grow(struct edit *ed, struct thread_table *t)
{
    struct thread_table larger = {.slot_count = t->slot_count ? t->slot_count * 2 : 32, .n = t->n};

    larger.slots = arena_zalloc(&ed->view.arena, larger.slot_count, sizeof(*larger.slots));
    if (!larger.slots) {
        return false;
    }
    for (size_t i = 0; i < t->slot_count; i++) {
        if (t->slots[i].is_used) {
            *table_find(&larger, t->slots[i].hash) = t->slots[i];
        }
    }
    *t = larger;
    return true;
}

// The index entry as this edit has it; uses 0 when there is none.
static enum err thread_load(struct edit *ed, uint64_t hash, struct thread_slot **out)
{
    struct thread_table *t = &ed->threads;
    struct key k = key_u64(KEY_THREAD, hash);
    struct span value;

    if (t->n * 2 >= t->slot_count && !table_grow(ed, t)) {
        return ERR_NOMEM;
    }
    struct thread_slot *slot = table_find(t, hash);

    *out = slot;
    if (slot->is_used) {
        return ERR_OK;
    }
    enum err e = view_get(&ed->view, &k, &value);

    if (e == ERR_NOT_FOUND) {
        slot->record = (struct thread_record){0};
        e = ERR_OK;
    } else if (e == ERR_OK) {
        e = thread_decode(value, &slot->record);
    }
    if (e == ERR_OK) {
        slot->hash = hash;
        slot->is_used = true;
        t->n++;
    }
    return e;
}

static enum err thread_store(struct edit *ed, const struct thread_slot *slot)
{
    struct key k = key_u64(KEY_THREAD, slot->hash);
    char room[THREAD_BYTES_MAX];

    return slot->record.uses ? edit_put(ed, &k, thread_encode(&slot->record, room))
                             : edit_delete(ed, &k);
}

enum err edit_thread_join(struct edit *ed, message_id id, struct message_record *m)
{
    struct thread_slot *slot;
    enum err e = ERR_OK;

    m->thread = id;
    for (uint32_t i = 0; i < m->thread_key_count && e == ERR_OK; i++) {
        e = thread_load(ed, m->thread_keys[i], &slot);
        if (e == ERR_OK && slot->record.uses && slot->record.thread < m->thread) {
            m->thread = slot->record.thread;
        }
    }
    for (uint32_t i = 0; i < m->thread_key_count && e == ERR_OK; i++) {
        e = thread_load(ed, m->thread_keys[i], &slot);
        if (e != ERR_OK) {
            break;
        }
        if (slot->record.uses == 0) {
            slot->record.thread = m->thread;
        }
        slot->record.uses++;
        e = thread_store(ed, slot);
    }
    return e;
}

enum err edit_thread_leave(struct edit *ed, const struct message_record *m)
{
    enum err e = ERR_OK;

    for (uint32_t i = 0; i < m->thread_key_count && e == ERR_OK; i++) {
        struct thread_slot *slot;

        e = thread_load(ed, m->thread_keys[i], &slot);
        if (e == ERR_OK && slot->record.uses) {
            slot->record.uses--;
            e = thread_store(ed, slot);
        }
    }
    return e;
}
