// SPDX-License-Identifier: Apache-2.0
//
// The message: DATA and BDAT, as a stream to keep. What the client sends is looked at on its way
// and never held: a message with a CR or LF alone or a NUL ends the connection at once, because the
// two sides may not agree any more on where it ends; one that is refused for anything else is read
// to its end first.
#include "base/clock.h"
#include "base/encode.h"
#include "base/random.h"
#include "gate/smtp/smtp_received.h"
#include "gate/smtp/smtp_session_internal.h"

#include "base/banned.h"

#define PREFIX_MAX (64u << 10)
#define DATA_MAX   (64u << 10) // of a MAIL_DATA

static const struct smtp_refusal too_large = {552, "5.3.4", "The message is too large"};

// ---- to keep ------------------------------------------------------------------------------------

static void content_flush(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);
    struct ipc_mail_data m = {.bytes = buf_span(&s->content)};

    if (m.bytes.n && s->t.is_told) {
        SMTP_TELL(d, ipc_mail_data_encode(&m, 0, &d->pair.out));
    }
    buf_clear(&s->content);
}

static void content_put(struct dialogue *d, struct span piece)
{
    struct buf *content = &smtp_of(d)->content;

    while (piece.n) {
        struct span part = span_first(piece, DATA_MAX - content->n);

        buf_put(content, part);
        piece = span_skip(piece, part.n);
        if (content->n == DATA_MAX) {
            content_flush(d);
        }
    }
}

// The message is refused whatever comes: keep need not have the rest.
static void fault(struct dialogue *d, struct smtp_refusal r)
{
    struct smtp_transaction *t = &smtp_of(d)->t;

    if (t->fault.code) {
        return;
    }
    t->fault = r;
    if (t->is_told) {
        SMTP_TELL(d, ipc_mail_reset_encode(&(struct ipc_mail_reset){.reason = 0}, 0, &d->pair.out));
        t->is_told = false;
    }
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
    content_put(d, piece);
}

// ---- the end ------------------------------------------------------------------------------------

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
        .for_path = s->t.rcpts == 1 ? buf_span(&s->t.for_path) : SPAN(""),
        .unix_seconds = clock_real_s(),
        .is_lmtp = smtp_variant_of(d) == SMTP_LMTP,
        .is_extended = s->is_extended,
        .is_utf8 = s->t.is_utf8,
        .is_logged_in = s->is_logged_in,
    };

    smtp_received_put(out, &r);
    buf_finish(&id);
}

static void tell_end(struct dialogue *d)
{
    struct smtp_transaction *t = &smtp_of(d)->t;
    struct buf prefix;

    buf_init(&prefix, PREFIX_MAX);
    put_received(d, &prefix);
    struct ipc_mail_end m = {.prefix = buf_span(&prefix), .verdict = SPAN("")};

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

static void message_end(struct dialogue *d, const struct text_scan *scan)
{
    struct smtp_session *s = smtp_of(d);

    s->mode = SMTP_LINES;
    content_flush(d);
    check_end(d, scan);
    buf_release(&s->content);
    d->progress++;
    if (s->t.fault.code) {
        smtp_say_of_message(d, &s->t.fault);
        smtp_transaction_reset(d, true);
    } else {
        tell_end(d);
    }
}

// A CR or LF alone, or a NUL: from here on we might read a command where the client sends text, or
// the other way round.
static bool is_broken(struct dialogue *d, const struct text_scan *scan)
{
    struct smtp_session *s = smtp_of(d);
    char text[160];
    struct buf words;

    if (!scan->faults || s->t.body == SMTP_BODY_BINARYMIME) {
        return false;
    }
    buf_init(&words, sizeof(text));
    buf_printf(&words, "The message has %s in it (RFC 5321, 2.3.8)", text_fault_name(scan->faults));
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
