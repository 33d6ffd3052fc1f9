// SPDX-License-Identifier: Apache-2.0
#include "gate/managesieve/managesieve_login.h"

#include <openssl/crypto.h>

#include "base/encode.h"
#include "sieve/sieve.h"
#include "wire/managesieve/managesieve_offer.h"
#include "wire/sasl/sasl.h"

#include "base/banned.h"

#define ARENA_BYTES (256u << 10)

struct managesieve_dialogue {
    struct managesieve_framer framer;
    struct arena arena; // of the command; kept over an AUTHENTICATE's lines
    struct sasl_dialogue sasl;
    bool in_sasl; // the next thing is a string with a SASL response
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

static void say_bad(struct dialogue *d, const char *text)
{
    say(d, MANAGESIEVE_NO, NULL, text);
    dialogue_count_bad(d);
}

static void put_capabilities(struct dialogue *d, const char *text)
{
    struct buf extensions;

    buf_init(&extensions, 4096);
    sieve_extensions_put(&extensions);
    const struct managesieve_offer offer = {
        .extensions = buf_span(&extensions),
        .redirects_max = sieve_limits_default.redirects_max,
        .has_starttls = dialogue_can_start_tls(d),
        .has_login = dialogue_is_private(d),
    };

    managesieve_capabilities_put(&d->out, &offer);
    buf_finish(&extensions);
    say(d, MANAGESIEVE_OK, NULL, text);
}

// ---- AUTHENTICATE -------------------------------------------------------------------------------

static void sasl_end(struct dialogue *d, const char *why)
{
    login_of(d)->in_sasl = false;
    say_bad(d, why);
}

static void ask(struct dialogue *d, const struct sasl_credentials *c)
{
    struct dialogue_question q = {
        .mechanism = sasl_mechanism_name(login_of(d)->sasl.mechanism),
        .authzid = c->authzid,
        .user = c->authcid,
        .password = c->password,
        .tag = SPAN(""),
        .client_id = SPAN(""),
    };

    dialogue_ask(d, &q);
}

static void put_challenge(struct dialogue *d, struct span challenge)
{
    buf_put_byte(&d->out, '"');
    base64_encode(&d->out, challenge);
    buf_put_str(&d->out, "\"\r\n");
}

static void sasl_go_on(struct dialogue *d, const struct span *response)
{
    struct managesieve_dialogue *l = login_of(d);
    struct sasl_credentials credentials;
    struct span challenge;

    switch (sasl_step(&l->sasl, response, &challenge, &credentials)) {
    case SASL_CHALLENGE:
        l->in_sasl = true;
        put_challenge(d, challenge);
        break;
    case SASL_COMPLETE:
        l->in_sasl = false;
        ask(d, &credentials);
        sasl_wipe(&credentials);
        break;
    case SASL_MALFORMED:
        sasl_end(d, "The SASL message is malformed");
        break;
    }
}

static void sasl_response(struct dialogue *d, struct span base64)
{
    struct buf plain;

    buf_init(&plain, SASL_MESSAGE_BYTES_MAX);
    if (sasl_decode(base64, false, &plain) == ERR_OK) { // "" says it is empty, not "="
        struct span response = buf_span(&plain);

        sasl_go_on(d, &response);
    } else {
        sasl_end(d, "The SASL message is not base64");
    }
    if (plain.p) {
        OPENSSL_cleanse(plain.p, plain.cap);
    }
    buf_finish(&plain);
}

static void do_authenticate(struct dialogue *d, const struct managesieve_command *c)
{
    struct managesieve_dialogue *l = login_of(d);
    enum sasl_mechanism mechanism;

    if (!dialogue_is_private(d)) {
        say(d, MANAGESIEVE_NO, "ENCRYPT-NEEDED", "Passwords are not taken in the clear");
        return;
    }
    if (sasl_mechanism_from_name(c->name, &mechanism) != ERR_OK || mechanism != SASL_PLAIN) {
        say(d, MANAGESIEVE_NO, NULL, "No such mechanism; PLAIN is there");
        return;
    }
    sasl_begin(&l->sasl, mechanism, &l->arena);
    if (c->content.p) {
        sasl_response(d, c->content);
    } else {
        sasl_go_on(d, NULL);
    }
}

static void sasl_text(struct dialogue *d, struct span text)
{
    struct span response;

    if (managesieve_parse_response(text, &login_of(d)->arena, &response) != ERR_OK) {
        sasl_end(d, "Expected a string");
    } else if (span_eq(response, SPAN("*"))) {
        sasl_end(d, "AUTHENTICATE was cancelled");
    } else {
        sasl_response(d, response);
    }
}

// ---- the other commands -------------------------------------------------------------------------

static void do_starttls(struct dialogue *d, const struct managesieve_command *c)
{
    (void)c;
    if (d->has_tls) {
        say_bad(d, "TLS is on already");
    } else if (!dialogue_can_start_tls(d)) {
        say(d, MANAGESIEVE_NO, NULL, "The server has no certificate; TLS cannot be started");
    } else {
        say(d, MANAGESIEVE_OK, NULL, "Begin TLS now");
        dialogue_start_tls(d);
    }
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
        say_bad(d, why);
    } else if (commands[c.id]) {
        commands[c.id](d, &c);
    } else {
        say_bad(d, "Log in first");
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
        if (l->in_sasl) {
            sasl_text(d, text);
        } else {
            run_command(d, text);
        }
        break;
    case MANAGESIEVE_SKIP:
        break;
    case MANAGESIEVE_TOO_BIG:
        sasl_end(d, "The command is too large before login");
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
}

static void login_finish(struct dialogue *d)
{
    arena_finish(&login_of(d)->arena);
}

static void login_greet(struct dialogue *d)
{
    put_capabilities(d, "Mailkeep is ready");
}

static void login_refused(struct dialogue *d, enum dialogue_refusal why, struct span text)
{
    const struct span none = {NULL, 0};

    if (why == DIALOGUE_BAD_PASSWORD) {
        say(d, MANAGESIEVE_NO, NULL, "The name or the password is wrong");
        return;
    }
    managesieve_result_put(&d->out, MANAGESIEVE_NO, "TRYLATER", none,
                           text.n ? text : SPAN("You cannot be let in now; try again later"));
}

static void login_last_words(struct buf *out, enum dialogue_end why, const char *text)
{
    bool is_busy = why == DIALOGUE_TOO_MANY_CLIENTS || why == DIALOGUE_STOPPING ||
                   why == DIALOGUE_TOO_MANY_FROM_ADDRESS;

    managesieve_result_put(out, MANAGESIEVE_BYE, is_busy ? "TRYLATER" : NULL,
                           (struct span){NULL, 0}, span_from_str(text));
}

const struct dialogue_protocol managesieve_login_protocol = {
    .alpn = "managesieve",
    .state_bytes = sizeof(struct managesieve_dialogue),
    .greets_after_starttls = true,
    .input_max = login_input_max,
    .begin = login_begin,
    .finish = login_finish,
    .greet = login_greet,
    .take = login_take,
    .refused = login_refused,
    .last_words = login_last_words,
};
