// SPDX-License-Identifier: Apache-2.0
#include "delivery/delivery.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "delivery/delivery_internal.h"
#include "delivery/srs.h"
#include "mime/mime_header.h"

#include "base/banned.h"

#define ARENA_BYTES_MAX (64u << 20)

// ---- answers ------------------------------------------------------------------------------------

static const struct delivery_answer accepted = {DELIVERY_ACCEPTED, 250, "2.0.0", "Ok"};
static const struct delivery_answer trouble = {DELIVERY_TEMPORARY, 451, "4.3.0",
                                               "Trouble here; try again later"};
static const struct delivery_answer full_disk = {DELIVERY_TEMPORARY, 452, "4.3.1",
                                                 "No space here; try again later"};
static const struct delivery_answer too_large = {DELIVERY_REFUSED, 552, "5.3.4",
                                                 "The message is larger than allowed here"};
const struct delivery_answer delivery_looping = {DELIVERY_REFUSED, 554, "5.4.6",
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

struct delivery_answer delivery_answer_of(enum err e)
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
    d->duplicates_s = o->duplicates_s;
    d->hierarchy = o->hierarchy ? o->hierarchy : '/';
    d->trail = o->trail;
    d->reports = o->trail ? o->reports : NULL;
    struct span server = span_first(o->server, sizeof(d->server) - 1);
    struct span separators = span_first(o->separators, sizeof(d->separators) - 1);

    struct span address = span_first(o->report_address, sizeof(d->report_address) - 1);

    if (address.n) {
        memcpy(d->report_address, address.p, address.n);
    }
    memcpy(d->server, server.p, server.n);
    memcpy(d->separators, separators.p, separators.n);
    enum err e = store_secret(s, "srs", d->srs_key);

    e = e == ERR_OK ? signer_create(s, &d->signer) : e;

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
        signer_destroy(d->signer);
        explicit_bzero(d->srs_key, sizeof(d->srs_key));
        free(d);
    }
}

struct delivery_recipient *delivery_recipient_of(struct run *r, const struct resolve_target *t)
{
    return &r->env->recipients[t->recipient];
}

bool *delivery_group_of(struct run *r, const struct resolve_target *t)
{
    return &r->done[r->env->one_answer ? 0 : t->recipient];
}

void delivery_settle(struct run *r, const struct resolve_target *t, enum err e)
{
    if (e != ERR_OK) {
        delivery_recipient_of(r, t)->answer = delivery_answer_of(e);
    } else {
        *delivery_group_of(r, t) = true;
    }
}

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
                                .ignores_quota = r->env->is_ours,
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
        e = deliver_need_incoming(r);
    }
    return away && e == ERR_OK ? deliver_need_leaving(r) : e;
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
    struct deliver_letter l = {.sender = r->env->sender,
                               .flags = r->env->flags,
                               .why = "rest",
                               .is_itself = true,
                               .words = "not delivered at once; others of the message were"};
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
    e = e == ERR_OK && n ? deliver_need_leaving(r) : e;
    l.body = r->leaving;
    e = e == ERR_OK && n ? deliver_submit(r, &l, q, n) : e;
    for (size_t i = 0; i < r->env->count && e == ERR_OK; i++) {
        r->env->recipients[i].answer = accepted;
    }
    return e;
}

static enum err count_targets(struct run *r)
{
    size_t n = r->env->count;

    r->target_counts = arena_zalloc(&r->arena, n ? n : 1, sizeof(*r->target_counts));
    for (size_t i = 0; i < r->to.count && r->target_counts; i++) {
        r->target_counts[r->to.targets[i].recipient]++;
    }
    r->done = arena_zalloc(&r->arena, n + 1, sizeof(bool));
    return r->target_counts && r->done ? ERR_OK : ERR_NOMEM;
}

// Who asked to hear of success hears of what became many (RFC 3461 5.2.7.2). A notice that cannot
// be kept is no reason to send the message again.
static void tell_expanded(struct run *r)
{
    for (uint32_t i = 0; i < r->env->count && !r->is_retry; i++) {
        if (r->target_counts[i] < 2 || r->env->recipients[i].answer.outcome != DELIVERY_ACCEPTED) {
            continue;
        }
        enum err e = deliver_tell(r, i, QUEUE_DELIVERED, SPAN(DELIVERY_GROUP),
                                  SPAN("250 2.1.5 sent on to several"));

        if (e != ERR_OK) {
            log_warn("a notice of success cannot be sent: %s", err_name(e));
        }
    }
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
    set_verdicts(r);
    e = count_targets(r);
    e = e == ERR_OK ? take_bodies(r) : e;
    e = e == ERR_OK ? deliver_away(r) : e;
    e = e == ERR_OK ? deliver_here(r) : e;
    e = e == ERR_OK ? settle_followers(r) : e;
    if (e == ERR_OK) {
        tell_expanded(r);
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
                    .is_held = !is_retry && env->hold_until_ms > clock_real_ms(),
                    .budget = {SIEVE_STEPS_DEFAULT},
                    .redirects_left = REDIRECTS_MAX,
                    .is_traced = env->is_traced};

    if (d->trail) {
        r.mail = env->mail ? env->mail : trail_number(d->trail);
    }
    arena_init(&r.arena, ARENA_BYTES_MAX);
    enum err e = run_all(&r);

    if (e != ERR_OK) {
        struct delivery_answer a = delivery_answer_of(e);

        set_all(env, &a);
    } else {
        deliver_sent(&r);
    }
    incoming_destroy(r.incoming);
    incoming_destroy(r.leaving);
    buf_finish(&r.shown[0].text);
    buf_finish(&r.shown[1].text);
    arena_finish(&r.arena);
    return e;
}

enum err delivery_run(struct delivery *d, struct delivery_envelope *env,
                      const struct delivery_message *m)
{
    if (count_fields(m->header, SPAN("Received"), DELIVERY_HOPS_MAX) > DELIVERY_HOPS_MAX) {
        set_all(env, &delivery_looping);
        return ERR_OK;
    }
    return run_once(d, env, m, false);
}

// A message from the queue: our lines for it, and its body, in one.
static struct delivery_message
queued(const struct queue_message *m,
       enum err (*read)(void *arg, uint64_t offset, size_t n, struct buf *out), void *arg)
{
    return (struct delivery_message){.prefix = SPAN(""),
                                     .read = read,
                                     .arg = arg,
                                     .bytes = m->prefix.n + m->body_bytes,
                                     .header = SPAN("")};
}

void delivery_again(struct delivery *d, const struct queue_message *m, struct span address,
                    enum err (*read)(void *arg, uint64_t offset, size_t n, struct buf *out),
                    void *arg, struct delivery_answer *out)
{
    // What somebody's rules sent on is looked up here for the first time; the rest was, its hops
    // counted and forwardings done, when it was taken in.
    bool is_new = m->flags & QUEUE_SENT_ON;
    char once[40];
    int n = snprintf(once, sizeof(once), "queue %s", queue_id_text(m->id).s);
    struct delivery_recipient to = {.address = address};
    struct delivery_envelope env = {.sender = m->sender,
                                    .envid = m->envid,
                                    .flags = m->flags & ~(unsigned)(QUEUE_SENT_ON | QUEUE_SUSPECT),
                                    .is_suspect = m->flags & QUEUE_SUSPECT,
                                    .submitter = m->submitter,
                                    .device = m->device,
                                    .device_id = m->device_id,
                                    .origin = m->origin,
                                    .mail = m->mail,
                                    .is_traced = true,
                                    .allow_remote = is_new,
                                    .is_ours = is_new,
                                    .once = span_of(once, (size_t)n),
                                    .same = m->same,
                                    .recipients = &to,
                                    .count = 1};
    struct delivery_message message = queued(m, read, arg);

    run_once(d, &env, &message, !is_new);
    *out = to.answer;
}
