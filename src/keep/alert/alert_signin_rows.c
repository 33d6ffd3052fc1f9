// SPDX-License-Identifier: Apache-2.0
//
// The sign-in history, read for alerts: the rows of the last two days tell whether there is
// anything new; only then all are read.
#include "base/clock.h"
#include "keep/alert/alert_watch_internal.h"
#include "store/access/device.h"
#include "store/access/signin.h"

#include "base/banned.h"

#define DAY_S 86400

static bool changed_since(void *arg, const struct signin *i)
{
    struct look *l = arg;

    if (i->changed > l->seen->cursor.seen && i->count && i->device != SIGNIN_BY_READER) {
        l->has_signins = true;
    }
    return !l->has_signins;
}

struct rows {
    struct look *look;
    struct alert_signin *list;
    size_t n;
    bool failed;
};

static bool keep_row(void *arg, const struct signin *i)
{
    struct rows *r = arg;
    struct alert_signin *to = &r->list[r->n];

    if (r->n == SIGNINS_MAX) {
        return false;
    }
    if (i->device == SIGNIN_BY_READER) { // not the owner's network; it has an alert of its own
        return true;
    }
    *to = (struct alert_signin){.network = arena_dup(r->look->arena, i->network),
                                .client = arena_dup(r->look->arena, i->client),
                                .device = i->device,
                                .first = i->first,
                                .last = i->last,
                                .count = i->count,
                                .failures = i->failures,
                                .changed = i->changed};
    r->failed |= !to->network.p || !to->client.p;
    r->n++;
    return !r->failed;
}

static void found(void *arg, const struct alert *a)
{
    look_found(arg, a);
}

enum err look_at_signins(struct look *l)
{
    struct store *s = l->w->o.store;
    enum err e = signin_list(s, l->account, clock_real_s() - DAY_S, changed_since, l);

    if (e != ERR_OK || !l->has_signins) {
        return e;
    }
    struct rows r = {.look = l,
                     .list = arena_alloc(l->arena, SIGNINS_MAX * sizeof(struct alert_signin))};

    e = r.list ? signin_list(s, l->account, 0, keep_row, &r) : ERR_NOMEM;
    if (e == ERR_OK && r.failed) {
        e = ERR_NOMEM;
    }
    if (e == ERR_OK) {
        alert_signins(&l->w->o.rules, r.list, r.n, l->seen->cursor.seen, l->seen->cursor.since,
                      found, l);
    }
    return e;
}
