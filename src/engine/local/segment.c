// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/segment_internal.h"

#include "base/banned.h"

void segment_name(uint64_t id, enum segment_kind kind, char out[32])
{
    snprintf(out, 32, "%016llx.%s", (unsigned long long)id,
             kind == SEGMENT_JOURNAL ? "seg"
             : kind == SEGMENT_PACK  ? "pack"
                                     : "new");
}

bool segment_name_parse(const char *name, uint64_t *out_id, int *out_kind)
{
    uint64_t id = 0;

    for (int i = 0; i < 16; i++) {
        int digit = byte_hex(name[i]);

        if (digit < 0) {
            return false;
        }
        id = id << 4 | (unsigned)digit;
    }
    for (int kind = 0; kind <= SEGMENT_PACK; kind++) {
        char want[32];

        segment_name(id, (enum segment_kind)kind, want);
        if (span_eq(span_from_str(want), span_from_str(name))) {
            *out_id = id;
            *out_kind = kind;
            return true;
        }
    }
    return false;
}

void segments_init(struct segments *t, int dir_fd, unsigned files_max)
{
    *t = (struct segments){.dir_fd = dir_fd, .files_max = files_max, .next_id = 1};
    lock_init(&t->lock, LOCK_ENGINE_SEGMENTS);
}

void segments_finish(struct segments *t)
{
    for (size_t i = 0; i < t->n; i++) {
        ASSERT(t->all[i]->users == 0);
        cleanup_fd(&t->all[i]->fd);
        cleanup_fd(&t->all[i]->picking_fd);
        free(t->all[i]);
    }
    free(t->all);
    lock_finish(&t->lock);
}

uint64_t segment_next_id(struct segments *t)
{
    lock_take(&t->lock);
    uint64_t id = t->next_id++;

    lock_release(&t->lock);
    return id;
}

// The place of the first segment with an id at or above `id`.
static size_t find(const struct segments *t, uint64_t id)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->all[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct segment *get(const struct segments *t, uint64_t id)
{
    size_t i = find(t, id);

    return i < t->n && t->all[i]->id == id ? t->all[i] : NULL;
}

enum err segment_add(struct segments *t, const struct segment *s)
{
    struct segment *copy = malloc(sizeof(*copy));
    enum err e = ERR_NOMEM;

    if (!copy) {
        return e;
    }
    *copy = *s;
    copy->picking_fd = -1;
    lock_take(&t->lock);
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        struct segment **all = reallocarray(t->all, cap, sizeof(*all));

        if (all) {
            t->all = all;
            t->cap = cap;
        }
    }
    size_t i = find(t, s->id);

    if (i < t->n && t->all[i]->id == s->id) {
        e = ERR_EXISTS;
    } else if (t->n < t->cap) {
        memmove(&t->all[i + 1], &t->all[i], (t->n - i) * sizeof(*t->all));
        t->all[i] = copy;
        t->n++;
        t->open_files += s->fd >= 0;
        if (s->id >= t->next_id) {
            t->next_id = s->id + 1;
        }
        e = ERR_OK;
    }
    lock_release(&t->lock);
    if (e != ERR_OK) {
        free(copy);
    }
    return e;
}

enum err segment_remove(struct segments *t, uint64_t id)
{
    char name[32];

    lock_take(&t->lock);
    size_t i = find(t, id);

    ASSERT(i < t->n && t->all[i]->id == id && t->all[i]->users == 0);
    struct segment *s = t->all[i];

    memmove(&t->all[i], &t->all[i + 1], (t->n - i - 1) * sizeof(*t->all));
    t->n--;
    t->open_files -= (s->fd >= 0) + (s->picking_fd >= 0);
    lock_release(&t->lock);
    segment_name(id, s->kind, name);
    cleanup_fd(&s->fd);
    cleanup_fd(&s->picking_fd);
    free(s);
    return file_unlink(t->dir_fd, name);
}

static void close_one(struct segments *t, int *fd)
{
    t->open_files -= *fd >= 0;
    cleanup_fd(fd);
    *fd = -1;
}

// Closes descriptors nobody uses until there is room again.
static void close_some(struct segments *t)
{
    for (size_t i = 0; i < t->n && t->open_files > t->files_max; i++) {
        struct segment *s = t->all[i];

        if (s->users == 0) {
            close_one(t, &s->picking_fd);
            if (!s->current) {
                close_one(t, &s->fd);
            }
        }
    }
}

static enum err open_file(struct segments *t, struct segment *s)
{
    char name[32];

    segment_name(s->id, s->kind, name);
    enum err e = file_open(t->dir_fd, name, s->current ? O_RDWR : O_RDONLY, &s->fd);

    if (e == ERR_OK) {
        t->open_files++;
        close_some(t);
    }
    return e;
}

enum err segment_use(struct segments *t, uint64_t id, struct segment **out)
{
    enum err e = ERR_OK;

    lock_take(&t->lock);
    struct segment *s = get(t, id);

    if (!s) {
        e = ERR_NOT_FOUND;
    } else {
        s->users++;
        if (s->fd < 0) {
            e = open_file(t, s);
        }
        if (e != ERR_OK) {
            s->users--;
        }
    }
    lock_release(&t->lock);
    if (e == ERR_OK) {
        *out = s;
    }
    return e;
}

enum err segment_pick(struct segments *t, struct segment *s, int *out_fd)
{
    char name[32];
    enum err e = ERR_OK;

    lock_take(&t->lock);
    ASSERT(s->users > 0);
    if (s->picking_fd < 0) {
        segment_name(s->id, s->kind, name);
        e = file_open(t->dir_fd, name, O_RDONLY, &s->picking_fd);
        if (e == ERR_OK) {
            posix_fadvise(s->picking_fd, 0, 0, POSIX_FADV_RANDOM);
            t->open_files++;
            close_some(t);
        }
    }
    int fd = s->picking_fd;

    lock_release(&t->lock);
    if (e == ERR_OK) {
        *out_fd = fd;
    }
    return e;
}

void segment_done(struct segments *t, struct segment *s)
{
    lock_take(&t->lock);
    ASSERT(s->users > 0);
    s->users--;
    lock_release(&t->lock);
}

bool segment_next(struct segments *t, uint64_t from, struct segment *out)
{
    lock_take(&t->lock);
    size_t i = find(t, from);
    bool found = i < t->n;

    if (found) {
        *out = *t->all[i];
    }
    lock_release(&t->lock);
    return found;
}

void segment_pin(struct segments *t, uint64_t id, int change)
{
    lock_take(&t->lock);
    struct segment *s = get(t, id);

    if (s) {
        ASSERT(change > 0 || s->pins > 0);
        s->pins += (unsigned)change;
    }
    lock_release(&t->lock);
}

void segment_set_live(struct segments *t, uint64_t id, uint64_t live)
{
    lock_take(&t->lock);
    struct segment *s = get(t, id);

    if (s) {
        s->live = live;
    }
    lock_release(&t->lock);
}

void segment_set_current(struct segments *t, uint64_t id, bool current)
{
    lock_take(&t->lock);
    struct segment *s = get(t, id);

    ASSERT(s);
    s->current = current;
    lock_release(&t->lock);
}

void segment_set_kept(struct segments *t, uint64_t id)
{
    lock_take(&t->lock);
    struct segment *s = get(t, id);

    if (s) {
        s->kept = true;
    }
    lock_release(&t->lock);
}

void segment_doom(struct segments *t, uint64_t id, uint64_t generation)
{
    lock_take(&t->lock);
    struct segment *s = get(t, id);

    if (s) {
        s->doomed = true;
        s->doomed_at = generation;
    }
    lock_release(&t->lock);
}

unsigned segment_reap(struct segments *t, uint64_t oldest)
{
    unsigned n = 0;
    uint64_t from = 0;

    for (;;) {
        uint64_t id = 0;

        lock_take(&t->lock);
        for (size_t i = find(t, from); i < t->n && id == 0; i++) {
            struct segment *s = t->all[i];

            id = s->doomed && s->doomed_at <= oldest && s->users == 0 ? s->id : 0;
        }
        lock_release(&t->lock);
        if (id == 0) {
            return n;
        }
        segment_remove(t, id); // what is left of the file after an error goes at the next start
        from = id + 1;
        n++;
    }
}
