// SPDX-License-Identifier: Apache-2.0
#include "wire/sasl/sasl_bearer.h"

#include "base/utf8.h"

#include "base/banned.h"

#define KVSEP '\x01'

// A b64token (RFC 6750 section 2.1).
static enum err check_token(struct span token)
{
    size_t end = token.n;

    if (token.n > SASL_TOKEN_BYTES_MAX) {
        return ERR_LIMIT;
    }
    while (end && token.p[end - 1] == '=') {
        end--;
    }
    for (size_t i = 0; i < end; i++) {
        char c = token.p[i];

        if (!byte_is_alnum(c) && c != '-' && c != '.' && c != '_' && c != '~' && c != '+' &&
            c != '/') {
            return ERR_INVALID;
        }
    }
    return end ? ERR_OK : ERR_INVALID;
}

static enum err check_name(struct span name)
{
    if (name.n > SASL_NAME_BYTES_MAX) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (byte_is_ctl(name.p[i])) {
            return ERR_INVALID;
        }
    }
    return utf8_is_valid(name) ? ERR_OK : ERR_INVALID;
}

// "Bearer TOKEN"; the scheme in any case (RFC 9110 section 11.1).
static enum err take_auth(struct span value, struct span *token)
{
    const struct span scheme = SPAN("Bearer ");

    if (token->p || !span_starts_nocase(value, scheme)) {
        return ERR_INVALID;
    }
    value = span_skip(value, scheme.n);
    while (value.n && value.p[0] == ' ') {
        value = span_skip(value, 1);
    }
    *token = value;
    return check_token(value);
}

static enum err check_pair(struct span key, struct span value)
{
    for (size_t i = 0; i < key.n; i++) {
        if (!byte_is_alpha(key.p[i])) {
            return ERR_INVALID;
        }
    }
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (c < ' ' ? c != '\t' && c != '\r' && c != '\n' : c == 127) {
            return ERR_INVALID;
        }
    }
    return key.n ? ERR_OK : ERR_INVALID;
}

// The pairs after the first part, up to the KVSEP that ends the message.
static enum err take_pairs(struct span rest, struct span *token)
{
    enum err e = ERR_OK;

    while (e == ERR_OK && rest.n && rest.p[0] != KVSEP) {
        size_t end = span_find_byte(rest, KVSEP);
        struct span value = span_first(rest, end), key;

        if (end == rest.n || span_find_byte(value, '=') == value.n) {
            return ERR_INVALID;
        }
        key = span_split(&value, '=');
        e = check_pair(key, value);
        if (e == ERR_OK && span_eq(key, SPAN("auth"))) {
            e = take_auth(value, token);
        }
        rest = span_skip(rest, end + 1);
    }
    // Exactly one KVSEP is left, and a token was there.
    return e == ERR_OK && (rest.n != 1 || !token->p) ? ERR_INVALID : e;
}

// A saslname (RFC 5801 section 4): "=2C" is a comma, "=3D" an equals sign.
static enum err take_saslname(struct span in, struct arena *arena, struct span *out)
{
    char *p = NULL;
    size_t n = 0;

    if (span_find_byte(in, '=') == in.n) {
        *out = in;
        return ERR_OK;
    }
    p = arena_alloc(arena, in.n);
    if (!p) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < in.n; i++) {
        struct span at = span_skip(in, i);

        if (in.p[i] != '=') {
            p[n++] = in.p[i];
        } else if (span_starts(at, SPAN("=2C")) || span_starts(at, SPAN("=3D"))) {
            p[n++] = in.p[i + 1] == '2' ? ',' : '=';
            i += 2;
        } else {
            return ERR_INVALID;
        }
    }
    *out = span_of(p, n);
    return ERR_OK;
}

// gs2-header: the flag of channel binding, and maybe whom to act as.
static enum err take_gs2(struct span *rest, struct arena *arena, struct span *name)
{
    if (!span_starts(*rest, SPAN("n,")) && !span_starts(*rest, SPAN("y,"))) {
        return ERR_INVALID;
    }
    *rest = span_skip(*rest, 2);
    size_t comma = span_find_byte(*rest, ',');
    struct span authzid = span_first(*rest, comma);

    if (comma == rest->n || (authzid.n && !span_starts(authzid, SPAN("a=")))) {
        return ERR_INVALID;
    }
    *rest = span_skip(*rest, comma + 1);
    if (!authzid.n) {
        *name = SPAN("");
        return ERR_OK;
    }
    enum err e = take_saslname(span_skip(authzid, 2), arena, name);

    e = e == ERR_OK ? check_name(*name) : e;
    return e == ERR_OK && !name->n ? ERR_INVALID : e;
}

enum err sasl_oauthbearer_parse(struct span message, struct arena *arena,
                                struct sasl_credentials *out)
{
    struct span rest = message, name = SPAN(""), token = {NULL, 0};
    enum err e = take_gs2(&rest, arena, &name);

    if (e == ERR_OK && (!rest.n || rest.p[0] != KVSEP)) {
        e = ERR_INVALID;
    }
    e = e == ERR_OK ? take_pairs(span_skip(rest, 1), &token) : e;
    if (e == ERR_OK) {
        *out = (struct sasl_credentials){.authzid = SPAN(""), .authcid = name, .password = token};
    }
    return e;
}

enum err sasl_xoauth2_parse(struct span message, struct sasl_credentials *out)
{
    struct span rest = message, token = {NULL, 0};
    size_t end = span_find_byte(rest, KVSEP);
    struct span name = span_first(rest, end);

    if (end == rest.n || !span_starts(name, SPAN("user="))) {
        return ERR_INVALID;
    }
    name = span_skip(name, 5);
    enum err e = name.n ? check_name(name) : ERR_INVALID;

    e = e == ERR_OK ? take_pairs(span_skip(rest, end + 1), &token) : e;
    if (e == ERR_OK) {
        *out = (struct sasl_credentials){.authzid = SPAN(""), .authcid = name, .password = token};
    }
    return e;
}

// ---- what the server says -----------------------------------------------------------------------

static bool is_plain(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\') {
            return false;
        }
    }
    return s.n > 0;
}

void sasl_bearer_error_put(struct buf *out, bool is_xoauth2, struct span scope, struct span issuer)
{
    buf_put_str(out, is_xoauth2 ? "{\"status\":\"401\",\"schemes\":\"bearer\""
                                : "{\"status\":\"invalid_token\"");
    if (is_plain(scope)) {
        buf_printf(out, ",\"scope\":\"%.*s\"", SPAN_ARG(scope));
    }
    if (is_plain(issuer)) {
        while (span_ends(issuer, SPAN("/"))) {
            issuer.n--;
        }
        buf_printf(out, ",\"openid-configuration\":\"%.*s/.well-known/openid-configuration\"",
                   SPAN_ARG(issuer));
    }
    buf_put_byte(out, '}');
}
