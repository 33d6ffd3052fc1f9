// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/pack_internal.h"

#include "base/banned.h"

#define STAGE_BYTES     (1u << 20)
#define SUMMARIES_BYTES (8u << 20) // in one frame

void pack_init(struct pack *p, struct local_engine *e, bool compress)
{
    *p = (struct pack){.engine = e, .fd = -1, .compress = compress};
    buf_init(&p->stage, 4 * STAGE_BYTES);
    buf_init(&p->pieces, SIZE_MAX / 4);
    buf_init(&p->summaries, SUMMARIES_BYTES + ENGINE_SUMMARY_BYTES_MAX);
}

static enum err pack_fail(struct pack *p, enum err e)
{
    if (p->failed == ERR_OK) {
        p->failed = e;
    }
    return p->failed;
}

static enum err pack_open(struct pack *p)
{
    char name[32];

    if (p->fd >= 0) {
        return ERR_OK;
    }
    p->id = segment_next_id(&p->engine->segments);
    p->at = journal_frame_bytes(FRAME_SEGMENT_HEAD, 0); // which is written last
    segment_name(p->id, (enum segment_kind)0, name);
    return file_open(p->engine->journal_fd, name, O_RDWR | O_CREAT | O_EXCL, &p->fd);
}

static void flush(struct pack *p)
{
    if (p->stage.n && p->failed == ERR_OK) {
        enum err e = p->stage.failed
                         ? ERR_NOMEM
                         : file_write_at(p->fd, p->stage.p, p->stage.n, p->at - p->stage.n);

        if (e != ERR_OK) {
            pack_fail(p, e);
        }
    }
    buf_clear(&p->stage);
}

static void put_frame_at(struct pack *p, enum frame_type type, uint64_t at, struct span head,
                         struct span tail)
{
    char header[FRAME_HEADER_BYTES];
    struct frame f = {.type = type,
                      .epoch = p->engine->epoch,
                      .at = {p->id, at},
                      .head_n = (uint32_t)head.n,
                      .tail_n = (uint32_t)tail.n,
                      .head_hash = frame_hash(head),
                      .tail_hash = frame_hash(tail)};
    size_t padding = (size_t)(frame_bytes(&f) - FRAME_HEADER_BYTES - head.n - tail.n);

    frame_header_put(&f, header);
    buf_put(&p->stage, span_of(header, sizeof(header)));
    buf_put(&p->stage, head);
    buf_put(&p->stage, tail);
    buf_put(&p->stage, span_of("\0\0\0\0\0\0\0", padding));
}

// Appends a frame; gives where its tail lies.
static struct position put_frame(struct pack *p, enum frame_type type, struct span head,
                                 struct span tail)
{
    struct position at = {p->id, p->at + FRAME_HEADER_BYTES + head.n};

    if (tail.n + p->stage.n > STAGE_BYTES) {
        flush(p);
    }
    if (tail.n > STAGE_BYTES) { // a frame of summaries
        p->stage.max = tail.n + STAGE_BYTES;
    }
    size_t before = p->stage.n;

    put_frame_at(p, type, p->at, head, tail);
    p->at += p->stage.n - before;
    if (p->stage.failed) {
        pack_fail(p, ERR_NOMEM);
    }
    return at;
}

// ---- bodies -------------------------------------------------------------------------------------

static void put_hashes(struct buf *out, const struct piece *p, struct span stored)
{
    size_t step = p->dictionary ? stored.n : BLOCK_BYTES;

    for (size_t at = 0; at < stored.n; at += step) {
        char hash[8];

        put_le64(hash, frame_hash(span_first(span_skip(stored, at), step)));
        buf_put(out, span_of(hash, 8));
    }
}

// Writes a piece and adds its description to p->pieces.
static void put_piece(struct pack *p, struct pack_body *b, uint64_t offset, uint32_t dictionary,
                      uint32_t raw_n, struct span stored)
{
    char head[FRAME_BODY_HEAD], room[PIECE_BYTES_MAX / BLOCK_BYTES * 8];
    struct frame_body body = {.id = b->id,
                              .offset = offset,
                              .data_n = (uint32_t)stored.n,
                              .dictionary = dictionary,
                              .raw_n = raw_n};
    struct piece piece = {.stored_n = (uint32_t)stored.n,
                          .raw_n = raw_n,
                          .dictionary = dictionary,
                          .hash_count = piece_hash_count(dictionary, raw_n)};
    struct buf hashes;

    frame_body_put(&body, head);
    piece.at = put_frame(p, FRAME_BODY, span_of(head, sizeof(head)), stored);
    buf_init(&hashes, sizeof(room));
    put_hashes(&hashes, &piece, stored);
    piece.hashes = hashes.p;
    record_piece_put(&p->pieces, &piece);
    if (hashes.failed) {
        pack_fail(p, ERR_NOMEM);
    }
    buf_finish(&hashes);
    b->record.piece_count++;
    p->stored += stored.n;
}

// An uncompressed piece in parts small enough that a range read costs little. A part that does not
// shrink stays as it is.
static void put_compressed(struct pack *p, struct pack_body *b, uint64_t offset, struct span raw)
{
    struct buf out;
    size_t at = 0;

    buf_init(&out, 2 * PACKED_BYTES_MAX);
    while (at < raw.n) {
        struct span part = span_first(span_skip(raw, at), PACKED_BYTES_MAX);
        uint32_t dictionary = 0;

        buf_clear(&out);
        if (compressor_compress(p->engine->compressor, part, &out, &dictionary)) {
            put_piece(p, b, offset + at, dictionary, (uint32_t)part.n, buf_span(&out));
        } else {
            put_piece(p, b, offset + at, 0, (uint32_t)part.n, part);
        }
        at += part.n;
    }
    buf_finish(&out);
}

static enum err copy_pieces(struct pack *p, struct local_snapshot *s, struct record *r,
                            struct pack_body *b)
{
    struct piece piece;
    struct buf stored;
    uint64_t offset = 0;
    enum err e = ERR_OK;

    buf_init(&stored, PIECE_BYTES_MAX);
    while (e == ERR_OK && record_piece_next(r, &piece)) {
        buf_clear(&stored);
        e = local_piece_read(s, &piece, &stored);
        if (e != ERR_OK) {
            break;
        }
        if (p->compress && !piece.dictionary) {
            put_compressed(p, b, offset, buf_span(&stored));
        } else {
            put_piece(p, b, offset, piece.dictionary, piece.raw_n, buf_span(&stored));
        }
        offset += piece.raw_n;
    }
    buf_finish(&stored);
    return e;
}

static void put_summaries(struct pack *p)
{
    if (p->summaries.n) {
        struct position at = put_frame(p, FRAME_SUMMARIES, SPAN(""), buf_span(&p->summaries));

        for (size_t i = p->summaries_from; i < p->n; i++) {
            // Until here the offset was that in the buffer.
            p->bodies[i].record.summary_at.segment = at.segment;
            p->bodies[i].record.summary_at.offset += at.offset;
        }
        p->stored += p->summaries.n;
    }
    p->summaries_from = p->n;
    buf_clear(&p->summaries);
}

static enum err copy_summary(struct pack *p, struct local_snapshot *s, const struct record *r,
                             struct pack_body *b)
{
    struct span summary;

    if (r->summary_n == 0) {
        return ERR_OK;
    }
    enum err e = local_summary_read(s, r, &summary);

    if (e == ERR_OK) {
        b->record.summary_n = r->summary_n;
        b->record.summary_hash = r->summary_hash;
        b->record.summary_at.offset = p->summaries.n;
        buf_put(&p->summaries, summary);
        e = p->summaries.failed ? ERR_NOMEM : ERR_OK;
    }
    return e;
}

static enum err add_room(struct pack *p)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 256;
        struct pack_body *bodies = reallocarray(p->bodies, cap, sizeof(*bodies));

        if (!bodies) {
            return ERR_NOMEM;
        }
        p->bodies = bodies;
        p->cap = cap;
    }
    return ERR_OK;
}

enum err pack_add(struct pack *p, struct local_snapshot *s, body_id id)
{
    struct span bytes;
    struct record r;
    enum err e = local_find_record(s, id, &bytes);

    if (e == ERR_OK) {
        e = record_get(bytes, &r);
    }
    if (e != ERR_OK || p->failed != ERR_OK) {
        return e != ERR_OK ? e : p->failed;
    }
    e = pack_open(p);
    if (e == ERR_OK) {
        e = add_room(p);
    }
    if (e != ERR_OK) {
        return pack_fail(p, e);
    }
    struct pack_body *b = &p->bodies[p->n];

    *b = (struct pack_body){.id = id, .old_hash = frame_hash(bytes), .pieces_at = p->pieces.n};
    b->record.bytes = r.bytes;
    e = copy_summary(p, s, &r, b);
    if (e == ERR_OK) {
        e = copy_pieces(p, s, &r, b);
    }
    if (e == ERR_CORRUPT) { // what was written of it is dead from the start
        p->pieces.n = b->pieces_at;
        return e;
    }
    if (e != ERR_OK || p->pieces.failed) {
        return pack_fail(p, e != ERR_OK ? e : ERR_NOMEM);
    }
    b->pieces_n = p->pieces.n - b->pieces_at;
    p->n++;
    if (p->summaries.n >= SUMMARIES_BYTES) {
        put_summaries(p);
    }
    return p->failed;
}

void pack_record(const struct pack *p, size_t i, struct buf *out)
{
    const struct pack_body *b = &p->bodies[i];

    record_put(out, &b->record);
    buf_put(out, span_of(p->pieces.p + b->pieces_at, b->pieces_n));
}

// ---- the file -----------------------------------------------------------------------------------

static enum err name_file(struct pack *p)
{
    char temporary[32], name[32];

    segment_name(p->id, (enum segment_kind)0, temporary);
    segment_name(p->id, SEGMENT_PACK, name);
    enum err e = file_sync(p->fd);

    if (e == ERR_OK) {
        e = file_rename(p->engine->journal_fd, temporary, name);
    }
    return e == ERR_OK ? file_sync(p->engine->journal_fd) : e;
}

enum err pack_close(struct pack *p)
{
    char head[FRAME_SEGMENT_HEAD];
    struct segment s = {.id = p->id,
                        .kind = SEGMENT_PACK,
                        .created_s = clock_real_s(),
                        .fd = -1,
                        .base = p->stored};

    put_summaries(p);
    flush(p);
    s.size = p->at;
    struct frame_segment first = {.kind = s.kind, .size = s.size, .created_s = s.created_s};

    frame_segment_put(&first, head);
    put_frame_at(p, FRAME_SEGMENT, 0, span_of(head, sizeof(head)), SPAN(""));
    enum err e = p->failed != ERR_OK ? p->failed : file_write_at(p->fd, p->stage.p, p->stage.n, 0);

    if (e == ERR_OK) {
        e = name_file(p);
    }
    if (e == ERR_OK) {
        e = segment_add(&p->engine->segments, &s);
        p->in_table = e == ERR_OK;
    }
    return e == ERR_OK ? ERR_OK : pack_fail(p, e);
}

void pack_finish(struct pack *p, bool keep)
{
    if (p->fd >= 0) {
        char name[32];

        close(p->fd);
        for (int kind = 0; kind <= SEGMENT_PACK && !keep; kind += SEGMENT_PACK) {
            segment_name(p->id, (enum segment_kind)kind, name);
            file_unlink(p->engine->journal_fd, name);
        }
    }
    buf_finish(&p->stage);
    buf_finish(&p->pieces);
    buf_finish(&p->summaries);
    free(p->bodies);
}
