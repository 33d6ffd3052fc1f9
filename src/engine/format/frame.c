// SPDX-License-Identifier: Apache-2.0
#include "engine/format/frame.h"

#include <xxhash.h>

#include "base/bytes.h"
#include "base/file.h"

#include "base/banned.h"

#define WINDOW_BYTES (256u << 10)

uint64_t frame_hash(struct span s)
{
    return XXH3_64bits(s.n ? s.p : "", s.n);
}

void frame_header_put(const struct frame *f, char out[FRAME_HEADER_BYTES])
{
    memset(out, 0, FRAME_HEADER_BYTES);
    put_le32(out, FRAME_MAGIC);
    out[4] = (char)f->type;
    out[5] = FRAME_FORMAT;
    put_le32(out + 8, f->epoch);
    put_le32(out + 12, f->head_n);
    put_le32(out + 16, f->tail_n);
    put_le64(out + 24, f->at.segment);
    put_le64(out + 32, f->at.offset);
    put_le64(out + 40, f->durable.segment);
    put_le64(out + 48, f->durable.offset);
    put_le64(out + 56, f->head_hash);
    put_le64(out + 64, f->tail_hash);
    put_le64(out + 72, frame_hash(span_of(out, 72)));
}

enum err frame_header_get(const char *bytes, struct position at, struct frame *out)
{
    if (get_le32(bytes) != FRAME_MAGIC || bytes[5] != FRAME_FORMAT || get_le16(bytes + 6) != 0 ||
        get_le32(bytes + 20) != 0 || get_le64(bytes + 24) != at.segment ||
        get_le64(bytes + 32) != at.offset ||
        get_le64(bytes + 72) != frame_hash(span_of(bytes, 72))) {
        return ERR_CORRUPT;
    }
    unsigned char type = (unsigned char)bytes[4];
    struct frame f = {
        .type = (enum frame_type)type,
        .epoch = get_le32(bytes + 8),
        .at = at,
        .durable = {get_le64(bytes + 40), get_le64(bytes + 48)},
        .head_n = get_le32(bytes + 12),
        .tail_n = get_le32(bytes + 16),
        .head_hash = get_le64(bytes + 56),
        .tail_hash = get_le64(bytes + 64),
    };

    if (type < FRAME_SEGMENT || type > FRAME_SUMMARIES || frame_bytes(&f) > FRAME_BYTES_MAX) {
        return ERR_CORRUPT;
    }
    *out = f;
    return ERR_OK;
}

bool frame_payload_ok(const struct frame *f, struct span head, struct span tail)
{
    return head.n == f->head_n && tail.n == f->tail_n && frame_hash(head) == f->head_hash &&
           frame_hash(tail) == f->tail_hash;
}

void frame_segment_put(const struct frame_segment *s, char out[FRAME_SEGMENT_HEAD])
{
    memset(out, 0, FRAME_SEGMENT_HEAD);
    out[0] = (char)s->kind;
    put_le64(out + 8, s->size);
    put_le64(out + 16, (uint64_t)s->created_s);
}

bool frame_segment_get(struct span head, struct frame_segment *out)
{
    if (head.n != FRAME_SEGMENT_HEAD ||
        (head.p[0] != SEGMENT_JOURNAL && head.p[0] != SEGMENT_PACK)) {
        return false;
    }
    *out = (struct frame_segment){.kind = (enum segment_kind)head.p[0],
                                  .size = get_le64(head.p + 8),
                                  .created_s = (int64_t)get_le64(head.p + 16)};
    return true;
}

void frame_body_put(const struct frame_body *b, char out[FRAME_BODY_HEAD])
{
    put_le64(out, b->id);
    put_le64(out + 8, b->offset);
    put_le32(out + 16, b->data_n);
    put_le32(out + 20, b->summary_n);
    put_le32(out + 24, b->dictionary);
    put_le32(out + 28, b->raw_n);
}

bool frame_body_get(struct span head, uint32_t tail_n, struct frame_body *out)
{
    if (head.n != FRAME_BODY_HEAD) {
        return false;
    }
    struct frame_body b = {
        .id = get_le64(head.p),
        .offset = get_le64(head.p + 8),
        .data_n = get_le32(head.p + 16),
        .summary_n = get_le32(head.p + 20),
        .dictionary = get_le32(head.p + 24),
        .raw_n = get_le32(head.p + 28),
    };

    if ((uint64_t)b.data_n + b.summary_n != tail_n) {
        return false;
    }
    *out = b;
    return true;
}

void frame_seal_put(uint64_t next, char out[FRAME_SEAL_HEAD])
{
    put_le64(out, next);
}

bool frame_seal_get(struct span head, uint64_t *out_next)
{
    if (head.n != FRAME_SEAL_HEAD) {
        return false;
    }
    *out_next = get_le64(head.p);
    return true;
}

// ---- walking ------------------------------------------------------------------------------------

void frame_walk_init(struct frame_walk *w, int fd, struct position from, uint64_t size)
{
    *w = (struct frame_walk){.fd = fd, .size = size, .at = from};
    buf_init(&w->window, FRAME_BYTES_MAX + WINDOW_BYTES);
}

void frame_walk_finish(struct frame_walk *w)
{
    buf_finish(&w->window);
}

// Makes [at, at + n) of the file available; the caller knows that it ends inside the file.
static enum err walk_load(struct frame_walk *w, uint64_t at, uint64_t n, const char **out)
{
    if (at < w->window_at || at + n > w->window_at + w->window.n) {
        uint64_t want = n < WINDOW_BYTES ? WINDOW_BYTES : n;

        want = want < w->size - at ? want : w->size - at;
        buf_clear(&w->window);
        char *p = buf_reserve(&w->window, (size_t)want);

        if (!p) {
            return ERR_NOMEM;
        }
        enum err e = file_read_at(w->fd, p, (size_t)want, at);

        if (e != ERR_OK) {
            return e == ERR_EOF ? ERR_CORRUPT : e;
        }
        w->window.n = (size_t)want;
        w->window_at = at;
    }
    *out = w->window.p + (at - w->window_at);
    return ERR_OK;
}

static enum err walk_payload(struct frame_walk *w, const struct frame *f, struct span *out_head,
                             struct span *out_tail)
{
    uint64_t tail_n = w->headers_only ? 0 : f->tail_n;
    const char *p;
    enum err e = walk_load(w, f->at.offset, FRAME_HEADER_BYTES + f->head_n + tail_n, &p);

    if (e != ERR_OK) {
        return e;
    }
    struct span head = span_of(p + FRAME_HEADER_BYTES, f->head_n);
    struct span tail = span_of(head.p + head.n, (size_t)tail_n);

    if (w->headers_only ? frame_hash(head) != f->head_hash : !frame_payload_ok(f, head, tail)) {
        return ERR_CORRUPT;
    }
    *out_head = head;
    *out_tail = tail;
    return ERR_OK;
}

enum err frame_walk_next(struct frame_walk *w, struct frame *out, struct span *out_head,
                         struct span *out_tail)
{
    const char *p;
    struct frame f;

    if (w->at.offset > w->size || w->size - w->at.offset < FRAME_HEADER_BYTES) {
        return ERR_EOF;
    }
    enum err e = walk_load(w, w->at.offset, FRAME_HEADER_BYTES, &p);

    if (e == ERR_OK) {
        e = frame_header_get(p, w->at, &f);
    }
    if (e == ERR_OK && frame_bytes(&f) > w->size - w->at.offset) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        e = walk_payload(w, &f, out_head, out_tail);
    }
    if (e == ERR_OK) {
        *out = f;
        w->at.offset += frame_bytes(&f);
    }
    return e;
}

enum err frame_walk_search(struct frame_walk *w, struct frame *out)
{
    uint64_t at = (w->at.offset + 7) & ~(uint64_t)7;

    for (; at <= w->size && w->size - at >= FRAME_HEADER_BYTES; at += 8) {
        const char *p;
        enum err e = walk_load(w, at, FRAME_HEADER_BYTES, &p);

        if (e != ERR_OK) {
            return e;
        }
        if (get_le32(p) == FRAME_MAGIC &&
            frame_header_get(p, (struct position){w->at.segment, at}, out) == ERR_OK) {
            w->at.offset = at + 8;
            return ERR_OK;
        }
    }
    w->at.offset = at;
    return ERR_NOT_FOUND;
}
