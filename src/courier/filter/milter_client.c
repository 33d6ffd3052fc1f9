// SPDX-License-Identifier: Apache-2.0
#include "courier/filter/milter_client.h"

#include <stdio.h>

#include "courier/filter/milter_stream.h"
#include "mime/mime_header.h"

#include "base/banned.h"

#define ACTION_ADD_HEADERS    0x01u
#define ACTION_CHANGE_HEADERS 0x10u
#define ACTION_QUARANTINE     0x20u

#define STEP_SKIP             0x400u // it may say "no more body"

// What of the conversation a filter may do without, and what it may leave unanswered.
struct step {
    enum milter_command command;
    uint32_t unwanted, unanswered;
};

static const struct step step_connect = {MILTER_CONNECT, 0x01, 0x1000};
static const struct step step_helo = {MILTER_HELO, 0x02, 0x2000};
static const struct step step_mail = {MILTER_MAIL, 0x04, 0x4000};
static const struct step step_rcpt = {MILTER_RCPT, 0x08, 0x8000};
static const struct step step_data = {MILTER_DATA, 0x200, 0x10000};
static const struct step step_header = {MILTER_HEADER, 0x20, 0x80};
static const struct step step_end_of_headers = {MILTER_END_OF_HEADERS, 0x40, 0x40000};
static const struct step step_body = {MILTER_BODY, 0x10, 0x80000};

#define STEPS_OFFERED (0x7fu | 0x80u | 0x200u | STEP_SKIP | 0xff000u)

struct session {
    struct milter_stream stream;
    const struct filter *filter;
    const struct filter_message *message;
    struct filter_result *out;
    uint32_t steps;  // as negotiated
    bool is_decided; // nothing more need be told
    bool has_skipped;
};

static bool is_wanted(const struct session *s, const struct step *step)
{
    return !s->is_decided && (s->steps & step->unwanted) == 0;
}

// ---- answers ------------------------------------------------------------------------------------

static void say(struct session *s, const char *words)
{
    filter_result_say(s->out, s->filter, span_from_str(words));
}

static void take_change(struct session *s, const struct milter_reply *r)
{
    if (span_eq_nocase(r->name, SPAN("Subject"))) {
        filter_result_subject(s->out, r->value);
        say(s, "another subject");
    } else {
        say(s, "a change of the header that is not done");
    }
}

// An answer that decides about the message. False: it does not.
static bool take_decision(struct session *s, const struct milter_reply *r)
{
    switch (r->answer) {
    case MILTER_ACCEPT:
        say(s, "accepted");
        break;
    case MILTER_REJECT:
        filter_result_set(s->out, IPC_FILTER_REJECT, SPAN(""));
        say(s, "refused");
        break;
    case MILTER_TEMPFAIL:
    case MILTER_CONNECTION_FAIL:
        filter_result_set(s->out, IPC_FILTER_TEMPORARY, SPAN(""));
        say(s, "put off");
        break;
    case MILTER_REPLY:
        filter_result_set(s->out, r->code >= 500 ? IPC_FILTER_REJECT : IPC_FILTER_TEMPORARY,
                          r->text);
        filter_result_say(s->out, s->filter, r->text);
        break;
    case MILTER_DISCARD: // mail that was accepted does not vanish
        filter_result_set(s->out, IPC_FILTER_JUNK, SPAN(""));
        say(s, "junk (to be discarded)");
        break;
    default:
        return false;
    }
    s->is_decided = true;
    return true;
}

// Waits for the answer to a step before the end.
static enum err hear(struct session *s)
{
    struct milter_reply r;
    enum err e;

    while ((e = milter_stream_next(&s->stream, &r)) == ERR_OK) {
        if (r.answer == MILTER_CONTINUE || take_decision(s, &r)) {
            return ERR_OK;
        }
        if (r.answer == MILTER_SKIP) {
            s->has_skipped = true;
            return ERR_OK;
        }
        if (r.answer != MILTER_PROGRESS) {
            return ERR_INVALID;
        }
    }
    return e;
}

// The end: changes first, then the decision.
static enum err hear_end(struct session *s)
{
    struct milter_reply r;
    enum err e;

    while ((e = milter_stream_next(&s->stream, &r)) == ERR_OK) {
        if (take_decision(s, &r)) {
            return ERR_OK;
        }
        switch (r.answer) {
        case MILTER_CONTINUE:
            say(s, "accepted");
            return ERR_OK;
        case MILTER_ADD_HEADER:
        case MILTER_INSERT_HEADER:
            filter_result_add(s->out, r.name, r.value);
            break;
        case MILTER_CHANGE_HEADER:
            take_change(s, &r);
            break;
        case MILTER_QUARANTINE:
            filter_result_set(s->out, IPC_FILTER_JUNK, SPAN(""));
            filter_result_say(s->out, s->filter, r.text);
            break;
        case MILTER_PROGRESS:
            break;
        default:
            return ERR_INVALID; // not offered
        }
    }
    return e;
}

// ---- steps --------------------------------------------------------------------------------------

static enum err take_step(struct session *s, const struct step *step, enum err put)
{
    enum err e = put == ERR_OK ? milter_stream_flush(&s->stream) : put;

    return e == ERR_OK && (s->steps & step->unanswered) == 0 ? hear(s) : e;
}

static enum err negotiate(struct session *s)
{
    uint32_t actions = ACTION_ADD_HEADERS | ACTION_CHANGE_HEADERS | ACTION_QUARANTINE;
    struct milter_reply r;

    milter_negotiate_put(&s->stream.out, actions, STEPS_OFFERED);
    enum err e = milter_stream_flush(&s->stream);

    e = e == ERR_OK ? milter_stream_next(&s->stream, &r) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (r.answer != MILTER_NEGOTIATED || r.version < 2 || (r.steps & ~STEPS_OFFERED) != 0 ||
        (r.actions & ~actions) != 0) {
        say(s, "wants what is not offered");
        return ERR_UNSUPPORTED;
    }
    s->steps = r.steps;
    return ERR_OK;
}

static enum err tell_connection(struct session *s)
{
    const struct filter_message *m = s->message;
    bool is_ip6 = span_find_byte(m->remote, ':') < m->remote.n;
    struct span connect[] = {SPAN("j"), m->server_name, SPAN("{daemon_name}"), SPAN("mailkeep")};
    char host[80];
    enum err e = ERR_OK;

    snprintf(host, sizeof(host), "[%.*s]", SPAN_ARG(span_first(m->remote, 70)));
    if (is_wanted(s, &step_connect)) {
        e = milter_macros_put(&s->stream.out, MILTER_CONNECT, connect, 4);
        e = e == ERR_OK
                ? milter_connect_put(&s->stream.out, span_from_str(host),
                                     is_ip6 ? MILTER_IPV6 : MILTER_IPV4, m->remote_port, m->remote)
                : e;
        e = take_step(s, &step_connect, e);
    }
    if (e == ERR_OK && is_wanted(s, &step_helo)) {
        e = milter_strings_put(&s->stream.out, MILTER_HELO, &m->helo, 1);
        e = take_step(s, &step_helo, e);
    }
    return e;
}

// An address in angle brackets, as the protocol wants it.
static enum err tell_address(struct session *s, const struct step *step, struct span address)
{
    char text[1100];
    int n = snprintf(text, sizeof(text), "<%.*s>", SPAN_ARG(span_first(address, 1024)));
    struct span string = span_of(text, (size_t)n);

    return take_step(s, step, milter_strings_put(&s->stream.out, step->command, &string, 1));
}

static enum err tell_envelope(struct session *s)
{
    const struct filter_message *m = s->message;
    enum err e = ERR_OK;

    if (is_wanted(s, &step_mail)) {
        e = tell_address(s, &step_mail, m->sender);
    }
    for (size_t i = 0; i < m->recipient_count && e == ERR_OK && is_wanted(s, &step_rcpt); i++) {
        e = tell_address(s, &step_rcpt, m->recipients[i]);
    }
    if (e == ERR_OK && is_wanted(s, &step_data)) {
        milter_simple_put(&s->stream.out, MILTER_DATA);
        e = take_step(s, &step_data, ERR_OK);
    }
    return e;
}

// libmilter wants folded lines with LF alone, and no NUL.
static void put_folded(struct buf *out, struct span body)
{
    for (size_t i = 0; i < body.n; i++) {
        if (body.p[i] != '\r' && body.p[i] != '\0') {
            buf_put_byte(out, body.p[i]);
        }
    }
}

static enum err tell_field(struct session *s, const struct mime_field *f, struct buf *value)
{
    struct span body = f->body;

    body = body.n && body.p[0] == ' ' ? span_skip(body, 1) : body;
    buf_clear(value);
    put_folded(value, body);
    struct span both[] = {f->name, buf_span(value)};
    enum err e = value->failed ? ERR_LIMIT : ERR_OK;

    e = e == ERR_OK ? milter_strings_put(&s->stream.out, MILTER_HEADER, both, 2) : e;
    return take_step(s, &step_header, e);
}

static enum err tell_header(struct session *s, struct span *rest)
{
    struct mime_field f;
    struct buf value;
    enum err e = ERR_OK;

    buf_init(&value, MILTER_PACKET_BYTES_MAX / 2);
    while (mime_header_next(rest, &f)) {
        if (e == ERR_OK && f.name.n && is_wanted(s, &step_header)) {
            e = tell_field(s, &f, &value);
        }
    }
    buf_finish(&value);
    if (e == ERR_OK && is_wanted(s, &step_end_of_headers)) {
        milter_simple_put(&s->stream.out, MILTER_END_OF_HEADERS);
        e = take_step(s, &step_end_of_headers, ERR_OK);
    }
    return e;
}

static enum err tell_body(struct session *s, struct span body)
{
    enum err e = ERR_OK;

    if (span_starts(body, SPAN("\r\n"))) {
        body = span_skip(body, 2);
    }
    while (body.n && e == ERR_OK && !s->has_skipped && is_wanted(s, &step_body)) {
        struct span piece = span_first(body, MILTER_BODY_BYTES_MAX);

        e = take_step(s, &step_body, milter_body_put(&s->stream.out, piece));
        body = span_skip(body, piece.n);
    }
    return e;
}

static enum err converse(struct session *s)
{
    struct span rest = s->message->bytes;
    enum err e = negotiate(s);

    e = e == ERR_OK ? tell_connection(s) : e;
    e = e == ERR_OK ? tell_envelope(s) : e;
    e = e == ERR_OK ? tell_header(s, &rest) : e;
    e = e == ERR_OK ? tell_body(s, rest) : e;
    if (e == ERR_OK && !s->is_decided) {
        milter_simple_put(&s->stream.out, MILTER_END);
        e = milter_stream_flush(&s->stream);
        e = e == ERR_OK ? hear_end(s) : e;
    }
    if (e == ERR_OK) {
        milter_simple_put(&s->stream.out, MILTER_QUIT);
        (void)milter_stream_flush(&s->stream); // out of politeness
    }
    return e;
}

enum err milter_client_run(const struct filter *f, const struct filter_message *m,
                           const struct filter_limits *limits, struct filter_result *out)
{
    struct session s = {.filter = f, .message = m, .out = out};
    enum err e = milter_stream_open(&s.stream, f, limits);
    char words[64];

    e = e == ERR_OK ? converse(&s) : e;
    milter_stream_close(&s.stream);
    if (e != ERR_OK) {
        snprintf(words, sizeof(words), "away (%s)", err_name(e));
        say(&s, words);
    }
    return e;
}
