// SPDX-License-Identifier: Apache-2.0
//
// The message: DATA and BDAT, as a stream to keep. What the client sends is looked at on its way
// and never held: a message with a CR or LF alone or a NUL ends the connection at once, because the
// two sides may not agree any more on where it ends; one that is refused for anything else is read
// to its end first.
#include <stdlib.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/random.h"
#include "gate/smtp/smtp_received.h"
#include "gate/smtp/smtp_session_internal.h"

#include "base/banned.h"

#define PREFIX_MAX (64u << 10) // of a MAIL_END
#define DATA_MAX   (64u << 10) // of a MAIL_DATA

static const struct smtp_refusal too_large = {552, "5.3.4", "The message is too large"};

// ---- to keep ------------------------------------------------------------------------------------

static void content_flush(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);
    struct span rest = buf_span(&s->content);

    while (rest.n && s->t.is_told) {
        struct ipc_mail_data m = {.bytes = span_first(rest, DATA_MAX)};

        SMTP_TELL(d, ipc_mail_data_encode(&m, 0, &d->pair.out));
        rest = span_skip(rest, DATA_MAX);
    }
    buf_clear(&s->content);
}

static void tell_refused(struct dialogue *d, const struct smtp_refusal *r)
{
    const struct ipc_mail_reset m = {.code = (uint16_t)r->code,
                                     .enhanced = span_from_str(r->enhanced),
                                     .text = span_from_str(r->text),
                                     .verdict = SPAN("")};

    smtp_tell_refused(d, &m);
}

// The message is refused whatever comes: keep need not have the rest.
static void fault(struct dialogue *d, struct smtp_refusal r)
{
    struct smtp_transaction *t = &smtp_of(d)->t;

    if (t->fault.code) {
        return;
    }
    t->fault = r;
    tell_refused(d, &r);
}

static void check_result(struct dialogue *d, enum err e)
{
    if (e != ERR_OK) {
        fault(d, e == ERR_LIMIT
                     ? (struct smtp_refusal){552, "5.3.4", "The header of the message is too large"}
                     : (struct smtp_refusal){451, "4.3.0", "No memory for this message now"});
    }
}

// Mail from another server of this site was checked there.
static void check_begin(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);
    struct span *names;
    size_t n = 0;

    if (!d->checker || smtp_variant_of(d) == SMTP_LMTP) {
        return;
    }
    names = calloc(s->accepted.n + 1, sizeof(*names));
    while (names && n < s->accepted.n && smtp_names_take(&s->accepted, &names[n])) {
        n++;
    }
    const struct dialogue_check_facts facts = {
        .helo = buf_span(&s->helo),
        .sender = buf_span(&s->sender),
        .recipients = names,
        .recipient_n = n,
        .is_checked = smtp_variant_of(d) == SMTP_PUBLIC && !d->peer.may_relay,
        .is_utf8 = s->t.is_utf8,
    };

    s->t.check = names ? d->checker->begin(d, &facts) : NULL;
    s->accepted.at = 0;
    free(names);
    check_result(d, s->t.check ? ERR_OK : ERR_NOMEM);
}

static void content(struct dialogue *d, struct span piece)
{
    struct smtp_transaction *t = &smtp_of(d)->t;

    t->bytes += piece.n;
    if (t->bytes > conf_value_bytes(d->settings, SETTING_MESSAGE_MAX)) {
        fault(d, too_large);
    }
    if (t->fault.code) {
        return;
    }
    smtp_header_put(&t->header, piece);
    if (t->check) {
        check_result(d, d->checker->feed(t->check, piece, &smtp_of(d)->content));
    } else {
        buf_put(&smtp_of(d)->content, piece);
    }
}

// ---- the end ------------------------------------------------------------------------------------

// Who else gets it is nobody's business.
static struct span only_recipient(struct smtp_session *s)
{
    struct span name = SPAN("");

    if (s->accepted.n == 1 && smtp_names_take(&s->accepted, &name)) {
        s->accepted.at = 0;
    }
    return name;
}

static void put_received(struct dialogue *d, struct buf *out)
{
    struct smtp_session *s = smtp_of(d);
    struct buf id;
    uint64_t number = random_u64();

    buf_init(&id, 32);
    hex_encode(&id, span_of(&number, sizeof(number)));
    const struct smtp_received r = {
        .helo = buf_span(&s->helo),
        .address = span_from_str(d->peer.address),
        .host = d->host,
        .tls = span_from_str(d->peer.tls_text),
        .id = buf_span(&id),
        .for_path = only_recipient(s),
        .unix_seconds = clock_real_s(),
        .is_lmtp = smtp_variant_of(d) == SMTP_LMTP,
        .is_extended = s->is_extended,
        .is_utf8 = s->t.is_utf8,
        .is_logged_in = s->is_logged_in,
        .hides_client =
            s->is_logged_in && conf_value_bool(d->settings, SETTING_SUBMISSION_HIDE_CLIENT),
    };

    smtp_received_put(out, &r);
    buf_finish(&id);
}

// What the sender's domain is to be told of the message.
static void tell_report(struct dialogue *d, const struct dialogue_check_result *r)
{
    if (smtp_of(d)->t.is_told && r->report.n) {
        buf_put(&d->pair.out, r->report);
    }
}

static void tell_end(struct dialogue *d, const struct dialogue_check_result *r)
{
    struct smtp_transaction *t = &smtp_of(d)->t;
    struct buf prefix;

    buf_init(&prefix, PREFIX_MAX);
    put_received(d, &prefix);
    buf_put(&prefix, r->lines);
    struct ipc_mail_end m = {
        .is_suspect = r->is_suspect, .prefix = buf_span(&prefix), .verdict = r->words};

    tell_report(d, r);
    SMTP_TELL(d, ipc_mail_end_encode(&m, 0, &d->pair.out));
    t->awaits_end = smtp_variant_of(d) == SMTP_LMTP ? t->accepted : 1;
    buf_finish(&prefix);
}

static void check_end(struct dialogue *d, const struct text_scan *scan)
{
    struct smtp_transaction *t = &smtp_of(d)->t;
    struct smtp_refusal r;

    if (smtp_header_is_refused(&t->header, conf_value_count(d->settings, SETTING_SMTP_RECEIVED_MAX),
                               &r)) {
        fault(d, r);
    } else if (t->body != SMTP_BODY_BINARYMIME &&
               scan->longest > conf_value_bytes(d->settings, SETTING_SMTP_TEXT_LINE_MAX)) {
        fault(d, (struct smtp_refusal){550, "5.6.0", "A line of the message is too long"});
    }
}

static void log_refused(struct dialogue *d, const char *why)
{
    log_info("a message by %s for <%s> was refused: %s", d->peer.address,
             log_text(buf_span(&smtp_of(d)->sender)).s, why);
}

static void message_end(struct dialogue *d, const struct text_scan *scan)
{
    struct smtp_session *s = smtp_of(d);

    const struct dialogue_check_result unchecked = {.lines = SPAN(""), .words = SPAN("")};

    s->mode = SMTP_LINES;
    check_end(d, scan);
    if (s->t.check && !s->t.fault.code) {
        check_result(d, d->checker->finish(s->t.check, &s->content));
        s->t.awaits_check = !s->t.fault.code;
    }
    content_flush(d);
    buf_release(&s->content);
    d->progress++;
    if (s->t.fault.code) {
        log_refused(d, s->t.fault.text);
        smtp_say_of_message(d, &s->t.fault);
        smtp_transaction_reset(d, true);
    } else if (!s->t.check) {
        tell_end(d, &unchecked);
    }
}

void smtp_checked(struct dialogue *d, const struct dialogue_check_result *r)
{
    struct smtp_transaction *t = &smtp_of(d)->t;
    char enhanced[16];

    ASSERT(t->awaits_check && r->enhanced.n < sizeof(enhanced));
    t->awaits_check = false;
    if (!r->is_refused) {
        tell_end(d, r);
        return;
    }
    memcpy(enhanced, r->enhanced.p, r->enhanced.n);
    enhanced[r->enhanced.n] = '\0';
    log_info("a message by %s for <%s> was refused: %s", d->peer.address,
             log_text(buf_span(&smtp_of(d)->sender)).s, log_text(r->words).s);
    const struct ipc_mail_reset m = {
        .code = (uint16_t)r->code, .enhanced = r->enhanced, .text = r->text, .verdict = r->words};

    tell_report(d, r);
    smtp_tell_refused(d, &m);
    smtp_reply_put(&d->out, r->code, enhanced, r->text, false);
    smtp_transaction_reset(d, true);
}

// A CR or LF alone, or a NUL: from here on we might read a command where the client sends text, or
// the other way round.
static bool is_broken(struct dialogue *d, const struct text_scan *scan)
{
    struct smtp_session *s = smtp_of(d);
    struct buf words;

    if (!scan->faults || s->t.body == SMTP_BODY_BINARYMIME) {
        return false;
    }
    buf_init(&words, 160);
    buf_printf(&words, "The message has %s in it (RFC 5321, 2.3.8)", text_fault_name(scan->faults));
    log_refused(d, text_fault_name(scan->faults));
    tell_refused(d, &(struct smtp_refusal){550, "5.6.0", text_fault_name(scan->faults)});
    smtp_transaction_reset(d, true);
    smtp_reply_put(&d->out, 550, "5.6.0", buf_span(&words), false);
    buf_finish(&words);
    dialogue_close(d);
    return true;
}

// Refused already, and the client goes on for ever.
static bool is_endless(struct dialogue *d)
{
    if (smtp_of(d)->t.bytes / 2 <= conf_value_bytes(d->settings, SETTING_MESSAGE_MAX)) {
        return false;
    }
    smtp_close_with(d, too_large.code, too_large.enhanced, too_large.text);
    return true;
}

static void count_progress(struct dialogue *d, size_t bytes)
{
    struct smtp_session *s = smtp_of(d);
    uint64_t block = conf_value_bytes(d->settings, SETTING_SMTP_DATA_RATE_MIN) *
                     (uint64_t)conf_value_ms(d->settings, SETTING_SMTP_DATA_TIMEOUT) / 1000;

    s->block += bytes;
    if (s->block >= block) {
        s->block = 0;
        d->progress++;
    }
}

// ---- DATA ---------------------------------------------------------------------------------------

// What is against a message now.
static bool is_message_refused(struct dialogue *d, struct smtp_refusal *out)
{
    const struct smtp_transaction *t = &smtp_of(d)->t;

    if (!t->is_open || !t->rcpts) {
        *out = (struct smtp_refusal){503, "5.5.1", "Say MAIL and RCPT first"};
    } else if (t->fault.code) {
        *out = t->fault;
    } else if (!t->accepted) {
        *out = (struct smtp_refusal){554, "5.5.1", "No recipient was accepted"};
    } else {
        return false;
    }
    return true;
}

void smtp_do_data(struct dialogue *d, const struct smtp_command *c)
{
    struct smtp_session *s = smtp_of(d);
    struct smtp_refusal r;

    (void)c;
    if (is_message_refused(d, &r)) {
        smtp_say_bad(d, r.code, r.enhanced, r.text);
    } else if (s->t.is_chunked || s->t.body == SMTP_BODY_BINARYMIME) {
        smtp_say_bad(d, 503, "5.5.1", "This message comes with BDAT");
    } else {
        smtp_data_begin(&s->t.data);
        check_begin(d);
        s->mode = SMTP_TEXT;
        s->block = 0;
        smtp_say(d, 354, NULL, "Now the message; it ends with a line that is a dot");
    }
}

static bool take_text(struct dialogue *d)
{
    struct smtp_transaction *t = &smtp_of(d)->t;
    struct span in = buf_span(&d->in), piece;
    size_t before = in.n;
    enum err e = ERR_AGAIN;

    while (in.n && !t->data.scan.faults && (e = smtp_data_read(&t->data, &in, &piece)) == ERR_OK) {
        content(d, piece);
    }
    content_flush(d);
    dialogue_consume(d, before - in.n);
    count_progress(d, before - in.n);
    if (is_broken(d, &t->data.scan) || is_endless(d)) {
        return true;
    }
    if (e == ERR_EOF) {
        message_end(d, &t->data.scan);
    }
    return e == ERR_EOF;
}

// ---- BDAT ---------------------------------------------------------------------------------------

static void skip_chunk(struct dialogue *d, const struct smtp_chunk *chunk,
                       const struct smtp_refusal *why)
{
    struct smtp_session *s = smtp_of(d);

    if (chunk->bytes > conf_value_bytes(d->settings, SETTING_MESSAGE_MAX)) {
        smtp_close_with(d, why->code, why->enhanced, why->text);
        return;
    }
    s->skip = chunk->bytes;
    s->skip_reply = *why;
    s->mode = SMTP_SKIP;
}

static bool take_skipped(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);
    size_t n = s->skip < d->in.n ? (size_t)s->skip : d->in.n;

    dialogue_consume(d, n);
    count_progress(d, n);
    s->skip -= n;
    if (s->skip) {
        return false;
    }
    s->mode = SMTP_LINES;
    smtp_say_bad(d, s->skip_reply.code, s->skip_reply.enhanced, s->skip_reply.text);
    return true;
}

static void chunk_begin(struct dialogue *d, const struct smtp_chunk *chunk)
{
    struct smtp_session *s = smtp_of(d);
    uint64_t max = conf_value_bytes(d->settings, SETTING_MESSAGE_MAX);

    if (!s->t.is_chunked) {
        smtp_bdat_begin(&s->t.bdat, max);
        s->t.is_chunked = true;
        check_begin(d);
    }
    if (smtp_bdat_chunk(&s->t.bdat, chunk->bytes, chunk->last) != ERR_OK) {
        fault(d, too_large);
    }
    if (chunk->bytes / 2 > max) {
        smtp_close_with(d, too_large.code, too_large.enhanced, too_large.text);
        return;
    }
    s->mode = SMTP_CHUNK;
    s->block = 0;
}

void smtp_do_bdat(struct dialogue *d, const struct smtp_command *c)
{
    struct smtp_refusal r;

    if (!smtp_of(d)->helo.n || !smtp_may_mail(d)) {
        r = (struct smtp_refusal){503, "5.5.1", "Say MAIL and RCPT first"};
        skip_chunk(d, &c->chunk, &r);
    } else if (is_message_refused(d, &r) && !smtp_of(d)->t.fault.code) {
        skip_chunk(d, &c->chunk, &r);
    } else {
        chunk_begin(d, &c->chunk);
    }
}

static void chunk_end(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);

    if (s->t.bdat.last) {
        message_end(d, &s->t.bdat.scan);
        return;
    }
    s->mode = SMTP_LINES;
    d->progress++;
    if (s->t.fault.code) {
        smtp_say_refusal(d, &s->t.fault);
    } else {
        smtp_say(d, 250, "2.0.0", "More");
    }
}

static bool take_chunk(struct dialogue *d)
{
    struct smtp_transaction *t = &smtp_of(d)->t;
    struct span in = buf_span(&d->in), piece;
    size_t before = in.n;
    enum err e;

    while ((e = smtp_bdat_read(&t->bdat, &in, &piece)) == ERR_OK) {
        content(d, piece);
    }
    content_flush(d);
    dialogue_consume(d, before - in.n);
    count_progress(d, before - in.n);
    if (is_broken(d, &t->bdat.scan)) {
        return true;
    }
    if (e == ERR_EOF) {
        chunk_end(d);
    }
    return e == ERR_EOF;
}

bool smtp_take_content(struct dialogue *d)
{
    switch (smtp_of(d)->mode) {
    case SMTP_TEXT:
        return take_text(d);
    case SMTP_CHUNK:
        return take_chunk(d);
    default:
        return take_skipped(d);
    }
}
