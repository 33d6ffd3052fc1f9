// SPDX-License-Identifier: Apache-2.0
//
// Targets here: some accounts at a time, so that what their rules want is in memory for few.
#include "base/log.h"
#include "delivery/delivery_internal.h"

#include "base/banned.h"

#define PARTS_AT_ONCE 32 // as many as share a sync (store/append.h)

// ---- what can't be done now ---------------------------------------------------------------------

// The account's address with the detail it was addressed by.
static enum err full_address(struct run *r, const struct resolve_target *t, struct span *out)
{
    size_t at = span_find_byte(t->address, '@');
    struct buf b;

    *out = t->address;
    if (t->detail.n == 0) {
        return ERR_OK;
    }
    buf_init(&b, QUEUE_ADDRESS_BYTES_MAX);
    buf_put(&b, span_first(t->address, at));
    buf_put_byte(&b, r->d->separators[0]);
    buf_put(&b, t->detail);
    buf_put(&b, span_skip(t->address, at));
    if (!b.failed) {
        *out = arena_dup(&r->arena, buf_span(&b));
    }
    buf_finish(&b);
    return out->p ? ERR_OK : ERR_NOMEM;
}

// From the queue it is tried here later.
static enum err queue_here(struct run *r, const struct resolve_target **targets, size_t n)
{
    struct queue_recipient *q = arena_zalloc(&r->arena, n, sizeof(*q));
    struct deliver_letter l = {.sender = r->env->sender,
                               .flags = r->env->flags,
                               .why = "here",
                               .is_itself = true,
                               .words = r->is_held ? "it is to wait first"
                                                   : "it could not be stored at once"};
    enum err e = q ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        const struct delivery_recipient *from = delivery_recipient_of(r, targets[i]);

        q[i] = (struct queue_recipient){.destination = SPAN(DELIVERY_HERE),
                                        .orcpt = from->orcpt,
                                        .notify = from->notify,
                                        .due_ms = r->env->hold_until_ms};
        e = full_address(r, targets[i], &q[i].address);
    }
    e = e == ERR_OK ? deliver_need_leaving(r) : e;
    l.body = r->leaving;
    return e == ERR_OK ? deliver_submit(r, &l, q, n) : e;
}

// What failed, in the order of the targets.
struct failures {
    const struct resolve_target **targets;
    enum err *errors;
    size_t n;
};

// Others of the group have their copy already, and a second try of all would double it: these are
// tried again from the queue.
static void settle_failed(struct run *r, const struct failures *f)
{
    size_t waiting = 0;

    for (size_t i = 0; i < f->n; i++) {
        const struct resolve_target *t = f->targets[i];
        bool can_wait = !r->is_retry && (r->env->is_ours || *delivery_group_of(r, t));

        if (f->errors[i] != ERR_LIMIT && can_wait) {
            f->targets[waiting++] = t;
        } else {
            delivery_settle(r, t, f->errors[i]);
        }
    }
    enum err e = waiting ? queue_here(r, f->targets, waiting) : ERR_OK;

    for (size_t i = 0; i < waiting; i++) {
        delivery_settle(r, f->targets[i], e);
    }
}

static enum err hold(struct run *r, const struct failures *all)
{
    enum err e = queue_here(r, all->targets, all->n);

    for (size_t i = 0; i < all->n; i++) {
        delivery_settle(r, all->targets[i], e);
    }
    return ERR_OK;
}

// ---- a group ------------------------------------------------------------------------------------

static void end_well(struct run *r, struct deliver_part *p)
{
    uint32_t recipient = p->target->recipient;
    enum err e = ERR_OK;

    if (p->is_refused_here) { // its answer is given
        return;
    }
    delivery_settle(r, p->target, ERR_OK);
    if (p->to->was_there) {
        log_info("a message for %s came a second time and was left out",
                 log_text(p->target->address).s);
        return;
    }
    deliver_report_done(p);
    deliver_rules_after(r, p);
    if (!r->is_retry && !p->is_refused && r->target_counts[recipient] == 1) {
        e = deliver_tell(r, recipient, QUEUE_DELIVERED, SPAN(DELIVERY_HERE),
                         SPAN("250 2.1.5 delivered"));
    }
    if (e != ERR_OK) {
        log_warn("a notice of success cannot be sent: %s", err_name(e));
    }
}

static void end_part(struct run *r, struct deliver_part *p, struct failures *failed)
{
    enum err e = p->failed != ERR_OK ? p->failed : p->to->result;

    r->is_traced |= e == ERR_OK && p->rider;
    if (e == ERR_OK) {
        end_well(r, p);
    } else {
        failed->errors[failed->n] = e;
        failed->targets[failed->n++] = p->target;
    }
}

static void store_parts(struct run *r, struct deliver_part *parts, struct delivery_target *targets,
                        size_t n)
{
    struct actor by = {.kind = ACTOR_DELIVERY,
                       .device = span_first(r->env->device, 64),
                       .origin = span_first(r->env->sender, 128)};
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if (parts[i].failed == ERR_OK) {
            targets[count] = targets[i];
            parts[i].to = &targets[count++];
            parts[i].to->ride = r->d->trail ? deliver_trail_ride : NULL;
            parts[i].to->ride_arg = &parts[i];
        }
    }
    if (count) {
        store_deliver(r->d->store, &by, r->incoming, span_first(r->env->verdict, 1024), targets,
                      count);
    }
}

static void deliver_group(struct run *r, struct deliver_part *parts,
                          struct delivery_target *targets, size_t n, struct failures *failed)
{
    for (size_t i = 0; i < n; i++) {
        struct deliver_part *p = &parts[i];

        p->run = r;
        p->to = &targets[i];
        *p->to = (struct delivery_target){.account = p->target->account};
        arena_init(&p->arena, SIEVE_RESULT_BYTES_MAX);
        p->failed = deliver_once_here(r, p);
        if (p->failed == ERR_OK) {
            p->failed = deliver_rules_before(r, p);
        }
    }
    store_parts(r, parts, targets, n);
    for (size_t i = 0; i < n; i++) {
        end_part(r, &parts[i], failed);
        deliver_rules_finish(&parts[i]);
    }
}

static enum err deliver_accounts(struct run *r, struct failures *failed)
{
    struct deliver_part *parts = arena_zalloc(&r->arena, PARTS_AT_ONCE, sizeof(*parts));
    struct delivery_target *targets = arena_zalloc(&r->arena, PARTS_AT_ONCE, sizeof(*targets));
    size_t n = 0;

    if (!parts || !targets) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < r->to.count; i++) {
        if (r->to.targets[i].account) {
            parts[n++] = (struct deliver_part){.target = &r->to.targets[i]};
        }
        if (n == PARTS_AT_ONCE || (n && i + 1 == r->to.count)) {
            deliver_group(r, parts, targets, n, failed);
            n = 0;
        }
    }
    settle_failed(r, failed);
    return ERR_OK;
}

enum err deliver_here(struct run *r)
{
    size_t n = r->to.count ? r->to.count : 1;
    struct failures f = {.targets = arena_zalloc(&r->arena, n, sizeof(*f.targets)),
                         .errors = arena_zalloc(&r->arena, n, sizeof(*f.errors))};

    if (!f.targets || !f.errors) {
        return ERR_NOMEM;
    }
    if (!r->is_held) {
        return deliver_accounts(r, &f);
    }
    for (size_t i = 0; i < r->to.count; i++) {
        if (r->to.targets[i].account) {
            f.targets[f.n++] = &r->to.targets[i];
        }
    }
    return f.n ? hold(r, &f) : ERR_OK;
}
