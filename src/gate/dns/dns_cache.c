// SPDX-License-Identifier: Apache-2.0
#include "gate/dns/dns_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "senderauth/domain_name.h"

#include "base/banned.h"

struct kept {
    struct list link; // the one used last is the last
    int64_t until_ms;
    size_t bytes; // counted
    struct ipc_dns_answer answer;
    size_t key_n;
    char key[2 + DOMAIN_BYTES_MAX];
    char records[];
};

struct dns_cache {
    struct map by_key;
    struct list used;
    size_t bytes;
};

enum err dns_cache_create(struct dns_cache **out)
{
    struct dns_cache *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    map_init(&c->by_key);
    list_init(&c->used);
    *out = c;
    return ERR_OK;
}

static void drop(struct dns_cache *c, struct kept *k)
{
    map_remove(&c->by_key, span_of(k->key, k->key_n));
    list_remove(&k->link);
    c->bytes -= k->bytes;
    free(k);
}

static struct kept *oldest(const struct dns_cache *c)
{
    return LIST_ITEM(c->used.next, struct kept, link);
}

void dns_cache_destroy(struct dns_cache *c)
{
    if (!c) {
        return;
    }
    while (!list_is_empty(&c->used)) {
        drop(c, oldest(c));
    }
    map_finish(&c->by_key);
    free(c);
}

static size_t key_put(char *out, struct span name, enum dns_type type)
{
    out[0] = (char)((unsigned)type >> 8);
    out[1] = (char)type;
    memcpy(out + 2, name.p, name.n);
    return name.n + 2;
}

static int64_t seconds_of(const struct ipc_dns_answer *a)
{
    bool is_answer =
        a->status == IPC_DNS_OK || a->status == IPC_DNS_NO_NAME || a->status == IPC_DNS_NO_DATA;

    if (!is_answer) {
        return DNS_CACHE_FAILURE_S;
    }
    return a->ttl < DNS_CACHE_TTL_S ? a->ttl : DNS_CACHE_TTL_S;
}

void dns_cache_put(struct dns_cache *c, struct span name, enum dns_type type,
                   const struct ipc_dns_answer *answer, int64_t now_ms)
{
    int64_t seconds = seconds_of(answer);

    if (name.n > DOMAIN_BYTES_MAX || answer->records.n > DNS_CACHE_RECORDS_MAX || seconds <= 0) {
        return;
    }
    struct kept *k = malloc(sizeof(*k) + answer->records.n), *before;

    if (!k) {
        return;
    }
    *k = (struct kept){.until_ms = now_ms + seconds * 1000,
                       .bytes = sizeof(*k) + answer->records.n,
                       .answer = *answer};
    k->key_n = key_put(k->key, name, type);
    if (answer->records.n) {
        memcpy(k->records, answer->records.p, answer->records.n);
    }
    k->answer.records = span_of(k->records, answer->records.n);
    before = map_get(&c->by_key, span_of(k->key, k->key_n));
    if (before) {
        drop(c, before);
    }
    while (c->by_key.n >= DNS_CACHE_ENTRIES_MAX || c->bytes + k->bytes > DNS_CACHE_BYTES_MAX) {
        drop(c, oldest(c));
    }
    if (map_put(&c->by_key, span_of(k->key, k->key_n), k, NULL) != ERR_OK) {
        free(k);
        return;
    }
    c->bytes += k->bytes;
    list_append(&c->used, &k->link);
}

const struct ipc_dns_answer *dns_cache_get(struct dns_cache *c, struct span name,
                                           enum dns_type type, int64_t now_ms)
{
    char key[2 + DOMAIN_BYTES_MAX];
    struct kept *k = name.n <= DOMAIN_BYTES_MAX
                         ? map_get(&c->by_key, span_of(key, key_put(key, name, type)))
                         : NULL;

    if (!k) {
        return NULL;
    }
    if (k->until_ms <= now_ms) {
        drop(c, k);
        return NULL;
    }
    list_remove(&k->link);
    list_append(&c->used, &k->link);
    k->answer.ttl = (uint32_t)((k->until_ms - now_ms) / 1000);
    return &k->answer;
}
