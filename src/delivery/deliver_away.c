// SPDX-License-Identifier: Apache-2.0
//
// What leaves: for other servers, for ourselves once more, and words to a sender about what became
// of a message. All of it through the queue.
#include "base/clock.h"
#include "base/log.h"
#include "delivery/delivery_internal.h"
#include "delivery/srs.h"
#include "mime/mime_header.h"

#include "base/banned.h"

// ---- into the queue -----------------------------------------------------------------------------

// What leaves on somebody's behalf has a sender of that somebody's domain.
static enum err sender_for(struct run *r, struct span sender, struct span forwarder,
                           struct span *out)
{
    struct span domain = span_skip(forwarder, span_find_byte(forwarder, '@') + 1);
    enum err e = srs_rewrite(r->d->srs_key, sender, domain, clock_real_s(), &r->arena, out);

    if (e == ERR_LIMIT) {
        *out = forwarder;
        e = ERR_OK;
    }
    return e;
}

// Appends the signatures of a letter. It leaves without one rather than not at all.
static void sign(struct run *r, const struct deliver_letter *l, struct buf *lines)
{
    struct span domain = span_skip(l->forwarder, span_find_byte(l->forwarder, '@') + 1);
    bool is_ours = r->env->submitter || l->flags & QUEUE_INTERNAL;
    enum err e = ERR_OK;

    if (l->forwarder.n) {
        e = sign_seal(r->d->signer, domain, span_from_str(r->d->server), l->content, lines);
    } else if (is_ours) {
        e = sign_message(r->d->signer, SPAN(""), l->content, lines);
    }
    if (e != ERR_OK) {
        log_warn("a message from %s leaves without a signature: %s", log_text(l->sender).s,
                 err_name(e));
    }
}

enum err deliver_submit(struct run *r, const struct deliver_letter *l,
                        const struct queue_recipient *recipients, size_t count)
{
    bool is_suspect = r->env->is_suspect && !(l->flags & QUEUE_INTERNAL);
    struct queue_message m = {
        .expires_ms = clock_real_ms() + (int64_t)r->d->expire_s * 1000,
        .body = incoming_body(l->body),
        .body_bytes = incoming_bytes(l->body),
        .flags = l->flags | (is_suspect ? QUEUE_SUSPECT : 0),
        .submitter = r->env->submitter,
        .sender = l->sender,
        .envid = r->env->envid,
        .message_id = deliver_message_id(l->content ? l->content : r->message),
        .device = r->env->device,
        .device_id = r->env->device_id,
        .origin = r->env->origin,
        .prefix = SPAN(""),
    };
    unsigned char once[QUEUE_ONCE_BYTES];
    struct buf lines;
    queue_id id = 0;
    enum err e = deliver_once_letter(r, l, recipients, count, once, &m);

    buf_init(&lines, LINES_BYTES_MAX + SIGN_LINES_BYTES_MAX);
    if (e == ERR_OK && l->forwarder.n) {
        e = sender_for(r, l->sender, l->forwarder, &m.sender);
        buf_printf(&lines, "Delivered-To: %.*s\r\n", SPAN_ARG(l->forwarder));
    }
    if (l->content) {
        sign(r, l, &lines);
    }
    m.prefix = buf_span(&lines);
    if (r->env->hold_until_ms) {
        m.expires_ms += r->env->hold_until_ms - clock_real_ms();
    }
    e = e == ERR_OK ? deliver_trail_letter(r, l, recipients, count, &m) : e;
    e = e == ERR_OK ? queue_submit(r->d->queue, &m, recipients, count, &id) : e;
    if (e == ERR_OK && !id) {
        log_info("a message from %s for %s came a second time and was left out",
                 log_text(l->sender).s, log_text(recipients->address).s);
    }
    r->is_traced |= e == ERR_OK && m.mail == r->mail;
    batch_destroy(m.rider);
    buf_finish(&lines);
    return e;
}

static enum err domain_of(struct arena *a, struct span address, struct span *out)
{
    struct span domain = span_skip(address, span_find_byte(address, '@') + 1);
    char *lower = arena_alloc(a, domain.n + 1);

    if (!lower) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < domain.n; i++) {
        lower[i] = byte_lower(domain.p[i]);
    }
    *out = span_of(lower, domain.n);
    return ERR_OK;
}

enum err deliver_destination(struct run *r, struct span address, struct span *out)
{
    struct span domain;
    bool ours = false;
    enum err e = domain_of(&r->arena, address, &domain);

    e = e == ERR_OK ? route_domain_is_ours(r->d->store, domain, &r->arena, &ours, NULL) : e;
    if (e == ERR_OK) {
        *out = ours ? SPAN(DELIVERY_HERE) : domain;
    }
    return e;
}

// ---- targets elsewhere --------------------------------------------------------------------------

static bool same_group(const struct resolve_target *a, const struct resolve_target *b)
{
    return !b->account && span_eq(a->forwarded_by, b->forwarded_by);
}

// One that was expanded has had its notice of success (RFC 3461 5.2.7.2).
static unsigned notify_of(const struct run *r, uint32_t recipient)
{
    unsigned notify = r->env->recipients[recipient].notify;

    if (r->target_counts[recipient] < 2 || !(notify & QUEUE_NOTIFY_SUCCESS)) {
        return notify;
    }
    notify &= ~(unsigned)QUEUE_NOTIFY_SUCCESS;
    return notify ? notify : QUEUE_NOTIFY_NEVER;
}

static enum err fill_recipient(struct run *r, const struct resolve_target *t,
                               struct queue_recipient *out)
{
    *out = (struct queue_recipient){.address = t->address,
                                    .orcpt = delivery_recipient_of(r, t)->orcpt,
                                    .notify = notify_of(r, t->recipient),
                                    .due_ms = r->env->hold_until_ms};
    return domain_of(&r->arena, t->address, &out->destination);
}

static enum err loops(struct run *r, struct span forwarder, bool *out)
{
    struct span header;
    enum err e = forwarder.n ? deliver_header(r, &header) : ERR_OK;

    *out = e == ERR_OK && forwarder.n && deliver_has_passed(header, forwarder);
    return e;
}

static enum err submit_group(struct run *r, struct span forwarder,
                             const struct queue_recipient *recipients, size_t n)
{
    struct deliver_letter l = {.sender = r->env->sender,
                               .forwarder = forwarder,
                               .flags = r->env->flags,
                               .content = r->message,
                               .why = "away"};
    enum err e = deliver_need_leaving(r);

    l.body = r->leaving;
    return e == ERR_OK ? deliver_submit(r, &l, recipients, n) : e;
}

// All that leave for the same reason as the target at `start` are one message in the queue.
static enum err send_group(struct run *r, size_t start, bool *done)
{
    const struct resolve_target *first = &r->to.targets[start];
    struct queue_recipient *recipients =
        arena_zalloc(&r->arena, r->to.count - start, sizeof(struct queue_recipient));
    bool is_loop = false;
    size_t n = 0;
    enum err e = recipients ? loops(r, first->forwarded_by, &is_loop) : ERR_NOMEM;

    for (size_t i = start; i < r->to.count && e == ERR_OK; i++) {
        if (!done[i] && same_group(first, &r->to.targets[i])) {
            e = fill_recipient(r, &r->to.targets[i], &recipients[n++]);
        }
    }
    e = e == ERR_OK && !is_loop ? submit_group(r, first->forwarded_by, recipients, n) : e;
    for (size_t i = start; i < r->to.count; i++) {
        const struct resolve_target *t = &r->to.targets[i];

        if (!done[i] && same_group(first, t)) {
            done[i] = true;
            if (is_loop) {
                delivery_recipient_of(r, t)->answer = delivery_looping;
            } else {
                delivery_settle(r, t, e);
            }
        }
    }
    return ERR_OK;
}

enum err deliver_away(struct run *r)
{
    bool *done = arena_zalloc(&r->arena, r->to.count, sizeof(bool));
    enum err e = done ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < r->to.count && e == ERR_OK; i++) {
        if (!done[i] && !r->to.targets[i].account) {
            e = send_group(r, i, done);
        }
    }
    return e;
}

// ---- words to the sender ------------------------------------------------------------------------

enum err deliver_tell(struct run *r, uint32_t recipient, enum queue_state state,
                      struct span destination, struct span reply)
{
    const struct delivery_recipient *to = &r->env->recipients[recipient];
    struct queue_recipient q = {.state = state,
                                .address = to->address,
                                .orcpt = to->orcpt,
                                .notify = to->notify,
                                .destination = destination,
                                .host = SPAN(""),
                                .reply = reply};
    bool wanted = state == QUEUE_DELIVERED ? to->notify & QUEUE_NOTIFY_SUCCESS
                                           : !to->notify || to->notify & QUEUE_NOTIFY_FAILURE;
    struct deliver_letter l = {.sender = r->env->sender,
                               .flags = r->env->flags,
                               .why = "tell",
                               .words = "only to tell its sender"};

    if (r->env->sender.n == 0 || !wanted) {
        return ERR_OK;
    }
    enum err e = r->incoming ? ERR_OK : deliver_need_leaving(r);

    l.body = r->incoming ? r->incoming : r->leaving;
    return e == ERR_OK ? deliver_submit(r, &l, &q, 1) : e;
}
