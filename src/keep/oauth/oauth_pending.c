// SPDX-License-Identifier: Apache-2.0
#include "keep/oauth/oauth_pending.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"

#include "base/banned.h"

#define SLOWER_MS 5000 // what one who asks too often has to wait longer (RFC 8628 section 3.5)

struct entry {
    struct list by_age; // of its making; each kind lives equally long
    char digest[OAUTH_DIGEST_BYTES];
    int64_t until_ms, asked_ms, interval_ms; // monotonic
    struct oauth_pending_item is;
    bool came_twice;
};

struct oauth_pending {
    struct lock lock;
    struct map by_digest, by_user_code;
    struct list codes, device_codes; // oldest first
};

enum err oauth_pending_create(struct oauth_pending **out)
{
    struct oauth_pending *p = calloc(1, sizeof(*p));

    if (!p) {
        return ERR_NOMEM;
    }
    lock_init(&p->lock, LOCK_LEAF);
    map_init(&p->by_digest);
    map_init(&p->by_user_code);
    list_init(&p->codes);
    list_init(&p->device_codes);
    *out = p;
    return ERR_OK;
}

static struct span user_code(const struct entry *e)
{
    return span_of(e->is.user_code, sizeof(e->is.user_code));
}

static void drop(struct oauth_pending *p, struct entry *e)
{
    map_remove(&p->by_digest, span_of(e->digest, sizeof(e->digest)));
    if (e->is.is_device && map_get(&p->by_user_code, user_code(e)) == e) {
        map_remove(&p->by_user_code, user_code(e));
    }
    list_remove(&e->by_age);
    free(e);
}

static void drop_old(struct oauth_pending *p, struct list *l, int64_t now)
{
    while (!list_is_empty(l)) {
        struct entry *e = LIST_ITEM(l->next, struct entry, by_age);

        if (e->until_ms > now) {
            return;
        }
        drop(p, e);
    }
}

void oauth_pending_destroy(struct oauth_pending *p)
{
    if (p) {
        drop_old(p, &p->codes, INT64_MAX);
        drop_old(p, &p->device_codes, INT64_MAX);
        map_finish(&p->by_digest);
        map_finish(&p->by_user_code);
        lock_finish(&p->lock);
        free(p);
    }
}

static void lock_and_tidy(struct oauth_pending *p)
{
    int64_t now = clock_monotonic_ms();

    lock_take(&p->lock);
    drop_old(p, &p->codes, now);
    drop_old(p, &p->device_codes, now);
}

static bool is_crowded(const struct oauth_pending *p, const struct oauth_pending_item *item)
{
    unsigned n = 0;

    LIST_EACH(l, &p->device_codes)
    {
        n += strcmp(LIST_ITEM(l, struct entry, by_age)->is.remote, item->remote) == 0;
    }
    return n >= OAUTH_PENDING_PER_PLACE;
}

static enum err insert(struct oauth_pending *p, struct entry *e)
{
    enum err r = map_put(&p->by_digest, span_of(e->digest, sizeof(e->digest)), e, NULL);

    if (r == ERR_OK && e->is.is_device) {
        r = map_put(&p->by_user_code, user_code(e), e, NULL);
        if (r != ERR_OK) {
            map_remove(&p->by_digest, span_of(e->digest, sizeof(e->digest)));
        }
    }
    if (r == ERR_OK) {
        list_append(e->is.is_device ? &p->device_codes : &p->codes, &e->by_age);
    }
    return r;
}

static enum err may_be_added(const struct oauth_pending *p, const struct oauth_pending_item *item)
{
    if (p->by_digest.n >= OAUTH_PENDING_MAX || (item->is_device && is_crowded(p, item))) {
        return ERR_LIMIT;
    }
    return item->is_device &&
                   map_get(&p->by_user_code, span_of(item->user_code, sizeof(item->user_code)))
               ? ERR_EXISTS
               : ERR_OK;
}

enum err oauth_pending_add(struct oauth_pending *p, const char digest[OAUTH_DIGEST_BYTES],
                           const struct oauth_pending_item *item)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (!e) {
        return ERR_NOMEM;
    }
    memcpy(e->digest, digest, sizeof(e->digest));
    e->is = *item;
    e->interval_ms = OAUTH_POLL_MS;
    e->until_ms = clock_monotonic_ms() + (item->is_device ? OAUTH_DEVICE_CODE_MS : OAUTH_CODE_MS);
    lock_and_tidy(p);
    enum err r = may_be_added(p, item);

    r = r == ERR_OK ? insert(p, e) : r;
    lock_release(&p->lock);
    if (r != ERR_OK) {
        free(e);
    }
    return r;
}

static struct entry *find(struct oauth_pending *p, const char *digest, bool is_device)
{
    struct entry *e = map_get(&p->by_digest, span_of(digest, OAUTH_DIGEST_BYTES));

    return e && e->is.is_device == is_device ? e : NULL;
}

static enum err take(struct entry *e, struct oauth_pending_item *out)
{
    enum err r = e->is.state == OAUTH_TAKEN ? ERR_EXISTS : ERR_OK;

    *out = e->is;
    e->is.state = OAUTH_TAKEN;
    e->came_twice |= r == ERR_EXISTS;
    return r;
}

enum err oauth_pending_take(struct oauth_pending *p, const char digest[OAUTH_DIGEST_BYTES],
                            struct oauth_pending_item *out)
{
    lock_and_tidy(p);
    struct entry *e = find(p, digest, false);
    enum err r = e ? take(e, out) : ERR_NOT_FOUND;

    lock_release(&p->lock);
    return r;
}

static enum err poll(struct entry *e, struct oauth_pending_item *out)
{
    int64_t now = clock_monotonic_ms();
    bool is_early = e->asked_ms && now < e->asked_ms + e->interval_ms;

    if (e->is.state == OAUTH_DENIED) {
        return ERR_DENIED;
    }
    if (e->is.state != OAUTH_WAITING) {
        return take(e, out);
    }
    e->asked_ms = now;
    e->interval_ms += is_early ? SLOWER_MS : 0;
    return is_early ? ERR_LIMIT : ERR_AGAIN;
}

enum err oauth_pending_poll(struct oauth_pending *p, const char digest[OAUTH_DIGEST_BYTES],
                            struct span client, struct oauth_pending_item *out)
{
    lock_and_tidy(p);
    struct entry *e = find(p, digest, true);
    enum err r = e && span_eq(span_from_str(e->is.client), client) ? poll(e, out) : ERR_NOT_FOUND;

    lock_release(&p->lock);
    return r;
}

bool oauth_pending_came_of(struct oauth_pending *p, const char digest[OAUTH_DIGEST_BYTES],
                           uint64_t family)
{
    bool came_twice = false;

    lock_take(&p->lock);
    struct entry *e = map_get(&p->by_digest, span_of(digest, OAUTH_DIGEST_BYTES));

    if (e) {
        e->is.family = family;
        came_twice = e->came_twice;
    }
    lock_release(&p->lock);
    return came_twice;
}

static struct entry *find_user_code(struct oauth_pending *p, const char *code)
{
    struct entry *e = map_get(&p->by_user_code, span_of(code, OAUTH_USER_CODE_CHARS));

    return e && e->is.state == OAUTH_WAITING ? e : NULL;
}

enum err oauth_pending_find(struct oauth_pending *p, const char code[OAUTH_USER_CODE_CHARS],
                            struct oauth_pending_item *out)
{
    lock_and_tidy(p);
    const struct entry *e = find_user_code(p, code);

    if (e) {
        *out = e->is;
    }
    lock_release(&p->lock);
    return e ? ERR_OK : ERR_NOT_FOUND;
}

enum err oauth_pending_decide(struct oauth_pending *p, const char code[OAUTH_USER_CODE_CHARS],
                              const struct auth_grant *grant, unsigned scope)
{
    lock_and_tidy(p);
    struct entry *e = find_user_code(p, code);

    if (e) {
        e->is.state = grant ? OAUTH_ALLOWED : OAUTH_DENIED;
        e->is.scope = scope;
        e->is.grant = grant ? *grant : (struct auth_grant){0};
    }
    lock_release(&p->lock);
    return e ? ERR_OK : ERR_NOT_FOUND;
}
