// SPDX-License-Identifier: Apache-2.0
//
// Undoing what was done to the rules: scripts, which of them is active, forwarding. What each was
// before is in the rows `r` beside the change log.
#include "store/undo/undo_internal.h"

#include "base/banned.h"

struct reading {
    struct undo_plan *plan;
    bool theirs, any;
};

static enum err read_one(void *arg, struct span key, struct span value)
{
    struct reading *r = arg;
    struct undo_plan *p = r->plan;
    struct rules_past past;
    enum err e = rules_past_decode(key, value, &past);
    struct undo_rule *u = p->rules;

    if (e != ERR_OK) {
        return e;
    }
    r->any = true;
    while (u && !(u->base.part == past.part && span_eq(u->base.name, past.name))) {
        u = u->next;
    }
    if (!r->theirs) {
        if (u && u->is_theirs) {
            u->is_theirs = false;
            u->is_left = true;
        }
        return ERR_OK;
    }
    if (!u) {
        u = arena_zalloc(&p->arena, 1, sizeof(*u));
        if (!u) {
            return ERR_LIMIT;
        }
        u->next = p->rules;
        p->rules = u;
    }
    if (!u->is_theirs) {
        u->base = past;
        u->base.name = arena_dup(&p->arena, past.name);
        u->base.value = arena_dup(&p->arena, past.value);
        u->is_theirs = true;
    }
    u->is_left = false;
    return u->base.name.p && u->base.value.p ? ERR_OK : ERR_LIMIT;
}

enum err undo_read_rules(struct undo_plan *p, modseq number, bool theirs)
{
    struct key prefix = key_u64(KEY_RULES_PAST, number);
    struct reading r = {.plan = p, .theirs = theirs};
    enum err e = view_each(p->view, &prefix, read_one, &r);

    p->past_gone += e == ERR_OK && theirs && !r.any;
    return e;
}

// ---- putting back -------------------------------------------------------------------------------

static bool is_so(struct undo_plan *p, const struct rules_past *past)
{
    struct key k = rules_part_key(past->part, past->name);
    struct span now = SPAN("");
    bool has = view_get(p->view, &k, &now) == ERR_OK;

    return has == past->has && span_eq(now, past->value);
}

static enum err put_back(struct undo_work *w, struct undo_plan *p, struct undo_rule *u)
{
    if (!u->is_theirs || is_so(p, &u->base)) {
        return ERR_OK;
    }
    enum err e = w->is_trial ? ERR_OK : rules_put_back(w->store, w->account, w->by, &u->base);

    if (e == ERR_OK) {
        undo_say(w, UNDO_RULES, SPAN(""), u->base.name, 1);
        return ERR_OK;
    }
    u->is_left = e == ERR_NOT_FOUND || e == ERR_DENIED;
    return u->is_left ? ERR_OK : e;
}

// Scripts first, then which is active, and then away with those that were not there: an active
// script is always there.
enum err undo_rules_back(struct undo_work *w, struct undo_plan *p)
{
    enum err e = ERR_OK;

    for (unsigned step = 0; step < 3 && e == ERR_OK; step++) {
        for (struct undo_rule *u = p->rules; u && e == ERR_OK; u = u->next) {
            unsigned when = u->base.part == RULES_ACTIVE                   ? 1
                            : u->base.part == RULES_SCRIPT && !u->base.has ? 2
                                                                           : 0;

            e = when == step ? put_back(w, p, u) : ERR_OK;
        }
    }
    return e;
}

void undo_rules_left(struct undo_work *w, struct undo_plan *p)
{
    for (const struct undo_rule *u = p->rules; u; u = u->next) {
        if (u->is_left && !is_so(p, &u->base)) {
            undo_say_left(w, UNDO_RULES, SPAN(""), u->base.name, 1,
                          "somebody else has changed it since");
        } else if (u->is_theirs && !w->is_trial && !is_so(p, &u->base)) {
            undo_say_left(w, UNDO_RULES, SPAN(""), u->base.name, 1,
                          "what somebody else has made since stands in its way");
        }
    }
    if (p->past_gone) {
        undo_say_left(w, UNDO_RULES, SPAN(""), SPAN(""), p->past_gone,
                      "what was before is not kept any more");
    }
}
