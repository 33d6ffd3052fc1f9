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
    uint32_t limited[DEVICES_MAX]; // devices that may come from some networks only
    size_t limited_n;
    struct alert_signin *list;
    size_t n;
    bool failed;
};

static bool note_limited(void *arg, const struct device *d)
{
    struct rows *r = arg;

    if (d->network_count && r->limited_n < DEVICES_MAX) {
        r->limited[r->limited_n++] = d->id;
    }
    return true;
}

static bool is_limited(const struct rows *r, uint32_t device)
{
    for (size_t i = 0; i < r->limited_n; i++) {
        if (r->limited[i] == device) {
            return true;
        }
    }
    return false;
}

static void put_place(struct rows *r, const struct signin_place *p, struct alert_signin *to)
{
    if (p->code[0]) {
        to->country = arena_dup(r->look->arena, span_of(p->code, sizeof(p->code)));
        to->country_name = arena_dup(r->look->arena, signin_place_name(p));
        to->has_position = p->has_position;
        to->latitude = p->latitude;
        to->longitude = p->longitude;
        to->radius_km = p->radius_km;
        r->failed |= !to->country.p || !to->country_name.p;
    }
}

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
                                .changed = i->changed,
                                .is_limited = is_limited(r, i->device)};
    put_place(r, &i->place, to);
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

    e = r.list ? device_list(s, l->account, note_limited, &r) : ERR_NOMEM;
    e = e == ERR_OK ? signin_list(s, l->account, 0, keep_row, &r) : e;
    if (e == ERR_OK && r.failed) {
        e = ERR_NOMEM;
    }
    if (e == ERR_OK) {
        alert_signins(&l->w->o.rules, r.list, r.n, l->seen->cursor.seen, l->seen->cursor.since,
                      found, l);
    }
    return e;
}
