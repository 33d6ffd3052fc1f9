// SPDX-License-Identifier: Apache-2.0
//
// A worklist, not recursion: what an alias stands for is appended, and each address is expanded
// once for all recipients.
#include "delivery/resolve.h"

#include "base/map.h"
#include "store/rules.h"

#include "base/banned.h"

struct step {
    struct span address, forwarded_by;
    uint32_t recipient;
    unsigned depth;
};

struct work {
    struct store *store;
    const struct resolve_options *options;
    struct arena *arena;
    const struct span *recipients;
    struct resolution out;
    struct step *steps;
    size_t step_count, step_cap;
    size_t target_cap;
    struct map seen; // what became of an address: enum resolve_verdict
};

// What may stand in `seen` beside the verdict of the recipient that an alias belongs to.
static enum resolve_verdict verdicts[] = {
    [RESOLVE_OK] = RESOLVE_OK,
    [RESOLVE_UNKNOWN] = RESOLVE_UNKNOWN,
    [RESOLVE_SUSPENDED] = RESOLVE_SUSPENDED,
    [RESOLVE_OVER_QUOTA] = RESOLVE_OVER_QUOTA,
    [RESOLVE_REMOTE] = RESOLVE_REMOTE,
};

static enum err grow(struct arena *a, void **items, size_t size, size_t count, size_t *cap)
{
    if (count < *cap) {
        return ERR_OK;
    }
    size_t next = *cap ? *cap * 2 : 16;
    void *p = arena_zalloc(a, next, size);

    if (!p) {
        return ERR_NOMEM;
    }
    if (count) {
        memcpy(p, *items, count * size);
    }
    *items = p;
    *cap = next;
    return ERR_OK;
}

static enum err add_step(struct work *w, const struct step *s)
{
    void *items = w->steps;
    enum err e = grow(w->arena, &items, sizeof(*s), w->step_count, &w->step_cap);

    w->steps = items;
    if (e == ERR_OK) {
        w->steps[w->step_count++] = *s;
    }
    return e;
}

// A worse verdict never replaces a good one.
static void judge(struct work *w, const struct step *s, enum resolve_verdict v)
{
    enum resolve_verdict *now = &w->out.verdicts[s->recipient];

    if (v == RESOLVE_OK || *now == RESOLVE_LOOP) {
        *now = v;
    }
}

// The end of an address that is not expanded: for this recipient, and for all that meet it later.
static enum err settle(struct work *w, const struct step *s, struct span address,
                       enum resolve_verdict v)
{
    judge(w, s, v);
    return map_put(&w->seen, address, &verdicts[v], NULL);
}

static enum err add_target(struct work *w, const struct step *s, const struct resolve_target *t)
{
    void *items = w->out.targets;

    if (w->out.count == RESOLVE_TARGETS_MAX) {
        judge(w, s, RESOLVE_TOO_MANY);
        return ERR_OK;
    }
    enum err e = grow(w->arena, &items, sizeof(*t), w->out.count, &w->target_cap);

    w->out.targets = items;
    if (e == ERR_OK) {
        struct resolve_target *to = &w->out.targets[w->out.count++];

        *to = *t;
        to->wanted = w->recipients[s->recipient];
        to->recipient = s->recipient;
        to->forwarded_by = s->forwarded_by;
        e = settle(w, s, t->address, RESOLVE_OK);
    }
    return e;
}

static enum err expand(struct work *w, const struct step *s, struct span by,
                       const struct span *targets, size_t count)
{
    enum err e = ERR_OK;

    if (s->depth >= RESOLVE_DEPTH_MAX) {
        return ERR_OK; // the verdict stays a loop, unless something else comes of it
    }
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        struct step next = {.address = targets[i],
                            .forwarded_by = by,
                            .recipient = s->recipient,
                            .depth = s->depth + 1};

        e = add_step(w, &next);
    }
    return e;
}

// The account's own copy, and where its owner forwards mail to.
static enum err take_account(struct work *w, const struct step *s, const struct route *r)
{
    struct resolve_target t = {.account = r->account, .address = r->address, .detail = r->detail};
    struct forwarding f;
    enum err e = forwarding_get(w->store, r->account, w->arena, &f);

    if (e == ERR_OK && f.count) {
        e = expand(w, s, r->address, f.targets, f.count);
    }
    if (e != ERR_OK || (f.count && !f.keeps_copy)) {
        return e;
    }
    if (!w->options->ignores_quota &&
        (w->options->bytes > r->bytes_left || r->messages_left == 0)) {
        return settle(w, s, r->address, RESOLVE_OVER_QUOTA);
    }
    return add_target(w, s, &t);
}

static enum err take_remote(struct work *w, const struct step *s)
{
    struct resolve_target t = {.address = s->address};

    const struct resolve_options *o = w->options;

    // What our own aliases and forwardings say may always leave.
    if (!o->allow_remote && !(o->allowed && o->allowed[s->recipient]) && s->depth == 0) {
        return settle(w, s, s->address, RESOLVE_REMOTE);
    }
    return add_target(w, s, &t);
}

static enum err take_route(struct work *w, const struct step *s, const struct route *r)
{
    switch (r->kind) {
    case ROUTE_ACCOUNT:
        return take_account(w, s, r);
    case ROUTE_ALIAS:
        return expand(w, s, r->address, r->targets, r->target_count);
    case ROUTE_SUSPENDED:
        return settle(w, s, r->address, RESOLVE_SUSPENDED);
    case ROUTE_REMOTE:
        return take_remote(w, s);
    case ROUTE_UNKNOWN:
        break;
    }
    return settle(w, s, s->address, RESOLVE_UNKNOWN);
}

static enum err take_step(struct work *w, const struct step *s)
{
    struct route r;
    enum err e = route_lookup(w->store, s->address, w->options->separators, w->arena, &r);

    if (e != ERR_OK) {
        if (e == ERR_INVALID) {
            judge(w, s, RESOLVE_UNKNOWN);
            e = ERR_OK;
        }
        return e;
    }
    struct span name = r.kind == ROUTE_REMOTE || r.kind == ROUTE_UNKNOWN ? s->address : r.address;
    const enum resolve_verdict *before = map_get(&w->seen, name);

    if (before) { // what came of it for somebody else is as good, or as bad, for this one
        judge(w, s, *before);
        return ERR_OK;
    }
    e = map_put(&w->seen, name, &w->out.verdicts[s->recipient], NULL);
    return e == ERR_OK ? take_route(w, s, &r) : e;
}

// All of one recipient before the next, so that what is seen again has its verdict.
static enum err run_recipient(struct work *w, uint32_t i)
{
    struct step first = {.address = w->recipients[i], .recipient = i};
    enum err e;

    w->step_count = 0;
    e = add_step(w, &first);
    for (size_t k = 0; k < w->step_count && e == ERR_OK; k++) {
        struct step s = w->steps[k]; // the array may move

        if (w->step_count > 4u * RESOLVE_TARGETS_MAX) {
            judge(w, &s, RESOLVE_TOO_MANY);
            break;
        }
        e = take_step(w, &s);
    }
    return e;
}

enum err delivery_resolve(struct store *s, const struct resolve_options *o,
                          const struct span *recipients, size_t count, struct arena *a,
                          struct resolution *out)
{
    struct work w = {.store = s, .options = o, .arena = a, .recipients = recipients};

    w.out.verdicts = arena_zalloc(a, count ? count : 1, sizeof(*w.out.verdicts));
    if (!w.out.verdicts) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        w.out.verdicts[i] = RESOLVE_LOOP; // until something comes of it
    }
    map_init(&w.seen);
    enum err e = ERR_OK;

    for (uint32_t i = 0; i < count && e == ERR_OK; i++) {
        e = run_recipient(&w, i);
    }
    map_finish(&w.seen);
    if (e == ERR_OK) {
        *out = w.out;
    }
    return e;
}
