// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/oidc_token.h"

#include "base/encode.h"

#include "base/banned.h"

static enum err decode(struct span part, struct arena *arena, struct span *out)
{
    struct buf b;

    buf_init(&b, OIDC_TOKEN_BYTES_MAX);
    enum err e = base64url_decode(&b, part);

    if (e == ERR_OK) {
        *out = arena_dup(arena, buf_span(&b));
        e = out->p ? ERR_OK : ERR_NOMEM;
    }
    buf_finish(&b);
    return e;
}

// An object in base64url; NULL: it is none.
static json_t *decode_object(struct span part, struct arena *arena)
{
    struct span text;
    json_t *object = NULL;

    if (decode(part, arena, &text) == ERR_OK) {
        object = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    }
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static struct span text_of(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);

    return json_is_string(v) ? span_of(json_string_value(v), json_string_length(v))
                             : (struct span){NULL, 0};
}

// RFC 8725 section 3.11: what was made for another use, and says so, is not taken for this one.
static bool is_type_right(const json_t *header)
{
    const json_t *type = json_object_get(header, "typ");
    struct span s = text_of(header, "typ");

    if (span_starts_nocase(s, SPAN("application/"))) {
        s = span_skip(s, 12);
    }
    return !type || span_eq_nocase(s, SPAN("JWT")) || span_eq_nocase(s, SPAN("at+jwt"));
}

static const char *check_header(const json_t *header, struct oidc_token *t)
{
    const json_t *kid = json_object_get(header, "kid");

    if (oidc_alg_from_name(text_of(header, "alg"), &t->alg) != ERR_OK) {
        return "signed in no way that is taken here";
    }
    if (json_object_get(header, "crit")) {
        return "it has critical headers"; // none is known here: RFC 7515 section 4.1.11
    }
    if (!is_type_right(header)) {
        return "a JWT for something else than access";
    }
    if (kid && !json_is_string(kid)) {
        return "its key has no name";
    }
    // jku, jwk, x5u and x5c, by which a token would bring its own key, are not looked at.
    t->key_id = text_of(header, "kid");
    return NULL;
}

static enum err read_parts(struct span payload, struct span signature, struct arena *arena,
                           struct oidc_token *t, const char **out_why)
{
    *out_why = check_header(t->header, t);
    if (*out_why) {
        return ERR_INVALID;
    }
    *out_why = "not a JWT as it should be";
    enum err e = decode(signature, arena, &t->signature);

    if (e == ERR_OK) {
        t->claims = decode_object(payload, arena);
        e = t->claims ? ERR_OK : ERR_INVALID;
    }
    if (e == ERR_OK) {
        t->issuer = text_of(t->claims, "iss");
    }
    return e;
}

enum err oidc_token_read(struct span token, struct arena *arena, struct oidc_token *out,
                         const char **out_why)
{
    struct span rest = token, header = span_split(&rest, '.');
    struct span payload = span_split(&rest, '.');
    struct oidc_token t = {.signed_part = span_first(token, header.n + 1 + payload.n)};

    if (token.n > OIDC_TOKEN_BYTES_MAX || header.n + 1 + payload.n >= token.n) {
        return ERR_UNSUPPORTED;
    }
    t.header = decode_object(header, arena);
    if (!t.header) {
        return ERR_UNSUPPORTED;
    }
    // Five parts are an encrypted one; its dots are not of the alphabet.
    enum err e = read_parts(payload, rest, arena, &t, out_why);

    if (e == ERR_OK) {
        *out = t;
    } else {
        oidc_token_finish(&t);
    }
    return e;
}

void oidc_token_finish(struct oidc_token *t)
{
    json_decref(t->header);
    json_decref(t->claims);
    t->header = t->claims = NULL;
}
