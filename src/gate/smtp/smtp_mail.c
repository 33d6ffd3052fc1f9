// SPDX-License-Identifier: Apache-2.0
//
// Envelopes: MAIL and RCPT on their way to keep, and keep's answers on their way back.
#include "base/clock.h"
#include "base/log.h"
#include "gate/smtp/smtp_session_internal.h"

#include "base/banned.h"

// The numbers of enum queue_message_flag and enum queue_notify; the gate knows no queue.
enum { SMTPUTF8 = 1, EIGHT_BIT = 2, BINARY = 4, REQUIRETLS = 8, RET_FULL = 16, RET_HDRS = 32 };
enum { NOTIFY_SUCCESS = 1, NOTIFY_FAILURE = 2, NOTIFY_DELAY = 4, NOTIFY_NEVER = 8 };

static const struct smtp_refusal lost_words = {
    451, "4.3.0", "The mail store cannot be reached now; try again later"};

// ---- the transaction ----------------------------------------------------------------------------

bool smtp_is_waiting(const struct dialogue *d)
{
    const struct smtp_transaction *t = &smtp_of(d)->t;

    return t->awaits_mail || t->answered < t->rcpts || t->awaits_end || t->awaits_check;
}

void smtp_tell_refused(struct dialogue *d, const struct ipc_mail_reset *m)
{
    struct smtp_session *s = smtp_of(d);

    if (s->t.is_told) {
        SMTP_TELL(d, ipc_mail_reset_encode(m, 0, &d->pair.out));
        s->t.is_told = false;
    }
}

void smtp_transaction_reset(struct dialogue *d, bool tell_keep)
{
    struct smtp_session *s = smtp_of(d);

    if (s->t.is_told && tell_keep) {
        SMTP_TELL(d, ipc_mail_reset_encode(&(struct ipc_mail_reset){.code = 0}, 0, &d->pair.out));
    }
    if (s->t.check) {
        d->checker->destroy(s->t.check);
    }
    s->t = (struct smtp_transaction){.is_open = false};
    buf_release(&s->sender);
    smtp_names_clear(&s->asked);
    smtp_names_clear(&s->accepted);
}

void smtp_say_of_message(struct dialogue *d, const struct smtp_refusal *r)
{
    uint32_t n = smtp_variant_of(d) == SMTP_LMTP ? smtp_of(d)->t.accepted : 1;

    while (n--) {
        smtp_say_refusal(d, r);
    }
}

uint64_t smtp_recipients_max(const struct dialogue *d)
{
    bool is_stranger = smtp_variant_of(d) == SMTP_PUBLIC && !d->peer.is_known;

    return conf_value_count(d->settings, is_stranger ? SETTING_SMTP_STRANGER_RECIPIENTS_MAX
                                                     : SETTING_SMTP_RECIPIENTS_MAX);
}

// ---- MAIL ---------------------------------------------------------------------------------------

// The address as it goes to keep: as it was said, when it is a name at all (RFC 6531: what hides
// characters is refused). The caller's buffer holds it.
static bool put_address(struct dialogue *d, const struct smtp_address *a, struct buf *out)
{
    struct smtp_address canonical;

    if (a->domain.kind == SMTP_DOMAIN_NONE) { // <>, or postmaster
        buf_put(out, a->local);
        return !out->failed;
    }
    return smtp_address_canonical(a, &smtp_of(d)->arena, &canonical) == ERR_OK &&
           smtp_address_put(out, a) == ERR_OK;
}

static const struct smtp_refusal bad_address = {553, "5.6.7", "No address can look like this one"};

// Milliseconds since 1970, or 0: at once. False: too far away.
static bool hold_until(const struct dialogue *d, const struct smtp_mail *m, uint64_t *out)
{
    int64_t now = clock_real_ms(), max = conf_value_ms(d->settings, SETTING_SUBMISSION_HOLD_MAX);
    int64_t wait = m->hold == SMTP_HOLD_FOR     ? m->hold_value * 1000
                   : m->hold == SMTP_HOLD_UNTIL ? m->hold_value * 1000 - now
                                                : 0;

    *out = wait > 0 ? (uint64_t)(now + wait) : 0;
    return wait <= max;
}

static uint32_t mail_flags(const struct smtp_mail *m)
{
    return (m->utf8 ? SMTPUTF8 : 0u) | (m->body == SMTP_BODY_8BITMIME ? EIGHT_BIT : 0u) |
           (m->body == SMTP_BODY_BINARYMIME ? BINARY | EIGHT_BIT : 0u) |
           (m->requiretls ? REQUIRETLS : 0u) | (m->ret == SMTP_RET_FULL ? RET_FULL : 0u) |
           (m->ret == SMTP_RET_HDRS ? RET_HDRS : 0u);
}

// What is against this MAIL before anybody is asked.
static bool is_mail_refused(struct dialogue *d, const struct smtp_mail *m, struct smtp_refusal *out)
{
    const struct smtp_session *s = smtp_of(d);

    if (s->t.is_open) {
        *out = (struct smtp_refusal){503, "5.5.1", "A message was begun already"};
    } else if (m->has_size && m->size > conf_value_bytes(d->settings, SETTING_MESSAGE_MAX)) {
        *out = (struct smtp_refusal){552, "5.3.4", "The message is too large"};
    } else if (d->admit_message && !d->admit_message(d)) {
        *out = (struct smtp_refusal){451, "4.7.1", "Too many messages in a short time"};
    } else {
        return false;
    }
    return true;
}

static void tell_mail(struct dialogue *d, const struct smtp_mail *m, struct span sender,
                      uint64_t hold_until_ms)
{
    struct smtp_session *s = smtp_of(d);
    struct ipc_mail_from f = {
        .helo = buf_span(&s->helo),
        .sender = sender,
        .envid = m->envid.p ? m->envid : SPAN(""),
        .flags = mail_flags(m),
        .bytes = m->has_size ? m->size : 0,
        .hold_until_ms = hold_until_ms,
    };

    d->pair.is_wanted = true;
    SMTP_TELL(d, ipc_mail_from_encode(&f, 0, &d->pair.out));
    s->t.is_open = s->t.is_told = true;
    s->t.awaits_mail = true;
    buf_put(&s->sender, sender);
    s->t.is_utf8 = m->utf8;
    s->t.body = m->body;
}

void smtp_do_mail(struct dialogue *d, const struct smtp_command *c)
{
    const struct smtp_mail *m = &c->mail;
    uint64_t max = conf_value_count(d->settings, SETTING_SMTP_MESSAGES_MAX), until;
    struct smtp_refusal r;
    struct buf sender;

    if (is_mail_refused(d, m, &r)) {
        smtp_say_refusal(d, &r);
        return;
    }
    if (smtp_of(d)->messages >= max && !d->peer.is_known && smtp_variant_of(d) != SMTP_LMTP) {
        smtp_close_with(d, 421, "4.7.0", "Enough messages for one connection");
        return;
    }
    buf_init(&sender, SMTP_ADDRESS_MAX);
    if (!hold_until(d, m, &until)) {
        smtp_say_bad(d, 501, "5.5.4", "That is too far in the future");
    } else if (put_address(d, &m->from, &sender)) {
        tell_mail(d, m, buf_span(&sender), until);
    } else {
        smtp_say_refusal(d, &bad_address);
    }
    buf_finish(&sender);
}

// ---- RCPT ---------------------------------------------------------------------------------------

bool smtp_rcpt_goes_on(const struct dialogue *d, const struct smtp_rcpt *r)
{
    const struct smtp_transaction *t = &smtp_of(d)->t;
    struct smtp_address canonical;

    return t->is_told && !t->is_chunked && !t->is_refused && t->rcpts < smtp_recipients_max(d) &&
           !t->awaits_end &&
           (r->to.domain.kind == SMTP_DOMAIN_NONE ||
            smtp_address_canonical(&r->to, &smtp_of(d)->arena, &canonical) == ERR_OK);
}

static uint8_t notify_of(uint32_t notify)
{
    return (uint8_t)((notify & SMTP_NOTIFY_SUCCESS ? NOTIFY_SUCCESS : 0) |
                     (notify & SMTP_NOTIFY_FAILURE ? NOTIFY_FAILURE : 0) |
                     (notify & SMTP_NOTIFY_DELAY ? NOTIFY_DELAY : 0) |
                     (notify & SMTP_NOTIFY_NEVER ? NOTIFY_NEVER : 0));
}

static void tell_rcpt(struct dialogue *d, const struct smtp_rcpt *r, struct span address)
{
    struct smtp_transaction *t = &smtp_of(d)->t;
    struct buf orcpt;

    buf_init(&orcpt, SMTP_ADDRESS_MAX);
    if (r->orcpt_type.p) {
        buf_put(&orcpt, r->orcpt_type);
        buf_put_byte(&orcpt, ';');
        buf_put(&orcpt, r->orcpt);
    }
    struct ipc_mail_rcpt m = {
        .address = address, .orcpt = buf_span(&orcpt), .notify = notify_of(r->notify)};

    SMTP_TELL(d, ipc_mail_rcpt_encode(&m, 0, &d->pair.out));
    smtp_names_put(&smtp_of(d)->asked, address);
    t->rcpts++;
    buf_finish(&orcpt);
}

static bool is_rcpt_refused(struct dialogue *d, struct smtp_refusal *out)
{
    const struct smtp_transaction *t = &smtp_of(d)->t;

    if (!t->is_open) {
        *out = (struct smtp_refusal){503, "5.5.1", "Say MAIL first"};
    } else if (t->is_chunked) {
        *out = (struct smtp_refusal){503, "5.5.1", "The message has begun already"};
    } else if (t->fault.code) {
        *out = t->fault;
    } else if (t->rcpts >= smtp_recipients_max(d)) {
        *out = (struct smtp_refusal){452, "4.5.3", "Too many recipients; send to these first"};
    } else {
        return false;
    }
    return true;
}

void smtp_do_rcpt(struct dialogue *d, const struct smtp_command *c)
{
    struct smtp_refusal r;
    struct buf address;

    if (is_rcpt_refused(d, &r)) {
        smtp_say_refusal(d, &r);
        if (r.code == 503) {
            dialogue_count_bad(d);
        }
        return;
    }
    buf_init(&address, SMTP_ADDRESS_MAX);
    if (put_address(d, &c->rcpt.to, &address)) {
        tell_rcpt(d, &c->rcpt, buf_span(&address));
    } else {
        smtp_say_refusal(d, &bad_address);
    }
    buf_finish(&address);
}

// ---- keep's answers -----------------------------------------------------------------------------

// Keep is trusted to mean well, and held to the form of a reply all the same.
static bool is_reply(const struct ipc_mail_answer *a)
{
    bool fits = a->enhanced.n == 0 ||
                (a->enhanced.n > 3 && a->enhanced.p[0] == (char)('0' + a->code / 100));

    for (size_t i = 0; i < a->enhanced.n; i++) {
        fits &= byte_is_digit(a->enhanced.p[i]) || a->enhanced.p[i] == '.';
    }
    return fits && a->code >= 200 && a->code <= 599 && a->code / 100 != 3;
}

static void pass_on(struct dialogue *d, const struct ipc_mail_answer *a)
{
    char enhanced[17];

    memcpy(enhanced, a->enhanced.p, a->enhanced.n);
    enhanced[a->enhanced.n] = '\0';
    smtp_reply_put(&d->out, a->code, a->enhanced.n ? enhanced : NULL, a->text,
                   smtp_of(d)->t.is_utf8);
}

static void answer_mail(struct dialogue *d, const struct ipc_mail_answer *a)
{
    struct smtp_transaction *t = &smtp_of(d)->t;

    t->awaits_mail = false;
    t->is_refused = a->code >= 300;
    pass_on(d, a);
}

// Addresses are not to be found out by asking for many.
static void count_bad_rcpt(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);

    if (++s->bad_rcpts >= conf_value_count(d->settings, SETTING_SMTP_BAD_RECIPIENTS_MAX) &&
        !d->peer.is_known) {
        smtp_close_with(d, 421, "4.7.0", "Too many recipients that are none");
    }
}

static void answer_rcpt(struct dialogue *d, const struct ipc_mail_answer *a)
{
    struct smtp_session *s = smtp_of(d);
    struct smtp_transaction *t = &s->t;
    struct span name;
    bool has_name = smtp_names_take(&s->asked, &name);

    t->answered++;
    if (t->is_refused) {
        smtp_say(d, 503, "5.5.1", "The sender was refused");
        return;
    }
    if (a->code < 300) {
        t->accepted++;
        smtp_names_put(&s->accepted, has_name ? name : SPAN(""));
    }
    pass_on(d, a);
    if (a->code >= 500) {
        count_bad_rcpt(d);
    }
}

static void answer_end(struct dialogue *d, const struct ipc_mail_answer *a)
{
    struct smtp_session *s = smtp_of(d);

    s->t.awaits_end--;
    s->t.end_good += a->code < 300;
    pass_on(d, a);
    if (s->t.awaits_end == 0) {
        s->messages += s->t.end_good > 0;
        s->idle_commands = s->t.end_good ? 0 : s->idle_commands;
        smtp_transaction_reset(d, false);
    }
}

// False: nobody asked for that.
static bool answer(struct dialogue *d, const struct ipc_mail_answer *a)
{
    const struct smtp_transaction *t = &smtp_of(d)->t;
    bool is_lmtp = smtp_variant_of(d) == SMTP_LMTP;

    if (t->awaits_mail && a->recipient == IPC_MAIL_ALL) {
        answer_mail(d, a);
    } else if (!t->awaits_mail && t->answered < t->rcpts && a->recipient == t->answered) {
        answer_rcpt(d, a);
    } else if (t->awaits_end &&
               (is_lmtp ? a->recipient < t->rcpts : a->recipient == IPC_MAIL_ALL)) {
        answer_end(d, a);
    } else {
        return false;
    }
    d->progress++;
    return true;
}

// A MAIL that was refused is over once the RCPTs behind it are answered.
static void end_refused(struct dialogue *d)
{
    const struct smtp_transaction *t = &smtp_of(d)->t;

    if (t->is_refused && !smtp_is_waiting(d)) {
        smtp_transaction_reset(d, true);
    }
}

enum err smtp_heard(struct dialogue *d)
{
    struct buf *in = &d->pair.in;
    struct ipc_frame f;
    struct ipc_mail_answer a;
    size_t at = 0;
    enum err e = ERR_AGAIN;

    while (d->step != DIALOGUE_CLOSE &&
           (e = ipc_frame_next(span_skip(buf_span(in), at), &f)) == ERR_OK) {
        if (f.type != IPC_MAIL_ANSWER || f.fds || ipc_mail_answer_decode(f.fields, &a) != ERR_OK ||
            !is_reply(&a) || !answer(d, &a)) {
            return ERR_INVALID;
        }
        at += f.bytes;
    }
    buf_consume(in, at);
    end_refused(d);
    return e == ERR_INVALID ? e : ERR_OK;
}

// ---- without keep -------------------------------------------------------------------------------

// All that keep owes an answer gets ours. A message that was begun is read to its end and then
// refused, for now.
void smtp_lost(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);
    struct smtp_transaction *t = &s->t;
    bool ends =
        t->awaits_mail || t->awaits_end || t->awaits_check; // and with the reply all is said
    uint32_t owed = t->awaits_mail + (t->rcpts - t->answered) + t->awaits_end;

    log_warn("the conversation with keep about mail from %s has ended; it is told to try again",
             d->peer.address);
    while (owed--) {
        smtp_say_refusal(d, &lost_words);
    }
    if (t->awaits_check) {
        smtp_say_of_message(d, &lost_words);
    }
    t->rcpts = t->answered;
    if (s->is_logged_in) { // keep knew who it was, and nobody else does
        if (d->step != DIALOGUE_ASK) {
            smtp_close_with(d, 421, "4.3.0", "Log in again");
        }
    } else if (ends) {
        smtp_transaction_reset(d, false);
    } else if (t->is_told) {
        t->is_told = false;
        t->fault = lost_words;
    }
}
