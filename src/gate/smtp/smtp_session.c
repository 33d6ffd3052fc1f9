// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "gate/smtp/smtp_session_internal.h"

#include "base/banned.h"

#define NAMES_BYTES_MAX (4u << 20) // as many recipients as a setting allows, of usual length

// ---- replies ------------------------------------------------------------------------------------

void smtp_say(struct dialogue *d, unsigned code, const char *enhanced, const char *text)
{
    smtp_reply_put(&d->out, code, enhanced, span_from_str(text), false);
}

void smtp_say_refusal(struct dialogue *d, const struct smtp_refusal *r)
{
    smtp_say(d, r->code, r->enhanced, r->text);
}

void smtp_close_with(struct dialogue *d, unsigned code, const char *enhanced, const char *text)
{
    smtp_say(d, code, enhanced, text);
    dialogue_close(d);
}

void smtp_say_bad(struct dialogue *d, unsigned code, const char *enhanced, const char *text)
{
    smtp_say(d, code, enhanced, text);
    dialogue_count_bad(d);
}

bool smtp_may_mail(const struct dialogue *d)
{
    return smtp_variant_of(d) != SMTP_SUBMISSION || smtp_of(d)->is_logged_in;
}

// ---- lines --------------------------------------------------------------------------------------

static size_t line_max(const struct dialogue *d)
{
    bool is_auth = smtp_of(d)->sasl.is_open || span_starts_nocase(buf_span(&d->in), SPAN("AUTH "));

    // An initial response makes the command longer than others (RFC 4954 section 4).
    return is_auth ? SMTP_AUTH_LINE_BYTES : SMTP_LINE_BYTES;
}

static bool wait(struct dialogue *d)
{
    d->step = DIALOGUE_WAIT;
    return false;
}

static void broken_line(struct dialogue *d, enum line_kind kind)
{
    if (kind == LINE_TOO_LONG) {
        dialogue_end(d, DIALOGUE_LINE_TOO_LONG);
    } else {
        smtp_close_with(d, 500, "5.5.2", "A line ends in CR LF and has no CR, LF or NUL in it");
    }
}

static void bad_command(struct dialogue *d, const struct smtp_parse_error *e)
{
    if (e->out_of_step) {
        smtp_close_with(d, e->code, e->enhanced, e->why);
    } else {
        smtp_say_bad(d, e->code, e->enhanced, e->why);
    }
}

// False: not before keep has answered.
static bool run_line(struct dialogue *d, struct span line, size_t bytes)
{
    struct smtp_session *s = smtp_of(d);
    struct smtp_parse_options options = {
        .offers = smtp_offers(d),
        .utf8 = s->t.is_utf8,
        .lmtp = smtp_variant_of(d) == SMTP_LMTP,
    };
    struct smtp_command c;
    struct smtp_parse_error error;

    arena_reset(&s->arena);
    enum err e = smtp_parse(line, &s->arena, &options, &c, &error);

    if (smtp_is_waiting(d) &&
        !(e == ERR_OK && c.id == SMTP_RCPT && smtp_rcpt_goes_on(d, &c.rcpt))) {
        return false;
    }
    if (e == ERR_OK) {
        smtp_run(d, &c, d->in.n > bytes);
    } else if (dialogue_is_http(line)) {
        dialogue_end(d, DIALOGUE_OTHER_PROTOCOL);
    } else {
        bad_command(d, &error);
    }
    return true;
}

static bool take_line(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);
    struct span line;
    size_t bytes = 0;
    enum line_kind kind = line_next(&s->reader, buf_span(&d->in), line_max(d), &line, &bytes);

    if (kind == LINE_MORE) {
        return false;
    }
    if (kind != LINE_WHOLE) {
        if (smtp_is_waiting(d)) {
            return wait(d);
        }
        broken_line(d, kind);
        return true;
    }
    if (s->sasl.is_open) {
        dialogue_sasl_line(d, &s->sasl, line);
    } else if (!run_line(d, line, bytes)) {
        return wait(d);
    }
    dialogue_consume(d, bytes);
    d->progress++;
    return true;
}

static bool session_take(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);

    if (s->t.awaits_end || s->t.awaits_check || d->pair.out.n >= SMTP_PAIR_HIGH ||
        (s->t.check && d->checker->is_full(s->t.check))) {
        return wait(d);
    }
    return s->mode == SMTP_LINES ? take_line(d) : smtp_take_content(d);
}

// ---- start and end ------------------------------------------------------------------------------

static size_t session_input_max(const struct settings *s)
{
    (void)s;
    return SMTP_INPUT_BYTES + SMTP_AUTH_LINE_BYTES + 4096; // room to find a line too long
}

static void sasl_failed(struct dialogue *d, const char *why)
{
    smtp_say_bad(d, 501, "5.5.2", why);
}

static void say_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    switch (why) {
    case DIALOGUE_BAD_PASSWORD:
        smtp_reply_put(&d->out, 535, "5.7.8",
                       text.n ? text : SPAN("The name or the password is wrong"), false);
        break;
    case DIALOGUE_TOO_MANY:
        smtp_reply_put(&d->out, 454, "4.7.0",
                       text.n ? text : SPAN("Too many connections; try again later"), false);
        break;
    case DIALOGUE_UNAVAILABLE:
        smtp_reply_put(&d->out, 454, "4.7.0",
                       text.n ? text : SPAN("Logins cannot be checked now; try again"), false);
        break;
    }
}

static const struct dialogue_sasl_style sasl_style = {
    .before = "334 ",
    .after = "\r\n",
    .cancelled = "AUTH was cancelled",
    .has_equals = true,
    .failed = sasl_failed,
    .refused = say_refused,
};

static void session_begin(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);

    arena_init(&s->arena, SMTP_ARENA_BYTES);
    dialogue_sasl_init(&s->sasl, &sasl_style);
    buf_init(&s->helo, SMTP_DOMAIN_BYTES_MAX + 2); // a literal has brackets
    buf_init(&s->content, SMTP_CONTENT_MAX);
    buf_init(&s->sender, SMTP_ADDRESS_MAX);
    smtp_names_init(&s->asked, NAMES_BYTES_MAX);
    smtp_names_init(&s->accepted, NAMES_BYTES_MAX);
}

static void session_finish(struct dialogue *d)
{
    struct smtp_session *s = smtp_of(d);

    smtp_transaction_reset(d, false);
    arena_finish(&s->arena);
    dialogue_sasl_finish(&s->sasl);
    buf_finish(&s->helo);
    buf_finish(&s->content);
    buf_finish(&s->sender);
    smtp_names_finish(&s->asked);
    smtp_names_finish(&s->accepted);
}

static void session_greet(struct dialogue *d)
{
    struct buf text;

    buf_init(&text, 512);
    buf_put(&text, d->host);
    buf_put_str(&text, smtp_variant_of(d) == SMTP_LMTP ? " LMTP Mailkeep" : " ESMTP Mailkeep");
    smtp_reply_put(&d->out, 220, NULL, buf_span(&text), false);
    buf_finish(&text);
}

static void session_renamed(struct dialogue *d, bool is_believed)
{
    if (is_believed) {
        session_greet(d);
    } else {
        smtp_say_bad(d, 550, "5.7.0", "You may not speak for others");
    }
}

static void session_last_words(struct buf *out, enum dialogue_end why, const char *text)
{
    static const struct {
        unsigned code;
        const char *enhanced, *text; // NULL: what every protocol says
    } words[DIALOGUE_END__COUNT] = {
        [DIALOGUE_STOPPING] = {421, "4.3.2", NULL},
        [DIALOGUE_TIMEOUT] = {421, "4.4.2", "You took too long"},
        [DIALOGUE_TOO_MANY_CLIENTS] = {421, "4.3.2", "Too many clients; try again later"},
        [DIALOGUE_TOO_MANY_FROM_ADDRESS] = {421, "4.7.0", "Too many connections from your address"},
        [DIALOGUE_LINE_TOO_LONG] = {500, "5.5.6", NULL},
        [DIALOGUE_LITERAL_TOO_BIG] = {500, "5.5.6", NULL},
        [DIALOGUE_BAD_COMMANDS] = {421, "4.7.0", "Too many errors"},
        [DIALOGUE_LOGIN_FAILURES] = {421, "4.7.0", NULL},
        [DIALOGUE_OTHER_PROTOCOL] = {554, "5.5.1", NULL},
        [DIALOGUE_SPOKE_FIRST] = {554, "5.5.0", NULL},
        [DIALOGUE_TOO_FAST] = {421, "4.7.0", NULL},
        [DIALOGUE_NOT_FROM_THERE] = {554, "5.7.1", NULL},
    };

    smtp_reply_put(out, words[why].code, words[why].enhanced,
                   span_from_str(words[why].text ? words[why].text : text), false);
}

// ---- logins -------------------------------------------------------------------------------------

static struct dialogue_sasl *session_sasl(struct dialogue *d)
{
    return &smtp_of(d)->sasl;
}

static void session_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    if (!dialogue_sasl_refused(d, &smtp_of(d)->sasl, why, text)) {
        say_refused(d, why, text);
    }
}

// The ticket is good for a short time: keep hears of it at once, not at the first MAIL.
static void session_accepted(struct dialogue *d, struct span ticket)
{
    struct smtp_session *s = smtp_of(d);

    ASSERT(ticket.n <= sizeof(d->ticket));
    memcpy(d->ticket, ticket.p, ticket.n);
    d->ticket_bytes = ticket.n;
    d->pair.is_wanted = true;
    s->is_logged_in = true;
    smtp_say(d, 235, "2.7.0", "You are logged in");
}

// ---- time ---------------------------------------------------------------------------------------

static int64_t session_patience_ms(const struct dialogue *d)
{
    if (!smtp_may_mail(d)) {
        return -1;
    }
    return conf_value_ms(d->settings, smtp_of(d)->mode == SMTP_LINES ? SETTING_SMTP_TIMEOUT
                                                                     : SETTING_SMTP_DATA_TIMEOUT);
}

static size_t session_read_bytes(const struct dialogue *d)
{
    return smtp_of(d)->mode == SMTP_LINES ? 4096 : SMTP_INPUT_BYTES;
}

// ---- the three ----------------------------------------------------------------------------------

#define PROTOCOL(alpn_name, which)                                                                 \
    {                                                                                              \
        .alpn = (alpn_name), .state_bytes = sizeof(struct smtp_session), .variant = (which),       \
        .bad_max = SETTING_SMTP_BAD_COMMANDS_MAX, .input_max = session_input_max,                  \
        .begin = session_begin, .finish = session_finish, .greet = session_greet,                  \
        .take = session_take, .refused = session_refused, .sasl = session_sasl,                    \
        .last_words = session_last_words, .accepted = session_accepted, .heard = smtp_heard,       \
        .lost = smtp_lost, .renamed = session_renamed, .checked = smtp_checked,                    \
        .patience_ms = session_patience_ms, .read_bytes = session_read_bytes,                      \
    }

const struct dialogue_protocol smtp_protocol = PROTOCOL("smtp", SMTP_PUBLIC);
const struct dialogue_protocol smtp_submission_protocol = PROTOCOL("smtp", SMTP_SUBMISSION);
const struct dialogue_protocol smtp_lmtp_protocol = PROTOCOL("lmtp", SMTP_LMTP);
