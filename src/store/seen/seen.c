// SPDX-License-Identifier: Apache-2.0
//
// Reading what a reader has seen: rows, one message, and how many are unseen.
#include "store/seen/seen.h"

#include "base/banned.h"

// ---- rows ---------------------------------------------------------------------------------------

#define KEY_BYTES (1 + sizeof(mailbox_id) + sizeof(account_id) + sizeof(uint32_t))

struct key seen_key(mailbox_id mailbox, account_id who, uint32_t block)
{
    struct key k = key_u32(KEY_SEEN, mailbox), reader = key_u64(KEY_SEEN, who),
               number = key_u32(KEY_SEEN, block);

    memcpy(k.p + k.n, reader.p + 1, reader.n - 1);
    k.n += reader.n - 1;
    memcpy(k.p + k.n, number.p + 1, number.n - 1);
    k.n += number.n - 1;
    return k;
}

bool seen_key_read(struct span key, mailbox_id *out_mailbox, account_id *out_who,
                   uint32_t *out_block)
{
    if (key.n != KEY_BYTES || key.p[0] != KEY_SEEN) {
        return false;
    }
    *out_mailbox = get_be32(key.p + 1);
    *out_who = get_be64(key.p + 5);
    *out_block = get_be32(key.p + 13);
    return *out_block <= UINT32_MAX / SEEN_BLOCK_UIDS;
}

struct span seen_row_encode(modseq since, const unsigned char *bits, char *room)
{
    struct pack k = pack_record(room, SEEN_ROW_BYTES_MAX, SCHEMA_VERSION);
    size_t first = 0, end = SEEN_BLOCK_BYTES;

    while (end > 0 && !bits[end - 1]) {
        end--;
    }
    while (first < end && !bits[first]) {
        first++;
    }
    pack_u64(&k, since);
    pack_u64(&k, first);
    pack_str(&k, span_of(bits + first, end - first));
    return pack_span(&k);
}

enum err seen_row_decode(struct span value, struct seen_row *out)
{
    struct seen_row r;
    uint64_t first;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, UINT64_MAX, &r.since) || r.since == 0 ||
        !unpack_u64(&value, SEEN_BLOCK_BYTES, &first) ||
        !unpack_str(&value, SEEN_BLOCK_BYTES - first, &r.bits)) {
        return ERR_CORRUPT;
    }
    r.first = first;
    *out = r;
    return ERR_OK;
}

static enum err row_get(struct view *v, mailbox_id mailbox, modseq since, account_id who,
                        uint32_t block, struct seen_row *out)
{
    struct key k = seen_key(mailbox, who, block);
    struct span value;
    enum err e = view_get(v, &k, &value);

    if (e == ERR_OK && (seen_row_decode(value, out) != ERR_OK || out->since != since)) {
        e = ERR_NOT_FOUND;
    }
    return e;
}

enum err view_seen_row(struct view *v, mailbox_id mailbox, modseq since, account_id who,
                       uint32_t block, struct seen_row *out)
{
    enum err e = row_get(v, mailbox, since, who, block, out);

    if (e == ERR_NOT_FOUND && who != SEEN_THERE && who != SEEN_START) {
        e = row_get(v, mailbox, since, SEEN_START, block, out);
    }
    if (e == ERR_NOT_FOUND) {
        *out = (struct seen_row){.since = since};
        e = ERR_OK;
    }
    return e;
}

// ---- one message --------------------------------------------------------------------------------

enum err seen_view_begin(struct seen_view *s, struct view *v, mailbox_id mailbox)
{
    struct mailbox_record m = {0};
    enum err e = v->seen_of ? view_mailbox_record(v, mailbox, &m) : ERR_OK;

    *s = (struct seen_view){.view = v, .mailbox = mailbox};
    if (e == ERR_OK) {
        s->since = m.is.seen_since;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e; // a mailbox that is not there has no messages
}

enum err seen_view_put(struct seen_view *s, struct placement *p)
{
    uint32_t block = p->uid / SEEN_BLOCK_UIDS;
    struct seen_row row;

    if (!s->has_block || s->block != block) {
        enum err e = view_seen_row(s->view, s->mailbox, s->since, s->view->seen_of, block, &row);

        if (e != ERR_OK) {
            return e;
        }
        s->has_block = true;
        s->block = block;
        s->first = row.first;
        s->bits = row.bits;
    }
    size_t byte = p->uid % SEEN_BLOCK_UIDS / 8 - s->first; // very large below the first
    bool is_seen = byte < s->bits.n && (unsigned char)s->bits.p[byte] >> p->uid % 8 & 1;

    p->flags = (uint16_t)((p->flags & ~FLAG_SEEN) | (is_seen ? FLAG_SEEN : 0));
    return ERR_OK;
}

// ---- all of them --------------------------------------------------------------------------------

struct unseen_count {
    struct view *v;
    const struct mailbox *mailbox;
    uint64_t unseen;
};

static uint64_t count_missing(const struct seen_row *there, const struct seen_row *seen)
{
    uint64_t n = 0;

    for (size_t i = 0; i < there->bits.n; i++) {
        size_t byte = there->first + i - seen->first;
        unsigned has = (unsigned char)there->bits.p[i],
                 off = byte < seen->bits.n ? (unsigned char)seen->bits.p[byte] : 0;

        n += (uint64_t)__builtin_popcount(has & ~off);
    }
    return n;
}

static enum err count_block(void *arg, struct span key, struct span value)
{
    struct unseen_count *c = arg;
    const struct mailbox *m = c->mailbox;
    struct seen_row there, seen;
    account_id who;
    uint32_t block;
    mailbox_id id;

    if (!seen_key_read(key, &id, &who, &block) || seen_row_decode(value, &there) != ERR_OK ||
        there.since != m->seen_since) {
        return ERR_OK;
    }
    enum err e = view_seen_row(c->v, m->id, m->seen_since, c->v->seen_of, block, &seen);

    c->unseen += e == ERR_OK ? count_missing(&there, &seen) : 0;
    return e;
}

enum err view_unseen(struct view *v, const struct mailbox *m, uint32_t *out)
{
    struct unseen_count c = {.v = v, .mailbox = m};
    struct key rows = seen_key(m->id, SEEN_THERE, 0);

    if (!v->seen_of || !m->seen_since) {
        *out = m->unseen;
        return ERR_OK;
    }
    rows.n -= sizeof(uint32_t);
    enum err e = view_each(v, &rows, count_block, &c);

    if (e == ERR_OK) {
        *out = (uint32_t)c.unseen;
    }
    return e;
}
