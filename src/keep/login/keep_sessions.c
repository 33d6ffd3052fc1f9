// SPDX-License-Identifier: Apache-2.0
#include "keep/login/keep_sessions.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip_network.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"

#include "base/banned.h"

#define KEY_BYTES_MAX (8 + 16)
#define DROP_WAIT_MS  5000 // a dropped session is gone as soon as a worker has looked at it

// How many share a key: an account, or an account and an address.
struct tally {
    unsigned count;
    struct list sessions; // of by_user: keep_session.of_user
};

struct keep_sessions {
    struct lock lock;
    pthread_cond_t one_left;
    struct map by_user, by_user_and_address; // struct tally
    struct keep_session_limits limits;
    struct keep_session_counts counts;
    struct list timed; // keep_session.of_timed: those with a time at which they are over
};

struct keep_session {
    struct keep_sessions *all;
    struct list of_user;
    const struct session_control *control; // NULL: not open yet
    void *session;
    unsigned *ending; // who ends it waits for this to become 0; NULL: nobody
    enum session_end why;
    uint32_t device;
    struct list of_timed; // over_at_s is not 0
    int64_t over_at_s;
    account_id holder; // of the device that ends then
    uint32_t holder_device;
    size_t key_bytes;
    char key[KEY_BYTES_MAX]; // account, then address
};

enum err keep_sessions_create(struct keep_sessions **out)
{
    struct keep_sessions *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    lock_init(&s->lock, LOCK_SESSIONS);
    lock_cond_init(&s->one_left);
    map_init(&s->by_user);
    map_init(&s->by_user_and_address);
    list_init(&s->timed);
    s->limits =
        (struct keep_session_limits){.per_user = 100, .per_user_and_address = 20, .all = 50000};
    *out = s;
    return ERR_OK;
}

void keep_sessions_destroy(struct keep_sessions *s)
{
    if (!s) {
        return;
    }
    map_finish(&s->by_user);
    map_finish(&s->by_user_and_address);
    pthread_cond_destroy(&s->one_left);
    lock_finish(&s->lock);
    free(s);
}

void keep_sessions_set_limits(struct keep_sessions *s, const struct keep_session_limits *limits)
{
    lock_take(&s->lock);
    s->limits = *limits;
    lock_release(&s->lock);
}

// The account and the part of the address that one customer holds: all of IPv4, a /64 of IPv6.
static size_t session_key(account_id account, struct span remote, char key[KEY_BYTES_MAX])
{
    unsigned char network[IP_NETWORK_BYTES_MAX];
    size_t n = ip_network(remote, 4, 8, network);

    put_be64(key, account);
    memcpy(key + 8, network, n);
    return 8 + n;
}

static unsigned tally_now(const struct map *m, struct span key)
{
    const struct tally *t = map_get(m, key);

    return t ? t->count : 0;
}

static enum err tally_add(struct map *m, struct span key)
{
    struct tally *t = map_get(m, key);

    if (!t) {
        t = calloc(1, sizeof(*t));
        enum err e = t ? map_put(m, key, t, NULL) : ERR_NOMEM;

        if (e != ERR_OK) {
            free(t);
            return e;
        }
        list_init(&t->sessions);
    }
    t->count++;
    return ERR_OK;
}

static void tally_drop(struct map *m, struct span key)
{
    struct tally *t = map_get(m, key);

    if (t && --t->count == 0) {
        map_remove(m, key);
        free(t);
    }
}

static enum err enter_locked(struct keep_sessions *s, struct keep_session *one,
                             const char **out_reason)
{
    struct span user = span_of(one->key, 8), user_and_address = span_of(one->key, one->key_bytes);

    if (s->counts.sessions >= s->limits.all) {
        *out_reason = "The server has as many sessions as it may; try again later";
        return ERR_LIMIT;
    }
    if (tally_now(&s->by_user, user) >= s->limits.per_user) {
        *out_reason = "Too many sessions of this account; close a mail program somewhere";
        return ERR_LIMIT;
    }
    if (tally_now(&s->by_user_and_address, user_and_address) >= s->limits.per_user_and_address) {
        *out_reason = "Too many sessions of this account from this address";
        return ERR_LIMIT;
    }
    enum err e = tally_add(&s->by_user, user);

    if (e == ERR_OK) {
        e = tally_add(&s->by_user_and_address, user_and_address);
        if (e != ERR_OK) {
            tally_drop(&s->by_user, user);
        }
    }
    if (e != ERR_OK) {
        *out_reason = "No memory for another session; try again later";
        return e;
    }
    struct tally *of_user = map_get(&s->by_user, user);

    list_append(&of_user->sessions, &one->of_user);
    s->counts.sessions++;
    s->counts.since_start++;
    return ERR_OK;
}

enum err keep_sessions_enter(struct keep_sessions *s, account_id account, uint32_t device,
                             struct span remote, struct keep_session **out, const char **out_reason)
{
    struct keep_session *one = calloc(1, sizeof(*one));

    if (!one) {
        *out_reason = "No memory for another session; try again later";
        return ERR_NOMEM;
    }
    one->all = s;
    one->device = device;
    one->key_bytes = session_key(account, remote, one->key);
    lock_take(&s->lock);
    enum err e = enter_locked(s, one, out_reason);

    lock_release(&s->lock);
    if (e != ERR_OK) {
        free(one);
        return e;
    }
    *out = one;
    return ERR_OK;
}

void keep_sessions_opened(struct keep_session *one, const struct session_control *control,
                          void *session)
{
    lock_take(&one->all->lock);
    one->control = control;
    one->session = session;
    if (control && one->ending) {
        control->end(session, one->why); // said while it was being made
    }
    lock_release(&one->all->lock);
}

static bool is_meant(const struct keep_session *one, uint32_t device)
{
    return device == KEEP_SESSIONS_ALL || one->device == device ||
           (device == KEEP_SESSIONS_OURS && !(one->device & KEEP_SESSIONS_TOKEN));
}

// With the lock held: ends the account's sessions, which count in `*left` until they are gone.
static void end_all(struct keep_sessions *s, struct span user, uint32_t device,
                    enum session_end why, unsigned *left)
{
    const struct tally *t = map_get(&s->by_user, user);

    for (struct list *l = t ? t->sessions.next : NULL; l && l != &t->sessions; l = l->next) {
        struct keep_session *one = LIST_ITEM(l, struct keep_session, of_user);

        if (one->ending || !is_meant(one, device)) {
            continue; // somebody else waits for it, or it is not meant
        }
        one->ending = left;
        one->why = why;
        ++*left;
        if (one->control) {
            one->control->end(one->session, why);
        }
    }
}

// With the lock held: those that `left` counts. With `drop` their connections are closed, otherwise
// they are forgotten by whoever waited.
static void give_up_waiting(struct keep_sessions *s, struct span user, const unsigned *left,
                            bool drop)
{
    const struct tally *t = map_get(&s->by_user, user);

    for (struct list *l = t ? t->sessions.next : NULL; l && l != &t->sessions; l = l->next) {
        struct keep_session *one = LIST_ITEM(l, struct keep_session, of_user);

        if (one->ending != left) {
            continue;
        }
        if (!drop) {
            one->ending = NULL;
        } else if (one->control) {
            one->control->drop(one->session);
        }
    }
}

static void wait_until_left(struct keep_sessions *s, const unsigned *left, int64_t until_ms)
{
    while (*left && clock_monotonic_ms() < until_ms) {
        lock_cond_wait(&s->one_left, &s->lock, until_ms);
    }
}

unsigned keep_sessions_end_of(struct keep_sessions *s, const account_id *accounts, size_t count,
                              uint32_t device, enum session_end why, int64_t patience_ms)
{
    char key[8];
    struct span user = span_of(key, sizeof(key));
    unsigned left = 0;

    lock_take(&s->lock);
    for (size_t i = 0; i < count; i++) {
        put_be64(key, accounts[i]);
        end_all(s, user, device, why, &left);
    }
    unsigned n = left;

    wait_until_left(s, &left, clock_monotonic_ms() + patience_ms);
    for (size_t i = 0; i < count && left; i++) {
        put_be64(key, accounts[i]);
        give_up_waiting(s, user, &left, true);
    }
    wait_until_left(s, &left, clock_monotonic_ms() + DROP_WAIT_MS);
    for (size_t i = 0; i < count && left; i++) {
        put_be64(key, accounts[i]);
        give_up_waiting(s, user, &left, false);
    }
    lock_release(&s->lock);
    return n;
}

unsigned keep_sessions_end(struct keep_sessions *s, account_id account, uint32_t device,
                           enum session_end why, int64_t patience_ms)
{
    return keep_sessions_end_of(s, &account, 1, device, why, patience_ms);
}

bool keep_sessions_has(struct keep_sessions *s, account_id account, uint32_t device)
{
    char key[8];
    bool found = false;

    put_be64(key, account);
    lock_take(&s->lock);
    const struct tally *t = map_get(&s->by_user, span_of(key, sizeof(key)));

    for (struct list *l = t ? t->sessions.next : NULL; l && l != &t->sessions; l = l->next) {
        const struct keep_session *one = LIST_ITEM(l, struct keep_session, of_user);

        found |= device == KEEP_SESSIONS_ALL || one->device == device;
    }
    lock_release(&s->lock);
    return found;
}

bool keep_session_is_ending(struct keep_session *one)
{
    lock_take(&one->all->lock);
    bool is_ending = one->ending != NULL;

    lock_release(&one->all->lock);
    return is_ending;
}

// ---- devices with an end ------------------------------------------------------------------------

// With the lock held.
static void set_over(struct keep_sessions *s, struct keep_session *one, int64_t at_s)
{
    if (one->over_at_s) {
        list_remove(&one->of_timed);
    }
    one->over_at_s = at_s;
    if (at_s) {
        list_append(&s->timed, &one->of_timed);
    }
}

void keep_sessions_over_at(struct keep_session *one, account_id holder, uint32_t device,
                           int64_t at_s)
{
    lock_take(&one->all->lock);
    one->holder = holder;
    one->holder_device = device;
    set_over(one->all, one, at_s);
    lock_release(&one->all->lock);
}

size_t keep_sessions_due(struct keep_sessions *s, int64_t now_s, struct keep_session_due *out,
                         size_t max)
{
    size_t n = 0;

    lock_take(&s->lock);
    for (struct list *l = s->timed.next; l != &s->timed && n < max; l = l->next) {
        const struct keep_session *one = LIST_ITEM(l, struct keep_session, of_timed);

        if (one->over_at_s <= now_s && !one->ending) {
            out[n++] = (struct keep_session_due){.account = get_be64(one->key),
                                                 .number = one->device,
                                                 .holder = one->holder,
                                                 .device = one->holder_device};
        }
    }
    lock_release(&s->lock);
    return n;
}

void keep_sessions_over_later(struct keep_sessions *s, account_id holder, uint32_t device,
                              int64_t at_s)
{
    struct list *l, *next;

    lock_take(&s->lock);
    struct list *last = s->timed.prev; // those that are moved go behind it

    for (l = s->timed.next; l != &s->timed; l = next) {
        struct keep_session *one = LIST_ITEM(l, struct keep_session, of_timed);
        bool is_last = l == last;

        next = l->next;
        if (one->holder == holder && one->holder_device == device) {
            set_over(s, one, at_s);
        }
        if (is_last) {
            break;
        }
    }
    lock_release(&s->lock);
}

void keep_sessions_leave(struct keep_session *one)
{
    struct keep_sessions *s = one->all;

    lock_take(&s->lock);
    set_over(s, one, 0);
    list_remove(&one->of_user);
    if (one->ending && --*one->ending == 0) {
        pthread_cond_broadcast(&s->one_left);
    }
    tally_drop(&s->by_user, span_of(one->key, 8));
    tally_drop(&s->by_user_and_address, span_of(one->key, one->key_bytes));
    s->counts.sessions--;
    lock_release(&s->lock);
    free(one);
}

void keep_sessions_count(struct keep_sessions *s, struct keep_session_counts *out)
{
    lock_take(&s->lock);
    *out = s->counts;
    out->users = (unsigned)s->by_user.n;
    lock_release(&s->lock);
}
