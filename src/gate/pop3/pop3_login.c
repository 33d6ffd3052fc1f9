// SPDX-License-Identifier: Apache-2.0
#include "gate/pop3/pop3_login.h"

#include "gate/dialogue/dialogue_sasl.h"
#include "wire/line.h"
#include "wire/pop3/pop3_command.h"
#include "wire/pop3/pop3_offer.h"

#include "base/banned.h"

struct pop3_dialogue {
    struct line_reader reader;
    struct buf user; // of USER, until PASS
    struct dialogue_sasl sasl;
};

static struct pop3_dialogue *login_of(struct dialogue *d)
{
    return d->state;
}

static void say_ok(struct dialogue *d, const char *text)
{
    pop3_ok_put(&d->out, span_from_str(text), false);
}

static void say_err(struct dialogue *d, const char *code, const char *text)
{
    pop3_err_put(&d->out, code, span_from_str(text), false);
}

// ---- passwords ----------------------------------------------------------------------------------

static bool refuse_in_clear(struct dialogue *d)
{
    if (dialogue_is_private(d)) {
        return false;
    }
    say_err(d, NULL, "Passwords are not taken in the clear; use TLS (port 995) or STLS");
    return true;
}

static void do_user(struct dialogue *d, const struct pop3_command *c)
{
    struct buf *user = &login_of(d)->user;

    if (refuse_in_clear(d)) {
        return;
    }
    buf_clear(user);
    buf_put(user, c->text);
    say_ok(d, "Now the password");
}

static void do_pass(struct dialogue *d, const struct pop3_command *c)
{
    struct buf *user = &login_of(d)->user;

    if (refuse_in_clear(d)) {
        return;
    }
    if (!user->n) {
        dialogue_say_bad(d, "Say USER first");
        return;
    }
    dialogue_ask(d, "LOGIN", SPAN(""), buf_span(user), c->text);
    buf_clear(user);
}

static void say_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    switch (why) {
    case DIALOGUE_BAD_PASSWORD:
        pop3_err_put(&d->out, "AUTH", text.n ? text : SPAN("The name or the password is wrong"),
                     false);
        break;
    case DIALOGUE_TOO_MANY:
        pop3_err_put(&d->out, "LOGIN-DELAY",
                     text.n ? text : SPAN("Too many connections; try again later"), false);
        break;
    case DIALOGUE_UNAVAILABLE:
        pop3_err_put(&d->out, "SYS/TEMP",
                     text.n ? text : SPAN("Logins cannot be checked now; try again"), false);
        break;
    }
}

static const struct dialogue_sasl_style sasl_style = {
    .before = "+ ",
    .after = "\r\n",
    .cancelled = "AUTH was cancelled",
    .has_equals = true,
    .failed = dialogue_say_bad,
    .refused = say_refused,
};

static void do_auth(struct dialogue *d, const struct pop3_command *c)
{
    struct pop3_dialogue *l = login_of(d);
    enum sasl_mechanism mechanism;

    if (refuse_in_clear(d)) {
        return;
    }
    if (!c->text.p) { // an old custom: which are there?
        buf_put_str(&d->out, "+OK Mechanisms follow");
        dialogue_sasl_put_names(d, "\r\n", &d->out);
        buf_put_str(&d->out, "\r\n.\r\n");
        return;
    }
    if (dialogue_sasl_find(d, c->text, &mechanism) != ERR_OK) {
        say_err(d, NULL, "There is no such mechanism here");
        return;
    }
    dialogue_sasl_begin(d, &l->sasl, mechanism, c->initial.p ? &c->initial : NULL);
}

// ---- the other commands -------------------------------------------------------------------------

static void do_stls(struct dialogue *d, const struct pop3_command *c)
{
    (void)c;
    dialogue_answer_starttls(d);
}

static void do_capa(struct dialogue *d, const struct pop3_command *c)
{
    struct buf mechanisms;

    (void)c;
    buf_init(&mechanisms, 256);
    dialogue_sasl_put_names(d, " ", &mechanisms);
    const struct pop3_offer offer = {
        .has_stls = dialogue_can_start_tls(d),
        .mechanisms = dialogue_is_private(d) ? buf_span(&mechanisms) : SPAN(""),
    };

    pop3_capa_put(&d->out, &offer);
    buf_finish(&mechanisms);
}

// Messages are sent as they are with UTF8 and without; there is nothing to switch on.
static void do_utf8(struct dialogue *d, const struct pop3_command *c)
{
    (void)c;
    say_ok(d, "UTF-8 it is");
}

static void do_lang(struct dialogue *d, const struct pop3_command *c)
{
    pop3_lang_put(&d->out, c->text);
}

static void do_quit(struct dialogue *d, const struct pop3_command *c)
{
    (void)c;
    say_ok(d, "Goodbye");
    dialogue_close(d);
}

static void (*const commands[POP3_COMMAND__COUNT])(struct dialogue *d,
                                                   const struct pop3_command *c) = {
    [POP3_USER] = do_user, [POP3_PASS] = do_pass, [POP3_AUTH] = do_auth, [POP3_STLS] = do_stls,
    [POP3_CAPA] = do_capa, [POP3_UTF8] = do_utf8, [POP3_LANG] = do_lang, [POP3_QUIT] = do_quit,
};

static void run_line(struct dialogue *d, struct span line)
{
    struct pop3_command c;
    const char *why;

    if (dialogue_is_http(line)) {
        dialogue_end(d, DIALOGUE_OTHER_PROTOCOL);
    } else if (pop3_parse(line, &c, &why) != ERR_OK) {
        dialogue_say_bad(d, why);
    } else if (commands[c.id]) {
        commands[c.id](d, &c);
    } else {
        dialogue_say_bad(d, "Log in first");
    }
}

// ---- lines --------------------------------------------------------------------------------------

static bool login_take(struct dialogue *d)
{
    struct pop3_dialogue *l = login_of(d);
    size_t max = l->sasl.is_open ? POP3_AUTH_LINE_BYTES_MAX : POP3_LINE_BYTES_MAX, bytes;
    struct span line;

    // An initial response makes the command longer than others (RFC 5034 section 4).
    if (span_starts_nocase(buf_span(&d->in), SPAN("AUTH "))) {
        max = POP3_AUTH_LINE_BYTES_MAX;
    }
    switch (line_next(&l->reader, buf_span(&d->in), max, &line, &bytes)) {
    case LINE_MORE:
        return false;
    case LINE_WHOLE:
        if (l->sasl.is_open) {
            dialogue_sasl_line(d, &l->sasl, line);
        } else {
            run_line(d, line);
        }
        dialogue_consume(d, bytes);
        return true;
    case LINE_TOO_LONG:
        dialogue_end(d, DIALOGUE_LINE_TOO_LONG);
        return true;
    default:
        say_err(d, NULL, "A line ends in CR LF and has no CR, LF or NUL in it");
        dialogue_close(d);
        return true;
    }
}

// ---- start, end, answers ------------------------------------------------------------------------

static size_t login_input_max(const struct settings *s)
{
    (void)s;
    return POP3_AUTH_LINE_BYTES_MAX + 8192; // room to find out that it is too long, and to read
}

static void login_begin(struct dialogue *d)
{
    struct pop3_dialogue *l = login_of(d);

    dialogue_sasl_init(&l->sasl, &sasl_style);
    buf_init(&l->user, POP3_LINE_BYTES_MAX);
}

static void login_finish(struct dialogue *d)
{
    struct pop3_dialogue *l = login_of(d);

    dialogue_sasl_finish(&l->sasl);
    buf_finish(&l->user);
}

static void login_greet(struct dialogue *d)
{
    say_ok(d, "Mailkeep is ready");
}

static void login_say(struct dialogue *d, bool is_yes, const char *text)
{
    if (is_yes) {
        say_ok(d, text);
    } else {
        say_err(d, NULL, text);
    }
}

static void login_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    if (!dialogue_sasl_refused(d, &login_of(d)->sasl, why, text)) {
        say_refused(d, why, text);
    }
}

static void login_last_words(struct buf *out, enum dialogue_end why, const char *text)
{
    pop3_err_put(out, dialogue_end_is_busy(why) ? "SYS/TEMP" : NULL, span_from_str(text), false);
}

static struct dialogue_sasl *login_sasl(struct dialogue *d)
{
    return &login_of(d)->sasl;
}

const struct dialogue_protocol pop3_login_protocol = {
    .alpn = "pop3",
    .bad_max = SETTING_LOGIN_BAD_COMMANDS_MAX,
    .state_bytes = sizeof(struct pop3_dialogue),
    .input_max = login_input_max,
    .begin = login_begin,
    .finish = login_finish,
    .greet = login_greet,
    .say = login_say,
    .take = login_take,
    .refused = login_refused,
    .sasl = login_sasl,
    .last_words = login_last_words,
};
