// SPDX-License-Identifier: Apache-2.0
#include "keep/oauth/oauth_session.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "auth/oauth/oauth_rules.h"
#include "auth/oauth/oauth_token.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/random.h"

#include "base/banned.h"

struct session {
    struct list by_use; // who was here longest ago comes first
    char digest[OAUTH_DIGEST_BYTES];
    struct auth_grant grant;
    int64_t begun_ms, used_ms; // monotonic
};

struct oauth_sessions {
    struct lock lock;
    struct map by_digest;
    struct list by_use;
    size_t n;
};

enum err oauth_sessions_create(struct oauth_sessions **out)
{
    struct oauth_sessions *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    lock_init(&s->lock, LOCK_LEAF);
    map_init(&s->by_digest);
    list_init(&s->by_use);
    *out = s;
    return ERR_OK;
}

static void drop(struct oauth_sessions *s, struct session *one)
{
    map_remove(&s->by_digest, span_of(one->digest, sizeof(one->digest)));
    list_remove(&one->by_use);
    s->n--;
    OPENSSL_cleanse(one, sizeof(*one));
    free(one);
}

void oauth_sessions_destroy(struct oauth_sessions *s)
{
    if (!s) {
        return;
    }
    while (!list_is_empty(&s->by_use)) {
        drop(s, LIST_ITEM(s->by_use.next, struct session, by_use));
    }
    map_finish(&s->by_digest);
    lock_finish(&s->lock);
    free(s);
}

static bool is_over(const struct session *one, int64_t now_ms)
{
    return now_ms - one->used_ms > OAUTH_SESSION_IDLE_MS ||
           now_ms - one->begun_ms > OAUTH_SESSION_LIFE_MS;
}

// With the lock held: what is over, and of an account that has as many as it may the oldest.
static void make_room(struct oauth_sessions *s, account_id account, int64_t now_ms)
{
    struct session *oldest = NULL;
    unsigned own = 0;
    struct list *next;

    for (struct list *l = s->by_use.next; l != &s->by_use; l = next) {
        struct session *one = LIST_ITEM(l, struct session, by_use);

        next = l->next;
        if (is_over(one, now_ms)) {
            drop(s, one);
        } else if (one->grant.account == account) {
            oldest = oldest ? oldest : one;
            own++;
        }
    }
    if (oldest && own >= OAUTH_SESSIONS_OF_ONE) {
        drop(s, oldest);
    }
    while (s->n >= OAUTH_SESSIONS_MAX) {
        drop(s, LIST_ITEM(s->by_use.next, struct session, by_use));
    }
}

enum err oauth_session_begin(struct oauth_sessions *s, const struct auth_grant *grant,
                             char out[OAUTH_SESSION_CHARS])
{
    unsigned char bytes[OAUTH_SESSION_CHARS / 2];
    struct session *one = calloc(1, sizeof(*one));
    struct buf text = {.p = out, .cap = OAUTH_SESSION_CHARS, .max = OAUTH_SESSION_CHARS};

    if (!one) {
        return ERR_NOMEM;
    }
    random_bytes(bytes, sizeof(bytes));
    hex_encode(&text, span_of(bytes, sizeof(bytes)));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    oauth_digest(span_of(out, OAUTH_SESSION_CHARS), one->digest);
    one->grant = *grant;
    one->begun_ms = one->used_ms = clock_monotonic_ms();
    lock_take(&s->lock);
    make_room(s, grant->account, one->begun_ms);
    enum err e = map_put(&s->by_digest, span_of(one->digest, sizeof(one->digest)), one, NULL);

    if (e == ERR_OK) {
        list_append(&s->by_use, &one->by_use);
        s->n++;
    }
    lock_release(&s->lock);
    if (e != ERR_OK) {
        free(one);
    }
    return e;
}

// With the lock held; NULL: there is none, or it is over.
static struct session *find(struct oauth_sessions *s, struct span text)
{
    char digest[OAUTH_DIGEST_BYTES];

    if (text.n != OAUTH_SESSION_CHARS) {
        return NULL;
    }
    oauth_digest(text, digest);
    struct session *one = map_get(&s->by_digest, span_of(digest, sizeof(digest)));

    if (one && is_over(one, clock_monotonic_ms())) {
        drop(s, one);
        one = NULL;
    }
    return one;
}

enum err oauth_session_find(struct oauth_sessions *s, struct span text, struct auth_grant *out)
{
    lock_take(&s->lock);
    struct session *one = find(s, text);

    if (one) {
        one->used_ms = clock_monotonic_ms();
        list_remove(&one->by_use);
        list_append(&s->by_use, &one->by_use);
        *out = one->grant;
    }
    lock_release(&s->lock);
    return one ? ERR_OK : ERR_NOT_FOUND;
}

void oauth_session_prove(struct oauth_sessions *s, struct span text)
{
    lock_take(&s->lock);
    struct session *one = find(s, text);

    if (one) {
        one->grant.by_code = true;
    }
    lock_release(&s->lock);
}

void oauth_session_end(struct oauth_sessions *s, struct span text)
{
    lock_take(&s->lock);
    struct session *one = find(s, text);

    if (one) {
        drop(s, one);
    }
    lock_release(&s->lock);
}

unsigned oauth_sessions_end(struct oauth_sessions *s, account_id account)
{
    unsigned n = 0;
    struct list *next;

    lock_take(&s->lock);
    for (struct list *l = s->by_use.next; l != &s->by_use; l = next) {
        struct session *one = LIST_ITEM(l, struct session, by_use);

        next = l->next;
        if (one->grant.account == account) {
            drop(s, one);
            n++;
        }
    }
    lock_release(&s->lock);
    return n;
}
