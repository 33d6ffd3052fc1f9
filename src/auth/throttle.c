// SPDX-License-Identifier: Apache-2.0
#include "auth/throttle.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "auth/throttle_internal.h"
#include "base/bytes.h"
#include "base/ip_network.h"
#include "base/random.h"

#include "base/banned.h"

// Where somebody comes from, near and wide, and the keys of what is counted.
struct origin {
    struct span name;
    struct throttle_network address, network; // an IPv4 address and its /24; twice an IPv6 /64
    bool is_trusted;
};

enum err throttle_create(const struct throttle_limits *limits, struct throttle **out)
{
    struct throttle *t = calloc(1, sizeof(*t));

    if (!t) {
        return ERR_NOMEM;
    }
    lock_init(&t->lock, LOCK_LEAF);
    map_init(&t->culprits);
    map_init(&t->known);
    for (unsigned kind = 0; kind < THROTTLE_KINDS; kind++) {
        list_init(&t->by_age[kind]);
    }
    list_init(&t->known_by_age);
    t->limits = *limits;
    random_bytes(t->secret, sizeof(t->secret));
    *out = t;
    return ERR_OK;
}

void throttle_forget(struct throttle *t, struct culprit *c)
{
    map_remove(&t->culprits, span_of(c->key, sizeof(c->key)));
    list_remove(&c->by_age);
    t->n[c->kind]--;
    OPENSSL_cleanse(c->seen, sizeof(c->seen));
    free(c);
}

static void unlearn(struct throttle *t, struct known *k)
{
    map_remove(&t->known, span_of(k->key, sizeof(k->key)));
    list_remove(&k->by_age);
    free(k);
}

void throttle_destroy(struct throttle *t)
{
    if (!t) {
        return;
    }
    for (unsigned kind = 0; kind < THROTTLE_KINDS; kind++) {
        while (!list_is_empty(&t->by_age[kind])) {
            throttle_forget(t, LIST_ITEM(t->by_age[kind].next, struct culprit, by_age));
        }
    }
    while (!list_is_empty(&t->known_by_age)) {
        unlearn(t, LIST_ITEM(t->known_by_age.next, struct known, by_age));
    }
    map_finish(&t->culprits);
    map_finish(&t->known);
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

// ---- keys ---------------------------------------------------------------------------------------

// SHA-256 of the secret and both texts; what cannot be hashed is all one.
static void digest_of(const struct throttle *t, unsigned char what, struct span a, struct span b,
                      unsigned char out[THROTTLE_KEY_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint64_t length = a.n; // so that no two pairs run together to the same bytes

    memset(out, 0, THROTTLE_KEY_BYTES);
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1) {
        EVP_DigestUpdate(ctx, t->secret, sizeof(t->secret));
        EVP_DigestUpdate(ctx, &what, 1);
        EVP_DigestUpdate(ctx, &length, sizeof(length));
        EVP_DigestUpdate(ctx, a.n ? a.p : "", a.n);
        EVP_DigestUpdate(ctx, b.n ? b.p : "", b.n);
        EVP_DigestFinal_ex(ctx, out, NULL);
    }
    EVP_MD_CTX_free(ctx);
}

static struct throttle_network network_of(struct span remote, size_t four)
{
    struct throttle_network out = {.n = 0};
    unsigned char b[IP_NETWORK_BYTES_MAX];

    out.n = ip_network(remote, four, sizeof(out.b), b);
    memcpy(out.b, b, out.n);
    return out;
}

static struct span network_span(const struct throttle_network *n)
{
    return span_of(n->b, n->n);
}

// With the lock held: it looks at the limits.
static struct origin origin_of(const struct throttle *t, struct span name, struct span remote)
{
    struct origin o = {
        .name = name, .address = network_of(remote, 4), .network = network_of(remote, 3)};

    for (unsigned i = 0; i < THROTTLE_TRUSTED; i++) {
        o.is_trusted |= network_list_has_host(&t->limits.trusted[i], remote);
    }
    return o;
}

// ---- counts and acquaintances; with the lock held -----------------------------------------------

static bool is_known(const struct throttle *t, struct span name, const struct throttle_network *n)
{
    unsigned char key[THROTTLE_KEY_BYTES];

    digest_of(t, 'k', name, network_span(n), key);
    return map_get(&t->known, span_of(key, sizeof(key))) != NULL;
}

static void learn(struct throttle *t, struct span name, const struct throttle_network *n)
{
    unsigned char key[THROTTLE_KEY_BYTES];
    struct known *k;

    digest_of(t, 'k', name, network_span(n), key);
    k = map_get(&t->known, span_of(key, sizeof(key)));
    if (k) {
        list_remove(&k->by_age);
        list_append(&t->known_by_age, &k->by_age);
        return;
    }
    if (t->known.n >= THROTTLE_KNOWN_MAX) {
        unlearn(t, LIST_ITEM(t->known_by_age.next, struct known, by_age));
    }
    k = calloc(1, sizeof(*k));
    if (k) {
        memcpy(k->key, key, sizeof(key));
        if (map_put(&t->known, span_of(k->key, sizeof(k->key)), k, NULL) == ERR_OK) {
            list_append(&t->known_by_age, &k->by_age);
        } else {
            free(k);
        }
    }
}

// What is counted where: an address that is known for the name counts for itself.
struct place {
    enum throttle_kind kind;
    struct span name;
    const struct throttle_network *network;
};

static struct place place_of(const struct throttle *t, const struct origin *o,
                             enum throttle_kind kind)
{
    static const struct throttle_network everywhere = {.n = 0};

    if (kind == THROTTLE_NAME) {
        return (struct place){kind, o->name, &everywhere};
    }
    if (kind == THROTTLE_NETWORK) {
        return (struct place){kind, SPAN(""), &o->network};
    }
    return (struct place){kind, o->name,
                          is_known(t, o->name, &o->address) ? &o->address : &o->network};
}

static struct culprit *find(const struct throttle *t, const struct place *p,
                            unsigned char key[THROTTLE_KEY_BYTES])
{
    digest_of(t, (unsigned char)p->kind, p->name, network_span(p->network), key);
    return map_get(&t->culprits, span_of(key, THROTTLE_KEY_BYTES));
}

static struct culprit *find_or_make(struct throttle *t, const struct place *p)
{
    unsigned char key[THROTTLE_KEY_BYTES];
    struct culprit *c = find(t, p, key);

    if (c) {
        return c;
    }
    if (t->n[p->kind] >= THROTTLE_NAMES_MAX) {
        throttle_forget(t, LIST_ITEM(t->by_age[p->kind].next, struct culprit, by_age));
    }
    c = calloc(1, sizeof(*c) + p->name.n);
    if (!c) {
        return NULL;
    }
    memcpy(c->key, key, sizeof(key));
    c->kind = p->kind;
    c->network = *p->network;
    c->name_n = p->name.n;
    if (p->name.n) {
        memcpy(c->name, p->name.p, p->name.n);
    }
    if (map_put(&t->culprits, span_of(c->key, sizeof(c->key)), c, NULL) != ERR_OK) {
        free(c);
        return NULL;
    }
    list_append(&t->by_age[c->kind], &c->by_age);
    t->n[c->kind]++;
    return c;
}

static int64_t lock_left(const struct throttle *t, const struct origin *o, enum throttle_kind kind,
                         int64_t now)
{
    unsigned char key[THROTTLE_KEY_BYTES];
    struct place p = place_of(t, o, kind);
    const struct culprit *c = find(t, &p, key);
    int64_t left = c ? c->locked_until_ms - now : 0;

    return left > 0 ? left : 0;
}

// ---- verdicts -----------------------------------------------------------------------------------

int64_t throttle_wait(struct throttle *t, struct span name, struct span remote, int64_t now_ms)
{
    int64_t left = 0;

    lock_take(&t->lock);
    struct origin o = origin_of(t, name, remote);

    if (!o.is_trusted) {
        left = lock_left(t, &o, THROTTLE_PAIR, now_ms);
        if (!left && !is_known(t, name, &o.network)) {
            left = lock_left(t, &o, THROTTLE_NETWORK, now_ms);
        }
    }
    lock_release(&t->lock);
    return left;
}

static bool was_seen(struct culprit *c, uint64_t mark)
{
    unsigned n = c->failures < THROTTLE_SEEN_MAX ? c->failures : THROTTLE_SEEN_MAX;

    for (unsigned i = 0; i < n; i++) {
        if (c->seen[i] == mark) {
            return true;
        }
    }
    c->seen[c->failures % THROTTLE_SEEN_MAX] = mark;
    return false;
}

// One more failure; true when it locks.
static bool count(const struct throttle *t, struct culprit *c, uint64_t mark, unsigned max,
                  int64_t now)
{
    // Somebody who was locked out and has been quiet for as long again starts anew.
    if (now - c->last_ms > c->lock_ms) {
        c->lock_ms = 0;
        c->times = 0;
    }
    if (now - c->first_ms > t->limits.time_ms) {
        c->failures = 0;
        c->first_ms = now;
    }
    c->last_ms = now;
    if (was_seen(c, mark) || ++c->failures < max) {
        return false;
    }
    c->lock_ms = c->lock_ms ? c->lock_ms * 2 : t->limits.time_ms;
    c->lock_ms = c->lock_ms < THROTTLE_LOCK_MAX_MS ? c->lock_ms : THROTTLE_LOCK_MAX_MS;
    c->locked_until_ms = now + c->lock_ms;
    c->last_ms = c->locked_until_ms;
    c->locked_by = c->failures;
    c->times++;
    c->failures = 0;
    c->first_ms = c->locked_until_ms;
    return true;
}

static bool count_at(struct throttle *t, const struct origin *o, enum throttle_kind kind,
                     uint64_t mark, unsigned max, int64_t now)
{
    struct place p = place_of(t, o, kind);
    struct culprit *c = find_or_make(t, &p);

    if (!c || c->locked_until_ms > now) { // those who were already being checked when it was locked
        return false;
    }
    bool is_locked = count(t, c, mark, max, now);

    list_remove(&c->by_age);
    list_append(&t->by_age[c->kind], &c->by_age);
    return is_locked;
}

// How often the name may fail from there.
static unsigned pair_max(const struct throttle *t, const struct origin *o, int64_t now)
{
    unsigned max = t->limits.failures_max;

    if (is_known(t, o->name, &o->address)) {
        return max * THROTTLE_KNOWN_FACTOR;
    }
    if (max > THROTTLE_WATCHED_MAX && !is_known(t, o->name, &o->network) &&
        lock_left(t, o, THROTTLE_NAME, now) > 0) {
        return THROTTLE_WATCHED_MAX;
    }
    return max;
}

static bool count_all(struct throttle *t, const struct origin *o, struct span password, int64_t now)
{
    unsigned char digest[THROTTLE_KEY_BYTES];
    bool is_locked;

    digest_of(t, 'p', password, o->name, digest);
    uint64_t mark = get_be64(digest);

    is_locked = count_at(t, o, THROTTLE_PAIR, mark, pair_max(t, o, now), now);
    is_locked |= count_at(t, o, THROTTLE_NETWORK, mark, t->limits.network_max, now);
    digest_of(t, 'n', SPAN(""), network_span(&o->network), digest);
    // Counts networks, not passwords.
    if (!is_known(t, o->name, &o->network)) {
        count_at(t, o, THROTTLE_NAME, get_be64(digest), t->limits.failures_max, now);
    }
    OPENSSL_cleanse(digest, sizeof(digest));
    return is_locked;
}

bool throttle_failed(struct throttle *t, struct span name, struct span remote, struct span password,
                     int64_t now_ms)
{
    lock_take(&t->lock);
    struct origin o = origin_of(t, name, remote);
    bool is_locked = !o.is_trusted && count_all(t, &o, password, now_ms);

    lock_release(&t->lock);
    return is_locked;
}

void throttle_passed(struct throttle *t, struct span name, struct span remote)
{
    unsigned char key[THROTTLE_KEY_BYTES];

    lock_take(&t->lock);
    struct origin o = origin_of(t, name, remote);
    struct place p = place_of(t, &o, THROTTLE_PAIR);
    struct culprit *c = find(t, &p, key);

    if (c) {
        throttle_forget(t, c);
    }
    learn(t, name, &o.address);
    learn(t, name, &o.network);
    lock_release(&t->lock);
}

// Failures that are still counted, or a lock that holds.
static bool is_suspect(const struct throttle *t, const struct origin *o, enum throttle_kind kind,
                       int64_t now)
{
    unsigned char key[THROTTLE_KEY_BYTES];
    struct place p = place_of(t, o, kind);
    const struct culprit *c = find(t, &p, key);

    return c && now - c->last_ms <= t->limits.time_ms;
}

enum throttle_rank throttle_rank(struct throttle *t, struct span name, struct span remote,
                                 int64_t now_ms)
{
    enum throttle_rank rank = THROTTLE_CLEAN;

    lock_take(&t->lock);
    struct origin o = origin_of(t, name, remote);

    if (is_known(t, name, &o.network)) {
        rank = THROTTLE_KNOWN;
    } else if (is_suspect(t, &o, THROTTLE_NETWORK, now_ms) ||
               lock_left(t, &o, THROTTLE_NAME, now_ms) > 0) {
        rank = THROTTLE_SUSPECT;
    }
    lock_release(&t->lock);
    return rank;
}
