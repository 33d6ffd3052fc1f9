// SPDX-License-Identifier: Apache-2.0
#include "auth/throttle.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/ip_network.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/random.h"

#include "base/banned.h"

#define KEY_BYTES    32
#define SECRET_BYTES 16
#define SEEN_MAX     16 // wrong passwords that are known again

// One name from one network.
struct culprit {
    struct list by_age; // of the last failure
    unsigned char key[KEY_BYTES];
    int64_t first_ms, last_ms, locked_until_ms, lock_ms;
    unsigned failures; // since first_ms
    uint64_t seen[SEEN_MAX];
};

struct throttle {
    struct lock lock;
    struct throttle_limits limits;
    struct map culprits;
    struct list oldest_first;
    char secret[SECRET_BYTES]; // of the marks of passwords
};

enum err throttle_create(const struct throttle_limits *limits, struct throttle **out)
{
    struct throttle *t = calloc(1, sizeof(*t));

    if (!t) {
        return ERR_NOMEM;
    }
    lock_init(&t->lock, LOCK_LEAF);
    map_init(&t->culprits);
    list_init(&t->oldest_first);
    t->limits = *limits;
    random_bytes(t->secret, sizeof(t->secret));
    *out = t;
    return ERR_OK;
}

static void forget(struct throttle *t, struct culprit *c)
{
    map_remove(&t->culprits, span_of(c->key, sizeof(c->key)));
    list_remove(&c->by_age);
    OPENSSL_cleanse(c, sizeof(*c));
    free(c);
}

void throttle_destroy(struct throttle *t)
{
    if (!t) {
        return;
    }
    while (!list_is_empty(&t->oldest_first)) {
        forget(t, LIST_ITEM(t->oldest_first.next, struct culprit, by_age));
    }
    map_finish(&t->culprits);
    lock_finish(&t->lock);
    OPENSSL_cleanse(t->secret, sizeof(t->secret));
    free(t);
}

void throttle_set_limits(struct throttle *t, const struct throttle_limits *limits)
{
    lock_take(&t->lock);
    t->limits = *limits;
    lock_release(&t->lock);
}

// SHA-256 of the secret and both texts; what cannot be hashed is all one.
static void digest_of(const struct throttle *t, struct span a, struct span b,
                      unsigned char out[KEY_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint64_t length = a.n; // so that no two pairs run together to the same bytes

    memset(out, 0, KEY_BYTES);
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1) {
        EVP_DigestUpdate(ctx, t->secret, sizeof(t->secret));
        EVP_DigestUpdate(ctx, &length, sizeof(length));
        EVP_DigestUpdate(ctx, a.n ? a.p : "", a.n);
        EVP_DigestUpdate(ctx, b.n ? b.p : "", b.n);
        EVP_DigestFinal_ex(ctx, out, NULL);
    }
    EVP_MD_CTX_free(ctx);
}

static void key_of(const struct throttle *t, struct span name, struct span remote,
                   unsigned char out[KEY_BYTES])
{
    unsigned char network[IP_NETWORK_BYTES_MAX];
    size_t n = ip_network(remote, 3, 8, network); // a /24, a /64

    digest_of(t, name, span_of(network, n), out);
}

// With the lock held.
static struct culprit *find(struct throttle *t, const unsigned char key[KEY_BYTES])
{
    return map_get(&t->culprits, span_of(key, KEY_BYTES));
}

static struct culprit *find_or_make(struct throttle *t, const unsigned char key[KEY_BYTES])
{
    struct culprit *c = find(t, key);

    if (c) {
        return c;
    }
    if (t->culprits.n >= THROTTLE_NAMES_MAX) {
        forget(t, LIST_ITEM(t->oldest_first.next, struct culprit, by_age));
    }
    c = calloc(1, sizeof(*c));
    if (!c) {
        return NULL;
    }
    memcpy(c->key, key, KEY_BYTES);
    list_init(&c->by_age);
    if (map_put(&t->culprits, span_of(c->key, KEY_BYTES), c, NULL) != ERR_OK) {
        free(c);
        return NULL;
    }
    return c;
}

int64_t throttle_wait(struct throttle *t, struct span name, struct span remote, int64_t now_ms)
{
    unsigned char key[KEY_BYTES];

    key_of(t, name, remote, key);
    lock_take(&t->lock);
    const struct culprit *c = find(t, key);
    int64_t left = c ? c->locked_until_ms - now_ms : 0;

    lock_release(&t->lock);
    return left > 0 ? left : 0;
}

static bool was_seen(struct culprit *c, uint64_t mark)
{
    unsigned n = c->failures < SEEN_MAX ? c->failures : SEEN_MAX;

    for (unsigned i = 0; i < n; i++) {
        if (c->seen[i] == mark) {
            return true;
        }
    }
    c->seen[c->failures % SEEN_MAX] = mark;
    return false;
}

// One more failure; true when it locks.
static bool count(const struct throttle *t, struct culprit *c, uint64_t mark, int64_t now)
{
    // Somebody who was locked out and has been quiet for as long again starts anew.
    if (now - c->last_ms > c->lock_ms) {
        c->lock_ms = 0;
    }
    if (now - c->first_ms > t->limits.time_ms) {
        c->failures = 0;
        c->first_ms = now;
    }
    c->last_ms = now;
    if (was_seen(c, mark) || ++c->failures < t->limits.failures_max) {
        return false;
    }
    c->lock_ms = c->lock_ms ? c->lock_ms * 2 : t->limits.time_ms;
    c->lock_ms = c->lock_ms < THROTTLE_LOCK_MAX_MS ? c->lock_ms : THROTTLE_LOCK_MAX_MS;
    c->locked_until_ms = now + c->lock_ms;
    c->last_ms = c->locked_until_ms;
    c->failures = 0;
    c->first_ms = c->locked_until_ms;
    return true;
}

bool throttle_failed(struct throttle *t, struct span name, struct span remote, struct span password,
                     int64_t now_ms)
{
    unsigned char key[KEY_BYTES], digest[KEY_BYTES];
    bool is_locked = false;

    key_of(t, name, remote, key);
    digest_of(t, password, name, digest);
    lock_take(&t->lock);
    struct culprit *c = find_or_make(t, key);

    if (c) {
        is_locked = count(t, c, get_be64(digest), now_ms);
        list_remove(&c->by_age);
        list_append(&t->oldest_first, &c->by_age);
    }
    lock_release(&t->lock);
    OPENSSL_cleanse(digest, sizeof(digest));
    return is_locked;
}

void throttle_passed(struct throttle *t, struct span name, struct span remote)
{
    unsigned char key[KEY_BYTES];

    key_of(t, name, remote, key);
    lock_take(&t->lock);
    struct culprit *c = find(t, key);

    if (c) {
        forget(t, c);
    }
    lock_release(&t->lock);
}
