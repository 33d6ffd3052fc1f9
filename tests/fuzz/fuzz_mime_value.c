// SPDX-License-Identifier: Apache-2.0
//
// Values of header fields and bodies: addresses, dates, identifiers, subjects, parameters, encoded
// words, transfer encodings, charsets, HTML. Input: a byte that chooses, the value.
#include "base/utf8.h"
#include "fuzz.h"
#include "mime/mime_address.h"
#include "mime/mime_charset.h"
#include "mime/mime_date.h"
#include "mime/mime_decode.h"
#include "mime/mime_header.h"
#include "mime/mime_msgid.h"
#include "mime/mime_param.h"
#include "mime/mime_subject.h"
#include "mime/mime_text.h"
#include "mime/mime_word.h"

static void addresses(struct span in)
{
    struct mime_address_reader r;
    struct mime_address a;
    struct buf out;
    size_t n = 0, depth = 0;

    mime_address_begin(&r, in);
    buf_init(&out, 64 << 20);
    while (mime_address_next(&r, &a)) {
        CHECK(a.name.n + a.local.n + a.domain.n + a.route.n <= in.n);
        depth += a.kind == MIME_GROUP_BEGIN;
        depth -= a.kind == MIME_GROUP_END;
        CHECK(depth <= 1 && ++n <= in.n + 1);
        mime_address_put(&out, a.local, a.domain);
    }
    CHECK(!r.scratch.failed && depth == 0 && r.at == in.n);
    for (size_t i = 0; i < out.n; i++) {
        CHECK(out.p[i] != '\n' && out.p[i] != '\r');
    }
    mime_address_finish(&r);
    buf_finish(&out);
}

static void dates(struct span in)
{
    struct mime_date d, back;
    struct buf b;

    if (!mime_date_parse(in, &d)) {
        return;
    }
    CHECK(d.zone_minutes > -1440 && d.zone_minutes < 1440);
    buf_init(&b, 100);
    mime_date_put(&b, d.unix_seconds, d.zone_minutes);
    if (mime_date_parse(buf_span(&b), &back)) { // the last day of a year may leave the range
        CHECK(back.unix_seconds == d.unix_seconds && back.zone_minutes == d.zone_minutes);
    }
    buf_finish(&b);
}

static void identifiers(struct span in)
{
    struct span rest = in, id;
    struct buf b;
    size_t total = 0;
    bool is_reply;

    while (mime_msgid_next(&rest, &id)) {
        total += id.n;
        CHECK(id.n && total <= in.n);
    }
    buf_init(&b, in.n + 1);
    mime_subject_base(&b, in, &is_reply);
    CHECK(!b.failed && b.n <= in.n);
    buf_finish(&b);
}

static void params(struct span in)
{
    struct arena arena;
    struct span value;
    struct mime_params list;
    struct buf b;

    arena_init(&arena, 64 << 20);
    CHECK(mime_param_parse(&arena, in, &value, &list) == ERR_OK);
    CHECK(list.n <= MIME_PARAMS_MAX);
    for (size_t i = 0; i < list.n; i++) {
        struct span name = list.list[i].name;

        CHECK(name.n);
        name.n -= name.n > 1 && name.p[name.n - 1] == '*';
        buf_init(&b, 64 << 20);
        CHECK(mime_param_decode(&b, list, name));
        CHECK(!b.failed && utf8_is_valid(buf_span(&b)));
        buf_finish(&b);
    }
    arena_finish(&arena);
}

static bool has_controls(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_ctl(s.p[i])) {
            return true;
        }
    }
    return false;
}

static void words(struct span in)
{
    struct buf text, coded, back;

    buf_init(&text, 64 << 20);
    buf_init(&coded, 64 << 20);
    buf_init(&back, 64 << 20);
    mime_word_decode(&text, in);
    CHECK(!text.failed && utf8_is_valid(buf_span(&text)) && !has_controls(buf_span(&text)));
    mime_word_encode(&coded, buf_span(&text));
    mime_word_decode(&back, buf_span(&coded));
    CHECK(span_eq(buf_span(&back), buf_span(&text)));
    buf_clear(&text);
    mime_header_text(&text, in);
    buf_clear(&text);
    mime_header_unfold(&text, in);
    CHECK(text.n <= in.n && span_find_byte(buf_span(&text), '\n') == text.n);
    buf_finish(&text);
    buf_finish(&coded);
    buf_finish(&back);
}

static void bodies(struct span in, enum mime_encoding encoding)
{
    struct mime_decoder d;
    struct buf a, b;

    buf_init(&a, in.n);
    buf_init(&b, in.n);
    CHECK(mime_decode(&a, encoding, in) == ERR_OK);
    mime_decode_begin(&d, encoding);
    for (size_t at = 0, n = 1; at < in.n; at += n, n = n % 7 + 1) {
        mime_decode_feed(&d, &b, span_first(span_skip(in, at), n));
    }
    mime_decode_finish(&d, &b);
    CHECK(span_eq(buf_span(&a), buf_span(&b)));
    CHECK(d.has_nul == (a.n && memchr(a.p, 0, a.n)));
    CHECK(d.has_8bit == !utf8_is_ascii(buf_span(&a)));
    buf_finish(&a);
    buf_finish(&b);
}

static void charsets(struct span in, unsigned which)
{
    static const char *const names[] = {
        "utf-8",     "",       "iso-2022-jp",  "gb18030", "big5", "utf-7",      "utf-16",
        "shift_jis", "koi8-r", "windows-1255", "euc-kr",  "x-no", "iso-2022-kr"};
    struct span name = span_from_str(names[which % (sizeof(names) / sizeof(names[0]))]);
    struct mime_charset c;
    struct buf a, b;

    buf_init(&a, in.n * 4 + 16);
    buf_init(&b, in.n * 4 + 16);
    mime_charset_convert(&a, name, in);
    CHECK(!a.failed && utf8_is_valid(buf_span(&a)));
    mime_charset_begin(&c, name);
    for (size_t at = 0, n = 1; at < in.n; at += n, n = n % 5 + 1) {
        mime_charset_feed(&c, &b, span_first(span_skip(in, at), n));
    }
    mime_charset_finish(&c, &b);
    // libc keeps half a character of UTF-7 in its state and forgets it at the next malformed byte.
    CHECK(span_eq(buf_span(&a), buf_span(&b)) || span_eq(name, SPAN("utf-7")));
    buf_finish(&a);
    buf_finish(&b);
}

static void html(struct span in)
{
    struct buf b;

    buf_init(&b, in.n * 4 + 16);
    mime_text_from_html(&b, in);
    CHECK(!b.failed);
    buf_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct span in = span_of((const char *)data + 1, size - 1);

    switch (data[0] % 10) {
    case 0:
        addresses(in);
        break;
    case 1:
        dates(in);
        break;
    case 2:
        identifiers(in);
        break;
    case 3:
        params(in);
        break;
    case 4:
        words(in);
        break;
    case 5:
        bodies(in, MIME_BASE64);
        break;
    case 6:
        bodies(in, MIME_QP);
        break;
    case 7:
        bodies(in, MIME_8BIT);
        break;
    case 8:
        charsets(in, data[0] / 10);
        break;
    default:
        html(in);
        break;
    }
    return 0;
}
