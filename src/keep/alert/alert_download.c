// SPDX-License-Identifier: Apache-2.0
//
// Much of an account's mail read in a short time. Sessions tell what they read once in a while; it
// is counted here, in memory, for each device, program and network of an account. What was counted
// goes with the process: that is less than a window's worth.
//
// A program that is set up anew reads everything once, and that is no news: a device is left alone
// on its first day (its owner was told of its password), and so is everybody while the account is
// new. Others are told of once. An administrator's export is no device's, and always told.
#include <stdlib.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/ip_network.h"
#include "base/log.h"
#include "keep/alert/alert_watch_internal.h"
#include "store/access/device.h"
#include "store/access/signin.h"
#include "store/quota.h"

#include "base/banned.h"

#define READERS_MAX 4096
#define DAY_S       86400
#define LONG_MS     60000 // between two lines of the log about a table that is full

struct reader {
    account_id account;
    uint32_t device, salt;
    struct alert_meter meter;
    uint64_t sum, look_at; // looked at when there is as much
    int64_t last_ms;
    bool is_due;
    uint8_t network_n, client_n, by_n;
    char network[IP_NETWORK_TEXT_MAX], client[ALERT_READ_TEXT_MAX], by[ALERT_READ_TEXT_MAX];
};

// Less than this nobody is warned of, however little an account holds.
static uint64_t least(const struct alert_settings *o)
{
    return o->download / 50 > 1 ? o->download / 50 : 1;
}

// ---- counting -----------------------------------------------------------------------------------

static uint8_t text_copy(struct span s, char *out, size_t max)
{
    s = span_first(s, max);
    memcpy(out, s.p ? s.p : "", s.n);
    return (uint8_t)s.n;
}

// What is one reader: a device and program at a network, or an administrator.
static struct reader reader_of(const struct alert_read *r, bool exact)
{
    struct reader x = {.account = r->account, .device = r->device};
    char room[2 * ALERT_READ_TEXT_MAX + 16] = {0};
    size_t n = 8;

    x.network_n = (uint8_t)ip_network_text(r->remote, x.network);
    x.client_n = text_copy(r->client, x.client, sizeof(x.client));
    x.by_n = text_copy(r->by, x.by, sizeof(x.by));
    uint32_t network = alert_network_salt(span_of(x.network, x.network_n), exact);

    memcpy(room, &x.device, 4);
    memcpy(room + 4, &network, 4);
    memcpy(room + n, x.client, x.client_n);
    n += x.client_n + 1u;
    memcpy(room + n, x.by, x.by_n);
    x.salt = (uint32_t)XXH3_64bits(room, n + x.by_n);
    return x;
}

static struct span reader_key(const struct reader *x, char room[12])
{
    memcpy(room, &x->account, 8);
    memcpy(room + 8, &x->salt, 4);
    return span_of(room, 12);
}

static void readers_clear(struct alert_watch *w, int64_t before_ms)
{
    size_t cursor = 0;
    struct span key;
    struct map kept;
    void *one;

    map_init(&kept);
    while (map_next(&w->readers, &cursor, &key, &one)) {
        const struct reader *x = one;

        w->readers_due -= x->is_due && x->last_ms < before_ms;
        if (x->last_ms < before_ms || map_put(&kept, key, one, NULL) != ERR_OK) {
            free(one);
        }
    }
    map_finish(&w->readers);
    w->readers = kept;
}

void alert_readers_finish(struct alert_watch *w)
{
    readers_clear(w, INT64_MAX);
    map_finish(&w->readers);
}

// With the lock held. NULL: there is no room.
static struct reader *reader_get(struct alert_watch *w, const struct reader *x, int64_t now)
{
    char room[12];
    struct span key = reader_key(x, room);
    struct reader *had = map_get(&w->readers, key);

    if (had) {
        return had;
    }
    if (w->readers.n >= READERS_MAX) {
        readers_clear(w, now - w->set.rules.window_ms);
    }
    had = w->readers.n < READERS_MAX ? malloc(sizeof(*had)) : NULL;
    if (had) {
        *had = *x;
        if (map_put(&w->readers, key, had, NULL) != ERR_OK) {
            free(had);
            had = NULL;
        }
    }
    return had;
}

// With the lock held: too many at once to count them all.
static bool is_to_be_told(struct alert_watch *w, int64_t now)
{
    bool is = now - w->left_out_ms >= LONG_MS;

    w->left_out_ms = is ? now : w->left_out_ms;
    return is;
}

void alert_watch_read(struct alert_watch *w, const struct alert_read *r)
{
    int64_t now = clock_real_ms();
    bool wakes = false, is_full = false;

    lock_take(&w->lock);
    const struct alert_settings *o = &w->set.rules;
    const struct reader x = reader_of(r, o->exact_networks);
    struct reader *to = reader_get(w, &x, now);

    if (to) {
        to->last_ms = now;
        to->sum = alert_meter_add(&to->meter, o->window_ms, now, r->bytes);
        if (to->sum >= least(o) && to->sum >= to->look_at && !to->is_due) {
            to->is_due = true;
            w->readers_due++;
            wakes = alert_watch_note_locked(w, r->account);
        }
    } else {
        is_full = is_to_be_told(w, now);
    }
    lock_release(&w->lock);
    if (wakes) {
        w->wake(w->arg, ALERT_LOOK_MS);
    }
    if (is_full) {
        log_warn("more than %d programs read mail: not all are counted for alerts", READERS_MAX);
    }
}

// ---- looking ------------------------------------------------------------------------------------

// Copies those of the account that are due, and sets at how much they are looked at again.
static size_t take_due(struct look *l, uint64_t limit, struct reader out[FOUND_MAX])
{
    struct alert_watch *w = l->w;
    size_t cursor = 0, n = 0;
    struct span key;
    void *one;

    lock_take(&w->lock);
    while (w->readers_due && n < FOUND_MAX && map_next(&w->readers, &cursor, &key, &one)) {
        struct reader *x = one;

        if (!x->is_due || x->account != l->account) {
            continue;
        }
        x->is_due = false;
        w->readers_due--;
        x->look_at = limit;
        if (x->sum >= limit) {
            out[n++] = *x;
            alert_meter_clear(&x->meter);
        }
    }
    lock_release(&w->lock);
    return n;
}

struct first {
    int64_t at;
};

static bool find_first(void *arg, const struct signin *i)
{
    struct first *f = arg;

    if (i->count && i->first < f->at && i->device != SIGNIN_BY_READER) {
        f->at = i->first;
    }
    return f->at == INT64_MAX; // oldest day first
}

// So new that its owner is still moving in.
static bool is_learning(struct look *l)
{
    struct first f = {INT64_MAX};
    int64_t learn = l->w->o.rules.learn_s;

    return learn && signin_list(l->w->o.store, l->account, 0, find_first, &f) == ERR_OK &&
           f.at != INT64_MAX && clock_real_s() - f.at < learn;
}

static void found(struct look *l, const struct reader *x, struct span device, modseq version)
{
    look_found(l, &(struct alert){.kind = ALERT_DOWNLOAD,
                                  .trigger = version,
                                  .salt = x->salt,
                                  .when_ms = x->last_ms,
                                  .count = x->sum,
                                  .network = span_of(x->network, x->network_n),
                                  .client = span_of(x->client, x->client_n),
                                  .device = device,
                                  .by = span_of(x->by, x->by_n)});
}

static void look_at_reader(struct look *l, const struct reader *x, modseq version)
{
    struct device d = {.name = SPAN("")};

    if (x->by_n) {
        found(l, x, SPAN(""), version);
        return;
    }
    if (x->device && device_get(l->w->o.store, l->account, x->device, l->arena, &d) == ERR_OK &&
        clock_real_s() - d.created < DAY_S) {
        return;
    }
    if (!is_learning(l)) {
        found(l, x, d.name, version);
    }
}

// Three quarters of what the account holds, when that is less than the setting.
static uint64_t limit_of(const struct alert_settings *o, struct view *v)
{
    struct quota q;
    uint64_t holds = view_quota(v, &q) == ERR_OK ? q.bytes / 4 * 3 : UINT64_MAX;
    uint64_t limit = holds < o->download ? holds : o->download;

    return limit > least(o) ? limit : least(o);
}

enum err look_at_downloads(struct look *l)
{
    struct reader *due = arena_zalloc(l->arena, FOUND_MAX, sizeof(*due));
    struct view *v;
    enum err e = due ? view_open(l->w->o.store, l->account, &v) : ERR_NOMEM;

    if (e != ERR_OK) {
        return e;
    }
    modseq version = view_modseq(v);
    size_t n = take_due(l, limit_of(&l->w->o.rules, v), due);

    view_close(v);
    for (size_t i = 0; i < n; i++) {
        look_at_reader(l, &due[i], version);
    }
    return ERR_OK;
}
