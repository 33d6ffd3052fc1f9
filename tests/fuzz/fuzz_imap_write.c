// SPDX-License-Identifier: Apache-2.0
//
// Hostile values in a response: flags, a mailbox, a subject, a header field's name and a keyword
// are all taken from the input (cut at line feeds doubled), written as one response, and the
// response is read back with a reader of its own. Whatever the values, it has the shape that was
// written.
#include <string.h>

#include "base/utf8.h"
#include "fuzz.h"
#include "wire/imap/imap_write.h"

// A reader of one response: values, parentheses and spaces, as a strict client would.
struct reader {
    struct span text;
    size_t at;
};

static bool take(struct reader *r, const char *what)
{
    struct span s = span_from_str(what);

    if (!span_starts(span_skip(r->text, r->at), s)) {
        return false;
    }
    r->at += s.n;
    return true;
}

static void take_quoted(struct reader *r, struct buf *out)
{
    while (!take(r, "\"")) {
        CHECK(r->at < r->text.n && r->text.p[r->at] != '\r' && r->text.p[r->at] != '\n');
        if (take(r, "\\")) {
            CHECK(r->text.p[r->at] == '"' || r->text.p[r->at] == '\\');
        }
        buf_put_byte(out, r->text.p[r->at++]);
    }
}

static void take_literal(struct reader *r, struct buf *out)
{
    struct span rest = span_skip(r->text, r->at);
    uint64_t n;

    CHECK(span_to_u64(span_split(&rest, '}'), rest.n, &n) && span_starts(rest, SPAN("\r\n")));
    rest = span_skip(rest, 2);
    CHECK(n <= rest.n && span_find_byte(span_first(rest, n), '\0') == n);
    buf_put(out, span_first(rest, n));
    r->at = r->text.n - rest.n + n;
}

// One string or atom; its value is appended to `out`.
static void take_value(struct reader *r, struct buf *out)
{
    if (take(r, "\"")) {
        take_quoted(r, out);
    } else if (take(r, "{")) {
        take_literal(r, out);
    } else {
        size_t from = r->at;

        while (r->at < r->text.n && r->text.p[r->at] > ' ' && r->text.p[r->at] != 0x7f &&
               !memchr("(){%*\"\\]", r->text.p[r->at], 8)) {
            buf_put_byte(out, r->text.p[r->at++]);
        }
        CHECK(r->at > from);
    }
}

// What a value becomes on the wire: a NUL cannot be said.
static bool same_value(struct span got, struct span want)
{
    if (got.n != want.n) {
        return false;
    }
    for (size_t i = 0; i < got.n; i++) {
        if (got.p[i] != (want.p[i] ? want.p[i] : (char)0x80)) {
            return false;
        }
    }
    return true;
}

static void check_response(struct span response, struct span value, bool ascii_name)
{
    struct reader r = {response, 0};
    struct buf got;

    buf_init(&got, 1 << 22);
    for (int i = 0; i < 2; i++) {
        CHECK(take(&r, i ? " B " : "A "));
        buf_clear(&got);
        take_value(&r, &got);
        CHECK(same_value(buf_span(&got), value));
    }
    CHECK(take(&r, " C "));
    buf_clear(&got);
    take_value(&r, &got);
    CHECK(!ascii_name || same_value(buf_span(&got), value));
    CHECK(take(&r, " BODY[2.HEADER.FIELDS ("));
    buf_clear(&got);
    take_value(&r, &got);
    CHECK(same_value(buf_span(&got), value));
    CHECK(take(&r, ")]<7> ("));
    if (!take(&r, ")")) {
        buf_clear(&got);
        take_value(&r, &got);
        CHECK(same_value(buf_span(&got), value) && take(&r, ")"));
    }
    CHECK(r.at == r.text.n);
    buf_finish(&got);
}

static void check_status_line(struct span value)
{
    struct buf line;

    buf_init(&line, 1 << 20);
    imap_write_status_line(&line, value, IMAP_NO, value, value);
    struct span text = buf_span(&line);

    CHECK(span_find_byte(text, '\n') == text.n - 1 && span_find_byte(text, '\r') == text.n - 2);
    CHECK(value.n == 0 || span_find_byte(span_first(text, value.n), ' ') == value.n);
    CHECK(span_starts(span_skip(text, value.n ? value.n : 1), SPAN(" NO ")));
    if (value.n) {
        size_t close = span_find_byte(text, ']');
        // The code ends where it was ended; a tag may hold "]".
        size_t from = value.n + 4 + 1 + value.n;

        CHECK(span_starts(span_skip(text, from), SPAN("] ")) && close <= from);
    }
    buf_finish(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1 || n > 4096) {
        return 0;
    }
    bool utf8 = data[0] & 1;
    struct span value = span_of(data + 1, n - 1);
    struct imap_fetch_item item = {
        .type = IMAP_FETCH_BODY_SECTION,
        .partial = true,
        .offset = 7,
        .section = {.part = &(const uint32_t){2},
                    .part_n = 1,
                    .text = IMAP_SECTION_HEADER_FIELDS,
                    .fields = &value,
                    .field_n = 1},
    };
    struct imap_flags flags = {.keywords = &value, .n = 1};
    struct buf out;

    buf_init(&out, 1 << 20);
    buf_put_str(&out, "A ");
    imap_write_string(&out, value, utf8);
    buf_put_str(&out, " B ");
    imap_write_astring(&out, value, utf8);
    buf_put_str(&out, " C ");
    imap_write_mailbox(&out, value, utf8);
    buf_put_byte(&out, ' ');
    imap_write_fetch_item(&out, &item, utf8);
    buf_put_byte(&out, ' ');
    imap_flags_write(&out, &flags, false);
    CHECK(!out.failed);
    check_response(buf_span(&out), value,
                   utf8 || (utf8_is_ascii(value) && span_find_byte(value, '&') == value.n));
    check_status_line(value);
    buf_finish(&out);
    return 0;
}
