// SPDX-License-Identifier: Apache-2.0
//
// A DKIM-Signature, ARC-Message-Signature or ARC-Seal field as values: RFC 6376 section 3.5,
// RFC 8617 section 4.1.
#include "base/encode.h"
#include "senderauth/dkim_internal.h"

#include "base/banned.h"

#define BASE64_BYTES_MAX 4096 // of b= and bh=, decoded

static bool is_selector(struct span s)
{
    struct domain_name d;

    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_space(s.p[i])) {
            return false;
        }
    }
    return domain_name_parse(s, &d) == ERR_OK;
}

// Decodes into `to` (room for `max`); false when it is not base64 or empty. `*out_n` may be larger
// than `max`: then it did not fit.
static bool take_base64(struct span value, uint8_t *to, size_t max, size_t *out_n)
{
    struct buf squeezed, plain;
    bool ok = false;

    buf_init(&squeezed, 2 * BASE64_BYTES_MAX);
    buf_init(&plain, BASE64_BYTES_MAX);
    tag_put_squeezed(&squeezed, value);
    if (squeezed.failed) {
        *out_n = BASE64_BYTES_MAX + 1;
        ok = true;
    } else if (base64_decode(&plain, buf_span(&squeezed)) == ERR_OK && plain.n) {
        *out_n = plain.n;
        memcpy(to, plain.p, plain.n < max ? plain.n : max);
        ok = true;
    }
    buf_finish(&squeezed);
    buf_finish(&plain);
    return ok;
}

static enum dkim_algorithm algorithm_of(struct span s)
{
    return span_eq(s, SPAN("rsa-sha256"))       ? DKIM_RSA_SHA256
           : span_eq(s, SPAN("ed25519-sha256")) ? DKIM_ED25519_SHA256
           : span_eq(s, SPAN("rsa-sha1"))       ? DKIM_RSA_SHA1
                                                : DKIM_UNKNOWN;
}

// Without c= DKIM means simple/simple. RFC 8617 says the same of ARC; those who seal without it
// mean relaxed/relaxed, though, and the public test suite agrees with them.
static bool take_canon(struct span value, enum dkim_kind kind, struct dkim_signature *out)
{
    struct span rest = value, header = span_split(&rest, '/');
    bool has_body = header.n < value.n;

    if (!value.p) {
        out->is_header_relaxed = out->is_body_relaxed = kind == DKIM_ARC_MESSAGE;
        return true;
    }
    out->is_header_relaxed = span_eq(header, SPAN("relaxed"));
    out->is_body_relaxed = span_eq(rest, SPAN("relaxed"));
    return (out->is_header_relaxed || span_eq(header, SPAN("simple"))) &&
           (!has_body || out->is_body_relaxed || span_eq(rest, SPAN("simple")));
}

static bool take_number(struct span value, int64_t *out)
{
    uint64_t v = 0;

    if (!value.p) {
        return true;
    }
    if (!span_to_u64(value, INT64_MAX, &v)) {
        return false;
    }
    *out = (int64_t)v;
    return true;
}

// i=: an address or "@domain" in d= or below it.
static bool identity_fits(const struct dkim_signature *s)
{
    struct domain_name d;
    size_t at = s->identity.n;

    if (!s->identity.p) {
        return true;
    }
    while (at && s->identity.p[at - 1] != '@') {
        at--;
    }
    return at && domain_name_parse(span_skip(s->identity, at), &d) == ERR_OK &&
           domain_name_is_within(domain_name_span(&d), domain_name_span(&s->domain));
}

// The tags that all three kinds have.
static const char *take_common(const struct tag_list *tags, struct dkim_signature *out)
{
    const struct tag *b = tag_list_find(tags, "b");
    struct span domain = tag_list_get(tags, "d"), a = tag_list_get(tags, "a");

    out->selector = tag_list_get(tags, "s");
    if (!domain.p || domain_name_parse(domain, &out->domain) != ERR_OK ||
        !domain_name_is_host(domain_name_span(&out->domain))) {
        out->domain.n = 0;
        return "names no domain";
    }
    if (!out->selector.p || !is_selector(out->selector)) {
        return "names no key";
    }
    if (!a.p || a.n == 0) {
        return "does not say how it was made";
    }
    out->algorithm = algorithm_of(a);
    if (!b || !take_base64(b->value, out->bytes, sizeof(out->bytes), &out->n)) {
        return "is empty or damaged";
    }
    out->cut = b->raw;
    out->b = b->value;
    out->is_too_long = out->n > sizeof(out->bytes);
    out->signed_s = out->expires_s = -1;
    if (!take_number(tag_list_get(tags, "t"), &out->signed_s)) {
        return "has a date that is no date";
    }
    return NULL;
}

static const char *take_message_tags(const struct tag_list *tags, enum dkim_kind kind,
                                     struct dkim_signature *out)
{
    struct span hash = tag_list_get(tags, "bh"), l = tag_list_get(tags, "l");
    size_t n = 0;

    out->headers = tag_list_get(tags, "h");
    if (!out->headers.p) {
        return "does not say what it signs";
    }
    if (!hash.p || !take_base64(hash, out->body_hash, sizeof(out->body_hash), &n) ||
        n != sizeof(out->body_hash)) {
        return "has no hash of the text";
    }
    if (!take_canon(tag_list_get(tags, "c"), kind, out)) {
        return "uses an unknown way to prepare the text";
    }
    out->has_length = l.p != NULL;
    if (l.p && !span_to_u64(l, UINT64_MAX - 1, &out->length)) {
        return "has a wrong length of the text";
    }
    return NULL;
}

static const char *take_dkim_tags(const struct tag_list *tags, struct dkim_signature *out)
{
    struct span query = tag_list_get(tags, "q");

    if (!span_eq(tag_list_get(tags, "v"), SPAN("1"))) {
        return "is of an unknown version";
    }
    if (!tag_has_item(out->headers, SPAN("From"))) {
        return "does not cover the sender (From)";
    }
    if (query.p && !tag_has_item(query, SPAN("dns/txt"))) {
        return "has its key in an unknown place";
    }
    out->identity = tag_list_get(tags, "i");
    if (!identity_fits(out)) {
        return "speaks for an address outside its domain";
    }
    if (!take_number(tag_list_get(tags, "x"), &out->expires_s) ||
        (out->expires_s >= 0 && out->signed_s >= 0 && out->expires_s <= out->signed_s)) {
        return "expires before it was made";
    }
    return NULL;
}

static const char *take_instance(const struct tag_list *tags, struct dkim_signature *out)
{
    uint64_t i = 0;

    if (!span_to_u64(tag_list_get(tags, "i"), 1000, &i) || i == 0) {
        return "has no number";
    }
    out->instance = (uint32_t)i;
    return NULL;
}

const char *dkim_signature_parse(const struct mime_field *f, enum dkim_kind kind,
                                 struct dkim_signature *out)
{
    struct tag_list tags;
    const char *why = NULL;

    memset(out, 0, sizeof(*out));
    out->field = *f;
    out->signed_s = out->expires_s = -1;
    if (tag_list_parse(f->body, &tags) != ERR_OK) {
        return "breaks the grammar of signatures";
    }
    why = kind == DKIM_FIELD ? NULL : take_instance(&tags, out);
    if (!why) {
        why = take_common(&tags, out);
    }
    if (!why && kind != DKIM_ARC_SEAL) {
        why = take_message_tags(&tags, kind, out);
    }
    if (!why && kind == DKIM_FIELD) {
        why = take_dkim_tags(&tags, out);
    }
    if (!why && kind == DKIM_ARC_MESSAGE && tag_has_item(out->headers, SPAN("ARC-Seal"))) {
        why = "covers a seal, which it must not";
    }
    if (!why && kind == DKIM_ARC_SEAL) {
        out->is_header_relaxed = true;
        out->chain = tag_list_get(&tags, "cv");
        why = tag_list_find(&tags, "h") ? "has a list of fields, which seals do not have" : NULL;
    }
    return why;
}
