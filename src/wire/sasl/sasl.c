// SPDX-License-Identifier: Apache-2.0
#include "wire/sasl/sasl.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "wire/sasl/sasl_bearer.h"

#include "base/banned.h"

typedef enum sasl_verdict step_fn(struct sasl_dialogue *d, const struct span *response,
                                  struct span *out_challenge, struct sasl_credentials *out);

static step_fn step_plain, step_login, step_bearer, step_scram, step_external;

static const struct {
    const char *name;
    step_fn *step;
} mechanisms[SASL_MECHANISM__COUNT] = {
    [SASL_PLAIN] = {"PLAIN", step_plain},
    [SASL_LOGIN] = {"LOGIN", step_login},
    [SASL_OAUTHBEARER] = {"OAUTHBEARER", step_bearer},
    [SASL_XOAUTH2] = {"XOAUTH2", step_bearer},
    [SASL_SCRAM] = {"SCRAM-SHA-256", step_scram},
    [SASL_SCRAM_PLUS] = {"SCRAM-SHA-256-PLUS", step_scram},
    [SASL_EXTERNAL] = {"EXTERNAL", step_external},
};

enum err sasl_mechanism_from_name(struct span name, enum sasl_mechanism *out)
{
    for (size_t i = 0; i < SASL_MECHANISM__COUNT; i++) {
        if (span_eq_nocase(span_from_str(mechanisms[i].name), name)) {
            *out = (enum sasl_mechanism)i;
            return ERR_OK;
        }
    }
    return ERR_UNSUPPORTED;
}

const char *sasl_mechanism_name(enum sasl_mechanism mechanism)
{
    return mechanism < SASL_MECHANISM__COUNT ? mechanisms[mechanism].name : "?";
}

bool sasl_is_bearer(enum sasl_mechanism mechanism)
{
    return mechanism == SASL_OAUTHBEARER || mechanism == SASL_XOAUTH2;
}

void sasl_begin(struct sasl_dialogue *d, enum sasl_mechanism mechanism, struct arena *arena)
{
    *d = (struct sasl_dialogue){.mechanism = mechanism, .arena = arena};
}

enum sasl_verdict sasl_step(struct sasl_dialogue *d, const struct span *response,
                            struct span *out_challenge, struct sasl_credentials *out)
{
    return mechanisms[d->mechanism].step(d, response, out_challenge, out);
}

static void wipe(struct span s)
{
    if (s.n) {
        // The bytes are the dialogue's own copy in its arena; the span just does not say so.
        explicit_bzero((char *)(uintptr_t)s.p, s.n);
    }
}

void sasl_wipe(struct sasl_credentials *credentials)
{
    wipe(credentials->password);
    *credentials = (struct sasl_credentials){.password = {NULL, 0}};
}

enum err sasl_decode(struct span base64, bool initial, struct buf *out)
{
    if (initial && span_eq(base64, SPAN("="))) {
        return ERR_OK;
    }
    if (base64.n > (SASL_MESSAGE_BYTES_MAX + 2) / 3 * 4) {
        return ERR_LIMIT;
    }
    return base64_decode(out, base64);
}

// What holds for names and passwords alike: not empty, UTF-8 without NUL, not too long.
static enum err check_part(struct span part, size_t max)
{
    if (part.n > max) {
        return ERR_LIMIT;
    }
    return part.n == 0 || span_find_byte(part, '\0') < part.n || !utf8_is_valid(part) ? ERR_INVALID
                                                                                      : ERR_OK;
}

enum err sasl_plain_parse(struct span message, struct sasl_credentials *out)
{
    struct span rest = message;
    struct sasl_credentials got;
    size_t nuls = 0;

    for (size_t i = 0; i < message.n; i++) {
        nuls += message.p[i] == '\0';
    }
    if (nuls != 2) {
        return ERR_INVALID;
    }
    got.authzid = span_split(&rest, '\0');
    got.authcid = span_split(&rest, '\0');
    got.password = rest;
    enum err e = got.authzid.n ? check_part(got.authzid, SASL_NAME_BYTES_MAX) : ERR_OK;

    e = e ? e : check_part(got.authcid, SASL_NAME_BYTES_MAX);
    e = e ? e : check_part(got.password, SASL_PASSWORD_BYTES_MAX);
    if (!e) {
        *out = got;
    }
    return e;
}

static enum sasl_verdict challenge(struct span text, struct span *out)
{
    *out = text;
    return SASL_CHALLENGE;
}

// RFC 4616: one message, the server speaks first with nothing when it did not come along.
static enum sasl_verdict step_plain(struct sasl_dialogue *d, const struct span *response,
                                    struct span *out_challenge, struct sasl_credentials *out)
{
    if (!response) {
        return d->step++ ? SASL_MALFORMED : challenge(SPAN(""), out_challenge);
    }
    struct span copy = arena_dup(d->arena, *response);

    return copy.p && !sasl_plain_parse(copy, out) ? SASL_COMPLETE : SASL_MALFORMED;
}

// The name, then the password; an initial response is the name.
static enum sasl_verdict step_login(struct sasl_dialogue *d, const struct span *response,
                                    struct span *out_challenge, struct sasl_credentials *out)
{
    bool have_user = d->user.p != NULL;

    if (!response) {
        return d->step++ ? SASL_MALFORMED : challenge(SPAN("Username:"), out_challenge);
    }
    d->step++;
    if (check_part(*response, have_user ? SASL_PASSWORD_BYTES_MAX : SASL_NAME_BYTES_MAX)) {
        return SASL_MALFORMED;
    }
    struct span copy = arena_dup(d->arena, *response);

    if (!copy.p) {
        return SASL_MALFORMED;
    }
    if (!have_user) {
        d->user = copy;
        return challenge(SPAN("Password:"), out_challenge);
    }
    *out = (struct sasl_credentials){.authcid = d->user, .password = copy};
    return SASL_COMPLETE;
}

// RFC 7628 section 3.1: one message, like PLAIN's. The step after a refusal is the carrier's.
static enum sasl_verdict step_bearer(struct sasl_dialogue *d, const struct span *response,
                                     struct span *out_challenge, struct sasl_credentials *out)
{
    if (!response) {
        return d->step++ ? SASL_MALFORMED : challenge(SPAN(""), out_challenge);
    }
    struct span copy = arena_dup(d->arena, *response);

    if (!copy.p) {
        return SASL_MALFORMED;
    }
    enum err e = d->mechanism == SASL_XOAUTH2 ? sasl_xoauth2_parse(copy, out)
                                              : sasl_oauthbearer_parse(copy, d->arena, out);

    return e == ERR_OK ? SASL_COMPLETE : SASL_MALFORMED;
}

// RFC 5802 section 5: the client speaks first.
static enum sasl_verdict step_scram(struct sasl_dialogue *d, const struct span *response,
                                    struct span *out_challenge, struct sasl_credentials *out)
{
    if (!response) {
        return d->step++ ? SASL_MALFORMED : challenge(SPAN(""), out_challenge);
    }
    d->message = arena_dup(d->arena, *response);
    if (!d->message.p || scram_first_parse(d->arena, d->message, &d->scram) != ERR_OK ||
        d->scram.authzid.n > SASL_NAME_BYTES_MAX) {
        return SASL_MALFORMED;
    }
    *out = (struct sasl_credentials){.authzid = d->scram.authzid, .authcid = d->scram.name};
    return SASL_COMPLETE;
}

// RFC 4422 appendix A: who it is says the channel; the message says whom to act as, or nothing.
static enum sasl_verdict step_external(struct sasl_dialogue *d, const struct span *response,
                                       struct span *out_challenge, struct sasl_credentials *out)
{
    if (!response) {
        return d->step++ ? SASL_MALFORMED : challenge(SPAN(""), out_challenge);
    }
    struct span copy = arena_dup(d->arena, *response);

    if (!copy.p || copy.n > SASL_NAME_BYTES_MAX || !utf8_is_valid(copy) ||
        span_find_byte(copy, '\0') < copy.n) {
        return SASL_MALFORMED;
    }
    *out = (struct sasl_credentials){.authzid = copy};
    return SASL_COMPLETE;
}
