// SPDX-License-Identifier: Apache-2.0
#include "keep/login/keep_tokens.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "auth/bearer.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"

#include "base/banned.h"

#define ID_MAX       0x3fffffffu
#define DIGEST_BYTES 32
#define UNUSED_MS    60000 // longer than a ticket lives
#define SOON_MS      1000

struct token {
    struct list by_age;
    unsigned char digest[DIGEST_BYTES]; // the key
    uint32_t id;
    account_id account;
    int64_t until_ms;        // real; 0: it does not end by itself
    int64_t check_at_ms;     // monotonic; by who checks only, once it is in the table
    _Atomic int64_t used_ms; // the last sign-in, monotonic
    size_t n;
    char text[];
};

struct keep_tokens {
    struct keep_tokens_options o;
    struct lock lock;
    struct map tokens;
    struct list all;
    uint32_t last_id;
};

enum err keep_tokens_create(const struct keep_tokens_options *o, struct keep_tokens **out)
{
    struct keep_tokens *t = calloc(1, sizeof(*t));

    if (!t) {
        return ERR_NOMEM;
    }
    t->o = *o;
    lock_init(&t->lock, LOCK_LEAF);
    map_init(&t->tokens);
    list_init(&t->all);
    *out = t;
    return ERR_OK;
}

static void token_drop(struct keep_tokens *t, struct token *one)
{
    map_remove(&t->tokens, span_of(one->digest, DIGEST_BYTES));
    list_remove(&one->by_age);
    explicit_bzero(one->text, one->n);
    free(one);
}

void keep_tokens_destroy(struct keep_tokens *t)
{
    if (!t) {
        return;
    }
    while (!list_is_empty(&t->all)) {
        token_drop(t, LIST_ITEM(t->all.next, struct token, by_age));
    }
    map_finish(&t->tokens);
    lock_finish(&t->lock);
    free(t);
}

static struct token *token_make(struct span text, const struct auth_grant *grant)
{
    struct token *one = calloc(1, sizeof(*one) + text.n);
    unsigned n = DIGEST_BYTES;

    if (!one || EVP_Digest(text.p, text.n, one->digest, &n, EVP_sha256(), NULL) != 1) {
        free(one);
        return NULL;
    }
    one->account = grant->account;
    one->until_ms = grant->until_ms;
    one->used_ms = clock_monotonic_ms();
    one->n = text.n;
    memcpy(one->text, text.p, text.n);
    return one;
}

// When it is looked at next: in its turn, or when it expires.
static int64_t next_check(const struct keep_tokens *t, const struct token *one)
{
    int64_t wait_ms = t->o.check_ms, left_ms = one->until_ms - clock_real_ms();

    if (one->until_ms && left_ms < wait_ms) {
        wait_ms = left_ms > SOON_MS ? left_ms : SOON_MS;
    }
    return clock_monotonic_ms() + wait_ms;
}

static enum err add_locked(struct keep_tokens *t, struct token *one)
{
    if (t->tokens.n >= KEEP_TOKENS_MAX) {
        return ERR_LIMIT;
    }
    enum err e = map_put(&t->tokens, span_of(one->digest, DIGEST_BYTES), one, NULL);

    if (e == ERR_OK) {
        t->last_id = t->last_id % ID_MAX + 1;
        one->id = t->last_id;
        one->check_at_ms = next_check(t, one);
        list_append(&t->all, &one->by_age);
    }
    return e;
}

enum err keep_tokens_add(struct keep_tokens *t, struct span token, struct auth_grant *grant)
{
    struct token *one = token_make(token, grant);
    enum err e = ERR_OK;

    if (!one) {
        return ERR_NOMEM;
    }
    lock_take(&t->lock);
    struct token *old = map_get(&t->tokens, span_of(one->digest, DIGEST_BYTES));
    bool is_known = old && old->account == grant->account;

    if (is_known) {
        old->used_ms = clock_monotonic_ms();
        grant->token = old->id;
    } else {
        e = old ? ERR_LIMIT : add_locked(t, one); // another account's: not before that one is gone
        grant->token = one->id;
    }
    lock_release(&t->lock);
    if (is_known || e != ERR_OK) {
        explicit_bzero(one->text, one->n);
        free(one);
    }
    return e;
}

// ---- asking again -------------------------------------------------------------------------------

// With the lock held; nobody but who checks drops any.
static struct token *next_due(struct keep_tokens *t, int64_t now)
{
    for (struct list *l = t->all.next; l != &t->all; l = l->next) {
        struct token *one = LIST_ITEM(l, struct token, by_age);

        if (one->check_at_ms <= now) {
            return one;
        }
    }
    return NULL;
}

static bool is_used(struct keep_tokens *t, const struct token *one, int64_t now)
{
    const struct auth_grant g = {.token = one->id};

    return now - one->used_ms < UNUSED_MS ||
           keep_sessions_has(t->o.sessions, one->account, keep_tokens_device(&g));
}

static void end_sessions(struct keep_tokens *t, const struct token *one, const char *why)
{
    const struct auth_grant g = {.token = one->id};
    unsigned n = keep_sessions_end(t->o.sessions, one->account, keep_tokens_device(&g),
                                   SESSION_TOKEN, t->o.patience_ms);

    if (n) {
        log_info("a token of account %llu %s: %u of its sessions were ended",
                 (unsigned long long)one->account, why, n);
    }
}

// Without the lock. `*is_away`: its issuer does not answer now, and the others' may not either.
// What is over stays in the table for as long as somebody may still be on their way in by it.
static void check(struct keep_tokens *t, const struct token *one, bool *is_away)
{
    if (one->until_ms && one->until_ms <= clock_real_ms()) {
        end_sessions(t, one, "has expired");
        return;
    }
    enum err e = *is_away ? ERR_UNAVAILABLE
                          : auth_bearer_again(t->o.auth, span_of(one->text, one->n), one->account);

    *is_away |= e == ERR_UNAVAILABLE;
    if (e == ERR_DENIED) {
        end_sessions(t, one, "is not good any more");
    }
}

void keep_tokens_check(struct keep_tokens *t)
{
    int64_t now = clock_monotonic_ms();
    bool is_away = false;
    struct token *one;

    lock_take(&t->lock);
    while ((one = next_due(t, now)) != NULL) {
        lock_release(&t->lock);
        bool has_sessions = is_used(t, one, now);

        if (has_sessions) {
            check(t, one, &is_away);
        }
        lock_take(&t->lock);
        if (!has_sessions && now - one->used_ms >= UNUSED_MS) { // nor has anybody come meanwhile
            token_drop(t, one);
        } else {
            one->check_at_ms = next_check(t, one);
        }
    }
    lock_release(&t->lock);
}
