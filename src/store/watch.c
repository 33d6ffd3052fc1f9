// SPDX-License-Identifier: Apache-2.0
//
// Watchers of accounts. One lock guards the lists and is held while the functions are called: so a
// removed watcher is surely not running, and a function may only take locks below it.
#include <stdlib.h>

#include "base/log.h"
#include "store/store_internal.h"

#include "base/banned.h"

struct watch_account {
    account_id account;
    struct list watches;
};

struct store_watch {
    struct list link;
    struct store *store;
    struct watch_account *of;
    store_watch_fn *fn;
    void *arg;
    modseq version; // atomic
};

static struct span id_key(const account_id *id)
{
    return span_of(id, sizeof(*id));
}

// Versions are announced by any committing thread; the newest wins.
static void version_raise(struct store_watch *w, modseq version)
{
    modseq now = __atomic_load_n(&w->version, __ATOMIC_RELAXED);

    while (now < version && !__atomic_compare_exchange_n(&w->version, &now, version, false,
                                                         __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

void store_watch_commit(void *arg, account_id account, uint64_t version)
{
    struct store *s = arg;

    lock_take(&s->watch_lock);
    struct watch_account *a = map_get(&s->watches, id_key(&account));

    if (a) {
        LIST_EACH(link, &a->watches)
        {
            struct store_watch *w = LIST_ITEM(link, struct store_watch, link);

            version_raise(w, version);
            w->fn(w->arg, account, version);
        }
    }
    if (s->all_fn) {
        s->all_fn(s->all_arg, account, version);
    }
    lock_release(&s->watch_lock);
}

void store_watch_all(struct store *s, store_watch_fn *fn, void *arg)
{
    lock_take(&s->watch_lock);
    s->all_fn = fn;
    s->all_arg = arg;
    lock_release(&s->watch_lock);
}

// Called with the lock held.
static struct watch_account *watch_account(struct store *s, account_id account)
{
    struct watch_account *a = map_get(&s->watches, id_key(&account));

    if (a) {
        return a;
    }
    a = malloc(sizeof(*a));
    if (!a) {
        return NULL;
    }
    a->account = account;
    list_init(&a->watches);
    if (map_put(&s->watches, id_key(&account), a, NULL) != ERR_OK) {
        free(a);
        return NULL;
    }
    return a;
}

enum err store_watch_add(struct store *s, account_id account, store_watch_fn *fn, void *arg,
                         struct store_watch **out)
{
    struct store_watch *w = calloc(1, sizeof(*w));
    struct snapshot *snapshot;
    modseq version;

    if (!w) {
        return ERR_NOMEM;
    }
    *w = (struct store_watch){.store = s, .fn = fn, .arg = arg};
    lock_take(&s->watch_lock);
    w->of = watch_account(s, account);
    if (w->of) {
        list_append(&w->of->watches, &w->link);
    }
    lock_release(&s->watch_lock);
    if (!w->of) {
        free(w);
        return ERR_NOMEM;
    }
    // After it is in the list, so that no commit falls between.
    enum err e = snapshot_open(s->engine, &snapshot);

    if (e == ERR_OK) {
        e = snapshot_version(snapshot, account, &version);
        snapshot_close(snapshot);
    }
    if (e != ERR_OK) {
        store_watch_remove(w);
        return e;
    }
    version_raise(w, version);
    *out = w;
    return ERR_OK;
}

void store_watch_remove(struct store_watch *w)
{
    if (!w) {
        return;
    }
    struct store *s = w->store;

    lock_take(&s->watch_lock);
    list_remove(&w->link);
    if (list_is_empty(&w->of->watches)) {
        map_remove(&s->watches, id_key(&w->of->account));
        free(w->of);
    }
    lock_release(&s->watch_lock);
    free(w);
}

modseq store_watch_version(const struct store_watch *w)
{
    return __atomic_load_n(&w->version, __ATOMIC_RELAXED);
}

void store_watch_finish(struct store *s)
{
    ASSERT(s->watches.n == 0);
    map_finish(&s->watches);
}
