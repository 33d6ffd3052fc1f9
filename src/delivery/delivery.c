// SPDX-License-Identifier: Apache-2.0
#include "delivery/delivery.h"

#include <stdlib.h>

#include "base/clock.h"
#include "delivery/resolve.h"
#include "delivery/srs.h"
#include "mime/mime_header.h"
#include "store/append.h"
#include "store/mailbox.h"
#include "store/secret.h"

#include "base/banned.h"

#define ARENA_BYTES_MAX (64u << 20)
#define READ_BYTES      65536
#define LINES_BYTES_MAX 2048 // header lines of ours for one copy

struct delivery {
    struct store *store;
    struct queue *queue;
    char server[256], separators[16];
    uint32_t expire_s;
    char srs_key[SECRET_BYTES];
};

// ---- answers ------------------------------------------------------------------------------------

static const struct delivery_answer accepted = {DELIVERY_ACCEPTED, 250, "2.0.0", "Ok"};
static const struct delivery_answer trouble = {DELIVERY_TEMPORARY, 451, "4.3.0",
                                               "Trouble here; try again later"};
static const struct delivery_answer full_disk = {DELIVERY_TEMPORARY, 452, "4.3.1",
                                                 "No space here; try again later"};
static const struct delivery_answer too_large = {DELIVERY_REFUSED, 552, "5.3.4",
                                                 "The message is larger than allowed here"};
static const struct delivery_answer looping = {DELIVERY_REFUSED, 554, "5.4.6",
                                               "The message goes round in circles"};
static const struct delivery_answer over_quota = {DELIVERY_TEMPORARY, 452, "4.2.2",
                                                  "The mailbox is full"};

static const struct delivery_answer of_verdict[] = {
    [RESOLVE_OK] = {DELIVERY_ACCEPTED, 250, "2.1.5", "Ok"},
    [RESOLVE_UNKNOWN] = {DELIVERY_REFUSED, 550, "5.1.1", "There is no mailbox of that name here"},
    [RESOLVE_SUSPENDED] = {DELIVERY_REFUSED, 550, "5.2.1", "The mailbox takes no mail now"},
    [RESOLVE_OVER_QUOTA] = {DELIVERY_TEMPORARY, 452, "4.2.2", "The mailbox is full"},
    [RESOLVE_REMOTE] = {DELIVERY_REFUSED, 550, "5.7.1",
                        "Mail for other servers is not relayed for you; log in first"},
    [RESOLVE_TOO_MANY] = {DELIVERY_REFUSED, 550, "5.5.3", "The group has too many members"},
    [RESOLVE_LOOP] = {DELIVERY_REFUSED, 550, "5.4.6", "The alias leads only to itself"},
};

static struct delivery_answer answer_of(enum err e)
{
    switch (e) {
    case ERR_OK:
        return accepted;
    case ERR_QUOTA:
        return over_quota;
    case ERR_NOSPACE:
        return full_disk;
    case ERR_LIMIT:
        return too_large;
    default:
        return trouble;
    }
}

// ---- the delivery -------------------------------------------------------------------------------

enum err delivery_create(struct store *s, struct queue *q, const struct delivery_options *o,
                         struct delivery **out)
{
    struct delivery *d = calloc(1, sizeof(*d));

    if (!d) {
        return ERR_NOMEM;
    }
    d->store = s;
    d->queue = q;
    d->expire_s = o->expire_s;
    struct span server = span_first(o->server, sizeof(d->server) - 1);
    struct span separators = span_first(o->separators, sizeof(d->separators) - 1);

    memcpy(d->server, server.p, server.n);
    memcpy(d->separators, separators.p, separators.n);
    enum err e = store_secret(s, "srs", d->srs_key);

    if (e != ERR_OK) {
        delivery_destroy(d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

void delivery_destroy(struct delivery *d)
{
    if (d) {
        explicit_bzero(d->srs_key, sizeof(d->srs_key));
        free(d);
    }
}

// What is done for one message.
struct run {
    struct delivery *d;
    struct delivery_envelope *env;
    const struct delivery_message *message;
    struct arena arena;
    struct resolution to;
    struct incoming *incoming; // as it is kept here
    struct incoming *leaving;  // as it leaves: without Return-Path
    bool *done;                // by group_of: something of it is durable
    bool is_retry;             // it comes from the queue, which tries again itself
    bool is_held;              // it is to wait in the queue
};

// Bounces of forwarded mail come back to a rewritten address of ours (srs.h).
static enum err restore_address(struct run *r, struct span address, struct span *out)
{
    size_t at = span_find_byte(address, '@');
    bool ours;
    enum err e =
        route_domain_is_ours(r->d->store, span_skip(address, at + 1), &r->arena, &ours, NULL);

    *out = address;
    if (e != ERR_OK || !ours) {
        return e;
    }
    e = srs_restore(r->d->srs_key, span_first(address, at), clock_real_s(), &r->arena, out);
    if (e == ERR_NOT_FOUND || e == ERR_DENIED) {
        *out = address; // a name like any other: unknown, as a rule
        e = ERR_OK;
    }
    return e;
}

// A restored address may leave whoever the client is: only we can have written it.
static enum err resolve(struct run *r, uint64_t bytes)
{
    struct resolve_options o = {.separators = span_from_str(r->d->separators),
                                .allow_remote = r->env->allow_remote,
                                .bytes = bytes};
    size_t n = r->env->count;
    struct span *addresses = arena_zalloc(&r->arena, n ? n : 1, sizeof(*addresses));
    bool *restored = arena_zalloc(&r->arena, n ? n : 1, sizeof(*restored));
    enum err e = addresses && restored ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct span given = r->env->recipients[i].address;

        e = restore_address(r, given, &addresses[i]);
        restored[i] = e == ERR_OK && addresses[i].p != given.p;
    }
    o.allowed = restored;
    return e == ERR_OK ? delivery_resolve(r->d->store, &o, addresses, n, &r->arena, &r->to) : e;
}

static void set_all(struct delivery_envelope *env, const struct delivery_answer *a)
{
    for (size_t i = 0; i < env->count; i++) {
        env->recipients[i].answer = *a;
    }
}

static void set_verdicts(struct run *r)
{
    for (size_t i = 0; i < r->env->count; i++) {
        r->env->recipients[i].answer = of_verdict[r->to.verdicts[i]];
    }
}

enum err delivery_check(struct delivery *d, const struct delivery_envelope *env, uint64_t bytes,
                        struct delivery_recipient *r)
{
    struct delivery_envelope one = *env;
    struct run run = {.d = d, .env = &one};

    one.recipients = r;
    one.count = 1;
    arena_init(&run.arena, ARENA_BYTES_MAX);
    enum err e = resolve(&run, bytes);

    if (e == ERR_OK) {
        set_verdicts(&run);
    } else {
        r->answer = trouble;
    }
    arena_finish(&run.arena);
    return e;
}

// ---- loops --------------------------------------------------------------------------------------

static unsigned count_fields(struct span header, struct span name, unsigned max)
{
    struct mime_field f;
    unsigned n = 0;

    while (n <= max && mime_header_find(&header, name, &f)) {
        n++;
    }
    return n;
}

// It has been forwarded by this address before: once more would go on for ever.
static bool has_passed(struct span header, struct span address)
{
    struct mime_field f;

    while (mime_header_find(&header, SPAN("Delivered-To"), &f)) {
        if (span_eq_nocase(span_trim(f.body), address)) {
            return true;
        }
    }
    return false;
}

// ---- the bytes ----------------------------------------------------------------------------------

static enum err copy_bytes(struct run *r, struct incoming *to)
{
    struct buf piece;
    uint64_t at = 0;
    enum err e = ERR_OK;

    buf_init(&piece, READ_BYTES);
    while (at < r->message->bytes && e == ERR_OK) {
        buf_clear(&piece);
        e = r->message->read(r->message->arg, at, READ_BYTES, &piece);
        if (e == ERR_OK && piece.n == 0) {
            e = ERR_EOF;
        }
        if (e == ERR_OK) {
            e = incoming_write(to, buf_span(&piece));
            at += piece.n;
        }
    }
    buf_finish(&piece);
    return e;
}

static enum err take_in(struct run *r, bool return_path, struct incoming **out)
{
    struct incoming *m;
    enum err e = incoming_begin(r->d->store, &m);

    if (e != ERR_OK) {
        return e;
    }
    if (return_path) { // RFC 5321 4.4: where it is delivered for good
        e = incoming_write(m, SPAN("Return-Path: <"));
        e = e == ERR_OK ? incoming_write(m, r->env->sender) : e;
        e = e == ERR_OK ? incoming_write(m, SPAN(">\r\n")) : e;
    }
    e = e == ERR_OK ? incoming_write(m, r->message->prefix) : e;
    e = e == ERR_OK ? copy_bytes(r, m) : e;
    e = e == ERR_OK ? incoming_finish(m) : e;
    if (e != ERR_OK) {
        incoming_destroy(m);
        return e;
    }
    *out = m;
    return ERR_OK;
}

// ---- the queue ----------------------------------------------------------------------------------

// What leaves on somebody's behalf has a sender of that somebody's domain.
static enum err sender_for(struct run *r, struct span forwarder, struct span *out)
{
    struct span domain = span_skip(forwarder, span_find_byte(forwarder, '@') + 1);
    enum err e = srs_rewrite(r->d->srs_key, r->env->sender, domain, clock_real_s(), &r->arena, out);

    if (e == ERR_LIMIT) {
        *out = forwarder;
        e = ERR_OK;
    }
    return e;
}

// `forwarder`: on whose behalf, or empty.
static enum err submit(struct run *r, struct span forwarder,
                       const struct queue_recipient *recipients, size_t count)
{
    struct queue_message m = {
        .expires_ms = clock_real_ms() + (int64_t)r->d->expire_s * 1000,
        .body = incoming_body(r->leaving),
        .body_bytes = incoming_bytes(r->leaving),
        .flags = r->env->flags,
        .submitter = r->env->submitter,
        .sender = r->env->sender,
        .envid = r->env->envid,
        .message_id = span_first(mime_header_get(r->message->header, SPAN("Message-ID")), 900),
        .device = r->env->device,
        .origin = r->env->origin,
        .prefix = SPAN(""),
    };
    struct buf lines;
    queue_id id;
    enum err e = ERR_OK;

    buf_init(&lines, LINES_BYTES_MAX);
    if (forwarder.n) {
        e = sender_for(r, forwarder, &m.sender);
        buf_printf(&lines, "Delivered-To: %.*s\r\n", SPAN_ARG(forwarder));
        m.prefix = buf_span(&lines);
    }
    if (r->env->hold_until_ms) {
        m.expires_ms += r->env->hold_until_ms - clock_real_ms();
    }
    e = e == ERR_OK ? queue_submit(r->d->queue, &m, recipients, count, &id) : e;
    buf_finish(&lines);
    return e;
}

// ---- here ---------------------------------------------------------------------------------------

static enum err junk_of(struct run *r, account_id account, mailbox_id *out)
{
    const struct mailbox *const *all;
    size_t count;
    struct view *v;
    enum err e = view_open(r->d->store, account, &v);

    *out = 0;
    if (e != ERR_OK) {
        return e;
    }
    e = view_mailboxes(v, &all, &count);
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        if (all[i]->special_use & USE_JUNK) {
            *out = all[i]->id;
        }
    }
    view_close(v);
    return e;
}

static struct delivery_recipient *recipient_of(struct run *r, const struct resolve_target *t)
{
    return &r->env->recipients[t->recipient];
}

// What the client takes for one thing: a recipient where it hears of each, else the whole.
static bool *group_of(struct run *r, const struct resolve_target *t)
{
    return &r->done[r->env->one_answer ? 0 : t->recipient];
}

static void settle(struct run *r, const struct resolve_target *t, enum err e)
{
    if (e != ERR_OK) {
        recipient_of(r, t)->answer = answer_of(e);
    } else {
        *group_of(r, t) = true;
    }
}

// The accounts among the targets, as the store wants them; from[i] is whose targets[i] is.
static enum err list_accounts(struct run *r, struct delivery_target **targets,
                              const struct resolve_target ***from, size_t *out_count)
{
    size_t n = 0;
    enum err e = ERR_OK;

    *targets = arena_zalloc(&r->arena, r->to.count, sizeof(**targets));
    *from = arena_zalloc(&r->arena, r->to.count, sizeof(**from));
    if (!*targets || !*from) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < r->to.count && e == ERR_OK; i++) {
        const struct resolve_target *t = &r->to.targets[i];

        if (!t->account) {
            continue;
        }
        (*targets)[n].account = t->account;
        (*from)[n] = t;
        if (r->env->is_suspect) {
            e = junk_of(r, t->account, &(*targets)[n].mailbox);
        }
        n++;
    }
    *out_count = n;
    return e;
}

// From the queue it is tried here later.
static enum err queue_here(struct run *r, const struct resolve_target **targets, size_t n)
{
    struct queue_recipient *q = arena_zalloc(&r->arena, n, sizeof(*q));
    enum err e = q ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        const struct delivery_recipient *from = recipient_of(r, targets[i]);

        q[i] = (struct queue_recipient){.address = targets[i]->address,
                                        .destination = SPAN(DELIVERY_HERE),
                                        .orcpt = from->orcpt,
                                        .notify = from->notify,
                                        .due_ms = r->env->hold_until_ms};
    }
    if (e == ERR_OK && !r->leaving) {
        e = take_in(r, false, &r->leaving);
    }
    return e == ERR_OK ? submit(r, SPAN(""), q, n) : e;
}

// Others of the group have their copy already, and a second try of all would double it: these are
// tried again from the queue.
static void settle_failed(struct run *r, const struct delivery_target *targets,
                          const struct resolve_target **from, size_t n)
{
    size_t waiting = 0;

    for (size_t i = 0; i < n; i++) {
        enum err e = targets[i].result;
        bool can_wait = !r->is_retry && (r->env->is_ours || *group_of(r, from[i]));

        if (e != ERR_OK && e != ERR_LIMIT && can_wait) {
            from[waiting++] = from[i];
        } else {
            settle(r, from[i], e);
        }
    }
    enum err e = waiting ? queue_here(r, from, waiting) : ERR_OK;

    for (size_t i = 0; i < waiting; i++) {
        settle(r, from[i], e);
    }
}

static enum err deliver_here(struct run *r)
{
    struct span said = r->env->device.n ? r->env->device : r->env->verdict;
    struct actor by = {.kind = ACTOR_DELIVERY,
                       .device = span_first(said, 64),
                       .origin = span_first(r->env->sender, 128)};
    struct delivery_target *targets;
    const struct resolve_target **from;
    size_t n;
    enum err e = list_accounts(r, &targets, &from, &n);

    if (e != ERR_OK || n == 0) {
        return e;
    }
    if (r->is_held) {
        e = queue_here(r, from, n);
        for (size_t i = 0; i < n; i++) {
            settle(r, from[i], e);
        }
        return ERR_OK;
    }
    store_deliver(r->d->store, &by, r->incoming, targets, n);
    for (size_t i = 0; i < n; i++) {
        if (targets[i].result == ERR_OK) {
            settle(r, from[i], ERR_OK);
        }
    }
    settle_failed(r, targets, from, n);
    return ERR_OK;
}

// ---- elsewhere ----------------------------------------------------------------------------------

static enum err destination_of(struct arena *a, struct span address, struct span *out)
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

static bool same_group(const struct resolve_target *a, const struct resolve_target *b)
{
    return !b->account && span_eq(a->forwarded_by, b->forwarded_by);
}

static enum err fill_recipient(struct run *r, const struct resolve_target *t,
                               struct queue_recipient *out)
{
    const struct delivery_recipient *from = recipient_of(r, t);

    *out = (struct queue_recipient){.address = t->address,
                                    .orcpt = from->orcpt,
                                    .notify = from->notify,
                                    .due_ms = r->env->hold_until_ms};
    return destination_of(&r->arena, t->address, &out->destination);
}

// All that leave for the same reason as the target at `start` are one message in the queue.
static enum err send_group(struct run *r, size_t start, bool *done)
{
    const struct resolve_target *first = &r->to.targets[start];
    struct queue_recipient *recipients =
        arena_zalloc(&r->arena, r->to.count - start, sizeof(struct queue_recipient));
    size_t n = 0;
    enum err e = recipients ? ERR_OK : ERR_NOMEM;
    bool loops = first->forwarded_by.n && has_passed(r->message->header, first->forwarded_by);

    for (size_t i = start; i < r->to.count && e == ERR_OK; i++) {
        if (!done[i] && same_group(first, &r->to.targets[i])) {
            e = fill_recipient(r, &r->to.targets[i], &recipients[n++]);
        }
    }
    if (e == ERR_OK) {
        e = loops ? ERR_DENIED : submit(r, first->forwarded_by, recipients, n);
    }
    for (size_t i = start; i < r->to.count; i++) {
        const struct resolve_target *t = &r->to.targets[i];

        if (!done[i] && same_group(first, t)) {
            done[i] = true;
            if (loops) {
                recipient_of(r, t)->answer = looping;
            } else {
                settle(r, t, e);
            }
        }
    }
    return ERR_OK;
}

static enum err send_away(struct run *r)
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

// ---- all of it ----------------------------------------------------------------------------------

static enum err take_bodies(struct run *r)
{
    bool here = false, away = false, held = r->is_held;
    enum err e = ERR_OK;

    for (size_t i = 0; i < r->to.count; i++) {
        here |= r->to.targets[i].account && !held;
        away |= !r->to.targets[i].account || held;
    }
    if (here) {
        e = take_in(r, true, &r->incoming);
    }
    if (away && e == ERR_OK) {
        e = take_in(r, false, &r->leaving);
    }
    return e;
}

// What is tried again here was forwarded the first time. Where nothing is left, it had a reason
// that the mail could not go on from there.
static void leave_accounts(struct resolution *to)
{
    size_t n = 0;

    for (size_t i = 0; i < to->count; i++) {
        if (to->targets[i].account) {
            to->targets[n++] = to->targets[i];
        }
    }
    if (n == 0 && to->verdicts[0] == RESOLVE_OK) {
        to->verdicts[0] = RESOLVE_LOOP;
    }
    to->count = n;
}

// A recipient that leads only to where another leads is as well off as that one: nothing of it is
// lost when all that could not be done is done again.
static enum err settle_followers(struct run *r)
{
    bool *leads = arena_zalloc(&r->arena, r->env->count, sizeof(bool));
    const struct delivery_answer *bad = NULL;

    if (!leads) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < r->to.count; i++) {
        leads[r->to.targets[i].recipient] = true;
    }
    for (size_t i = 0; i < r->env->count && !bad; i++) {
        const struct delivery_answer *a = &r->env->recipients[i].answer;

        bad = a->outcome == DELIVERY_TEMPORARY ? a : NULL;
    }
    for (size_t i = 0; i < r->env->count && bad; i++) {
        struct delivery_answer *a = &r->env->recipients[i].answer;

        if (!leads[i] && a->outcome == DELIVERY_ACCEPTED) {
            *a = *bad;
        }
    }
    return ERR_OK;
}

// The client hears that the message was taken: who sent it must be told of those that it is not
// delivered to, or wait for those that could not be asked now.
static enum err settle_rest(struct run *r)
{
    struct queue_recipient *q = arena_zalloc(&r->arena, r->env->count, sizeof(*q));
    size_t n = 0;
    enum err e = q ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < r->env->count && e == ERR_OK; i++) {
        const struct delivery_recipient *to = &r->env->recipients[i];

        if (to->answer.outcome != DELIVERY_ACCEPTED) {
            q[n++] = (struct queue_recipient){.address = to->address,
                                              .destination = SPAN(DELIVERY_HERE),
                                              .orcpt = to->orcpt,
                                              .notify = to->notify};
        }
    }
    if (e == ERR_OK && n && !r->leaving) {
        e = take_in(r, false, &r->leaving);
    }
    e = e == ERR_OK && n ? submit(r, SPAN(""), q, n) : e;
    for (size_t i = 0; i < r->env->count && e == ERR_OK; i++) {
        r->env->recipients[i].answer = accepted;
    }
    return e;
}

static enum err run_all(struct run *r)
{
    enum err e = resolve(r, r->message->bytes);

    if (e != ERR_OK) {
        return e;
    }
    if (r->is_retry) {
        leave_accounts(&r->to);
    }
    r->done = arena_zalloc(&r->arena, r->env->count + 1, sizeof(bool));
    if (!r->done) {
        return ERR_NOMEM;
    }
    set_verdicts(r);
    e = take_bodies(r);
    if (e == ERR_OK) {
        e = send_away(r);
    }
    if (e == ERR_OK) {
        e = deliver_here(r);
    }
    if (e == ERR_OK) {
        e = settle_followers(r);
    }
    return e == ERR_OK && r->done[0] && r->env->one_answer && !r->is_retry ? settle_rest(r) : e;
}

static enum err run_once(struct delivery *d, struct delivery_envelope *env,
                         const struct delivery_message *m, bool is_retry)
{
    struct run r = {.d = d,
                    .env = env,
                    .message = m,
                    .is_retry = is_retry,
                    .is_held = !is_retry && env->hold_until_ms > clock_real_ms()};

    arena_init(&r.arena, ARENA_BYTES_MAX);
    enum err e = run_all(&r);

    if (e != ERR_OK) {
        struct delivery_answer a = answer_of(e);

        set_all(env, &a);
    }
    incoming_destroy(r.incoming);
    incoming_destroy(r.leaving);
    arena_finish(&r.arena);
    return e;
}

enum err delivery_run(struct delivery *d, struct delivery_envelope *env,
                      const struct delivery_message *m)
{
    if (count_fields(m->header, SPAN("Received"), DELIVERY_HOPS_MAX) > DELIVERY_HOPS_MAX) {
        set_all(env, &looping);
        return ERR_OK;
    }
    return run_once(d, env, m, false);
}

void delivery_again(struct delivery *d, const struct queue_message *m, struct span address,
                    enum err (*read)(void *arg, uint64_t offset, size_t n, struct buf *out),
                    void *arg, struct delivery_answer *out)
{
    struct delivery_recipient to = {.address = address};
    struct delivery_envelope env = {.sender = m->sender,
                                    .device = m->device,
                                    .origin = m->origin,
                                    .recipients = &to,
                                    .count = 1};
    struct delivery_message message = {.prefix = SPAN(""),
                                       .read = read,
                                       .arg = arg,
                                       .bytes = m->prefix.n + m->body_bytes,
                                       .header = SPAN("")};

    // The hops were counted, and forwardings done, when it was taken in.
    run_once(d, &env, &message, true);
    *out = to.answer;
}
