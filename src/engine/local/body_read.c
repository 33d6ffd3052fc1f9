// SPDX-License-Identifier: Apache-2.0
//
// Reading bodies where their records say they are (summaries: summary_read.c). Nothing is handed
// out that was not checked against the record's hashes.
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "engine/local/compress_internal.h"
#include "engine/local/snapshot_internal.h"

#include "base/banned.h"

enum err local_find_record(struct local_snapshot *s, body_id id, struct span *out)
{
    struct index_key key;

    return local_view_get(&s->view, key_number(&key, 'b', id), out);
}

static enum err find_record(struct local_snapshot *s, body_id id, struct record *out)
{
    struct span bytes;
    enum err e = local_find_record(s, id, &bytes);

    return e == ERR_OK ? record_get(bytes, out) : e;
}

enum err local_use_segment(struct local_snapshot *s, uint64_t id)
{
    struct segments *t = &local_of(s->base.engine)->segments;

    if (s->segment && s->segment->id == id) {
        return ERR_OK;
    }
    if (s->segment) {
        segment_done(t, s->segment);
        s->segment = NULL;
    }
    enum err e = segment_use(t, id, &s->segment);

    return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

enum err local_read_at(struct local_snapshot *s, struct position at, char *out, size_t n)
{
    enum err e = local_use_segment(s, at.segment);

    if (e == ERR_OK) {
        e = file_read_at(s->segment->fd, out, n, at.offset);
    }
    return e == ERR_EOF ? ERR_CORRUPT : e;
}

enum err local_body_info(struct snapshot *snapshot, body_id id, struct body_info *out)
{
    struct local_snapshot *s = (struct local_snapshot *)snapshot;
    struct record r;
    struct index_key key;
    struct span v;
    uint32_t uses = 1;
    enum err e = find_record(s, id, &r);

    if (e != ERR_OK) {
        return e;
    }
    e = local_view_get(&s->view, key_number(&key, 'u', id), &v);
    if (e == ERR_OK && v.n == 4) {
        uses = get_le32(v.p);
    } else if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_CORRUPT : e;
    }
    *out = (struct body_info){.bytes = r.bytes, .summary_bytes = r.summary_n, .uses = uses};
    return ERR_OK;
}

// Bytes [from, to) of an uncompressed piece: block by block, each whole, for it has one hash.
static enum err read_plain(struct local_snapshot *s, const struct piece *p, uint32_t from,
                           uint32_t to, struct buf *out)
{
    char *part CLEANUP_FREE = NULL;

    for (uint32_t i = from / BLOCK_BYTES; (uint64_t)i * BLOCK_BYTES < to; i++) {
        uint32_t start = i * BLOCK_BYTES;
        uint32_t n = p->raw_n - start < BLOCK_BYTES ? p->raw_n - start : BLOCK_BYTES;
        bool whole = from <= start && to >= start + n;

        if (!whole && !part) {
            part = malloc(BLOCK_BYTES);
        }
        char *at = whole ? buf_reserve(out, n) : part;

        if (!at) {
            return whole ? ERR_LIMIT : ERR_NOMEM;
        }
        enum err e =
            local_read_at(s, (struct position){p->at.segment, p->at.offset + start}, at, n);

        if (e != ERR_OK) {
            return e;
        }
        if (frame_hash(span_of(at, n)) != get_le64(p->hashes + (size_t)i * 8)) {
            return ERR_CORRUPT;
        }
        if (whole) {
            out->n += n;
        } else {
            uint32_t low = from > start ? from - start : 0;
            uint32_t high = to - start < n ? to - start : n;

            buf_put(out, span_of(at + low, high - low));
        }
    }
    return buf_result(out);
}

enum err local_piece_read(struct local_snapshot *s, const struct piece *p, struct buf *out)
{
    if (!p->dictionary) {
        return read_plain(s, p, 0, p->raw_n, out);
    }
    char *at = buf_reserve(out, p->stored_n);
    enum err e = at ? local_read_at(s, p->at, at, p->stored_n) : ERR_LIMIT;

    if (e == ERR_OK && frame_hash(span_of(at, p->stored_n)) != get_le64(p->hashes)) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        out->n += p->stored_n;
    }
    return e;
}

static enum err read_packed(struct local_snapshot *s, const struct piece *p, uint32_t from,
                            uint32_t to, struct buf *out)
{
    struct buf stored, raw;

    buf_init(&stored, p->stored_n);
    buf_init(&raw, p->raw_n);
    enum err e = local_piece_read(s, p, &stored);

    if (e == ERR_OK) {
        e = compressor_decompress(local_of(s->base.engine)->compressor, p->dictionary,
                                  buf_span(&stored), p->raw_n, &raw);
    }
    if (e == ERR_OK) {
        buf_put(out, span_of(raw.p + from, to - from));
        e = buf_result(out);
    }
    buf_finish(&stored);
    buf_finish(&raw);
    return e;
}

enum err local_body_read(struct snapshot *snapshot, body_id id, uint64_t offset, size_t n,
                         struct buf *out)
{
    struct local_snapshot *s = (struct local_snapshot *)snapshot;
    struct record r;
    struct piece p;
    size_t before = out->n;
    uint64_t start = 0;
    struct span row;
    enum err e = local_walk_record(s, id, &row);

    e = e == ERR_OK ? record_get(row, &r) : e;

    if (e != ERR_OK || offset >= r.bytes || n == 0) {
        return e;
    }
    uint64_t end = n < r.bytes - offset ? offset + n : r.bytes;

    if (end - offset > out->max - out->n) {
        return ERR_LIMIT;
    }
    while (e == ERR_OK && start < end && record_piece_next(&r, &p)) {
        uint64_t piece_end = start + p.raw_n;

        if (piece_end > offset) {
            uint32_t from = offset > start ? (uint32_t)(offset - start) : 0;
            uint32_t to = end < piece_end ? (uint32_t)(end - start) : p.raw_n;

            e = p.dictionary ? read_packed(s, &p, from, to, out) : read_plain(s, &p, from, to, out);
        }
        start = piece_end;
    }
    if (e != ERR_OK) {
        out->n = before; // nothing unchecked, and nothing in part
    }
    return e;
}
