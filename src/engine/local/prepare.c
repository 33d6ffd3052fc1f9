// SPDX-License-Identifier: Apache-2.0
//
// A segment is usable once it has its blocks, its first frame, a synced name, and zeros written
// over all of it. That happens ahead of need; a journal that is faster waits.
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/prepare_internal.h"

#include "base/banned.h"

#define ZERO_BYTES (1u << 20)
#define PAGE_BYTES 4096u
#define BALLAST    "reserve"

static const char zeros[ZERO_BYTES];

// ---- the thread's work --------------------------------------------------------------------------

static enum err write_first_frame(struct prepare *p, const struct segment *s)
{
    char page[PAGE_BYTES] = {0};
    struct frame_segment head = {.kind = s->kind, .size = s->size, .created_s = s->created_s};

    frame_segment_put(&head, page + FRAME_HEADER_BYTES);
    struct frame f = {.type = FRAME_SEGMENT,
                      .epoch = p->epoch,
                      .at = {s->id, 0},
                      .head_n = FRAME_SEGMENT_HEAD,
                      .head_hash =
                          frame_hash(span_of(page + FRAME_HEADER_BYTES, FRAME_SEGMENT_HEAD)),
                      .tail_hash = frame_hash(SPAN(""))};

    frame_header_put(&f, page);
    return file_write_at(s->fd, page, sizeof(page), 0);
}

static enum err write_zeros(int fd, uint64_t from, uint64_t to)
{
    enum err e = ERR_OK;

    while (e == ERR_OK && from < to) {
        uint64_t n = to - from < ZERO_BYTES ? to - from : ZERO_BYTES;

        e = file_write_at(fd, zeros, (size_t)n, from);
        from += n;
    }
    return e;
}

// Makes the file; when it has its final name, it is complete and durable.
static enum err make_file(struct prepare *p, struct segment *s)
{
    char temporary[32], name[32];

    segment_name(s->id, (enum segment_kind)0, temporary);
    segment_name(s->id, s->kind, name);
    enum err e = file_open(p->segments->dir_fd, temporary, O_RDWR | O_CREAT | O_EXCL, &s->fd);

    if (e != ERR_OK) {
        return e;
    }
    e = file_allocate(s->fd, s->size);
    if (e == ERR_UNSUPPORTED) {
        e = write_zeros(s->fd, 0, s->size);
    }
    if (e == ERR_OK) {
        e = write_first_frame(p, s);
    }
    if (e == ERR_OK) {
        e = file_sync(s->fd);
    }
    if (e == ERR_OK) {
        e = file_rename(p->segments->dir_fd, temporary, name);
    }
    if (e == ERR_OK) {
        e = file_sync(p->segments->dir_fd);
    }
    if (e != ERR_OK) {
        close(s->fd);
        file_unlink(p->segments->dir_fd, temporary);
        file_unlink(p->segments->dir_fd, name);
    }
    return e;
}

// Ballast has blocks of its own; without room for it there is none.
static void make_ballast(struct prepare *p)
{
    uint64_t size = 0;
    int fd;

    if (p->has_ballast || file_open(p->top_fd, BALLAST, O_RDWR | O_CREAT, &fd) != ERR_OK) {
        return;
    }
    if (file_size(fd, &size) == ERR_OK && size != p->reserve_bytes &&
        (file_truncate(fd, 0) != ERR_OK || file_allocate(fd, p->reserve_bytes) != ERR_OK ||
         file_sync(fd) != ERR_OK)) {
        file_unlink(p->top_fd, BALLAST);
    } else {
        p->has_ballast = true;
    }
    close(fd);
}

// With the lock held on entry and exit, but not during the work.
static void make_spare(struct prepare *p)
{
    struct segment s = {.kind = SEGMENT_JOURNAL,
                        .size = p->wanted,
                        .created_s = clock_real_s(),
                        .fd = -1,
                        .current = true};

    lock_release(&p->lock);
    s.id = segment_next_id(p->segments);
    enum err e = make_file(p, &s);

    if (e == ERR_OK) {
        make_ballast(p);
    }
    lock_take(&p->lock);
    p->wanted = 0;
    p->failed = e;
    if (e == ERR_OK) {
        p->spare = s;
        p->ready = true;
        p->zeroing = true;
    }
    pthread_cond_broadcast(&p->changed);
}

// All of it, also when a commit waits for it. Into blocks that are only allocated a commit would be
// durable only with the file system's own record that they are now written, and ext4 does not tell
// fdatasync when that record fails (seen with a file system shut down under load).
static void zero_spare(struct prepare *p)
{
    int fd = p->spare.fd;
    uint64_t size = p->spare.size;

    for (uint64_t at = PAGE_BYTES; at < size && !p->stopping; at += ZERO_BYTES) {
        lock_release(&p->lock);
        enum err e = write_zeros(fd, at, at + ZERO_BYTES < size ? at + ZERO_BYTES : size);

        // In small steps: one large flush would hold up the commits' syncs.
        if (e == ERR_OK && (at / ZERO_BYTES) % 4 == 3) {
            e = file_sync_data(fd);
        }
        lock_take(&p->lock);
        if (e != ERR_OK) {
            // It could not be written: it may not be used. The next one is tried on demand.
            p->ready = false;
            p->failed = e;
            break;
        }
    }
    bool drop = !p->ready, sync = !p->stopping && p->ready;

    if (sync || drop) {
        lock_release(&p->lock);
        enum err e = sync ? file_sync_data(fd) : ERR_OK;

        drop = drop || e != ERR_OK;
        if (drop) {
            char name[32];

            segment_name(p->spare.id, SEGMENT_JOURNAL, name);
            close(fd);
            file_unlink(p->segments->dir_fd, name);
        }
        lock_take(&p->lock);
        p->ready = !drop;
        // Whoever waits for it must hear of it.
        p->failed = e != ERR_OK ? e : p->failed;
    }
    p->zeroing = false;
    pthread_cond_broadcast(&p->changed);
}

static void *prepare_run(void *arg)
{
    struct prepare *p = arg;

    lock_take(&p->lock);
    while (!p->stopping) {
        if (p->zeroing) {
            zero_spare(p);
        } else if (p->wanted && !p->ready) {
            make_spare(p);
        } else {
            lock_cond_wait(&p->changed, &p->lock, -1);
        }
    }
    lock_release(&p->lock);
    return NULL;
}

// ---- calls --------------------------------------------------------------------------------------

enum err prepare_start(struct prepare *p)
{
    lock_init(&p->lock, LOCK_LEAF);
    lock_cond_init(&p->changed);
    p->running = pthread_create(&p->thread, NULL, prepare_run, p) == 0;
    return p->running ? ERR_OK : ERR_NOMEM;
}

static void drop_spare(struct prepare *p)
{
    char name[32];

    segment_name(p->spare.id, SEGMENT_JOURNAL, name);
    close(p->spare.fd);
    file_unlink(p->segments->dir_fd, name);
    p->ready = false;
}

void prepare_stop(struct prepare *p)
{
    if (!p->running) {
        return;
    }
    lock_take(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->changed);
    lock_release(&p->lock);
    pthread_join(p->thread, NULL);
    if (p->ready) {
        drop_spare(p);
    }
    pthread_cond_destroy(&p->changed);
    lock_finish(&p->lock);
    p->running = false;
}

void prepare_ask(struct prepare *p, uint64_t size)
{
    lock_take(&p->lock);
    if (!p->ready) {
        p->wanted = size > p->segment_bytes ? p->segment_bytes : size;
        pthread_cond_broadcast(&p->changed);
    }
    lock_release(&p->lock);
}

// Waits, with the lock held, until a spare is ready and no longer written to; or the error.
static enum err wait_ready(struct prepare *p, uint64_t size)
{
    p->failed = ERR_OK;
    if (!p->ready && (p->wanted == 0 || p->wanted < size)) {
        p->wanted = size > p->segment_bytes / 16 ? size : p->segment_bytes / 16;
    }
    pthread_cond_broadcast(&p->changed);
    while (p->zeroing || (!p->ready && p->failed == ERR_OK)) {
        lock_cond_wait(&p->changed, &p->lock, -1);
    }
    return p->ready ? ERR_OK : p->failed;
}

enum err prepare_take(struct prepare *p, uint64_t size, struct segment *out)
{
    lock_take(&p->lock);
    enum err e = wait_ready(p, size);

    // A batch larger than the spare gets a segment of its own size. The spare goes, for ids must
    // rise along the journal.
    while (e == ERR_OK && p->spare.size < size) {
        drop_spare(p);
        e = wait_ready(p, size);
    }
    struct segment taken = p->spare;

    if (e == ERR_OK) {
        p->ready = false;
    }
    lock_release(&p->lock);
    if (e == ERR_OK) {
        e = segment_add(p->segments, &taken);
        if (e == ERR_OK) {
            *out = taken;
        } else {
            close(taken.fd);
        }
    }
    return e;
}

bool prepare_drop_ballast(struct prepare *p)
{
    lock_take(&p->lock);
    bool had = p->has_ballast;

    p->has_ballast = false;
    lock_release(&p->lock);
    return had && file_unlink(p->top_fd, BALLAST) == ERR_OK;
}
