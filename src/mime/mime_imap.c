// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_imap.h"

#include "mime/mime_address.h"
#include "mime/mime_header.h"

#include "base/banned.h"

#define QUOTED_MAX 1000 // longer strings are literals: clients read lines into buffers

enum envelope_field {
    DATE,
    SUBJECT,
    FROM,
    SENDER,
    REPLY_TO,
    TO,
    CC,
    BCC,
    IN_REPLY_TO,
    MESSAGE_ID,
    ENVELOPE_FIELDS
};

static const struct span envelope_names[ENVELOPE_FIELDS] = {
    {"Date", 4}, {"Subject", 7}, {"From", 4}, {"Sender", 6},       {"Reply-To", 8},
    {"To", 2},   {"Cc", 2},      {"Bcc", 3},  {"In-Reply-To", 11}, {"Message-ID", 10},
};

static bool is_quotable(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c >= 127 || (c < 32 && c != '\t' && c != '\0')) {
            return false;
        }
    }
    return s.n <= QUOTED_MAX;
}

void mime_imap_string(struct buf *out, struct span s)
{
    bool is_quoted = is_quotable(s);

    if (is_quoted) {
        buf_put_byte(out, '"');
    } else {
        buf_put_byte(out, '{');
        buf_put_u64(out, s.n);
        buf_put_str(out, "}\r\n");
    }
    for (size_t from = 0, i = 0; i <= s.n; i++) {
        bool is_end = i == s.n;
        char c = is_end ? '\0' : s.p[i];

        if (is_end || c == '\0' || (is_quoted && (c == '"' || c == '\\'))) {
            buf_put(out, span_first(span_skip(s, from), i - from));
            from = c == '\0' ? i + 1 : i;
            if (!is_end) {
                buf_put_byte(out, c == '\0' ? '?' : '\\');
            }
        }
    }
    if (is_quoted) {
        buf_put_byte(out, '"');
    }
}

void mime_imap_nstring(struct buf *out, struct span s)
{
    if (s.p) {
        mime_imap_string(out, s);
    } else {
        buf_put_str(out, "NIL");
    }
}

// Unfolded; NIL when the field is missing, "" when it is empty.
static void put_unstructured(struct buf *out, struct span body)
{
    struct buf text;

    buf_init(&text, body.n + 1);
    if (body.p) {
        mime_header_unfold(&text, body);
        mime_imap_string(out, text.n ? buf_span(&text) : SPAN(""));
    } else {
        buf_put_str(out, "NIL");
    }
    out->failed |= text.failed;
    buf_finish(&text);
}

static void put_non_empty(struct buf *out, struct span s)
{
    mime_imap_nstring(out, s.n ? s : (struct span){NULL, 0});
}

// A group's begin is its name without a host, its end all NIL. A host that is missing is "", for
// NIL would say "group".
static void put_address(struct buf *out, const struct mime_address *a)
{
    buf_put_byte(out, '(');
    if (a->kind == MIME_MAILBOX) {
        put_non_empty(out, a->name);
        buf_put_byte(out, ' ');
        put_non_empty(out, a->route);
        buf_put_byte(out, ' ');
        mime_imap_string(out, a->local);
        buf_put_byte(out, ' ');
        mime_imap_string(out, a->domain);
    } else {
        buf_put_str(out, "NIL NIL ");
        if (a->kind == MIME_GROUP_BEGIN) {
            mime_imap_string(out, a->name);
        } else {
            buf_put_str(out, "NIL");
        }
        buf_put_str(out, " NIL");
    }
    buf_put_byte(out, ')');
}

// Appends a field's addresses, opening the list before the first; returns whether it is open.
static bool put_addresses(struct buf *out, struct span body, bool is_open)
{
    struct mime_address_reader r;
    struct mime_address a;

    mime_address_begin(&r, body);
    while (!out->failed && mime_address_next(&r, &a)) {
        if (!is_open) {
            buf_put_byte(out, '(');
            is_open = true;
        }
        put_address(out, &a);
    }
    out->failed |= r.scratch.failed;
    mime_address_finish(&r);
    return is_open;
}

static void end_addresses(struct buf *out, bool is_open)
{
    buf_put_str(out, is_open ? ")" : "NIL");
}

static void put_one_list(struct buf *out, struct span body)
{
    end_addresses(out, put_addresses(out, body, false));
}

// To, Cc, Bcc: all occurrences are one list.
static void put_joined_list(struct buf *out, struct span header, struct span name)
{
    struct mime_field f;
    bool is_open = false;

    while (mime_header_find(&header, name, &f)) {
        is_open = put_addresses(out, f.body, is_open);
    }
    end_addresses(out, is_open);
}

// Sender and Reply-To, which are From's when missing or empty.
static void put_or_from(struct buf *out, struct span body, struct span from)
{
    if (put_addresses(out, body, false)) {
        buf_put_byte(out, ')');
    } else {
        buf_put(out, from);
    }
}

void mime_imap_envelope(struct buf *out, struct span header)
{
    struct span body[ENVELOPE_FIELDS] = {0}, rest = header;
    struct mime_field f;

    while (mime_header_next(&rest, &f)) {
        for (int i = 0; i < ENVELOPE_FIELDS; i++) {
            if (!body[i].p && span_eq_nocase(f.name, envelope_names[i])) {
                body[i] = f.body;
            }
        }
    }
    buf_put_byte(out, '(');
    put_unstructured(out, body[DATE]);
    buf_put_byte(out, ' ');
    put_unstructured(out, body[SUBJECT]);
    buf_put_byte(out, ' ');
    struct buf from;

    buf_init(&from, out->max);
    put_one_list(&from, body[FROM]);
    buf_put(out, buf_span(&from));
    for (int i = SENDER; i <= REPLY_TO; i++) {
        buf_put_byte(out, ' ');
        put_or_from(out, body[i], buf_span(&from));
    }
    out->failed |= from.failed;
    buf_finish(&from);
    for (int i = TO; i <= BCC; i++) {
        buf_put_byte(out, ' ');
        put_joined_list(out, body[i].p ? header : body[i], envelope_names[i]);
    }
    for (int i = IN_REPLY_TO; i <= MESSAGE_ID; i++) {
        buf_put_byte(out, ' ');
        put_unstructured(out, body[i]);
    }
    buf_put_byte(out, ')');
}

static void put_params(struct buf *out, struct mime_params params)
{
    if (params.n == 0) {
        buf_put_str(out, "NIL");
        return;
    }
    for (size_t i = 0; i < params.n; i++) {
        buf_put_byte(out, i == 0 ? '(' : ' ');
        mime_imap_string(out, params.list[i].name);
        buf_put_byte(out, ' ');
        mime_imap_string(out, params.list[i].value);
    }
    buf_put_byte(out, ')');
}

static void put_encoding(struct buf *out, const struct mime_part *p)
{
    static const char *const names[] = {
        [MIME_7BIT] = "\"7bit\"",     [MIME_8BIT] = "\"8bit\"",
        [MIME_BINARY] = "\"binary\"", [MIME_QP] = "\"quoted-printable\"",
        [MIME_BASE64] = "\"base64\"",
    };

    if (p->encoding == MIME_ENCODING_OTHER) {
        mime_imap_string(out, p->encoding_name);
    } else {
        buf_put_str(out, names[p->encoding]);
    }
}

// Disposition, language and location: the extension data all sorts of parts have.
static void put_extension(struct buf *out, const struct mime_part *p)
{
    if (p->disposition.p) {
        buf_put_str(out, " (");
        mime_imap_string(out, p->disposition);
        buf_put_byte(out, ' ');
        put_params(out, p->disposition_params);
        buf_put_byte(out, ')');
    } else {
        buf_put_str(out, " NIL");
    }
    for (uint32_t i = 0; i < p->language_count; i++) {
        buf_put_str(out, i == 0 ? " (" : " ");
        mime_imap_string(out, p->languages[i]);
    }
    buf_put_str(out, p->language_count ? ") " : " NIL ");
    mime_imap_nstring(out, p->location);
}

// What comes before a part's children; all but the end of a part without any.
static void put_begin(struct buf *out, const struct mime_part *p)
{
    buf_put_byte(out, '(');
    if (p->kind == MIME_MULTIPART) {
        return;
    }
    mime_imap_string(out, p->type);
    buf_put_byte(out, ' ');
    mime_imap_string(out, p->subtype);
    buf_put_byte(out, ' ');
    put_params(out, p->params);
    buf_put_byte(out, ' ');
    mime_imap_nstring(out, p->id);
    buf_put_byte(out, ' ');
    mime_imap_nstring(out, p->description);
    buf_put_byte(out, ' ');
    put_encoding(out, p);
    buf_put_byte(out, ' ');
    buf_put_u64(out, p->body_size);
    if (p->kind == MIME_MESSAGE) {
        buf_put_byte(out, ' ');
        mime_imap_envelope(out, p->children[0].header);
        buf_put_byte(out, ' ');
    }
}

static void put_end(struct buf *out, const struct mime_part *p, bool has_extension)
{
    if (p->kind == MIME_MULTIPART) {
        buf_put_byte(out, ' ');
        mime_imap_string(out, p->subtype);
        if (has_extension) {
            buf_put_byte(out, ' ');
            put_params(out, p->params);
        }
    } else {
        if (p->kind == MIME_TEXT || p->kind == MIME_MESSAGE) {
            buf_put_byte(out, ' ');
            buf_put_u64(out, p->body_lines);
        }
        if (has_extension) {
            buf_put_byte(out, ' ');
            mime_imap_nstring(out, p->md5);
        }
    }
    if (has_extension) {
        put_extension(out, p);
    }
    buf_put_byte(out, ')');
}

void mime_imap_structure(struct buf *out, const struct mime_part *part, bool has_extension)
{
    const struct mime_part *p = part;

    for (;;) {
        put_begin(out, p);
        if (p->child_count) {
            p = p->children;
            continue;
        }
        put_end(out, p, has_extension);
        // Up, until there is a next sibling.
        while (p != part && p + 1 == p->parent->children + p->parent->child_count) {
            p = p->parent;
            put_end(out, p, has_extension);
        }
        if (p == part || out->failed) {
            return;
        }
        p++;
    }
}
