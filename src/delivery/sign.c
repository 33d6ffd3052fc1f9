// SPDX-License-Identifier: Apache-2.0
#include "delivery/sign.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"
#include "mime/mime_header.h"
#include "senderauth/auth_results.h"
#include "senderauth/dmarc.h"
#include "store/secret.h"

#include "base/banned.h"

#define READ_BYTES        65536
#define SIGNATURES_MAX    2   // of a message: one active key of each algorithm
#define CACHE_MAX         256 // keys; more than that are read from the store each time
#define RESULTS_BYTES_MAX (16u << 10)

// A key in the form OpenSSL uses; making that of a PEM takes as long as signing.
struct cached_key {
    unsigned refs; // the cache's own is one; guarded by the signer's lock
    struct dkim_private_key *key;
};

struct signer {
    struct store *store;
    struct lock lock; // LOCK_LEAF: what follows
    struct map keys;  // domain, selector, hash of the PEM: struct cached_key
};

enum err signer_create(struct store *store, struct signer **out)
{
    struct signer *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    s->store = store;
    lock_init(&s->lock, LOCK_LEAF);
    map_init(&s->keys);
    *out = s;
    return ERR_OK;
}

static void key_free(struct cached_key *k)
{
    dkim_key_destroy(k->key);
    free(k);
}

void signer_destroy(struct signer *s)
{
    size_t cursor = 0;
    struct span name;
    void *k;

    if (!s) {
        return;
    }
    while (map_next(&s->keys, &cursor, &name, &k)) {
        key_free(k);
    }
    map_finish(&s->keys);
    lock_finish(&s->lock);
    free(s);
}

// ---- keys ---------------------------------------------------------------------------------------

static struct cached_key *cache_get(struct signer *s, struct span name)
{
    lock_take(&s->lock);
    struct cached_key *k = map_get(&s->keys, name);

    if (k) {
        k->refs++;
    }
    lock_release(&s->lock);
    return k;
}

static void cache_release(struct signer *s, struct cached_key *k)
{
    lock_take(&s->lock);
    bool last = --k->refs == 0;

    lock_release(&s->lock);
    if (last) {
        key_free(k);
    }
}

// Keeps it for the next message, unless another was first or the cache is full.
static void cache_put(struct signer *s, struct span name, struct cached_key *k)
{
    lock_take(&s->lock);
    if (s->keys.n < CACHE_MAX && !map_get(&s->keys, name) &&
        map_put(&s->keys, name, k, NULL) == ERR_OK) {
        k->refs++;
    }
    lock_release(&s->lock);
}

static enum err key_of(struct signer *s, const struct signing_key *stored, struct cached_key **out)
{
    char bytes[SIGNING_NAME_BYTES_MAX + 64];
    struct buf name = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
    enum err e = ERR_OK;

    buf_printf(&name, "%.*s/%.*s/%016llx", SPAN_ARG(stored->domain), SPAN_ARG(stored->selector),
               (unsigned long long)map_hash(stored->pem));
    struct cached_key *k = cache_get(s, buf_span(&name));

    if (!k) {
        k = calloc(1, sizeof(*k));
        e = k ? dkim_key_from_pem(stored->pem, &k->key) : ERR_NOMEM;
        if (e != ERR_OK) {
            free(k);
            return e == ERR_NOMEM ? e : ERR_CORRUPT;
        }
        k->refs = 1;
        cache_put(s, buf_span(&name), k);
    }
    *out = k;
    return ERR_OK;
}

// The keys that sign for a domain, copied out of the view.
struct chosen {
    struct signer *signer;
    char domain[SIGNING_NAME_BYTES_MAX];
    size_t domain_n, n;
    struct {
        struct cached_key *key;
        char selector[SIGNING_NAME_BYTES_MAX];
        size_t selector_n;
    } keys[SIGNATURES_MAX];
    enum err e;
};

static bool choose_one(void *arg, const struct signing_key *stored)
{
    struct chosen *c = arg;

    c->e = key_of(c->signer, stored, &c->keys[c->n].key);
    if (c->e != ERR_OK) {
        return false;
    }
    memcpy(c->domain, stored->domain.p, stored->domain.n);
    c->domain_n = stored->domain.n;
    memcpy(c->keys[c->n].selector, stored->selector.p, stored->selector.n);
    c->keys[c->n].selector_n = stored->selector.n;
    return ++c->n < SIGNATURES_MAX;
}

static void chosen_finish(struct chosen *c)
{
    for (size_t i = 0; i < c->n; i++) {
        cache_release(c->signer, c->keys[i].key);
    }
    c->n = 0;
}

// RSA comes first: some verifiers look at the first signature only.
static void rsa_first(struct chosen *c)
{
    if (c->n == 2 && dkim_key_algorithm(c->keys[0].key->key) != DKIM_RSA_SHA256) {
        struct chosen was = *c;

        c->keys[0] = was.keys[1];
        c->keys[1] = was.keys[0];
    }
}

// Of the domain, or the nearest above it that has keys. A name of one label is never ours.
static enum err choose(struct signer *s, struct span domain, struct chosen *c)
{
    *c = (struct chosen){.signer = s};
    while (domain.n > 0 && span_find_byte(domain, '.') < domain.n) {
        enum err e = signing_key_active(s->store, domain, choose_one, c);

        e = e == ERR_OK ? c->e : e;
        if (e != ERR_OK) {
            chosen_finish(c);
            return e;
        }
        if (c->n > 0) {
            rsa_first(c);
            return ERR_OK;
        }
        domain = span_skip(domain, span_find_byte(domain, '.') + 1);
    }
    return ERR_OK;
}

// ---- the message --------------------------------------------------------------------------------

static enum err feed(struct auth_message *a, const struct delivery_message *m)
{
    uint64_t at = 0;
    struct buf piece;
    enum err e = auth_message_feed(a, m->prefix);

    buf_init(&piece, 2 * READ_BYTES);
    while (e == ERR_OK && at < m->bytes) {
        buf_clear(&piece);
        e = m->read(m->arg, at, READ_BYTES, &piece);
        e = e == ERR_OK ? buf_result(&piece) : e;
        if (e == ERR_OK && piece.n == 0) {
            break; // it is shorter than was said
        }
        e = e == ERR_OK ? auth_message_feed(a, buf_span(&piece)) : e;
        at += piece.n;
    }
    buf_finish(&piece);
    return e == ERR_OK ? auth_message_finish(a) : e;
}

static enum err author(const struct auth_message *a, struct domain_name *out)
{
    return dmarc_from_domain(a, out) == DMARC_FROM_ONE ? ERR_OK : ERR_NOT_FOUND;
}

static enum err sign_with(struct auth_message *a, const struct chosen *c, struct buf *out)
{
    size_t before = out->n;
    enum err e = ERR_OK;

    for (size_t i = 0; i < c->n && e == ERR_OK; i++) {
        struct dkim_signer d = {
            .domain = span_of(c->domain, c->domain_n),
            .selector = span_of(c->keys[i].selector, c->keys[i].selector_n),
            .key = c->keys[i].key->key,
            .now_s = clock_real_s(),
        };

        e = dkim_sign(a, &d, out);
    }
    if (e != ERR_OK) {
        out->n = before;
    }
    return e;
}

enum err sign_message(struct signer *s, struct span domain, const struct delivery_message *m,
                      struct buf *out)
{
    struct auth_message *a;
    struct domain_name name;
    struct chosen c;
    enum err e = domain.n > 0 ? domain_name_parse(domain, &name) : ERR_OK;

    if (e != ERR_OK) {
        return ERR_NOT_FOUND;
    }
    e = auth_message_create(true, &a);
    if (e != ERR_OK) {
        return e;
    }
    e = feed(a, m);
    e = e == ERR_OK && domain.n == 0 ? author(a, &name) : e;
    e = e == ERR_OK ? choose(s, domain_name_span(&name), &c) : e;
    if (e == ERR_OK) {
        e = sign_with(a, &c, out);
        chosen_finish(&c);
    }
    auth_message_destroy(a);
    return e;
}

// ---- sealing ------------------------------------------------------------------------------------

// What the server found about the chain. ERR_NOT_FOUND: it says nothing.
static enum err chain_found(struct span results, enum arc_status *out)
{
    struct auth_results r;
    struct arena arena;

    arena_init(&arena, 256u << 10);
    enum err e = auth_results_parse(&arena, results, &r);

    e = e == ERR_OK || e == ERR_NOMEM ? e : ERR_NOT_FOUND;
    for (size_t i = 0; e == ERR_OK && i < r.n; i++) {
        if (span_eq_nocase(r.results[i].method, SPAN("arc"))) {
            struct span word = r.results[i].result;

            *out = span_eq_nocase(word, SPAN("pass"))   ? ARC_PASS
                   : span_eq_nocase(word, SPAN("none")) ? ARC_NONE
                                                        : ARC_FAIL;
            arena_finish(&arena);
            return ERR_OK;
        }
    }
    arena_finish(&arena);
    return e == ERR_OK ? ERR_NOT_FOUND : e;
}

static bool has_seals(const struct auth_message *a)
{
    return mime_header_get(auth_message_header(a), SPAN("ARC-Seal")).n > 0;
}

static enum err seal_with(struct auth_message *a, const struct chosen *c, struct span results,
                          struct buf *out)
{
    struct dkim_signer d = {.domain = span_of(c->domain, c->domain_n),
                            .selector = span_of(c->keys[0].selector, c->keys[0].selector_n),
                            .key = c->keys[0].key->key,
                            .now_s = clock_real_s()};
    enum arc_status found = ARC_NONE;
    size_t before = out->n;
    enum err e = chain_found(results, &found);

    if (e == ERR_NOT_FOUND) {
        e = has_seals(a) ? ERR_DENIED : ERR_OK;
    }
    e = e == ERR_OK ? arc_seal(a, &d, found, results, out) : e;
    if (e != ERR_OK) {
        out->n = before;
    }
    return e == ERR_DENIED ? ERR_OK : e;
}

enum err sign_seal(struct signer *s, struct span domain, struct span server,
                   const struct delivery_message *m, struct buf *out)
{
    struct auth_message *a = NULL;
    struct domain_name name;
    struct buf results;
    struct chosen c;
    enum err e = domain_name_parse(domain, &name) == ERR_OK ? ERR_OK : ERR_NOT_FOUND;

    buf_init(&results, RESULTS_BYTES_MAX);
    e = e == ERR_OK ? auth_results_join(&results, m->prefix, server) : e;
    if (e != ERR_OK) {
        buf_finish(&results);
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = choose(s, domain_name_span(&name), &c);
    if (e == ERR_OK && c.n > 0) {
        e = auth_message_create(true, &a);
        e = e == ERR_OK ? feed(a, m) : e;
        e = e == ERR_OK ? seal_with(a, &c, buf_span(&results), out) : e;
        auth_message_destroy(a);
    }
    if (e == ERR_OK || c.n > 0) {
        chosen_finish(&c);
    }
    buf_finish(&results);
    return e;
}
