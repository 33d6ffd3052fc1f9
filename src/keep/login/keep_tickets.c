// SPDX-License-Identifier: Apache-2.0
#include "keep/login/keep_tickets.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/random.h"

#include "base/banned.h"

struct ticket {
    struct list by_age;
    char text[TICKET_BYTES];
    struct auth_grant grant;
    int64_t until_ms;
};

struct keep_tickets {
    struct lock lock;
    struct map by_text;
    struct list oldest_first;
};

enum err keep_tickets_create(struct keep_tickets **out)
{
    struct keep_tickets *t = calloc(1, sizeof(*t));

    if (!t) {
        return ERR_NOMEM;
    }
    lock_init(&t->lock, LOCK_LEAF);
    map_init(&t->by_text);
    list_init(&t->oldest_first);
    *out = t;
    return ERR_OK;
}

static void ticket_drop(struct keep_tickets *t, struct ticket *one)
{
    map_remove(&t->by_text, span_of(one->text, TICKET_BYTES));
    list_remove(&one->by_age);
    free(one);
}

static void drop_old(struct keep_tickets *t, int64_t now_ms)
{
    while (!list_is_empty(&t->oldest_first)) {
        struct ticket *one = LIST_ITEM(t->oldest_first.next, struct ticket, by_age);

        if (one->until_ms > now_ms) {
            return;
        }
        ticket_drop(t, one);
    }
}

void keep_tickets_destroy(struct keep_tickets *t)
{
    if (!t) {
        return;
    }
    drop_old(t, INT64_MAX);
    map_finish(&t->by_text);
    lock_finish(&t->lock);
    free(t);
}

static enum err ticket_add(struct keep_tickets *t, struct ticket *one)
{
    enum err e = ERR_LIMIT;

    lock_take(&t->lock);
    drop_old(t, clock_monotonic_ms());
    if (t->by_text.n < TICKETS_MAX) {
        e = map_put(&t->by_text, span_of(one->text, TICKET_BYTES), one, NULL);
    }
    if (e == ERR_OK) {
        list_append(&t->oldest_first, &one->by_age);
    }
    lock_release(&t->lock);
    return e;
}

enum err keep_tickets_issue(struct keep_tickets *t, const struct auth_grant *grant,
                            char *out_ticket)
{
    char secret[TICKET_BYTES / 2];
    struct ticket *one = calloc(1, sizeof(*one));
    struct buf text;

    if (!one) {
        return ERR_NOMEM;
    }
    random_bytes(secret, sizeof(secret));
    buf_init(&text, TICKET_BYTES);
    hex_encode(&text, span_of(secret, sizeof(secret)));
    enum err e = text.n == TICKET_BYTES ? ERR_OK : ERR_NOMEM;

    if (e == ERR_OK) {
        memcpy(one->text, text.p, TICKET_BYTES);
        memcpy(out_ticket, text.p, TICKET_BYTES);
        one->grant = *grant;
        one->until_ms = clock_monotonic_ms() + TICKET_LIFE_S * 1000;
        e = ticket_add(t, one);
    }
    buf_finish(&text);
    if (e != ERR_OK) {
        free(one);
    }
    return e;
}

enum err keep_tickets_redeem(struct keep_tickets *t, struct span ticket, struct auth_grant *out)
{
    enum err e = ERR_DENIED;

    lock_take(&t->lock);
    drop_old(t, clock_monotonic_ms());
    struct ticket *one = map_get(&t->by_text, ticket);

    if (one) {
        *out = one->grant;
        ticket_drop(t, one);
        e = ERR_OK;
    }
    lock_release(&t->lock);
    return e;
}
