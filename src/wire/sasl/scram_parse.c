// SPDX-License-Identifier: Apache-2.0
//
// The grammar of RFC 5802 section 7.
#include "base/encode.h"
#include "base/utf8.h"
#include "wire/sasl/saslprep.h"
#include "wire/sasl/scram.h"

#include "base/banned.h"

// What is left of a message: "a=value" between commas.
struct attributes {
    struct span rest;
    bool is_at_end;
};

// The next one. False at the end, and when it is not a letter, "=" and something (attr-val).
static bool attribute_next(struct attributes *a, char *name, struct span *value)
{
    size_t comma = span_find_byte(a->rest, ',');
    struct span one = span_first(a->rest, comma);

    if (a->is_at_end || one.n < 3 || !byte_is_alpha(one.p[0]) || one.p[1] != '=') {
        return false;
    }
    a->is_at_end = comma == a->rest.n;
    a->rest = span_skip(a->rest, comma + 1);
    *name = one.p[0];
    *value = span_skip(one, 2);
    return true;
}

static bool attribute_is(struct attributes *a, char name, struct span *value)
{
    char is;

    return attribute_next(a, &is, value) && is == name;
}

// Optional extensions to the end; "p" alone ends them in a last message and may not be among them.
static enum err skip_extensions(struct attributes a)
{
    struct span ignored;
    char name;

    while (!a.is_at_end) {
        if (!attribute_next(&a, &name, &ignored) || name == 'p' || name == 'm') {
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

// UTF-8 without NUL, not too long.
static enum err message_check(struct span message)
{
    if (message.n > SCRAM_MESSAGE_BYTES_MAX) {
        return ERR_LIMIT;
    }
    return message.n == 0 || !utf8_is_valid(message) || span_find_byte(message, '\0') < message.n
               ? ERR_INVALID
               : ERR_OK;
}

// printable: %x21-2B / %x2D-7E
static enum err nonce_check(struct span nonce, size_t max)
{
    for (size_t i = 0; i < nonce.n; i++) {
        if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e || nonce.p[i] == ',') {
            return ERR_INVALID;
        }
    }
    return nonce.n == 0 ? ERR_INVALID : nonce.n > max ? ERR_LIMIT : ERR_OK;
}

// saslname: "=2C" is a comma, "=3D" an equals sign, no other "=" may be.
static enum err name_decode(struct arena *arena, struct span in, struct span *out)
{
    char *to = arena_alloc(arena, in.n + 1);
    size_t n = 0;

    if (!to) {
        return ERR_NOMEM;
    }
    while (in.n) {
        bool is_comma = span_starts(in, SPAN("=2C"));
        bool is_equals = span_starts(in, SPAN("=3D"));

        if (in.p[0] == '=' && !is_comma && !is_equals) {
            return ERR_INVALID;
        }
        to[n++] = is_comma ? ',' : in.p[0];
        in = span_skip(in, is_comma || is_equals ? 3 : 1);
    }
    if (n > SCRAM_NAME_BYTES_MAX) {
        return ERR_LIMIT;
    }
    *out = span_of(to, n);
    return n ? ERR_OK : ERR_INVALID;
}

static bool is_binding_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i]) && s.p[i] != '.' && s.p[i] != '-') {
            return false;
        }
    }
    return s.n > 0;
}

static enum err flag_parse(struct span flag, enum scram_binding *out)
{
    if (span_eq(flag, SPAN("n"))) {
        *out = SCRAM_BINDING_NONE;
    } else if (span_eq(flag, SPAN("y"))) {
        *out = SCRAM_BINDING_NOT_OFFERED;
    } else if (!span_starts(flag, SPAN("p=")) || !is_binding_name(span_skip(flag, 2))) {
        return ERR_INVALID;
    } else if (span_eq(flag, SPAN("p=tls-exporter"))) {
        *out = SCRAM_BINDING_EXPORTER;
    } else if (span_eq(flag, SPAN("p=tls-server-end-point"))) {
        *out = SCRAM_BINDING_SERVER_POINT;
    } else {
        *out = SCRAM_BINDING_OTHER;
    }
    return ERR_OK;
}

// gs2-header: flag "," [ "a=" name ] ","
static enum err header_parse(struct arena *arena, struct span message, struct scram_first *out)
{
    size_t one = span_find_byte(message, ',');
    size_t two = one + 1 + span_find_byte(span_skip(message, one + 1), ',');

    if (one >= message.n || two >= message.n) {
        return ERR_INVALID;
    }
    struct span authzid = span_of(message.p + one + 1, two - one - 1);
    enum err e = flag_parse(span_first(message, one), &out->binding);

    if (e == ERR_OK && authzid.n) {
        e = span_starts(authzid, SPAN("a="))
                ? name_decode(arena, span_skip(authzid, 2), &out->authzid)
                : ERR_INVALID;
    }
    out->header = span_first(message, two + 1);
    out->bare = span_skip(message, two + 1);
    return e;
}

static enum err name_parse(struct arena *arena, struct span value, struct span *out)
{
    struct span raw;
    enum err e = name_decode(arena, value, &raw);

    e = e ? e : saslprep(arena, raw, SASLPREP_QUERY, out);
    if (e == ERR_OK && out->n > SCRAM_NAME_BYTES_MAX) {
        return ERR_LIMIT;
    }
    return e == ERR_OK && out->n == 0 ? ERR_INVALID : e;
}

enum err scram_first_parse(struct arena *arena, struct span message, struct scram_first *out)
{
    struct scram_first got = {.authzid = SPAN("")};
    struct span name;
    enum err e = message_check(message);

    e = e ? e : header_parse(arena, message, &got);
    if (e != ERR_OK) {
        return e;
    }
    struct attributes a = {.rest = got.bare};

    if (span_starts(got.bare, SPAN("m="))) {
        return ERR_UNSUPPORTED;
    }
    if (!attribute_is(&a, 'n', &name) || !attribute_is(&a, 'r', &got.nonce)) {
        return ERR_INVALID;
    }
    e = nonce_check(got.nonce, SCRAM_NONCE_BYTES_MAX);
    e = e ? e : skip_extensions(a);
    e = e ? e : name_parse(arena, name, &got.name);
    if (e == ERR_OK) {
        *out = got;
    }
    return e;
}

// Appends what base64 stands for, in the arena.
static enum err decode(struct arena *arena, struct span base64, struct span *out)
{
    struct buf plain;

    buf_init(&plain, SCRAM_MESSAGE_BYTES_MAX);
    enum err e = base64_decode(&plain, base64);

    if (e == ERR_OK) {
        *out = arena_dup(arena, buf_span(&plain));
        e = out->p ? ERR_OK : ERR_NOMEM;
    }
    buf_finish(&plain);
    return e;
}

static enum err proof_parse(struct arena *arena, struct span base64, struct scram_final *out)
{
    struct span proof;
    enum err e = decode(arena, base64, &proof);

    if (e == ERR_OK && proof.n == sizeof(out->proof)) {
        memcpy(out->proof, proof.p, sizeof(out->proof));
        return ERR_OK;
    }
    return e ? e : ERR_INVALID;
}

enum err scram_final_parse(struct arena *arena, struct span message, struct scram_final *out)
{
    struct scram_final got = {.nonce = SPAN("")};
    enum err e = message_check(message);
    size_t comma = message.n;

    if (e != ERR_OK) {
        return e;
    }
    while (comma > 0 && message.p[comma - 1] != ',') {
        comma--;
    }
    struct span proof = span_skip(message, comma);
    struct span binding;

    if (comma == 0 || !span_starts(proof, SPAN("p="))) {
        return ERR_INVALID;
    }
    got.without_proof = span_first(message, comma - 1);
    struct attributes a = {.rest = got.without_proof};

    if (!attribute_is(&a, 'c', &binding) || !attribute_is(&a, 'r', &got.nonce)) {
        return ERR_INVALID;
    }
    e = nonce_check(got.nonce, 2 * SCRAM_NONCE_BYTES_MAX);
    e = e ? e : skip_extensions(a);
    e = e ? e : decode(arena, binding, &got.binding);
    e = e ? e : proof_parse(arena, span_skip(proof, 2), &got);
    if (e == ERR_OK) {
        *out = got;
    }
    return e;
}
