// SPDX-License-Identifier: Apache-2.0
#include "gate/imap/imap_login.h"

#include "gate/dialogue/dialogue_sasl.h"
#include "wire/imap/imap_command.h"
#include "wire/imap/imap_framer.h"
#include "wire/imap/imap_write.h"

#include "base/banned.h"

#define ARENA_BYTES   (256u << 10)
#define TAG_BYTES_MAX 255 // as far as it goes along to keep

struct imap_dialogue {
    struct imap_framer_limits limits;
    struct imap_framer framer;
    struct arena arena; // of the command
    struct buf tag;     // of the command that asked keep, or of the AUTHENTICATE
    struct buf client_id;
    struct dialogue_sasl sasl;
};

static struct imap_dialogue *login_of(struct dialogue *d)
{
    return d->state;
}

static void reply(struct dialogue *d, struct span tag, enum imap_condition condition,
                  const char *code, const char *text)
{
    imap_write_status_line(&d->out, tag, condition, span_from_str(code), span_from_str(text));
}

static void put_capabilities(struct dialogue *d, struct buf *out)
{
    buf_put_str(out, "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE");
    if (dialogue_can_start_tls(d)) {
        buf_put_str(out, " STARTTLS");
    }
    if (dialogue_is_private(d)) {
        dialogue_sasl_put_names(d, " AUTH=", out);
    } else {
        buf_put_str(out, " LOGINDISABLED");
    }
}

// ---- passwords ----------------------------------------------------------------------------------

static bool refuse_in_clear(struct dialogue *d, struct span tag)
{
    if (dialogue_is_private(d)) {
        return false;
    }
    reply(d, tag, IMAP_NO, "PRIVACYREQUIRED",
          "Passwords are not taken in the clear; use TLS (port 993) or STARTTLS");
    return true;
}

static void login_identify(struct dialogue *d, struct dialogue_question *q)
{
    struct imap_dialogue *l = login_of(d);

    q->tag = buf_span(&l->tag);
    q->client_id = buf_span(&l->client_id);
}

// The tag outlives its command: keep or a later line answers it. False when it was refused.
static bool tag_keep(struct dialogue *d, struct span tag)
{
    struct imap_dialogue *l = login_of(d);

    if (tag.n > TAG_BYTES_MAX) {
        reply(d, tag, IMAP_BAD, "", "The tag is too long");
        dialogue_count_bad(d);
        return false;
    }
    buf_clear(&l->tag);
    buf_put(&l->tag, tag);
    return true;
}

static void do_login(struct dialogue *d, const struct imap_command *cmd)
{
    if (!refuse_in_clear(d, cmd->tag) && tag_keep(d, cmd->tag)) {
        dialogue_ask(d, "LOGIN", SPAN(""), cmd->login.user, cmd->login.password);
    }
}

static void sasl_failed(struct dialogue *d, const char *why)
{
    reply(d, buf_span(&login_of(d)->tag), IMAP_BAD, "", why);
    dialogue_count_bad(d);
}

static void say_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    struct span tag = buf_span(&login_of(d)->tag);

    switch (why) {
    case DIALOGUE_BAD_PASSWORD:
        // With a text the password was right and something else is in the way (RFC 5530).
        imap_write_status_line(&d->out, tag, IMAP_NO,
                               text.n ? SPAN("AUTHORIZATIONFAILED") : SPAN("AUTHENTICATIONFAILED"),
                               text.n ? text : SPAN("The name or the password is wrong"));
        break;
    case DIALOGUE_TOO_MANY:
        imap_write_status_line(&d->out, tag, IMAP_NO, SPAN("LIMIT"),
                               text.n ? text : SPAN("Too many connections; try again later"));
        break;
    case DIALOGUE_UNAVAILABLE:
        imap_write_status_line(&d->out, tag, IMAP_NO, SPAN("UNAVAILABLE"),
                               text.n ? text : SPAN("Logins cannot be checked now; try again"));
        break;
    }
}

static const struct dialogue_sasl_style sasl_style = {
    .before = "+ ",
    .after = "\r\n",
    .cancelled = "AUTHENTICATE was cancelled",
    .has_equals = true,
    .failed = sasl_failed,
    .refused = say_refused,
};

static void do_authenticate(struct dialogue *d, const struct imap_command *cmd)
{
    struct imap_dialogue *l = login_of(d);
    enum sasl_mechanism mechanism;

    if (refuse_in_clear(d, cmd->tag)) {
        return;
    }
    if (dialogue_sasl_find(d, cmd->authenticate.mechanism, &mechanism) != ERR_OK) {
        reply(d, cmd->tag, IMAP_NO, "CANNOT", "There is no such mechanism here");
        return;
    }
    if (tag_keep(d, cmd->tag)) {
        dialogue_sasl_begin(d, &l->sasl, mechanism,
                            cmd->authenticate.has_initial ? &cmd->authenticate.initial : NULL);
    }
}

// ---- the other commands -------------------------------------------------------------------------

static void do_capability(struct dialogue *d, const struct imap_command *cmd)
{
    struct buf *out = &d->out;

    buf_put_str(out, "* CAPABILITY ");
    put_capabilities(d, out);
    buf_put_str(out, "\r\n");
    reply(d, cmd->tag, IMAP_OK, "", "CAPABILITY done");
}

static void do_noop(struct dialogue *d, const struct imap_command *cmd)
{
    reply(d, cmd->tag, IMAP_OK, "", "NOOP done");
}

static void do_logout(struct dialogue *d, const struct imap_command *cmd)
{
    reply(d, SPAN(""), IMAP_BYE, "", "Goodbye");
    reply(d, cmd->tag, IMAP_OK, "", "LOGOUT done");
    dialogue_close(d);
}

static void put_id_string(struct buf *out, struct span value)
{
    if (value.p) {
        imap_write_string(out, value, false);
    } else {
        buf_put_str(out, "NIL");
    }
}

// What the client says of itself goes along to keep (RFC 2971); our version is nobody's business
// before login.
static void do_id(struct dialogue *d, const struct imap_command *cmd)
{
    struct imap_dialogue *l = login_of(d);

    buf_clear(&l->client_id);
    for (size_t i = 0; i < cmd->identity.n; i++) {
        buf_put_byte(&l->client_id, i ? ' ' : '(');
        put_id_string(&l->client_id, cmd->identity.pairs[i].name);
        buf_put_byte(&l->client_id, ' ');
        put_id_string(&l->client_id, cmd->identity.pairs[i].value);
    }
    if (cmd->identity.n) {
        buf_put_byte(&l->client_id, ')');
    }
    if (l->client_id.failed) {
        buf_clear(&l->client_id);
    }
    buf_put_str(&d->out, "* ID (\"name\" \"Mailkeep\")\r\n");
    reply(d, cmd->tag, IMAP_OK, "", "ID done");
}

static void do_starttls(struct dialogue *d, const struct imap_command *cmd)
{
    if (d->has_tls) {
        reply(d, cmd->tag, IMAP_BAD, "", "TLS is on already");
        dialogue_count_bad(d);
    } else if (!dialogue_can_start_tls(d)) {
        reply(d, cmd->tag, IMAP_BAD, "", "The server has no certificate; TLS cannot be started");
    } else {
        reply(d, cmd->tag, IMAP_OK, "", "Begin TLS now");
        dialogue_start_tls(d);
    }
}

static const struct {
    enum imap_command_id id;
    void (*run)(struct dialogue *d, const struct imap_command *cmd);
} commands[] = {
    {IMAP_CAPABILITY, do_capability},
    {IMAP_NOOP, do_noop},
    {IMAP_LOGOUT, do_logout},
    {IMAP_ID, do_id},
    {IMAP_STARTTLS, do_starttls},
    {IMAP_LOGIN, do_login},
    {IMAP_AUTHENTICATE, do_authenticate},
};

static void run_command(struct dialogue *d, struct span text)
{
    struct imap_dialogue *l = login_of(d);
    struct imap_parse_options options = {.state = IMAP_STATE_NOT_AUTHENTICATED};
    struct imap_command cmd;
    struct imap_parse_error error;

    if (dialogue_is_http(text)) {
        dialogue_end(d, DIALOGUE_OTHER_PROTOCOL);
        return;
    }
    arena_reset(&l->arena);
    if (imap_parse(text, &l->arena, &options, &cmd, &error) != ERR_OK) {
        imap_write_parse_error(&d->out, &error);
        dialogue_count_bad(d);
        return;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].id == cmd.id) {
            commands[i].run(d, &cmd);
            return;
        }
    }
    reply(d, cmd.tag, IMAP_BAD, "", "Log in first");
    dialogue_count_bad(d);
}

// ---- frames -------------------------------------------------------------------------------------

static void literal_too_big(struct dialogue *d, const struct imap_frame *f)
{
    struct span tag = imap_peek_tag(buf_span(&d->in));

    if (f->sync) {
        reply(d, tag, IMAP_NO, "TOOBIG", "The literal is too big before login");
        dialogue_count_bad(d);
    } else {
        dialogue_end(d, DIALOGUE_LITERAL_TOO_BIG);
    }
}

static void bad_line(struct dialogue *d, struct span text)
{
    static const char why[] = "A line has a NUL or a bare CR in it";

    if (login_of(d)->sasl.is_open) {
        dialogue_sasl_fail(d, &login_of(d)->sasl, why);
    } else {
        reply(d, imap_peek_tag(text), IMAP_BAD, "", why);
        dialogue_count_bad(d);
    }
}

// An initial response makes the command longer than others (RFC 4959 section 3).
static uint32_t line_max(const struct dialogue *d)
{
    struct span in = buf_span(&d->in), tag = imap_peek_tag(in);
    uint32_t max = (uint32_t)conf_value_bytes(d->settings, SETTING_LOGIN_LINE_MAX);
    bool is_long = tag.n && span_starts_nocase(span_skip(in, tag.n), SPAN(" AUTHENTICATE "));

    return is_long && max < IMAP_AUTH_LINE_BYTES_MAX ? IMAP_AUTH_LINE_BYTES_MAX : max;
}

// One frame; false when more input is needed.
static bool login_take(struct dialogue *d)
{
    struct imap_dialogue *l = login_of(d);
    struct imap_frame f;

    l->limits.line_bytes = line_max(d);
    if (l->sasl.is_open) {
        imap_framer_line(&l->framer, buf_span(&d->in), IMAP_AUTH_LINE_BYTES_MAX, &f);
    } else {
        imap_framer_next(&l->framer, buf_span(&d->in), &f);
    }
    switch (f.kind) {
    case IMAP_FRAME_MORE:
        return false;
    case IMAP_FRAME_CONTINUE:
        buf_put_str(&d->out, "+ OK\r\n");
        return true;
    case IMAP_FRAME_COMMAND:
        run_command(d, f.text);
        break;
    case IMAP_FRAME_LINE:
        dialogue_sasl_line(d, &l->sasl, f.text);
        break;
    case IMAP_FRAME_LITERAL_TOO_BIG:
        literal_too_big(d, &f);
        break;
    case IMAP_FRAME_BAD_LINE:
        bad_line(d, f.text);
        break;
    default:
        dialogue_end(d, DIALOGUE_LINE_TOO_LONG);
        break;
    }
    dialogue_consume(d, f.bytes);
    return true;
}

// ---- start, end, answers ------------------------------------------------------------------------

static size_t login_input_max(const struct settings *s)
{
    size_t line = conf_value_bytes(s, SETTING_LOGIN_LINE_MAX);

    if (line < IMAP_AUTH_LINE_BYTES_MAX) {
        line = IMAP_AUTH_LINE_BYTES_MAX;
    }
    // Room to find out that it is too long, and to read well.
    return line + conf_value_bytes(s, SETTING_LOGIN_LITERAL_MAX) + 8192;
}

static void login_begin(struct dialogue *d)
{
    struct imap_dialogue *l = login_of(d);

    l->limits = imap_framer_limits_before_login;
    l->limits.line_bytes = (uint32_t)conf_value_bytes(d->settings, SETTING_LOGIN_LINE_MAX);
    l->limits.literal_bytes = (uint32_t)conf_value_bytes(d->settings, SETTING_LOGIN_LITERAL_MAX);
    l->limits.nonsync_bytes = l->limits.literal_bytes;
    imap_framer_init(&l->framer, &l->limits);
    arena_init(&l->arena, ARENA_BYTES);
    dialogue_sasl_init(&l->sasl, &sasl_style);
    buf_init(&l->tag, TAG_BYTES_MAX);
    buf_init(&l->client_id, 4096);
}

static void login_finish(struct dialogue *d)
{
    struct imap_dialogue *l = login_of(d);

    arena_finish(&l->arena);
    dialogue_sasl_finish(&l->sasl);
    buf_finish(&l->tag);
    buf_finish(&l->client_id);
}

static void login_greet(struct dialogue *d)
{
    struct buf code;

    buf_init(&code, 512);
    buf_put_str(&code, "CAPABILITY ");
    put_capabilities(d, &code);
    imap_write_status_line(&d->out, SPAN(""), IMAP_OK, buf_span(&code), SPAN("Mailkeep is ready"));
    buf_finish(&code);
}

static void login_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    if (!dialogue_sasl_refused(d, &login_of(d)->sasl, why, text)) {
        say_refused(d, why, text);
    }
}

static void login_last_words(struct buf *out, enum dialogue_end why, const char *text)
{
    bool is_busy = why == DIALOGUE_TOO_MANY_CLIENTS || why == DIALOGUE_STOPPING;

    imap_write_status_line(out, SPAN(""), IMAP_BYE, is_busy ? SPAN("UNAVAILABLE") : SPAN(""),
                           span_from_str(text));
}

static struct dialogue_sasl *login_sasl(struct dialogue *d)
{
    return &login_of(d)->sasl;
}

const struct dialogue_protocol imap_login_protocol = {
    .alpn = "imap",
    .bad_max = SETTING_LOGIN_BAD_COMMANDS_MAX,
    .state_bytes = sizeof(struct imap_dialogue),
    .input_max = login_input_max,
    .begin = login_begin,
    .finish = login_finish,
    .greet = login_greet,
    .take = login_take,
    .identify = login_identify,
    .refused = login_refused,
    .sasl = login_sasl,
    .last_words = login_last_words,
};
