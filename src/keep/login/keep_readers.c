// SPDX-License-Identifier: Apache-2.0
#include "keep/login/keep_readers.h"

#include <stdlib.h>

#include "auth/read_as.h"
#include "base/lock.h"
#include "base/log.h"

#include "base/banned.h"

#define ARENA_BYTES (1u << 20)
#define NUMBER_MAX  0x3ffffff0u

struct reader {
    uint32_t number;
    struct auth_grant grant;
};

struct keep_readers {
    struct keep_readers_options o;
    struct lock lock; // LOCK_LEAF; what follows
    uint32_t last_number;
    size_t count;
    struct reader all[KEEP_READERS_MAX];
};

enum err keep_readers_create(const struct keep_readers_options *o, struct keep_readers **out)
{
    struct keep_readers *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    r->o = *o;
    lock_init(&r->lock, LOCK_LEAF);
    *out = r;
    return ERR_OK;
}

void keep_readers_destroy(struct keep_readers *r)
{
    if (r) {
        lock_finish(&r->lock);
        free(r);
    }
}

uint32_t keep_readers_number(struct keep_readers *r)
{
    lock_take(&r->lock);
    r->last_number = r->last_number % NUMBER_MAX + 1;
    uint32_t number = KEEP_SESSIONS_READER | r->last_number;

    lock_release(&r->lock);
    return number;
}

enum err keep_readers_add(struct keep_readers *r, uint32_t number, const struct auth_grant *grant)
{
    enum err e = ERR_LIMIT;

    lock_take(&r->lock);
    if (r->count < KEEP_READERS_MAX) {
        r->all[r->count++] = (struct reader){number, *grant};
        e = ERR_OK;
    }
    lock_release(&r->lock);
    if (e == ERR_OK) {
        r->o.wake(r->o.arg);
    }
    return e;
}

// Nobody but who checks drops any, and each is put at the end: a place keeps its reader meanwhile.
static bool at(struct keep_readers *r, size_t i, struct reader *out)
{
    lock_take(&r->lock);
    bool is_there = i < r->count;

    if (is_there) {
        *out = r->all[i];
    }
    lock_release(&r->lock);
    return is_there;
}

static void drop(struct keep_readers *r, size_t i)
{
    lock_take(&r->lock);
    r->all[i] = r->all[--r->count];
    lock_release(&r->lock);
}

static void check(struct keep_readers *r, const struct reader *one)
{
    struct auth_identity reader, opened;
    struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    // When nobody can say, nobody is put out for it.
    if (auth_reader_holds(r->o.auth, &one->grant, &arena, &reader, &opened) == ERR_DENIED) {
        keep_sessions_end(r->o.sessions, one->grant.opened, one->number, SESSION_READER,
                          r->o.patience_ms);
        log_info("a session of account %llu in account %llu was ended: it may not read it any more",
                 (unsigned long long)one->grant.account, (unsigned long long)one->grant.opened);
    }
    arena_finish(&arena);
}

void keep_readers_check(struct keep_readers *r)
{
    struct reader one;
    size_t i = 0;

    while (at(r, i, &one)) {
        if (keep_sessions_has(r->o.sessions, one.grant.opened, one.number)) {
            check(r, &one);
            i++;
        } else {
            drop(r, i); // another is in its place now
        }
    }
    if (i > 0) {
        r->o.wake(r->o.arg);
    }
}
