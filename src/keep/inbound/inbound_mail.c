// SPDX-License-Identifier: Apache-2.0
//
// Envelopes and content, frame by frame. A frame that cannot come in this state ends the
// conversation: the gate is ours, and is not trusted to be itself.
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/inbound/inbound_internal.h"
#include "keep/inbound/sender_right.h"

#include "base/banned.h"

#define ENVELOPE_BYTES_MAX (24u << 20)

static const struct mail_reply mail_ok = {250, "2.1.0", "Ok"},
                               trouble = {451, "4.3.0", "Trouble here; try again later"},
                               too_large = {552, "5.3.4",
                                            "The message is larger than allowed here"},
                               not_yours = {550, "5.7.1", "This sender is not an address of yours"},
                               refused_before = {503, "5.5.1", "The sender was refused"},
                               too_many = {452, "4.5.3",
                                           "Too many recipients; send to these first"},
                               too_fast = {450, "4.7.1",
                                           "Too many recipients within an hour; try again later"};

enum err mail_answer(struct mail_session *s, uint32_t recipient, const struct mail_reply *r)
{
    struct ipc_mail_answer m = {.recipient = recipient,
                                .code = (uint16_t)r->code,
                                .enhanced = span_from_str(r->enhanced),
                                .text = span_from_str(r->text)};

    return ipc_mail_answer_encode(&m, 0, conn_output(s->conn));
}

void mail_reset(struct mail_session *s)
{
    if (s->state != MAIL_STATE_IDLE) {
        arena_finish(&s->t.arena);
        free(s->t.accepted);
        free(s->t.places);
        spool_destroy(s->t.spool);
    }
    s->t = (struct mail_transaction){.count = 0};
    s->state = MAIL_STATE_IDLE;
}

// ---- MAIL_FROM ----------------------------------------------------------------------------------

static void begin(struct mail_session *s, const struct ipc_mail_from *m)
{
    struct mail_transaction *t = &s->t;
    struct inbound *in = s->in;
    bool ours = s->login.grant.account != 0;

    mail_reset(s);
    s->state = MAIL_STATE_ENVELOPE;
    arena_init(&t->arena, ENVELOPE_BYTES_MAX);
    lock_take(&in->lock);
    t->limits = in->limits;
    lock_release(&in->lock);
    t->announced = m->bytes;
    t->env = (struct delivery_envelope){
        .sender = arena_dup(&t->arena, m->sender),
        .envid = arena_dup(&t->arena, m->envid),
        .flags = m->flags & (QUEUE_SMTPUTF8 | QUEUE_8BITMIME | QUEUE_BINARYMIME | QUEUE_REQUIRETLS |
                             QUEUE_RET_FULL | QUEUE_RET_HDRS),
        .submitter = s->login.grant.account,
        .device_id = s->login.grant.device,
        .device = s->login.grant.device ? span_from_str(s->device)
                  : ours                ? arena_dup(&t->arena, m->helo)
                                        : SPAN(""),
        .origin = span_from_str(s->remote),
        .allow_remote = ours || s->is_trusted,
        .one_answer = s->protocol != IPC_LMTP,
        .texts = &t->arena,
        .helo = arena_dup(&t->arena, m->helo),
        .tls = span_from_str(s->tls),
        .user = span_from_str(s->user),
        .how = mail_how(s),
        .mail = in->options.trail ? trail_number(in->options.trail) : 0,
    };
    if (ours) {
        int64_t now = clock_real_ms(), undo = t->limits.undo_ms ? now + t->limits.undo_ms : 0;
        int64_t hold = m->hold_until_ms < INT64_MAX / 2 ? (int64_t)m->hold_until_ms : 0;

        t->env.hold_until_ms = hold > undo ? hold : undo;
    }
}

// Why this sender is refused; NULL: it is not.
static const struct mail_reply *refusal_of_sender(struct mail_session *s)
{
    const struct mail_transaction *t = &s->t;
    bool may = true;

    if (s->closed) {
        return s->closed;
    }
    if (!t->env.sender.p || !t->env.envid.p || !t->env.device.p || !t->env.helo.p) {
        return &trouble;
    }
    if (t->announced > t->limits.message_bytes_max) {
        return &too_large;
    }
    // The null path is for answers that programs write.
    if (s->login.grant.account && t->env.sender.n &&
        sender_right(s->in->options.store, s->in->options.separators, s->login.grant.account,
                     t->env.sender, &may) != ERR_OK) {
        return &trouble;
    }
    return may ? NULL : &not_yours;
}

static enum err take_from(struct mail_session *s, struct span fields)
{
    struct ipc_mail_from m;
    enum err e = ipc_mail_from_decode(fields, &m);

    if (e != ERR_OK || (s->state != MAIL_STATE_IDLE && s->state != MAIL_STATE_REFUSED)) {
        return ERR_INVALID;
    }
    begin(s, &m);
    const struct mail_reply *refusal = refusal_of_sender(s);

    if (refusal) {
        struct mail_refusal why = mail_refusal_of(refusal);

        s->state = MAIL_STATE_REFUSED;
        mail_refused(s, NULL, 0, &why);
    }
    return mail_answer(s, IPC_MAIL_ALL, refusal ? refusal : &mail_ok);
}

// ---- MAIL_RCPT ----------------------------------------------------------------------------------

static bool grow(struct mail_transaction *t)
{
    if (t->count < t->cap) {
        return true;
    }
    size_t cap = t->cap ? t->cap * 2 : 8;
    void *accepted = realloc(t->accepted, cap * sizeof(*t->accepted));

    if (!accepted) {
        return false;
    }
    t->accepted = accepted;
    void *places = realloc(t->places, cap * sizeof(*t->places));

    if (!places) {
        return false;
    }
    t->places = places;
    t->cap = cap;
    return true;
}

// RFC 5321 4.5.1: <postmaster> without a domain is somebody here.
static struct span full_address(struct mail_session *s, struct span given)
{
    struct span domain = s->in->options.default_domain;
    char *p;

    if (span_find_byte(given, '@') < given.n || !domain.n ||
        !(p = arena_alloc(&s->t.arena, given.n + 1 + domain.n))) {
        return arena_dup(&s->t.arena, given);
    }
    memcpy(p, given.p, given.n);
    p[given.n] = '@';
    memcpy(p + given.n + 1, domain.p, domain.n);
    return span_of(p, given.n + 1 + domain.n);
}

// Within what one account may write in an hour?
static bool rate_takes(struct mail_session *s)
{
    return !s->login.grant.account ||
           send_rate_take(s->in->rate, s->login.grant.account, s->t.limits.recipients_per_hour,
                          clock_monotonic_ms());
}

static struct mail_reply add_recipient(struct mail_session *s, const struct ipc_mail_rcpt *m)
{
    struct mail_transaction *t = &s->t;
    struct delivery_recipient r = {.address = full_address(s, m->address),
                                   .orcpt = arena_dup(&t->arena, m->orcpt),
                                   .notify = m->notify};

    if (t->count >= QUEUE_RECIPIENTS_MAX || !r.address.p || !r.orcpt.p || !grow(t)) {
        return too_many;
    }
    delivery_check(s->in->options.delivery, &t->env, t->announced, &r);
    if (r.answer.outcome == DELIVERY_ACCEPTED && !rate_takes(s)) {
        return too_fast;
    }
    if (r.answer.outcome == DELIVERY_ACCEPTED) {
        t->places[t->count] = t->named;
        t->accepted[t->count++] = r;
    }
    return (struct mail_reply){r.answer.code, r.answer.enhanced, r.answer.text};
}

static enum err take_rcpt(struct mail_session *s, struct span fields)
{
    struct ipc_mail_rcpt m;
    enum err e = ipc_mail_rcpt_decode(fields, &m);
    struct mail_reply reply = refused_before;

    if (e != ERR_OK || (s->state != MAIL_STATE_ENVELOPE && s->state != MAIL_STATE_REFUSED)) {
        return ERR_INVALID;
    }
    if (s->state == MAIL_STATE_ENVELOPE) {
        reply = add_recipient(s, &m);
    }
    if (s->state == MAIL_STATE_ENVELOPE && reply.code >= 400) {
        const struct delivery_recipient r = {.address = m.address};
        struct mail_refusal why = mail_refusal_of(&reply);

        mail_refused(s, &r, 1, &why);
    }
    return mail_answer(s, s->t.named++, &reply);
}

// ---- MAIL_DATA ----------------------------------------------------------------------------------

static enum err open_spool(struct mail_session *s)
{
    struct spool_options o = {.bytes_max = s->t.limits.message_bytes_max,
                              .memory_bytes = INBOUND_MEMORY_BYTES,
                              .dir = s->in->dir,
                              .without_hash = true};

    return spool_create_with(&o, &s->t.spool);
}

static enum err take_data(struct mail_session *s, struct span fields)
{
    struct mail_transaction *t = &s->t;
    struct ipc_mail_data m;
    enum err e = ipc_mail_data_decode(fields, &m);

    if (e != ERR_OK || s->state == MAIL_STATE_IDLE) {
        return ERR_INVALID;
    }
    if (s->state == MAIL_STATE_REFUSED) {
        return ERR_OK;
    }
    s->state = MAIL_STATE_CONTENT;
    if (t->count && t->content == ERR_OK) {
        t->content = t->spool ? ERR_OK : open_spool(s);
    }
    if (t->count && t->content == ERR_OK) {
        spool_write(t->spool, m.bytes);
        t->content = spool_result(t->spool);
    }
    return ERR_OK;
}

// ---- MAIL_DMARC ---------------------------------------------------------------------------------

static enum err keep_seen(struct mail_session *s, const struct ipc_mail_dmarc *m)
{
    struct report_seen *seen = arena_zalloc(&s->t.arena, 1, sizeof(*seen));

    if (!seen) {
        return ERR_NOMEM;
    }
    *seen = (struct report_seen){.domain = arena_dup(&s->t.arena, m->domain),
                                 .policy = m->policy,
                                 .subdomain_policy = m->subdomain_policy,
                                 .percent = m->percent,
                                 .strict = m->strict,
                                 .disposition = m->disposition,
                                 .aligned = m->aligned,
                                 .source = s->t.env.origin,
                                 .header_from = arena_dup(&s->t.arena, m->header_from),
                                 .envelope_from = arena_dup(&s->t.arena, m->envelope_from),
                                 .reason = arena_dup(&s->t.arena, m->reason),
                                 .checks = arena_dup(&s->t.arena, m->checks)};
    if (!seen->domain.p || !seen->header_from.p || !seen->envelope_from.p || !seen->reason.p ||
        !seen->checks.p) {
        return ERR_NOMEM;
    }
    s->t.env.seen = s->t.seen = seen;
    return ERR_OK;
}

// Without memory nobody is told; the message does not suffer.
static enum err take_dmarc(struct mail_session *s, struct span fields)
{
    struct ipc_mail_dmarc m;
    enum err e = ipc_mail_dmarc_decode(fields, &m);

    if (e != ERR_OK || s->state == MAIL_STATE_IDLE || !m.domain.n || m.policy > 2 ||
        m.subdomain_policy > 2 || m.disposition > 2 || m.percent > 100 || m.strict > 3 ||
        m.aligned > 3) {
        return ERR_INVALID;
    }
    if (s->state != MAIL_STATE_REFUSED && s->t.env.mail) {
        keep_seen(s, &m);
    }
    return ERR_OK;
}

// ---- all of them --------------------------------------------------------------------------------

static enum err take_end(struct mail_session *s, struct span fields)
{
    struct ipc_mail_end m;
    enum err e = ipc_mail_end_decode(fields, &m);

    if (e != ERR_OK || s->state == MAIL_STATE_IDLE) {
        return ERR_INVALID;
    }
    if (s->state != MAIL_STATE_REFUSED) {
        e = mail_end(s, &m);
    } else if (s->protocol != IPC_LMTP) {
        e = mail_answer(s, IPC_MAIL_ALL, &refused_before);
    }
    mail_reset(s);
    return e;
}

static enum err take_reset(struct mail_session *s, struct span fields)
{
    struct ipc_mail_reset m;
    enum err e = ipc_mail_reset_decode(fields, &m);

    if (e == ERR_OK && m.code && s->state != MAIL_STATE_IDLE && s->t.count) {
        struct mail_refusal why = {m.code, m.enhanced, m.text, m.verdict};

        mail_refused(s, s->t.accepted, s->t.count, &why);
    }
    if (e == ERR_OK && s->t.count && s->login.grant.account) {
        send_rate_give(s->in->rate, s->login.grant.account, (uint32_t)s->t.count);
    }
    mail_reset(s);
    return e;
}

enum err mail_take(struct mail_session *s, const struct ipc_frame *f)
{
    if (f->fds) {
        return ERR_INVALID;
    }
    switch (f->type) {
    case IPC_MAIL_FROM:
        return take_from(s, f->fields);
    case IPC_MAIL_RCPT:
        return take_rcpt(s, f->fields);
    case IPC_MAIL_DATA:
        return take_data(s, f->fields);
    case IPC_MAIL_END:
        return take_end(s, f->fields);
    case IPC_MAIL_RESET:
        return take_reset(s, f->fields);
    case IPC_MAIL_DMARC:
        return take_dmarc(s, f->fields);
    default:
        return ERR_INVALID;
    }
}
