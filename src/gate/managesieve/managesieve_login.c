// SPDX-License-Identifier: Apache-2.0
#include "gate/managesieve/managesieve_login.h"

#include "gate/dialogue/dialogue_sasl.h"
#include "sieve/sieve.h"
#include "wire/managesieve/managesieve_offer.h"

#include "base/banned.h"

#define ARENA_BYTES (256u << 10)

struct managesieve_dialogue {
    struct managesieve_framer framer;
    struct arena arena;        // of the command
    struct dialogue_sasl sasl; // while it is open the next thing is a string with a response
};

static struct managesieve_dialogue *login_of(struct dialogue *d)
{
    return d->state;
}

static void say(struct dialogue *d, enum managesieve_result result, const char *code,
                const char *text)
{
    managesieve_result_put(&d->out, result, code, (struct span){NULL, 0}, span_from_str(text));
}

static void put_capabilities(struct dialogue *d, const char *text)
{
    struct buf extensions, mechanisms;

    buf_init(&extensions, 4096);
    buf_init(&mechanisms, 256);
    if (dialogue_is_private(d)) {
        dialogue_sasl_put_names(d, " ", &mechanisms);
    }
    sieve_extensions_put(&extensions);
    const struct managesieve_offer offer = {
        .extensions = buf_span(&extensions),
        .redirects_max = sieve_limits_default.redirects_max,
        .has_starttls = dialogue_can_start_tls(d),
        .mechanisms = span_skip(buf_span(&mechanisms), 1),
    };

    managesieve_capabilities_put(&d->out, &offer);
    buf_finish(&extensions);
    buf_finish(&mechanisms);
    say(d, MANAGESIEVE_OK, NULL, text);
}

// ---- AUTHENTICATE -------------------------------------------------------------------------------

static void say_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    const struct span none = {NULL, 0};

    if (why == DIALOGUE_BAD_PASSWORD) {
        managesieve_result_put(&d->out, MANAGESIEVE_NO, NULL, none,
                               text.n ? text : SPAN("The name or the password is wrong"));
        return;
    }
    managesieve_result_put(&d->out, MANAGESIEVE_NO, "TRYLATER", none,
                           text.n ? text : SPAN("You cannot be let in now; try again later"));
}

// "" says that an initial response is empty, not "=".
static const struct dialogue_sasl_style sasl_style = {
    .before = "\"",
    .after = "\"\r\n",
    .cancelled = "AUTHENTICATE was cancelled",
    .failed = dialogue_say_bad,
    .refused = say_refused,
};

static void do_authenticate(struct dialogue *d, const struct managesieve_command *c)
{
    struct managesieve_dialogue *l = login_of(d);
    enum sasl_mechanism mechanism;

    if (!dialogue_is_private(d)) {
        say(d, MANAGESIEVE_NO, "ENCRYPT-NEEDED", "Passwords are not taken in the clear");
        return;
    }
    if (dialogue_sasl_find(d, c->name, &mechanism) != ERR_OK) {
        say(d, MANAGESIEVE_NO, NULL, "There is no such mechanism here");
        return;
    }
    dialogue_sasl_begin(d, &l->sasl, mechanism, c->content.p ? &c->content : NULL);
}

static void sasl_text(struct dialogue *d, struct span text)
{
    struct managesieve_dialogue *l = login_of(d);
    struct span response;

    if (managesieve_parse_response(text, &l->arena, &response) == ERR_OK) {
        dialogue_sasl_line(d, &l->sasl, response);
    } else {
        dialogue_sasl_fail(d, &l->sasl, "Expected a string");
    }
}

// ---- the other commands -------------------------------------------------------------------------

static void do_starttls(struct dialogue *d, const struct managesieve_command *c)
{
    (void)c;
    dialogue_answer_starttls(d);
}

static void do_capability(struct dialogue *d, const struct managesieve_command *c)
{
    (void)c;
    put_capabilities(d, "");
}

static void do_noop(struct dialogue *d, const struct managesieve_command *c)
{
    managesieve_result_put(&d->out, MANAGESIEVE_OK, c->name.p ? "TAG" : NULL, c->name,
                           SPAN("Done"));
}

static void do_logout(struct dialogue *d, const struct managesieve_command *c)
{
    (void)c;
    say(d, MANAGESIEVE_OK, NULL, "Goodbye");
    dialogue_close(d);
}

static void (*const commands[MANAGESIEVE_COMMAND__COUNT])(struct dialogue *d,
                                                          const struct managesieve_command *c) = {
    [MANAGESIEVE_AUTHENTICATE] = do_authenticate,
    [MANAGESIEVE_STARTTLS] = do_starttls,
    [MANAGESIEVE_CAPABILITY] = do_capability,
    [MANAGESIEVE_NOOP] = do_noop,
    [MANAGESIEVE_LOGOUT] = do_logout,
};

static void run_command(struct dialogue *d, struct span text)
{
    struct managesieve_dialogue *l = login_of(d);
    struct managesieve_command c;
    const char *why;

    if (dialogue_is_http(text)) {
        dialogue_end(d, DIALOGUE_OTHER_PROTOCOL);
        return;
    }
    arena_reset(&l->arena);
    if (managesieve_parse(text, &l->arena, &c, &why) != ERR_OK) {
        dialogue_say_bad(d, why);
    } else if (commands[c.id]) {
        commands[c.id](d, &c);
    } else {
        dialogue_say_bad(d, "Log in first");
    }
}

// ---- frames -------------------------------------------------------------------------------------

static bool login_take(struct dialogue *d)
{
    struct managesieve_dialogue *l = login_of(d);
    struct span text;
    size_t bytes = 0;

    switch (managesieve_frame(&l->framer, buf_span(&d->in), &text, &bytes)) {
    case MANAGESIEVE_MORE:
        return false;
    case MANAGESIEVE_COMMAND:
        if (l->sasl.is_open) {
            sasl_text(d, text);
        } else {
            run_command(d, text);
        }
        break;
    case MANAGESIEVE_SKIP:
        break;
    case MANAGESIEVE_TOO_BIG:
        dialogue_sasl_fail(d, &l->sasl, "The command is too large before login");
        break;
    case MANAGESIEVE_BROKEN:
        say(d, MANAGESIEVE_BYE, NULL, "That is no ManageSieve, or too long before login");
        dialogue_close(d);
        return true;
    }
    dialogue_consume(d, bytes);
    return true;
}

// ---- start, end, answers ------------------------------------------------------------------------

static size_t login_input_max(const struct settings *s)
{
    const struct managesieve_limits *limits = &managesieve_limits_before_login;

    (void)s;
    return limits->line_bytes + limits->literal_bytes + 8192; // and room to read well
}

static void login_begin(struct dialogue *d)
{
    struct managesieve_dialogue *l = login_of(d);

    managesieve_framer_init(&l->framer, &managesieve_limits_before_login);
    arena_init(&l->arena, ARENA_BYTES);
    dialogue_sasl_init(&l->sasl, &sasl_style);
}

static void login_finish(struct dialogue *d)
{
    struct managesieve_dialogue *l = login_of(d);

    arena_finish(&l->arena);
    dialogue_sasl_finish(&l->sasl);
}

static void login_greet(struct dialogue *d)
{
    put_capabilities(d, "Mailkeep is ready");
}

static void login_say(struct dialogue *d, bool is_yes, const char *text)
{
    say(d, is_yes ? MANAGESIEVE_OK : MANAGESIEVE_NO, NULL, text);
}

static void login_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    if (!dialogue_sasl_refused(d, &login_of(d)->sasl, why, text)) {
        say_refused(d, why, text);
    }
}

static void login_last_words(struct buf *out, enum dialogue_end why, const char *text)
{
    managesieve_result_put(out, MANAGESIEVE_BYE, dialogue_end_is_busy(why) ? "TRYLATER" : NULL,
                           (struct span){NULL, 0}, span_from_str(text));
}

static struct dialogue_sasl *login_sasl(struct dialogue *d)
{
    return &login_of(d)->sasl;
}

const struct dialogue_protocol managesieve_login_protocol = {
    .alpn = "managesieve",
    .bad_max = SETTING_LOGIN_BAD_COMMANDS_MAX,
    .state_bytes = sizeof(struct managesieve_dialogue),
    .greets_after_starttls = true,
    .has_no_login = true,
    .input_max = login_input_max,
    .begin = login_begin,
    .finish = login_finish,
    .greet = login_greet,
    .say = login_say,
    .take = login_take,
    .refused = login_refused,
    .sasl = login_sasl,
    .says_last_with_yes = true,
    .last_words = login_last_words,
};
