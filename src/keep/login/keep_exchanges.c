// SPDX-License-Identifier: Apache-2.0
#include "keep/login/keep_exchanges.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"

#include "base/banned.h"

struct entry {
    struct list by_age;
    uint64_t conversation;
    int64_t until_ms;
    struct auth_scram *exchange;
};

struct keep_exchanges {
    struct map by_conversation;
    struct list oldest_first;
};

enum err keep_exchanges_create(struct keep_exchanges **out)
{
    struct keep_exchanges *t = calloc(1, sizeof(*t));

    if (!t) {
        return ERR_NOMEM;
    }
    map_init(&t->by_conversation);
    list_init(&t->oldest_first);
    *out = t;
    return ERR_OK;
}

static struct span key_of(const uint64_t *conversation)
{
    return span_of(conversation, sizeof(*conversation));
}

static struct auth_scram *entry_end(struct keep_exchanges *t, struct entry *one)
{
    struct auth_scram *x = one->exchange;

    map_remove(&t->by_conversation, key_of(&one->conversation));
    list_remove(&one->by_age);
    free(one);
    return x;
}

// All over before `now_ms`, and as many of the oldest that there are `max` at most.
static void forget(struct keep_exchanges *t, int64_t now_ms, size_t max)
{
    while (!list_is_empty(&t->oldest_first)) {
        struct entry *one = LIST_ITEM(t->oldest_first.next, struct entry, by_age);

        if (one->until_ms > now_ms && t->by_conversation.n <= max) {
            return;
        }
        auth_scram_destroy(entry_end(t, one));
    }
}

void keep_exchanges_clear(struct keep_exchanges *t)
{
    forget(t, INT64_MAX, 0);
}

void keep_exchanges_destroy(struct keep_exchanges *t)
{
    if (t) {
        keep_exchanges_clear(t);
        map_finish(&t->by_conversation);
        free(t);
    }
}

enum err keep_exchanges_put(struct keep_exchanges *t, uint64_t conversation, struct auth_scram *x,
                            int64_t now_ms)
{
    struct entry *one = calloc(1, sizeof(*one));

    if (!one) {
        return ERR_NOMEM;
    }
    auth_scram_destroy(keep_exchanges_take(t, conversation, now_ms));
    forget(t, now_ms, KEEP_EXCHANGES_MAX - 1);
    *one = (struct entry){
        .conversation = conversation, .until_ms = now_ms + KEEP_EXCHANGE_LIFE_MS, .exchange = x};
    if (map_put(&t->by_conversation, key_of(&one->conversation), one, NULL) != ERR_OK) {
        free(one);
        return ERR_NOMEM;
    }
    list_append(&t->oldest_first, &one->by_age);
    return ERR_OK;
}

struct auth_scram *keep_exchanges_take(struct keep_exchanges *t, uint64_t conversation,
                                       int64_t now_ms)
{
    forget(t, now_ms, KEEP_EXCHANGES_MAX);
    struct entry *one = map_get(&t->by_conversation, key_of(&conversation));

    return one ? entry_end(t, one) : NULL;
}

size_t keep_exchanges_count(const struct keep_exchanges *t)
{
    return t->by_conversation.n;
}
