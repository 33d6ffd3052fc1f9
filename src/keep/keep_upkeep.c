// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_upkeep.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/directory.h"
#include "store/expunged.h"
#include "store/rules.h"

#include "base/banned.h"

#define ROUND_MS        (60 * 60 * 1000)
#define FORGET_AT_ONCE  500 // messages a commit; keeps the account's writer free in between
#define ACCOUNTS_A_PASS 256
#define RULES_ROUNDS    24 // what rules remember is looked through once a day

struct keep_upkeep {
    struct store *store;
    _Atomic uint32_t expunged_keep_s;
    pthread_t thread;
    struct lock lock;
    pthread_cond_t changed;
    bool stopping, is_due;
    unsigned rounds; // of the thread
};

static bool is_stopping(struct keep_upkeep *u)
{
    lock_take(&u->lock);
    bool stopping = u->stopping;

    lock_release(&u->lock);
    return stopping;
}

static void forget_in_account(struct keep_upkeep *u, account_id account)
{
    bool more = true;

    while (more && !is_stopping(u)) {
        more = false;
        int64_t before = clock_real_s() - atomic_load(&u->expunged_keep_s);
        enum err e = expunged_forget(u->store, account, before, FORGET_AT_ONCE, &more);

        if (e != ERR_OK) {
            if (e != ERR_NOT_FOUND && e != ERR_UNAVAILABLE) {
                log_warn("expunged messages of account %llu could not be forgotten: %s",
                         (unsigned long long)account, err_name(e));
            }
            return;
        }
    }
}

static void forget_of_rules(struct keep_upkeep *u, account_id account)
{
    uint64_t count;
    enum err e = rules_forget(u->store, account, &count);

    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_UNAVAILABLE) {
        log_warn("what the rules of account %llu remember could not be looked through: %s",
                 (unsigned long long)account, err_name(e));
    }
}

struct id_list {
    account_id ids[ACCOUNTS_A_PASS];
    size_t count;
    size_t skip; // those of earlier passes
};

static bool collect(void *arg, const struct account *account)
{
    struct id_list *l = arg;

    if (l->skip) {
        l->skip--;
        return true;
    }
    l->ids[l->count++] = account->id;
    return l->count < ACCOUNTS_A_PASS;
}

// Lists some accounts, lets go of the list's view, works through them, and lists the next.
static void forget_round(struct keep_upkeep *u)
{
    struct id_list list = {.count = ACCOUNTS_A_PASS};

    for (size_t done = 0; list.count == ACCOUNTS_A_PASS && !is_stopping(u);) {
        list.count = 0;
        list.skip = done;
        if (directory_account_list(u->store, SPAN(""), collect, &list) != ERR_OK) {
            return;
        }
        for (size_t i = 0; i < list.count; i++) {
            forget_in_account(u, list.ids[i]);
            if (u->rounds % RULES_ROUNDS == 0) {
                forget_of_rules(u, list.ids[i]);
            }
        }
        done += list.count;
    }
}

static void *upkeep_main(void *arg)
{
    struct keep_upkeep *u = arg;

    pthread_setname_np(pthread_self(), "keep-upkeep");
    while (!is_stopping(u)) {
        int64_t next = clock_monotonic_ms() + ROUND_MS;

        forget_round(u);
        u->rounds++;
        lock_take(&u->lock);
        while (!u->stopping && !u->is_due && clock_monotonic_ms() < next) {
            lock_cond_wait(&u->changed, &u->lock, next);
        }
        u->is_due = false;
        lock_release(&u->lock);
    }
    return NULL;
}

enum err keep_upkeep_start(struct store *s, uint32_t expunged_keep_s, struct keep_upkeep **out)
{
    struct keep_upkeep *u = calloc(1, sizeof(*u));

    if (!u) {
        return ERR_NOMEM;
    }
    u->store = s;
    u->expunged_keep_s = expunged_keep_s;
    lock_init(&u->lock, LOCK_SUPERVISOR);
    lock_cond_init(&u->changed);
    if (pthread_create(&u->thread, NULL, upkeep_main, u) != 0) {
        pthread_cond_destroy(&u->changed);
        lock_finish(&u->lock);
        free(u);
        return ERR_NOMEM;
    }
    *out = u;
    return ERR_OK;
}

void keep_upkeep_set(struct keep_upkeep *u, uint32_t expunged_keep_s)
{
    if (atomic_exchange(&u->expunged_keep_s, expunged_keep_s) == expunged_keep_s) {
        return;
    }
    lock_take(&u->lock);
    u->is_due = true;
    pthread_cond_broadcast(&u->changed);
    lock_release(&u->lock);
}

void keep_upkeep_stop(struct keep_upkeep *u)
{
    if (!u) {
        return;
    }
    lock_take(&u->lock);
    u->stopping = true;
    pthread_cond_broadcast(&u->changed);
    lock_release(&u->lock);
    pthread_join(u->thread, NULL);
    pthread_cond_destroy(&u->changed);
    lock_finish(&u->lock);
    free(u);
}
