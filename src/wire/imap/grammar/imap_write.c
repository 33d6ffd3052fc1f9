// SPDX-License-Identifier: Apache-2.0
#include "wire/imap/imap_write.h"

#include "base/utf8.h"
#include "wire/imap/grammar/imap_parse_internal.h"
#include "wire/imap/imap_utf7.h"

#include "base/banned.h"

// A longer value, or one with more escapes, is sent as a literal: clients read it faster.
#define QUOTED_BYTES_MAX   1000
#define QUOTED_ESCAPES_MAX 8

// Can the value stand between quotes? Line ends, NUL and unannounced 8-bit bytes cannot.
static bool fits_quotes(struct span value, bool utf8)
{
    size_t escapes = 0;
    bool high = false;

    if (value.n > QUOTED_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (c == '\0' || c == '\r' || c == '\n') {
            return false;
        }
        escapes += c == '"' || c == '\\';
        high |= c >= 0x80;
    }
    return escapes <= QUOTED_ESCAPES_MAX && (!high || (utf8 && utf8_is_valid(value)));
}

static void write_quoted(struct buf *out, struct span value)
{
    buf_put_byte(out, '"');
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\') {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, value.p[i]);
    }
    buf_put_byte(out, '"');
}

void imap_write_literal_head(struct buf *out, uint64_t n, bool literal8)
{
    buf_put_str(out, literal8 ? "~{" : "{");
    buf_put_u64(out, n);
    buf_put_str(out, "}\r\n");
}

// A literal is written whole or not at all: half of one would swallow what follows.
static void write_literal(struct buf *out, struct span value)
{
    size_t before = out->n;

    imap_write_literal_head(out, value.n, false);
    char *at = buf_reserve(out, value.n);

    if (!at || out->failed) {
        out->n = before;
        return;
    }
    for (size_t i = 0; i < value.n; i++) {
        at[i] = value.p[i] ? value.p[i] : (char)0x80;
    }
    out->n += value.n;
}

void imap_write_string(struct buf *out, struct span value, bool utf8)
{
    if (fits_quotes(value, utf8)) {
        write_quoted(out, value);
    } else {
        write_literal(out, value);
    }
}

void imap_write_nstring(struct buf *out, struct span value, bool utf8)
{
    if (value.p) {
        imap_write_string(out, value, utf8);
    } else {
        buf_put_str(out, "NIL");
    }
}

static bool fits_atom(struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (!imap_is_atom_char(value.p[i])) {
            return false;
        }
    }
    return value.n > 0 && value.n <= QUOTED_BYTES_MAX && !span_eq_nocase(value, SPAN("NIL"));
}

void imap_write_astring(struct buf *out, struct span value, bool utf8)
{
    if (fits_atom(value)) {
        buf_put(out, value);
    } else {
        imap_write_string(out, value, utf8);
    }
}

void imap_write_mailbox(struct buf *out, struct span name, bool utf8)
{
    struct buf wire;

    if (utf8 || utf8_is_ascii(name)) {
        // ASCII has one spelling but for "&".
        if (utf8 || span_find_byte(name, '&') == name.n) {
            imap_write_astring(out, name, utf8);
            return;
        }
    }
    buf_init(&wire, name.n * 8 + 16);
    if (imap_utf7_encode(&wire, name)) {
        // Not a canonical name: say something that is still one element.
        imap_write_string(out, name, utf8);
    } else {
        imap_write_astring(out, buf_span(&wire), false);
    }
    buf_finish(&wire);
}

// ---- FETCH items --------------------------------------------------------------------------------

static const char *const item_names[] = {
    [IMAP_FETCH_FLAGS] = "FLAGS",
    [IMAP_FETCH_UID] = "UID",
    [IMAP_FETCH_INTERNALDATE] = "INTERNALDATE",
    [IMAP_FETCH_RFC822_SIZE] = "RFC822.SIZE",
    [IMAP_FETCH_ENVELOPE] = "ENVELOPE",
    [IMAP_FETCH_BODY] = "BODY",
    [IMAP_FETCH_BODYSTRUCTURE] = "BODYSTRUCTURE",
    [IMAP_FETCH_MODSEQ] = "MODSEQ",
    [IMAP_FETCH_EMAILID] = "EMAILID",
    [IMAP_FETCH_THREADID] = "THREADID",
    [IMAP_FETCH_SAVEDATE] = "SAVEDATE",
    [IMAP_FETCH_PREVIEW] = "PREVIEW",
    [IMAP_FETCH_RFC822] = "RFC822",
    [IMAP_FETCH_RFC822_HEADER] = "RFC822.HEADER",
    [IMAP_FETCH_RFC822_TEXT] = "RFC822.TEXT",
    [IMAP_FETCH_BODY_SECTION] = "BODY",
    [IMAP_FETCH_BINARY] = "BINARY",
    [IMAP_FETCH_BINARY_SIZE] = "BINARY.SIZE",
};

static const char *const section_names[] = {
    [IMAP_SECTION_ALL] = "",
    [IMAP_SECTION_HEADER] = "HEADER",
    [IMAP_SECTION_HEADER_FIELDS] = "HEADER.FIELDS",
    [IMAP_SECTION_HEADER_FIELDS_NOT] = "HEADER.FIELDS.NOT",
    [IMAP_SECTION_TEXT] = "TEXT",
    [IMAP_SECTION_MIME] = "MIME",
};

static void write_section(struct buf *out, const struct imap_section *s, bool utf8)
{
    buf_put_byte(out, '[');
    for (size_t i = 0; i < s->part_n; i++) {
        if (i) {
            buf_put_byte(out, '.');
        }
        buf_put_u64(out, s->part[i]);
    }
    if (s->part_n && s->text != IMAP_SECTION_ALL) {
        buf_put_byte(out, '.');
    }
    buf_put_str(out, section_names[s->text]);
    for (size_t i = 0; i < s->field_n; i++) {
        buf_put_str(out, i ? " " : " (");
        imap_write_astring(out, s->fields[i], utf8);
    }
    buf_put_str(out, s->field_n ? ")]" : "]");
}

void imap_write_fetch_item(struct buf *out, const struct imap_fetch_item *item, bool utf8)
{
    buf_put_str(out, item_names[item->type]);
    if (item->type >= IMAP_FETCH_BODY_SECTION) {
        write_section(out, &item->section, utf8);
        if (item->partial) {
            buf_put_byte(out, '<');
            buf_put_u64(out, item->offset);
            buf_put_byte(out, '>');
        }
    }
}

const char *imap_status_item_name(uint32_t bit)
{
    for (const struct imap_word *w = imap_status_items; w->name; w++) {
        if (w->value == bit) {
            return w->name;
        }
    }
    return NULL;
}

// ---- status lines -------------------------------------------------------------------------------

// One line's text: line ends, controls and invalid UTF-8 cannot be in it.
static void write_line_text(struct buf *out, struct span text, bool in_brackets)
{
    bool utf8 = utf8_is_valid(text);

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool bad = c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8) || (in_brackets && c == ']');

        buf_put_byte(out, bad ? '?' : (char)c);
    }
}

static void write_tag(struct buf *out, struct span tag)
{
    if (tag.n == 0) {
        buf_put_byte(out, '*');
        return;
    }
    for (size_t i = 0; i < tag.n; i++) {
        buf_put_byte(out, imap_is_tag_char(tag.p[i]) ? tag.p[i] : '?');
    }
}

void imap_write_status_line(struct buf *out, struct span tag, enum imap_condition condition,
                            struct span code, struct span text)
{
    static const char *const words[] = {
        [IMAP_OK] = " OK ",   [IMAP_NO] = " NO ",           [IMAP_BAD] = " BAD ",
        [IMAP_BYE] = " BYE ", [IMAP_PREAUTH] = " PREAUTH ",
    };

    write_tag(out, tag);
    buf_put_str(out, words[condition]);
    if (code.n) {
        buf_put_byte(out, '[');
        write_line_text(out, code, true);
        buf_put_str(out, "] ");
    } else if (text.n && text.p[0] == '[') {
        buf_put_byte(out, ' '); // text must not pass for a code
    }
    if (text.n == 0) {
        buf_put_byte(out, '.'); // resp-text is never empty
    }
    write_line_text(out, text, false);
    buf_put_str(out, "\r\n");
}

void imap_write_parse_error(struct buf *out, const struct imap_parse_error *error)
{
    static const struct {
        enum imap_condition condition;
        const char *code;
    } answers[] = {
        [IMAP_FAULT_SYNTAX] = {IMAP_BAD, ""},
        [IMAP_FAULT_UNKNOWN] = {IMAP_BAD, ""},
        [IMAP_FAULT_UID_REQUIRED] = {IMAP_BAD, "UIDREQUIRED"},
        [IMAP_FAULT_STATE] = {IMAP_BAD, ""},
        [IMAP_FAULT_CANNOT] = {IMAP_NO, "CANNOT"},
        [IMAP_FAULT_LIMIT] = {IMAP_NO, "LIMIT"},
    };
    struct buf text;
    bool tagged = error->tag.n > 0;

    buf_init(&text, 512);
    buf_put_str(&text, error->expected);
    if (error->fault == IMAP_FAULT_SYNTAX) {
        buf_put_str(&text, ", at byte ");
        buf_put_u64(&text, error->position + 1);
    }
    imap_write_status_line(out, error->tag, tagged ? answers[error->fault].condition : IMAP_BAD,
                           span_from_str(answers[error->fault].code), buf_span(&text));
    buf_finish(&text);
}
