// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_upkeep.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/keep_chore.h"
#include "store/access/signin.h"
#include "store/directory.h"
#include "store/expunged.h"
#include "store/rules.h"

#include "base/banned.h"

#define ROUND_MS         (60 * 60 * 1000)
#define FORGET_AT_ONCE   500 // messages a commit; keeps the account's writer free in between
#define ACCOUNTS_A_PASS  256
#define REMOVALS_A_ROUND 10
#define RULES_ROUNDS     24 // what rules remember, and old sign-ins, are looked through once a day

struct keep_upkeep {
    struct store *store;
    _Atomic uint32_t expunged_keep_s;
    _Atomic int64_t signins_keep_ms; // 0: not said yet
    struct keep_chore *chore;
    unsigned rounds; // of the thread
};

static void forget_in_account(struct keep_upkeep *u, account_id account)
{
    bool more = true;

    while (more && !keep_chore_is_stopping(u->chore)) {
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

static void forget_signins(struct keep_upkeep *u, account_id account)
{
    int64_t keep_ms = atomic_load(&u->signins_keep_ms);
    enum err e =
        keep_ms ? signin_forget(u->store, account, clock_real_s() - keep_ms / 1000) : ERR_OK;

    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_UNAVAILABLE) {
        log_warn("old sign-ins of account %llu could not be forgotten: %s",
                 (unsigned long long)account, err_name(e));
    }
}

// A suspended account whose time is up. Few in a round, and each with a line in the log: should the
// clock be wrong, there is time to see it.
static void remove_if_due(struct keep_upkeep *u, account_id id)
{
    struct actor by = {.kind = ACTOR_SYSTEM};
    struct account account;
    struct arena a;

    arena_init(&a, 64u << 10);
    if (directory_account_by_id(u->store, id, &a, &account) == ERR_OK &&
        account.state == ACCOUNT_SUSPENDED && account.suspension.remove_at != 0 &&
        account.suspension.remove_at <= clock_real_s()) {
        enum err e = directory_account_remove(u->store, &by, id);

        if (e == ERR_OK) {
            log_warn("the suspended account %s was removed: its time was up",
                     log_text(account.name).s);
        } else if (e != ERR_NOT_FOUND) {
            log_warn("the suspended account %s, whose time is up, could not be removed: %s",
                     log_text(account.name).s, err_name(e));
        }
    }
    arena_finish(&a);
}

struct id_list {
    account_id ids[ACCOUNTS_A_PASS];
    account_id due[REMOVALS_A_ROUND];
    size_t due_count;
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
    if (account->state == ACCOUNT_SUSPENDED && account->suspension.remove_at != 0 &&
        account->suspension.remove_at <= clock_real_s() && l->due_count < REMOVALS_A_ROUND) {
        l->due[l->due_count++] = account->id;
    }
    return l->count < ACCOUNTS_A_PASS;
}

// Lists some accounts, lets go of the list's view, works through them, and lists the next.
static void forget_round(void *arg)
{
    struct keep_upkeep *u = arg;
    struct id_list list = {.count = ACCOUNTS_A_PASS};

    for (size_t done = 0; list.count == ACCOUNTS_A_PASS && !keep_chore_is_stopping(u->chore);) {
        list.count = 0;
        list.skip = done;
        if (directory_account_list(u->store, SPAN(""), collect, &list) != ERR_OK) {
            return;
        }
        for (size_t i = 0; i < list.count; i++) {
            forget_in_account(u, list.ids[i]);
            if (u->rounds % RULES_ROUNDS == 0) {
                forget_of_rules(u, list.ids[i]);
                forget_signins(u, list.ids[i]);
            }
        }
        done += list.count;
    }
    // After all have been seen: the list is taken up again by place.
    for (size_t i = 0; i < list.due_count && !keep_chore_is_stopping(u->chore); i++) {
        remove_if_due(u, list.due[i]);
    }
    u->rounds++;
}

enum err keep_upkeep_start(struct store *s, uint32_t expunged_keep_s, struct keep_upkeep **out)
{
    struct keep_upkeep *u = calloc(1, sizeof(*u));

    if (!u) {
        return ERR_NOMEM;
    }
    u->store = s;
    u->expunged_keep_s = expunged_keep_s;
    const struct keep_chore_options o = {.name = "keep-upkeep",
                                         .run = forget_round,
                                         .arg = u,
                                         .interval_ms = ROUND_MS,
                                         .at_once = true};
    enum err e = keep_chore_start(&o, &u->chore);

    if (e != ERR_OK) {
        free(u);
        return e;
    }
    *out = u;
    return ERR_OK;
}

void keep_upkeep_set(struct keep_upkeep *u, uint32_t expunged_keep_s)
{
    if (atomic_exchange(&u->expunged_keep_s, expunged_keep_s) != expunged_keep_s) {
        keep_chore_wake(u->chore, 0);
    }
}

void keep_upkeep_set_signins(struct keep_upkeep *u, int64_t keep_ms)
{
    atomic_store(&u->signins_keep_ms, keep_ms);
}

void keep_upkeep_stop(struct keep_upkeep *u)
{
    if (u) {
        keep_chore_stop(u->chore);
        free(u);
    }
}
