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
    arena_init(&s->arena, ARENA_BYTES);
}

void dialogue_sasl_finish(struct dialogue_sasl *s)
{
    arena_finish(&s->arena);
    s->is_open = false;
}

void dialogue_sasl_fail(struct dialogue *d, struct dialogue_sasl *s, const char *why)
{
    s->is_open = false;
    s->is_refused = false;
    s->style->failed(d, why);
}

// Somebody issues tokens that we take.
static bool has_issuer(const struct dialogue *d)
{
    return conf_value_list_size(d->settings, SETTING_OAUTH_ISSUERS) > 0;
}

// LOGIN says nothing that PLAIN does not, in one step more and without a specification. A token is
// said over TLS only, whatever else may be said in the clear (RFC 6750 section 5.3).
static bool is_offered(const struct dialogue *d, enum sasl_mechanism mechanism)
{
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
        s->is_open = false;
        dialogue_ask(d, sasl_mechanism_name(s->sasl.mechanism), c.authzid, c.authcid, c.password);
        sasl_wipe(&c);
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

    buf_init(&plain, SASL_MESSAGE_BYTES_MAX);
    if (sasl_decode(base64, has_equals, &plain) == ERR_OK) {
        struct span response = buf_span(&plain);

        go_on(d, s, &response);
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

// The first issuer: RFC 7628 has room for one, where the client learns how to get a better token.
static struct span issuer_of(const struct dialogue *d)
{
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
    sasl_bearer_error_put(&words, mechanism == SASL_XOAUTH2, SPAN(""), issuer_of(d));
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
