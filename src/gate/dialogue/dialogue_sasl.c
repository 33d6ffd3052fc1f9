// SPDX-License-Identifier: Apache-2.0
#include "gate/dialogue/dialogue_sasl.h"

#include <openssl/crypto.h>

#include "base/encode.h"
#include "wire/sasl/sasl_bearer.h"

#include "base/banned.h"

#define ARENA_BYTES (64u << 10) // copies of two messages of SASL_MESSAGE_BYTES_MAX, and more

void dialogue_sasl_init(struct dialogue_sasl *s, const struct dialogue_sasl_style *style)
{
    *s = (struct dialogue_sasl){.style = style};
    arena_init_secret(&s->arena, ARENA_BYTES);
}

void dialogue_sasl_finish(struct dialogue_sasl *s)
{
    arena_finish(&s->arena);
    s->is_open = false;
}

void dialogue_sasl_fail(struct dialogue *d, struct dialogue_sasl *s, const char *why)
{
    s->is_open = s->is_refused = s->is_second = s->is_heard = false;
    s->style->failed(d, why);
}

static bool is_scram_on(const struct dialogue *d)
{
    return !span_eq(conf_value_choice_text(d->settings, SETTING_AUTH_SCRAM), SPAN("no"));
}

// Has the connection anything to bind a sign-in to?
static bool is_bindable(const struct dialogue *d)
{
    return d->has_tls && (d->channel.exporter_n || d->channel.server_point_n);
}

// Somebody issues tokens that we take.
static bool has_issuer(const struct dialogue *d)
{
    return conf_value_bool(d->settings, SETTING_OAUTH_SERVER) ||
           conf_value_list_size(d->settings, SETTING_OAUTH_ISSUERS) > 0;
}

// LOGIN says nothing that PLAIN does not, in one step more and without a specification. A token is
// said over TLS only, whatever else may be said in the clear (RFC 6750 section 5.3).
static bool is_offered(const struct dialogue *d, enum sasl_mechanism mechanism)
{
    if (sasl_is_scram(mechanism)) {
        return is_scram_on(d) && (mechanism == SASL_SCRAM || is_bindable(d));
    }
    if (mechanism == SASL_EXTERNAL) {
        return d->has_tls && d->certificate.name_count > 0;
    }
    if (sasl_is_bearer(mechanism)) {
        return d->has_tls && has_issuer(d);
    }
    return mechanism != SASL_LOGIN ||
           (!d->protocol->has_no_login && conf_value_bool(d->settings, SETTING_AUTH_LOGIN));
}

enum err dialogue_sasl_find(const struct dialogue *d, struct span name, enum sasl_mechanism *out)
{
    enum sasl_mechanism found;
    enum err e = sasl_mechanism_from_name(name, &found);

    if (e == ERR_OK && !is_offered(d, found)) {
        return ERR_UNSUPPORTED;
    }
    if (e == ERR_OK) {
        *out = found;
    }
    return e;
}

void dialogue_sasl_put_names(const struct dialogue *d, const char *before, struct buf *out)
{
    for (int i = 0; i < SASL_MECHANISM__COUNT; i++) {
        if (is_offered(d, (enum sasl_mechanism)i)) {
            buf_put_str(out, before);
            buf_put_str(out, sasl_mechanism_name((enum sasl_mechanism)i));
        }
    }
}

static void put_challenge(struct dialogue *d, const struct dialogue_sasl_style *style,
                          struct span challenge)
{
    buf_put_str(&d->out, style->before);
    base64_encode(&d->out, challenge);
    buf_put_str(&d->out, style->after);
}

// ---- SCRAM --------------------------------------------------------------------------------------

// The bytes that the message wants to be bound to.
static struct span binding_of(const struct scram_channel *channel, enum scram_binding kind)
{
    return kind == SCRAM_BINDING_EXPORTER       ? channel->exporter
           : kind == SCRAM_BINDING_SERVER_POINT ? channel->server_point
                                                : SPAN("");
}

// A no without a question to keep, which is a sign-in that failed all the same.
static void refuse(struct dialogue *d, struct dialogue_sasl *s, const char *why)
{
    s->style->refused(d, DIALOGUE_BAD_PASSWORD, span_from_str(why));
    dialogue_count_bad(d);
}

static void ask_scram(struct dialogue *d, struct dialogue_sasl *s)
{
    const struct scram_first *first = &s->sasl.scram;
    struct scram_channel channel = {{NULL, 0}, {NULL, 0}};

    if (d->has_tls) {
        channel.exporter = span_of(d->channel.exporter, d->channel.exporter_n);
        channel.server_point = span_of(d->channel.server_point, d->channel.server_point_n);
    }
    switch (scram_first_check(first, s->sasl.mechanism == SASL_SCRAM_PLUS, &channel)) {
    case ERR_OK:
        break;
    case ERR_DENIED: // RFC 5802 section 6
        refuse(d, s, "Channel binding is offered here; somebody hides it from you");
        return;
    case ERR_UNSUPPORTED:
        refuse(d, s, "There is no such channel binding here");
        return;
    default:
        dialogue_sasl_fail(d, s, "The mechanism and the channel binding do not go together");
        return;
    }
    struct dialogue_question q = {.mechanism = sasl_mechanism_name(s->sasl.mechanism),
                                  .authzid = first->authzid,
                                  .user = first->name,
                                  .password = SPAN(""),
                                  .message = s->sasl.message,
                                  .binding = binding_of(&channel, first->binding)};

    dialogue_ask_with(d, &q);
}

void dialogue_sasl_challenged(struct dialogue *d, struct dialogue_sasl *s, struct span bytes,
                              bool is_last)
{
    s->is_second = !is_last;
    s->is_heard = is_last;
    s->is_open = true;
    put_challenge(d, s->style, bytes);
}

static void second(struct dialogue *d, struct dialogue_sasl *s, struct span message)
{
    struct scram_final final;

    s->is_second = s->is_open = false;
    if (scram_final_parse(&s->arena, message, &final) != ERR_OK) {
        dialogue_sasl_fail(d, s, "The SASL message is malformed");
        return;
    }
    struct dialogue_question q = {.mechanism = sasl_mechanism_name(s->sasl.mechanism),
                                  .message = message,
                                  .is_response = true};

    q.authzid = q.user = q.password = q.binding = SPAN("");
    dialogue_ask_with(d, &q);
}

static void heard(struct dialogue *d, struct dialogue_sasl *s, struct span message)
{
    s->is_heard = s->is_open = false;
    if (message.n) {
        dialogue_sasl_fail(d, s, "There is nothing more to say");
    } else {
        d->step = DIALOGUE_ADMIT;
    }
}

// ---- EXTERNAL -----------------------------------------------------------------------------------

// As whom: whoever says nothing is the first address of the certificate; one that is not in it is
// not taken, or is another's account that keep may open to the first.
static void ask_external(struct dialogue *d, struct dialogue_sasl *s, struct span authzid)
{
    const struct dialogue_certificate *c = &d->certificate;
    size_t which = 0;

    while (authzid.n && which < c->name_count && !span_eq_nocase(c->names[which], authzid)) {
        which++;
    }
    bool acts = which == c->name_count;

    if (acts && !conf_value_bool(d->settings, SETTING_READ_AS)) {
        refuse(d, s, "That address is not in the certificate");
        return;
    }
    struct span user = c->names[acts ? 0 : which];
    struct dialogue_question q = {.mechanism = sasl_mechanism_name(SASL_EXTERNAL),
                                  .authzid = acts ? authzid : user,
                                  .user = user,
                                  .message = span_of(c->digest, sizeof(c->digest))};

    q.password = q.binding = SPAN("");
    dialogue_ask_with(d, &q);
}

// ---- responses ----------------------------------------------------------------------------------

static void complete(struct dialogue *d, struct dialogue_sasl *s, struct sasl_credentials *c)
{
    s->is_open = false;
    if (sasl_is_scram(s->sasl.mechanism)) {
        ask_scram(d, s);
        return;
    }
    if (s->sasl.mechanism == SASL_EXTERNAL) {
        ask_external(d, s, c->authzid);
        return;
    }
    dialogue_ask(d, sasl_mechanism_name(s->sasl.mechanism), c->authzid, c->authcid, c->password);
    sasl_wipe(c);
}

static void go_on(struct dialogue *d, struct dialogue_sasl *s, const struct span *response)
{
    struct sasl_credentials c;
    struct span challenge;

    switch (sasl_step(&s->sasl, response, &challenge, &c)) {
    case SASL_CHALLENGE:
        s->is_open = true;
        put_challenge(d, s->style, challenge);
        break;
    case SASL_COMPLETE:
        complete(d, s, &c);
        break;
    case SASL_MALFORMED:
        dialogue_sasl_fail(d, s, "The SASL message is malformed");
        break;
    }
}

static void respond(struct dialogue *d, struct dialogue_sasl *s, struct span base64,
                    bool has_equals)
{
    struct buf plain;

    buf_init_secret(&plain, SASL_MESSAGE_BYTES_MAX);
    if (sasl_decode(base64, has_equals, &plain) == ERR_OK) {
        struct span response = buf_span(&plain);

        if (s->is_second) {
            second(d, s, response);
        } else if (s->is_heard) {
            heard(d, s, response);
        } else {
            go_on(d, s, &response);
        }
    } else {
        dialogue_sasl_fail(d, s, "The SASL message is not base64");
    }
    if (plain.p) {
        OPENSSL_cleanse(plain.p, plain.cap);
    }
    buf_finish(&plain);
}

void dialogue_sasl_begin(struct dialogue *d, struct dialogue_sasl *s, enum sasl_mechanism mechanism,
                         const struct span *initial)
{
    arena_reset(&s->arena);
    sasl_begin(&s->sasl, mechanism, &s->arena);
    if (initial) {
        respond(d, s, *initial, s->style->has_equals);
    } else {
        go_on(d, s, NULL);
    }
}

// We ourselves, or the first issuer: RFC 7628 has room for one, where the client learns how to get
// a better token.
static struct span issuer_of(const struct dialogue *d, struct arena *a)
{
    struct span own = conf_value_text(d->settings, SETTING_OAUTH_ISSUER);

    if (conf_value_bool(d->settings, SETTING_OAUTH_SERVER)) {
        char *p = arena_alloc(a, 8 + d->host.n);

        if (!p || own.n) {
            return own;
        }
        memcpy(p, "https://", 8);
        memcpy(p + 8, d->host.p, d->host.n);
        return span_of(p, 8 + d->host.n);
    }
    struct span first = conf_value_list_item(d->settings, SETTING_OAUTH_ISSUERS, 0);

    return span_first(first, span_find_byte(first, ' '));
}

bool dialogue_sasl_refused(struct dialogue *d, struct dialogue_sasl *s, enum dialogue_refusal why,
                           struct span text)
{
    enum sasl_mechanism mechanism = s->sasl.mechanism;
    struct buf words;

    // Something else than SASL may have asked last.
    if (why != DIALOGUE_BAD_PASSWORD || !sasl_is_bearer(mechanism) || !has_issuer(d) ||
        d->question.mechanism != sasl_mechanism_name(mechanism)) {
        return false;
    }
    buf_init(&words, 2048);
    sasl_bearer_error_put(&words, mechanism == SASL_XOAUTH2, SPAN(""), issuer_of(d, &s->arena));
    put_challenge(d, s->style, buf_span(&words));
    buf_finish(&words);
    s->refusal = arena_dup(&s->arena, text);
    s->is_refused = s->is_open = true;
    return true;
}

// Whatever the client says to it, the answer is no.
static void end_refused(struct dialogue *d, struct dialogue_sasl *s)
{
    s->is_refused = s->is_open = false;
    s->style->refused(d, DIALOGUE_BAD_PASSWORD, s->refusal);
}

void dialogue_sasl_line(struct dialogue *d, struct dialogue_sasl *s, struct span line)
{
    if (s->is_refused) {
        end_refused(d, s);
    } else if (span_eq(line, SPAN("*"))) {
        dialogue_sasl_fail(d, s, s->style->cancelled);
    } else {
        respond(d, s, line, false);
    }
}
