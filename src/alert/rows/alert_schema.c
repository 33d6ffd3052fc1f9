// SPDX-License-Identifier: Apache-2.0
//
// Keys and values of alerts, as bytes and as structs.
#include "alert/rows/alert_rows_internal.h"

#include "base/banned.h"

// ---- keys ---------------------------------------------------------------------------------------

struct alert_key alert_key_account(char kind, uint64_t account)
{
    struct alert_key k = {.n = 9};

    k.p[0] = kind;
    put_be64(k.p + 1, account);
    return k;
}

struct alert_key alert_key_of(char kind, const struct alert_due *which)
{
    struct alert_key k = alert_key_account(kind, which->account);

    put_be64(k.p + 9, which->trigger);
    k.p[17] = (char)which->kind;
    put_be32(k.p + 18, which->salt);
    k.n = ALERT_KEY_BYTES;
    return k;
}

bool alert_key_read(struct span key, struct alert_due *out)
{
    if (key.n != ALERT_KEY_BYTES || (key.p[0] != ALERT_KEY_ROW && key.p[0] != ALERT_KEY_DUE) ||
        key.p[17] < 1 || key.p[17] > ALERT_KIND_LAST) {
        return false;
    }
    *out = (struct alert_due){.account = get_be64(key.p + 1),
                              .trigger = get_be64(key.p + 9),
                              .kind = (enum alert_kind)key.p[17],
                              .salt = get_be32(key.p + 18)};
    return true;
}

// ---- alerts -------------------------------------------------------------------------------------

#define ROW_BYTES_MAX (5 * (ALERT_TEXT_BYTES_MAX + VARINT_BYTES_MAX) + 6 * VARINT_BYTES_MAX + 1)

// Not cut within a character.
static struct span cut(struct span s)
{
    size_t n = s.n < ALERT_TEXT_BYTES_MAX ? s.n : ALERT_TEXT_BYTES_MAX;

    while (n && n < s.n && ((unsigned char)s.p[n] & 0xC0) == 0x80) {
        n--;
    }
    return span_first(s, n);
}

static struct alert_due name_of(const struct alert *a)
{
    return (struct alert_due){a->account, a->trigger, a->kind, a->salt};
}

enum err alert_row_put(struct batch *b, const struct alert_row *row)
{
    static const char mark[1] = {ALERT_SCHEMA_VERSION};
    const struct alert *a = &row->is;
    const struct alert_due name = name_of(a);
    struct alert_key k = alert_key_of(ALERT_KEY_ROW, &name),
                     due = alert_key_of(ALERT_KEY_DUE, &name);
    char room[ROW_BYTES_MAX];
    struct pack p = pack_record(room, sizeof(room), ALERT_SCHEMA_VERSION);

    pack_i64(&p, a->when_ms);
    pack_u64(&p, row->state);
    pack_u64(&p, a->count);
    pack_u64(&p, a->not_told);
    pack_str(&p, cut(a->network));
    pack_str(&p, cut(a->client));
    pack_str(&p, cut(a->device));
    pack_str(&p, cut(a->by));
    pack_str(&p, cut(a->words));
    enum err e = batch_put(b, alert_key_span(&k), pack_span(&p));

    if (e != ERR_OK) {
        return e;
    }
    return row->state & (ALERT_LETTER_DUE | ALERT_HOOK_DUE)
               ? batch_put(b, alert_key_span(&due), span_of(mark, 1))
               : batch_delete(b, alert_key_span(&due));
}

enum err alert_row_delete(struct batch *b, const struct alert *a)
{
    const struct alert_due name = name_of(a);
    struct alert_key k = alert_key_of(ALERT_KEY_ROW, &name),
                     due = alert_key_of(ALERT_KEY_DUE, &name);
    enum err e = batch_delete(b, alert_key_span(&k));

    return e == ERR_OK ? batch_delete(b, alert_key_span(&due)) : e;
}

enum err alert_row_decode(struct span key, struct span value, struct alert_row *out)
{
    enum err e = unpack_version_of(&value, ALERT_SCHEMA_VERSION);
    struct alert_row r = {.state = 0};
    struct alert *a = &r.is;
    struct alert_due name;
    uint32_t state;

    if (e != ERR_OK) {
        return e;
    }
    if (key.n == 0 || key.p[0] != ALERT_KEY_ROW || !alert_key_read(key, &name) ||
        !unpack_i64(&value, &a->when_ms) || !unpack_u32(&value, &state) || state > ALERT_STATES ||
        !unpack_u64(&value, UINT64_MAX, &a->count) ||
        !unpack_u64(&value, UINT64_MAX, &a->not_told) ||
        !unpack_str(&value, ALERT_TEXT_BYTES_MAX, &a->network) ||
        !unpack_str(&value, ALERT_TEXT_BYTES_MAX, &a->client) ||
        !unpack_str(&value, ALERT_TEXT_BYTES_MAX, &a->device) ||
        !unpack_str(&value, ALERT_TEXT_BYTES_MAX, &a->by) ||
        !unpack_str(&value, ALERT_TEXT_BYTES_MAX, &a->words)) {
        return ERR_CORRUPT;
    }
    a->account = name.account;
    a->trigger = name.trigger;
    a->kind = name.kind;
    a->salt = name.salt;
    r.state = state;
    *out = r;
    return ERR_OK;
}

// ---- cursors ------------------------------------------------------------------------------------

enum err alert_cursor_put(struct batch *b, uint64_t account, const struct alert_cursor *c)
{
    struct alert_key k = alert_key_account(ALERT_KEY_CURSOR, account);
    char room[ALERT_KNOWN_MAX * 8 + 5 * VARINT_BYTES_MAX];
    struct pack p = pack_record(room, sizeof(room), ALERT_SCHEMA_VERSION);

    pack_u64(&p, c->seen);
    pack_i64(&p, c->since);
    pack_u64(&p, c->quota);
    pack_u64(&p, c->known_n);
    for (size_t i = 0; i < c->known_n; i++) {
        char bytes[8];

        put_le64(bytes, c->known[i]);
        pack_bytes(&p, bytes, sizeof(bytes));
    }
    return batch_put(b, alert_key_span(&k), pack_span(&p));
}

enum err alert_cursor_decode(struct span value, struct alert_cursor *out)
{
    enum err e = unpack_version_of(&value, ALERT_SCHEMA_VERSION);
    struct alert_cursor c = {.seen = 0};
    uint64_t quota, known;

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, UINT64_MAX, &c.seen) || !unpack_i64(&value, &c.since) ||
        !unpack_u64(&value, 100, &quota) || !unpack_u64(&value, ALERT_KNOWN_MAX, &known) ||
        value.n < known * 8) {
        return ERR_CORRUPT;
    }
    c.quota = (unsigned)quota;
    c.known_n = known;
    for (size_t i = 0; i < c.known_n; i++) {
        c.known[i] = get_le64(value.p + i * 8);
    }
    *out = c;
    return ERR_OK;
}

enum err alert_mute_decode(struct span value, struct alert_mute *out)
{
    enum err e = unpack_version_of(&value, ALERT_SCHEMA_VERSION);
    struct alert_mute m;

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u32(&value, &m.kinds) || !unpack_i64(&value, &m.until)) {
        return ERR_CORRUPT;
    }
    *out = m;
    return ERR_OK;
}
