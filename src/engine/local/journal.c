// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"
#include "base/log.h"
#include "engine/local/journal_internal.h"

#include "base/banned.h"

#define STAGE_BYTES (1u << 20)
// Every segment keeps room for its last frame.
#define SEAL_BYTES (FRAME_HEADER_BYTES + FRAME_SEAL_HEAD)

enum err journal_init(struct journal *j, struct position tail)
{
    struct segment *s;
    enum err e = segment_use(j->segments, tail.segment, &s);

    if (e != ERR_OK) {
        return e;
    }
    j->fd = s->fd;
    j->size = s->size;
    j->tail = j->durable = tail;
    segment_done(j->segments, s); // current segments stay open
    buf_init(&j->stage, STAGE_BYTES);
    return buf_reserve(&j->stage, STAGE_BYTES) ? ERR_OK : ERR_NOMEM;
}

void journal_finish(struct journal *j)
{
    buf_finish(&j->stage);
}

// Whatever it was, it is the medium's failure to whoever waits.
static enum err journal_fail(struct journal *j)
{
    j->failed = ERR_IO;
    return ERR_IO;
}

enum err journal_flush(struct journal *j)
{
    if (j->failed != ERR_OK || j->stage.n == 0) {
        buf_clear(&j->stage);
        return j->failed;
    }
    enum err e = file_write_at(j->fd, j->stage.p, j->stage.n, j->tail.offset - j->stage.n);

    buf_clear(&j->stage);
    j->dirty = true;
    return e == ERR_OK ? ERR_OK : journal_fail(j);
}

enum err journal_sync(struct journal *j)
{
    enum err e = journal_flush(j);

    if (e != ERR_OK || !j->dirty) {
        return e;
    }
    e = file_sync_data(j->fd);
    if (e != ERR_OK) {
        return journal_fail(j);
    }
    j->syncs++;
    j->dirty = false;
    j->durable = j->tail;
    return ERR_OK;
}

// Stages bytes; what is larger than the stage is written past it.
static void stage(struct journal *j, struct span s)
{
    if (s.n > STAGE_BYTES - j->stage.n) {
        journal_flush(j);
    }
    if (s.n > STAGE_BYTES) {
        if (j->failed == ERR_OK) {
            enum err e = file_write_at(j->fd, s.p, s.n, j->tail.offset);

            j->dirty = true;
            if (e != ERR_OK) {
                journal_fail(j);
            }
        }
    } else {
        buf_put(&j->stage, s);
    }
    j->tail.offset += s.n;
}

uint64_t journal_frame_bytes(size_t head_n, size_t tail_n)
{
    return (FRAME_HEADER_BYTES + (uint64_t)head_n + tail_n + 7) & ~(uint64_t)7;
}

void journal_append(struct journal *j, const struct journal_frame *f, struct position *out_tail)
{
    char header[FRAME_HEADER_BYTES];
    struct frame frame = {.type = f->type,
                          .epoch = j->epoch,
                          .at = j->tail,
                          .durable = j->durable,
                          .head_n = (uint32_t)f->head.n,
                          .tail_n = (uint32_t)(f->tail[0].n + f->tail[1].n),
                          .head_hash = frame_hash(f->head),
                          .tail_hash = f->tail_hash};
    uint64_t end = j->tail.offset + frame_bytes(&frame);

    ASSERT(end <= j->size);
    frame_header_put(&frame, header);
    stage(j, span_of(header, sizeof(header)));
    stage(j, f->head);
    if (out_tail) {
        *out_tail = j->tail;
    }
    stage(j, f->tail[0]);
    stage(j, f->tail[1]);
    stage(j, span_of("\0\0\0\0\0\0\0", (size_t)(end - j->tail.offset)));
    j->appended += frame_bytes(&frame);
}

// The old segment is complete and durable before anything goes into the new one.
static enum err seal(struct journal *j, const struct segment *next)
{
    char head[FRAME_SEAL_HEAD];

    frame_seal_put(next->id, head);
    struct journal_frame f = {
        .type = FRAME_SEAL, .head = span_of(head, sizeof(head)), .tail_hash = frame_hash(SPAN(""))};

    journal_append(j, &f, NULL);
    return journal_sync(j);
}

enum err journal_room(struct journal *j, uint64_t n)
{
    struct segment next;

    if (j->failed != ERR_OK || n + SEAL_BYTES <= j->size - j->tail.offset) {
        return j->failed;
    }
    uint64_t first = journal_frame_bytes(FRAME_SEGMENT_HEAD, 0);
    enum err e = prepare_take(j->prepare, first + n + SEAL_BYTES, &next);

    if (e != ERR_OK) {
        // Without room the journal stays as it is, and the next commit tries again. The same for
        // descriptors and memory.
        return e == ERR_NOSPACE || e == ERR_LIMIT || e == ERR_NOMEM ? e : journal_fail(j);
    }
    e = seal(j, &next);
    if (e != ERR_OK) {
        return e;
    }
    segment_set_current(j->segments, j->tail.segment, false);
    j->fd = next.fd;
    j->size = next.size;
    j->tail = j->durable = (struct position){next.id, first};
    prepare_ask(j->prepare, next.size * 2);
    return ERR_OK;
}
