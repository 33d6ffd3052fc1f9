// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <xxhash.h>

#include "base/log.h"
#include "trail/trail_schema_internal.h"

#include "base/banned.h"

#define DAY_US 86400000000ull

// ---- keys ---------------------------------------------------------------------------------------

struct trail_key trail_key_event(trail_id mail, trail_id event)
{
    struct trail_key k = {.n = 17};

    k.p[0] = TRAIL_KEY_EVENT;
    put_be64(k.p + 1, mail);
    put_be64(k.p + 9, event);
    return k;
}

struct trail_key trail_key_index(uint32_t day, uint64_t hash, trail_id mail)
{
    struct trail_key k = {.n = 21};

    k.p[0] = TRAIL_KEY_INDEX;
    put_be32(k.p + 1, day);
    put_be64(k.p + 5, hash);
    put_be64(k.p + 13, mail);
    return k;
}

bool trail_key_read_event(struct span key, trail_id *out_mail, trail_id *out_event)
{
    if (key.n != 17 || key.p[0] != TRAIL_KEY_EVENT) {
        return false;
    }
    *out_mail = get_be64(key.p + 1);
    *out_event = get_be64(key.p + 9);
    return true;
}

bool trail_key_read_index(struct span key, uint32_t *out_day, uint64_t *out_hash,
                          trail_id *out_mail)
{
    if (key.n != 21 || key.p[0] != TRAIL_KEY_INDEX) {
        return false;
    }
    *out_day = get_be32(key.p + 1);
    *out_hash = get_be64(key.p + 5);
    *out_mail = get_be64(key.p + 13);
    return true;
}

uint32_t trail_day(trail_id mail)
{
    uint64_t day = mail / DAY_US;

    return day < UINT32_MAX ? (uint32_t)day : UINT32_MAX;
}

// ---- what it is found by ------------------------------------------------------------------------

static struct span without_brackets(struct span id)
{
    id = span_trim(id);
    if (id.n >= 2 && id.p[0] == '<' && id.p[id.n - 1] == '>') {
        id = span_of(id.p + 1, id.n - 2);
    }
    return id;
}

uint64_t trail_hash(enum trail_by by, struct span text)
{
    static const char letters[] = {
        [TRAIL_BY_MESSAGE_ID] = 'm', [TRAIL_BY_ADDRESS] = 'a', [TRAIL_BY_QUEUE] = 'q'};
    char room[1 + TRAIL_TEXT_BYTES_MAX];
    size_t n = 0;

    room[n++] = letters[by];
    if (by == TRAIL_BY_MESSAGE_ID) {
        text = without_brackets(span_first(text, TRAIL_MESSAGE_ID_MAX));
    } else if (by == TRAIL_BY_ADDRESS) {
        text = span_first(text, TRAIL_ADDRESS_MAX);
    } else {
        uint64_t id;

        ASSERT(text.n == sizeof(id));
        memcpy(&id, text.p, sizeof(id));
        put_be64(room + n, id);
        text = SPAN("");
        n += sizeof(id);
    }
    for (size_t i = 0; i < text.n; i++) {
        room[n++] = by == TRAIL_BY_ADDRESS ? byte_lower(text.p[i]) : text.p[i];
    }
    return XXH3_64bits(room, n);
}

static void add_hash(uint64_t *out, size_t *n, uint64_t hash)
{
    for (size_t i = 0; i < *n; i++) {
        if (out[i] == hash) {
            return;
        }
    }
    out[(*n)++] = hash;
}

static void add_text(uint64_t *out, size_t *n, enum trail_by by, struct span text)
{
    if (text.n) {
        add_hash(out, n, trail_hash(by, text));
    }
}

size_t trail_hashes(const struct trail_event *e, uint64_t out[TRAIL_HASHES_MAX])
{
    size_t n = 0;

    if (e->kind <= TRAIL_REFUSED) {
        add_text(out, &n, TRAIL_BY_MESSAGE_ID, e->texts[TRAIL_MESSAGE_ID]);
        add_text(out, &n, TRAIL_BY_ADDRESS, e->texts[TRAIL_SENDER]);
    }
    if (e->kind >= TRAIL_REFUSED && e->kind <= TRAIL_QUEUED) {
        add_text(out, &n, TRAIL_BY_ADDRESS, e->texts[TRAIL_LEADS_TO]);
        for (size_t i = 0; i < e->recipient_count; i++) {
            add_text(out, &n, TRAIL_BY_ADDRESS, e->recipients[i]);
        }
    }
    if (e->kind == TRAIL_QUEUED && e->queue) {
        add_hash(out, &n, trail_hash(TRAIL_BY_QUEUE, span_of(&e->queue, sizeof(e->queue))));
    }
    return n;
}

void trail_put_device(struct trail_event *e, struct span name, uint32_t id, char room[TRAIL_DIGITS])
{
    if (id) {
        e->texts[TRAIL_DEVICE] = name;
        e->texts[TRAIL_DEVICE_ID] = span_of(room, (size_t)snprintf(room, TRAIL_DIGITS, "%u", id));
    }
}

// ---- values -------------------------------------------------------------------------------------

static size_t text_max(unsigned what)
{
    switch (what) {
    case TRAIL_SENDER:
    case TRAIL_RECIPIENT:
    case TRAIL_USER:
    case TRAIL_LEADS_TO:
    case TRAIL_BY_WAY:
        return TRAIL_ADDRESS_MAX;
    case TRAIL_MESSAGE_ID:
        return TRAIL_MESSAGE_ID_MAX;
    case TRAIL_REPLY:
        return TRAIL_REPLY_MAX;
    default:
        return TRAIL_TEXT_BYTES_MAX;
    }
}

size_t trail_event_bound(const struct trail_event *e)
{
    size_t n = 128;

    for (unsigned i = 0; i < TRAIL_WHATS; i++) {
        n += e->texts[i].p ? span_first(e->texts[i], text_max(i)).n + 8 : 0;
    }
    for (size_t i = 0; i < e->recipient_count; i++) {
        n += span_first(e->recipients[i], TRAIL_ADDRESS_MAX).n + 8;
    }
    return n;
}

static void put_text(struct pack *k, unsigned what, struct span text)
{
    pack_u64(k, what);
    pack_str(k, span_first(text, text_max(what)));
}

struct span trail_event_encode(const struct trail_event *e, char *room)
{
    struct pack k = pack_record(room, trail_event_bound(e), TRAIL_SCHEMA_VERSION);
    uint64_t texts = e->recipient_count;

    ASSERT(e->recipient_count <= TRAIL_RECIPIENTS_MAX);
    for (unsigned i = 0; i < TRAIL_WHATS; i++) {
        texts += e->texts[i].p != NULL;
    }
    pack_u64(&k, e->kind);
    pack_i64(&k, e->when_ms);
    pack_u64(&k, e->account);
    pack_u64(&k, e->queue);
    pack_u64(&k, e->other);
    pack_u64(&k, e->number);
    pack_i64(&k, e->next_ms);
    pack_u64(&k, e->is_junk);
    pack_u64(&k, texts);
    for (unsigned i = 0; i < TRAIL_WHATS; i++) {
        if (e->texts[i].p) {
            put_text(&k, i, e->texts[i]);
        }
    }
    for (size_t i = 0; i < e->recipient_count; i++) {
        put_text(&k, TRAIL_RECIPIENT, e->recipients[i]);
    }
    return pack_span(&k);
}

static bool read_text(struct span *value, struct trail_found *out)
{
    struct trail_event *e = &out->is;
    struct span text;
    uint64_t what;

    if (!unpack_u64(value, UINT16_MAX, &what) || !unpack_str(value, TRAIL_TEXT_BYTES_MAX, &text)) {
        return false;
    }
    if (what == TRAIL_RECIPIENT) {
        if (e->recipient_count == TRAIL_RECIPIENTS_MAX) {
            return false;
        }
        out->recipients[e->recipient_count++] = text;
    } else if (what < TRAIL_WHATS) { // else written by a newer version
        e->texts[what] = text;
    }
    return true;
}

enum err trail_event_decode(struct span value, struct trail_found *out)
{
    struct trail_event *e = &out->is;
    uint64_t kind, flags, texts;
    enum err error = unpack_version_of(&value, TRAIL_SCHEMA_VERSION);

    if (error != ERR_OK) {
        return error;
    }
    *e = (struct trail_event){.recipients = out->recipients};
    bool ok = unpack_u64(&value, UINT16_MAX, &kind) && kind > 0 &&
              unpack_i64(&value, &e->when_ms) && unpack_u64(&value, UINT64_MAX, &e->account) &&
              unpack_u64(&value, UINT64_MAX, &e->queue) &&
              unpack_u64(&value, UINT64_MAX, &e->other) &&
              unpack_u64(&value, UINT64_MAX, &e->number) && unpack_i64(&value, &e->next_ms) &&
              unpack_u64(&value, UINT16_MAX, &flags) && unpack_u64(&value, UINT16_MAX, &texts);

    for (uint64_t i = 0; ok && i < texts; i++) {
        ok = read_text(&value, out);
    }
    if (!ok) {
        return ERR_CORRUPT;
    }
    e->kind = (enum trail_kind)kind;
    e->is_junk = flags & 1;
    return ERR_OK;
}
