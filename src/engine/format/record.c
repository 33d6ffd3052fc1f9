// SPDX-License-Identifier: Apache-2.0
#include "engine/format/record.h"

#include "base/bytes.h"

#include "base/banned.h"

#define RECORD_FORMAT 1

static void put_varint(struct buf *out, uint64_t v)
{
    char room[VARINT_BYTES_MAX];

    buf_put(out, span_of(room, varint_put(room, v)));
}

// Up to `count` varints at once.
static void put_varints(struct buf *out, const uint64_t *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_varint(out, v[i]);
    }
}

static bool get_varints(struct span *s, uint64_t *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!varint_get(s, &v[i])) {
            return false;
        }
    }
    return true;
}

void record_put(struct buf *out, const struct record *r)
{
    buf_put_byte(out, RECORD_FORMAT);
    put_varints(out, (const uint64_t[]){r->bytes, r->summary_n}, 2);
    if (r->summary_n) {
        char hash[8];

        put_varints(out, (const uint64_t[]){r->summary_at.segment, r->summary_at.offset}, 2);
        put_le64(hash, r->summary_hash);
        buf_put(out, span_of(hash, 8));
    }
    put_varint(out, r->piece_count);
}

void record_piece_put(struct buf *out, const struct piece *p)
{
    put_varints(
        out, (const uint64_t[]){p->at.segment, p->at.offset, p->stored_n, p->raw_n, p->dictionary},
        5);
    buf_put(out, span_of(p->hashes, (size_t)p->hash_count * 8));
}

static bool piece_get(struct span *s, struct piece *out)
{
    uint64_t v[5];
    struct span hashes;

    if (!get_varints(s, v, 5) || v[2] > PIECE_BYTES_MAX || v[3] > PIECE_BYTES_MAX ||
        v[4] > UINT32_MAX || v[2] == 0 || v[3] == 0) {
        return false;
    }
    struct piece p = {.at = {v[0], v[1]},
                      .stored_n = (uint32_t)v[2],
                      .raw_n = (uint32_t)v[3],
                      .dictionary = (uint32_t)v[4]};

    p.hash_count = piece_hash_count(p.dictionary, p.raw_n);
    if ((p.dictionary ? p.raw_n > PACKED_BYTES_MAX : p.raw_n != p.stored_n) ||
        !bytes_take(s, (size_t)p.hash_count * 8, &hashes)) {
        return false;
    }
    p.hashes = hashes.p;
    *out = p;
    return true;
}

bool record_piece_next(struct record *r, struct piece *out)
{
    return r->pieces.n && piece_get(&r->pieces, out);
}

static bool record_start(struct span *s, struct record *r)
{
    struct span format, hash;
    uint64_t v[2], count;

    if (!bytes_take(s, 1, &format) || format.p[0] != RECORD_FORMAT || !get_varints(s, v, 2) ||
        v[0] > ENGINE_BODY_BYTES_MAX || v[1] > ENGINE_SUMMARY_BYTES_MAX) {
        return false;
    }
    r->bytes = v[0];
    r->summary_n = (uint32_t)v[1];
    if (r->summary_n) {
        if (!get_varints(s, v, 2) || !bytes_take(s, 8, &hash)) {
            return false;
        }
        r->summary_at = (struct position){v[0], v[1]};
        r->summary_hash = get_le64(hash.p);
    }
    if (!varint_get(s, &count) || count > UINT32_MAX) {
        return false;
    }
    r->piece_count = (uint32_t)count;
    return true;
}

enum err record_get(struct span bytes, struct record *out)
{
    struct record r = {0};
    struct piece p;
    uint64_t sum = 0;

    if (!record_start(&bytes, &r)) {
        return ERR_CORRUPT;
    }
    r.pieces = bytes;
    for (uint32_t i = 0; i < r.piece_count; i++) {
        if (!piece_get(&bytes, &p)) {
            return ERR_CORRUPT;
        }
        sum += p.raw_n;
    }
    if (bytes.n || sum != r.bytes) {
        return ERR_CORRUPT;
    }
    *out = r;
    return ERR_OK;
}

uint64_t record_stored_bytes(struct span bytes)
{
    struct record r;
    struct piece p;
    uint64_t n = 0;

    if (record_get(bytes, &r) == ERR_OK) {
        n = r.summary_n;
        while (record_piece_next(&r, &p)) {
            n += p.stored_n;
        }
    }
    return n;
}

// ---- commits ------------------------------------------------------------------------------------

size_t commit_tail_bytes(const struct batch *b)
{
    // A kind, and lengths of at most two and three bytes.
    _Static_assert(ENGINE_KEY_BYTES_MAX < 1 << 14 && ENGINE_VALUE_BYTES_MAX < 1 << 21, "varints");
    return b->bytes + b->op_count * 6;
}

void commit_tail_put(struct buf *out, const struct batch *b)
{
    for (size_t i = 0; i < b->op_count; i++) {
        const struct batch_op *op = &b->ops[i];

        buf_put_byte(out, op->kind == BATCH_PUT ? 1 : 2);
        put_varint(out, op->key.n);
        buf_put(out, op->key);
        if (op->kind == BATCH_PUT) {
            put_varint(out, op->value.n);
            buf_put(out, op->value);
        }
    }
}

void commit_head_put(struct buf *out, account_id account, uint64_t version, size_t body_count)
{
    char fixed[16];

    put_le64(fixed, account);
    put_le64(fixed + 8, version);
    buf_put(out, span_of(fixed, 16));
    put_varint(out, body_count);
}

void commit_body_put(struct buf *out, const struct commit_body *b)
{
    uint64_t zigzag = ((uint64_t)(int64_t)b->uses << 1) ^ (uint64_t)((int64_t)b->uses >> 63);

    put_varints(out, (const uint64_t[]){b->id, zigzag, b->record.n}, 3);
    buf_put(out, b->record);
}

bool commit_reader_init(struct commit_reader *r, struct span head, struct span tail)
{
    struct span fixed;

    *r = (struct commit_reader){.head = head, .tail = tail};
    if (!bytes_take(&r->head, 16, &fixed) || !varint_get(&r->head, &r->bodies_left)) {
        return false;
    }
    r->account = get_le64(fixed.p);
    r->version = get_le64(fixed.p + 8);
    return r->version != 0;
}

bool commit_body_next(struct commit_reader *r, struct commit_body *out)
{
    uint64_t v[3];
    struct span record;

    if (r->bodies_left == 0) {
        r->bad |= r->head.n != 0;
        return false;
    }
    if (!get_varints(&r->head, v, 3) || v[2] > RECORD_BYTES_MAX ||
        !bytes_take(&r->head, (size_t)v[2], &record)) {
        r->bad = true;
        return false;
    }
    int64_t uses = (int64_t)(v[1] >> 1) ^ -(int64_t)(v[1] & 1);

    if (uses == 0 || uses > INT32_MAX || uses < INT32_MIN || v[0] == 0) {
        r->bad = true;
        return false;
    }
    r->bodies_left--;
    *out = (struct commit_body){.id = v[0], .uses = (int32_t)uses, .record = record};
    return true;
}

static bool take_counted(struct span *s, uint64_t max, struct span *out)
{
    uint64_t n;

    return varint_get(s, &n) && n <= max && bytes_take(s, (size_t)n, out);
}

bool commit_op_next(struct commit_reader *r, struct batch_op *out)
{
    struct span kind;
    struct batch_op op = {0};

    if (r->tail.n == 0) {
        return false;
    }
    r->bad = !bytes_take(&r->tail, 1, &kind) || (kind.p[0] != 1 && kind.p[0] != 2) ||
             !take_counted(&r->tail, ENGINE_KEY_BYTES_MAX, &op.key);
    if (r->bad) {
        return false;
    }
    op.kind = kind.p[0] == 1 ? BATCH_PUT : BATCH_DELETE;
    if (op.kind == BATCH_PUT && !take_counted(&r->tail, ENGINE_VALUE_BYTES_MAX, &op.value)) {
        r->bad = true;
        return false;
    }
    *out = op;
    return true;
}
