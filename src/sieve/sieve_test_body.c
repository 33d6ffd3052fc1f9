// SPDX-License-Identifier: Apache-2.0
//
// The body test (RFC 5173): parts of the message as text.
#include "mime/mime_charset.h"
#include "mime/mime_decode.h"
#include "mime/mime_text.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

struct body {
    struct matcher m;
    struct mail *mail;
    struct sieve_strings types; // of :content
};

// The body with its transfer encoding taken off.
static void put_decoded(struct run *r, const struct mime_part *part, struct span bytes,
                        struct buf *out)
{
    bool is_coded = part->encoding == MIME_BASE64 || part->encoding == MIME_QP;

    (void)r;
    if (is_coded) {
        mime_decode(out, part->encoding, bytes);
    } else {
        buf_put(out, bytes);
    }
}

// Text in UTF-8 when the part has a charset; HTML keeps its markup with :content.
static void put_content(struct run *r, const struct mime_part *part, struct span bytes,
                        struct buf *out)
{
    struct buf raw;

    buf_init(&raw, SIEVE_BODY_BYTES_MAX);
    put_decoded(r, part, bytes, &raw);
    if (part->kind == MIME_TEXT) {
        struct span charset = {NULL, 0};

        for (size_t i = 0; i < part->params.n; i++) {
            if (span_eq_nocase(part->params.list[i].name, SPAN("charset"))) {
                charset = part->params.list[i].value;
            }
        }
        mime_charset_convert(out, charset, buf_span(&raw));
    } else {
        buf_put(out, buf_span(&raw));
    }
    buf_finish(&raw);
}

static void put_words(struct run *r, const struct mime_part *part, struct span bytes,
                      struct buf *out)
{
    struct mime_text *text;

    if (mime_text_create(part, &text) != ERR_OK) {
        r->error = ERR_NOMEM;
        return;
    }
    mime_text_feed(text, out, bytes);
    mime_text_finish(text, out);
    mime_text_destroy(text);
}

static bool match_part(struct body *b, const struct mime_part *part, struct span bytes,
                       void (*put)(struct run *, const struct mime_part *, struct span,
                                   struct buf *))
{
    struct run *r = b->m.r;
    struct buf out;

    bytes = span_first(bytes, SIEVE_BODY_BYTES_MAX);
    if (!sieve_spend(r, 20 + bytes.n)) {
        return true;
    }
    buf_init(&out, SIEVE_BODY_BYTES_MAX); // what is over the cap is not looked at
    put(r, part, bytes, &out);
    bool is_done = sieve_match_value(&b->m, buf_span(&out));

    buf_finish(&out);
    return is_done;
}

// "text/html", "text" or "text/" (all subtypes), "" (everything).
static bool is_wanted(const struct mime_part *part, struct span type)
{
    size_t slash = span_find_byte(type, '/');
    struct span major = span_first(type, slash), minor = span_skip(type, slash + 1);

    if (type.n == 0) {
        return true;
    }
    if (major.n == 0 || (slash < type.n && minor.n == 0) || span_find_byte(minor, '/') < minor.n) {
        return false; // malformed: matches nothing (RFC 5173 section 5.2)
    }
    return span_eq_nocase(part->type, major) &&
           (slash == type.n || span_eq_nocase(part->subtype, minor));
}

// What stands before the first delimiter line of a multipart.
static struct span prologue(const struct mail *mail, const struct mime_part *part)
{
    uint64_t start = part->body_offset, first = part->children[0].header_offset;
    struct span s = first > start ? sieve_mail_bytes(mail, start, first - start) : SPAN("");

    s.n -= s.n > 0; // the break after the delimiter
    while (s.n && s.p[s.n - 1] != '\n') {
        s.n--;
    }
    return s;
}

// What stands behind the last delimiter line.
static struct span epilogue(const struct mail *mail, const struct mime_part *part)
{
    const struct mime_part *last = &part->children[part->child_count - 1];
    uint64_t from = last->body_offset + last->body_size, end = part->body_offset + part->body_size;
    struct span s = end > from ? sieve_mail_bytes(mail, from, end - from) : SPAN("");

    span_split(&s, '\n'); // the break before the delimiter
    span_split(&s, '\n');
    return s;
}

static bool match_content(struct body *b, const struct mime_part *part)
{
    bool is_in = false;

    for (size_t i = 0; i < b->types.n; i++) {
        is_in |= is_wanted(part, b->types.list[i]);
    }
    if (!is_in) {
        return false;
    }
    if (part->kind == MIME_MULTIPART) {
        return match_part(b, part, prologue(b->mail, part), put_decoded) ||
               match_part(b, part, epilogue(b->mail, part), put_decoded);
    }
    if (part->kind == MIME_MESSAGE) { // the header of what is in it
        return match_part(b, part, sieve_mail_part_header(b->mail, &part->children[0]),
                          put_decoded);
    }
    return match_part(b, part, sieve_mail_part_body(b->mail, part), put_content);
}

static void match_parts(struct body *b, const struct sieve_call *call,
                        const struct mime_message *mime)
{
    const struct mime_part *top = &mime->parts[0];
    bool is_content = sieve_call_tag(call, TAG_CONTENT) != NULL;

    for (const struct mime_part *p = top; p && sieve_is_on(b->m.r);
         p = sieve_mail_next_part(top, p, false)) {
        bool is_done = is_content ? match_content(b, p)
                       : p->kind == MIME_TEXT
                           ? match_part(b, p, sieve_mail_part_body(b->mail, p), put_words)
                           : false;

        if (is_done) {
            return;
        }
    }
}

bool sieve_test_body(struct run *r, const struct sieve_call *call)
{
    struct body b = {.mail = r->mail};

    b.types = sieve_expand_list(r, sieve_call_tag(call, TAG_CONTENT));
    sieve_match_begin(&b.m, r, call, &call->args[0]);
    if (sieve_call_tag(call, TAG_RAW)) {
        static const struct mime_part plain = {.encoding = MIME_7BIT};

        match_part(&b, &plain, r->mail->version.body, put_decoded);
    } else {
        const struct mime_message *mime = sieve_mail_mime(r, r->mail);

        if (mime) {
            match_parts(&b, call, mime);
        }
    }
    return sieve_match_end(&b.m);
}
