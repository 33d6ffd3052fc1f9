// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "store/chunk_internal.h"
#include "store/store_internal.h"

#include "base/banned.h"

// Offsets in a record.
enum {
    AT_UID = 0,
    AT_WORD = 4, // flags, zone, internal date
    AT_KEYWORDS = 12,
    AT_SIZE = 20,
    AT_BODY = 24,
    AT_MESSAGE = 32, // 6 bytes, and the MODSEQ's 6 behind them
    AT_MODSEQ = 38,
    AT_SAVED = 44,
};
#define U48_MAX   ((1ull << 48) - 1)
#define ZONE_BIAS 2048
// Bits 24 to 63 of the word, signed.
#define DATE_MAX ((1ll << 39) - 1)
#define DATE_MIN (-(1ll << 39))

// ---- records ------------------------------------------------------------------------------------

static void put_le48(char *p, uint64_t v)
{
    put_le32(p, (uint32_t)v);
    put_le16(p + 4, (uint16_t)(v >> 32));
}

static int64_t clamp(int64_t v, int64_t min, int64_t max)
{
    return v < min ? min : v > max ? max : v;
}

static void record_write(char *r, const struct placement *p)
{
    ASSERT(p->message <= U48_MAX && p->changed <= U48_MAX);
    uint64_t word = (uint64_t)clamp(p->internal_date, DATE_MIN, DATE_MAX) << 24;

    word |= (uint64_t)(clamp(p->zone_minutes, -1440, 1440) + ZONE_BIAS) << 12;
    word |= p->flags & CHUNK_FLAGS;
    word |= p->more_keyword_count ? CHUNK_FLAG_OVERFLOW : 0;
    put_le32(r + AT_UID, p->uid);
    put_le64(r + AT_WORD, word);
    put_le64(r + AT_KEYWORDS, p->keywords);
    put_le32(r + AT_SIZE, p->bytes);
    put_le64(r + AT_BODY, p->body);
    put_le48(r + AT_MESSAGE, p->message);
    put_le48(r + AT_MODSEQ, p->changed);
    put_le32(r + AT_SAVED, (uint32_t)clamp(p->saved, 0, UINT32_MAX));
}

static uint64_t record_modseq(const char *r)
{
    return get_le64(r + AT_MODSEQ - 2) >> 16;
}

// Everything but the keyword numbers from 64 up.
static void record_read(const char *r, struct placement *out)
{
    uint64_t word = get_le64(r + AT_WORD);

    out->uid = get_le32(r + AT_UID);
    out->flags = word & CHUNK_FLAGS;
    out->zone_minutes = (int16_t)((int)(word >> 12 & 0xfff) - ZONE_BIAS);
    out->internal_date = (int64_t)word >> 24;
    out->keywords = get_le64(r + AT_KEYWORDS);
    out->bytes = get_le32(r + AT_SIZE);
    out->body = get_le64(r + AT_BODY);
    out->message = get_le64(r + AT_MESSAGE) & U48_MAX;
    out->changed = record_modseq(r);
    out->saved = get_le32(r + AT_SAVED);
    out->more_keywords = NULL;
    out->more_keyword_count = 0;
}

static bool record_has_overflow(const char *r)
{
    return get_le16(r + AT_WORD) & CHUNK_FLAG_OVERFLOW;
}

// ---- reading ------------------------------------------------------------------------------------

enum err chunk_open(struct span value, struct chunk_view *out)
{
    if (value.n && value.p[0] != SCHEMA_VERSION) {
        return ERR_UNSUPPORTED;
    }
    if (value.n < CHUNK_HEAD_BYTES) {
        return ERR_CORRUPT;
    }
    unsigned count = (unsigned char)value.p[1];
    size_t overflow = get_le16(value.p + 2);

    if (count == 0 || count > CHUNK_RECORDS_MAX ||
        value.n != CHUNK_HEAD_BYTES + count * CHUNK_RECORD_BYTES + overflow) {
        return ERR_CORRUPT;
    }
    out->records = value.p + CHUNK_HEAD_BYTES;
    out->count = count;
    out->last_uid = get_le32(value.p + 4);
    out->highest = get_le64(value.p + 8);
    out->overflow = span_of(out->records + count * CHUNK_RECORD_BYTES, overflow);
    return ERR_OK;
}

uint32_t chunk_view_uid(const struct chunk_view *c, unsigned i)
{
    return get_le32(c->records + i * CHUNK_RECORD_BYTES + AT_UID);
}

modseq chunk_view_modseq(const struct chunk_view *c, unsigned i)
{
    return record_modseq(c->records + i * CHUNK_RECORD_BYTES);
}

// Takes the next entry of the overflow; false when it is cut or has no sense.
static bool overflow_next(struct span *rest, unsigned *out_index, unsigned *out_count,
                          struct span *out_numbers)
{
    struct span head;

    if (!bytes_take(rest, 2, &head)) {
        return false;
    }
    *out_index = (unsigned char)head.p[0];
    *out_count = (unsigned char)head.p[1];
    return *out_count && *out_count <= KEYWORDS_PER_MESSAGE_MAX &&
           bytes_take(rest, *out_count * 2, out_numbers);
}

static void numbers_read(struct span packed, unsigned count, uint16_t *out)
{
    for (unsigned n = 0; n < count; n++) {
        out[n] = get_le16(packed.p + (size_t)n * 2);
    }
}

enum err chunk_view_read(const struct chunk_view *c, unsigned i, uint16_t *more,
                         struct placement *out)
{
    const char *r = c->records + i * CHUNK_RECORD_BYTES;

    record_read(r, out);
    if (__builtin_expect(!record_has_overflow(r), 1)) {
        return ERR_OK;
    }
    struct span rest = c->overflow, numbers;
    unsigned index, count;

    while (overflow_next(&rest, &index, &count, &numbers)) {
        if (index == i) {
            numbers_read(numbers, count, more);
            out->more_keywords = more;
            out->more_keyword_count = (uint16_t)count;
            return ERR_OK;
        }
    }
    return ERR_CORRUPT;
}

// ---- changing -----------------------------------------------------------------------------------

void chunk_init(struct chunk *c, uint32_t key_uid)
{
    c->key_uid = key_uid;
    c->count = 0;
}

enum err chunk_load(struct chunk *c, uint32_t key_uid, struct span value)
{
    struct chunk_view v;
    enum err e = chunk_open(value, &v);

    if (e != ERR_OK) {
        return e;
    }
    c->key_uid = key_uid;
    c->count = v.count;
    memcpy(c->records, v.records, v.count * CHUNK_RECORD_BYTES);
    memset(c->more_count, 0, v.count);
    struct span rest = v.overflow, numbers;
    unsigned index, count;

    while (rest.n) {
        if (!overflow_next(&rest, &index, &count, &numbers) || index >= v.count) {
            return ERR_CORRUPT;
        }
        numbers_read(numbers, count, c->more[index]);
        c->more_count[index] = (uint8_t)count;
    }
    return ERR_OK;
}

static size_t overflow_encode(const struct chunk *c, char *room)
{
    size_t n = 0;

    for (unsigned i = 0; i < c->count; i++) {
        if (!c->more_count[i]) {
            continue;
        }
        room[n++] = (char)i;
        room[n++] = (char)c->more_count[i];
        for (unsigned k = 0; k < c->more_count[i]; k++, n += 2) {
            put_le16(room + n, c->more[i][k]);
        }
    }
    return n;
}

struct span chunk_encode(const struct chunk *c, char *room)
{
    ASSERT(c->count && c->count <= CHUNK_RECORDS_MAX);
    size_t records = c->count * CHUNK_RECORD_BYTES;
    size_t overflow = overflow_encode(c, room + CHUNK_HEAD_BYTES + records);
    modseq highest = 0;

    for (unsigned i = 0; i < c->count; i++) {
        modseq m = record_modseq(c->records + i * CHUNK_RECORD_BYTES);

        highest = m > highest ? m : highest;
    }
    room[0] = SCHEMA_VERSION;
    room[1] = (char)c->count;
    put_le16(room + 2, (uint16_t)overflow);
    put_le32(room + 4, get_le32(c->records + records - CHUNK_RECORD_BYTES + AT_UID));
    put_le64(room + 8, highest);
    memcpy(room + CHUNK_HEAD_BYTES, c->records, records);
    return span_of(room, CHUNK_HEAD_BYTES + records + overflow);
}

void chunk_set(struct chunk *c, unsigned i, const struct placement *p)
{
    ASSERT(i < c->count && p->more_keyword_count <= KEYWORDS_PER_MESSAGE_MAX);
    record_write(c->records + i * CHUNK_RECORD_BYTES, p);
    c->more_count[i] = (uint8_t)p->more_keyword_count;
    if (p->more_keyword_count) {
        memmove(c->more[i], p->more_keywords, p->more_keyword_count * sizeof(c->more[i][0]));
    }
}

void chunk_append(struct chunk *c, const struct placement *p)
{
    ASSERT(c->count < CHUNK_RECORDS_MAX);
    c->count++;
    chunk_set(c, c->count - 1, p);
}

void chunk_get(const struct chunk *c, unsigned i, struct placement *out)
{
    ASSERT(i < c->count);
    record_read(c->records + i * CHUNK_RECORD_BYTES, out);
    if (c->more_count[i]) {
        out->more_keywords = c->more[i];
        out->more_keyword_count = c->more_count[i];
    }
}

void chunk_flags_get(const struct chunk *c, unsigned i, struct chunk_flags *out)
{
    ASSERT(i < c->count);
    const char *r = c->records + i * CHUNK_RECORD_BYTES;

    out->uid = get_le32(r + AT_UID);
    out->flags = get_le16(r + AT_WORD) & CHUNK_FLAGS;
    out->has_more = c->more_count[i];
    out->keywords = get_le64(r + AT_KEYWORDS);
    out->changed = record_modseq(r);
}

void chunk_flags_set(struct chunk *c, unsigned i, const struct chunk_flags *f)
{
    ASSERT(i < c->count && f->changed <= U48_MAX);
    char *r = c->records + i * CHUNK_RECORD_BYTES;

    put_le16(r + AT_WORD,
             (uint16_t)((get_le16(r + AT_WORD) & ~CHUNK_FLAGS) | (f->flags & CHUNK_FLAGS)));
    put_le64(r + AT_KEYWORDS, f->keywords);
    put_le48(r + AT_MODSEQ, f->changed);
}

void chunk_truncate(struct chunk *c, unsigned count)
{
    ASSERT(count <= c->count);
    c->count = count;
}

// ---- finding ------------------------------------------------------------------------------------

// A dense set reads on; a sparse one in a large mailbox is faster with a new seek.
#define SKIP_BEFORE_SEEK 4

void chunk_walk_begin(struct chunk_walk *w, struct view *v, mailbox_id mailbox,
                      const struct uid_set *set)
{
    *w = (struct chunk_walk){.view = v, .mailbox = mailbox, .set = set};
    w->is_done = set->count == 0;
    w->target = set->count ? set->ranges[0].first : 0;
}

void chunk_walk_end(struct chunk_walk *w)
{
    scan_close(w->scan);
    w->scan = NULL;
}

// The key of the chunk that holds `target` if any does: the last one not above it.
static enum err walk_find(struct chunk_walk *w, struct key *out)
{
    struct key from = key_u32(KEY_CHUNK, w->mailbox), to = key_chunk(w->mailbox, w->target);
    struct scan *scan;
    struct span key, value;

    *out = to;
    if (w->target <= 1) {
        return ERR_OK;
    }
    to = key_after(&to);
    enum err e =
        scan_open(w->view->snapshot, w->view->account, key_span(&from), key_span(&to), true, &scan);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_next(scan, &key, &value);
    if (e == ERR_OK) {
        mailbox_id mailbox;
        uint32_t uid;

        e = key_read_chunk(key, &mailbox, &uid) ? ERR_OK : ERR_CORRUPT;
        *out = e == ERR_OK ? key_chunk(w->mailbox, uid) : *out;
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err walk_seek(struct chunk_walk *w)
{
    struct key from, mailbox = key_u32(KEY_CHUNK, w->mailbox), to = key_after(&mailbox);
    enum err e = walk_find(w, &from);

    chunk_walk_end(w);
    w->skipped = 0;
    return e != ERR_OK ? e
                       : scan_open(w->view->snapshot, w->view->account, key_span(&from),
                                   key_span(&to), false, &w->scan);
}

// Moves the target past `uid`; false when nothing of the set is left.
static bool walk_pass(struct chunk_walk *w, uint32_t uid)
{
    while (w->at < w->set->count && w->set->ranges[w->at].last <= uid) {
        w->at++;
    }
    if (w->at == w->set->count) {
        w->is_done = true;
        return false;
    }
    uint32_t first = w->set->ranges[w->at].first;

    w->target = first > uid ? first : uid + 1;
    return true;
}

enum err chunk_walk_next(struct chunk_walk *w, uint32_t *out_key_uid, struct span *out_value,
                         struct chunk_view *out)
{
    struct span key;
    mailbox_id mailbox;

    w->is_adjacent = w->scan != NULL;
    while (!w->is_done) {
        enum err e = ERR_OK;

        if (!w->scan || w->skipped > SKIP_BEFORE_SEEK) {
            e = walk_seek(w);
        }
        e = e != ERR_OK ? e : scan_next(w->scan, &key, out_value);
        e = e != ERR_OK ? e : chunk_open(*out_value, out);
        if (e != ERR_OK) {
            return e;
        }
        if (!key_read_chunk(key, &mailbox, out_key_uid)) {
            return ERR_CORRUPT;
        }
        uint32_t first = chunk_view_uid(out, 0);

        if (out->last_uid < w->target || (first && !walk_pass(w, first - 1)) ||
            out->last_uid < w->target) {
            w->skipped++;
            w->is_adjacent = false;
            continue;
        }
        w->skipped = 0;
        walk_pass(w, out->last_uid);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}
