// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_charset.h"

#include <errno.h>
#include <iconv.h>

#include "base/utf8.h"

#include "base/banned.h"

enum kind {
    KIND_GUESS = 0, // UTF-8 where it is, windows-1252 where not
    KIND_UTF8,
    KIND_WINDOWS_1252,
    KIND_ICONV,
};

// Names as they occur in mail, and what they mean. Following the WHATWG encoding standard, a label
// is read as the superset that people's mailers really send under it.
static const struct charset {
    const char *name;
    const char *iconv; // NULL: done here
    enum kind kind;
} charsets[] = {
    {"us-ascii", NULL, KIND_GUESS},
    {"ascii", NULL, KIND_GUESS},
    {"ansi_x3.4-1968", NULL, KIND_GUESS},
    {"utf-8", NULL, KIND_UTF8},
    {"utf8", NULL, KIND_UTF8},
    {"unicode-1-1-utf-8", NULL, KIND_UTF8},
    {"iso-8859-1", NULL, KIND_WINDOWS_1252},
    {"iso8859-1", NULL, KIND_WINDOWS_1252},
    {"iso_8859-1", NULL, KIND_WINDOWS_1252},
    {"latin1", NULL, KIND_WINDOWS_1252},
    {"l1", NULL, KIND_WINDOWS_1252},
    {"windows-1252", NULL, KIND_WINDOWS_1252},
    {"cp1252", NULL, KIND_WINDOWS_1252},
    {"x-cp1252", NULL, KIND_WINDOWS_1252},
    {"iso-8859-2", "ISO-8859-2", KIND_ICONV},
    {"iso8859-2", "ISO-8859-2", KIND_ICONV},
    {"latin2", "ISO-8859-2", KIND_ICONV},
    {"iso-8859-3", "ISO-8859-3", KIND_ICONV},
    {"iso-8859-4", "ISO-8859-4", KIND_ICONV},
    {"iso-8859-5", "ISO-8859-5", KIND_ICONV},
    {"iso-8859-6", "ISO-8859-6", KIND_ICONV},
    {"iso-8859-7", "ISO-8859-7", KIND_ICONV},
    {"iso-8859-8", "ISO-8859-8", KIND_ICONV},
    {"iso-8859-8-i", "ISO-8859-8", KIND_ICONV},
    {"iso-8859-8-e", "ISO-8859-8", KIND_ICONV},
    {"iso-8859-9", "CP1254", KIND_ICONV},
    {"latin5", "CP1254", KIND_ICONV},
    {"iso-8859-10", "ISO-8859-10", KIND_ICONV},
    {"iso-8859-11", "CP874", KIND_ICONV},
    {"iso-8859-13", "ISO-8859-13", KIND_ICONV},
    {"iso-8859-14", "ISO-8859-14", KIND_ICONV},
    {"iso-8859-15", "ISO-8859-15", KIND_ICONV},
    {"iso8859-15", "ISO-8859-15", KIND_ICONV},
    {"latin-9", "ISO-8859-15", KIND_ICONV},
    {"latin9", "ISO-8859-15", KIND_ICONV},
    {"iso-8859-16", "ISO-8859-16", KIND_ICONV},
    {"windows-874", "CP874", KIND_ICONV},
    {"tis-620", "CP874", KIND_ICONV},
    {"windows-1250", "CP1250", KIND_ICONV},
    {"windows-1251", "CP1251", KIND_ICONV},
    {"windows-1253", "CP1253", KIND_ICONV},
    {"windows-1254", "CP1254", KIND_ICONV},
    {"windows-1255", "CP1255", KIND_ICONV},
    {"windows-1256", "CP1256", KIND_ICONV},
    {"windows-1257", "CP1257", KIND_ICONV},
    {"windows-1258", "CP1258", KIND_ICONV},
    {"cp1250", "CP1250", KIND_ICONV},
    {"cp1251", "CP1251", KIND_ICONV},
    {"cp437", "CP437", KIND_ICONV},
    {"ibm437", "CP437", KIND_ICONV},
    {"cp850", "CP850", KIND_ICONV},
    {"ibm850", "CP850", KIND_ICONV},
    {"cp852", "CP852", KIND_ICONV},
    {"cp866", "CP866", KIND_ICONV},
    {"ibm866", "CP866", KIND_ICONV},
    {"koi8-r", "KOI8-R", KIND_ICONV},
    {"koi8-u", "KOI8-U", KIND_ICONV},
    {"koi8-ru", "KOI8-U", KIND_ICONV},
    {"macintosh", "MACINTOSH", KIND_ICONV},
    {"x-mac-roman", "MACINTOSH", KIND_ICONV},
    {"x-mac-cyrillic", "MAC-CYRILLIC", KIND_ICONV},
    {"gb2312", "GB18030", KIND_ICONV},
    {"gb_2312-80", "GB18030", KIND_ICONV},
    {"euc-cn", "GB18030", KIND_ICONV},
    {"gbk", "GB18030", KIND_ICONV},
    {"x-gbk", "GB18030", KIND_ICONV},
    {"cp936", "GB18030", KIND_ICONV},
    {"gb18030", "GB18030", KIND_ICONV},
    {"big5", "BIG5-HKSCS", KIND_ICONV},
    {"big5-hkscs", "BIG5-HKSCS", KIND_ICONV},
    {"cp950", "BIG5-HKSCS", KIND_ICONV},
    {"euc-tw", "EUC-TW", KIND_ICONV},
    {"shift_jis", "CP932", KIND_ICONV},
    {"shift-jis", "CP932", KIND_ICONV},
    {"sjis", "CP932", KIND_ICONV},
    {"x-sjis", "CP932", KIND_ICONV},
    {"windows-31j", "CP932", KIND_ICONV},
    {"cp932", "CP932", KIND_ICONV},
    {"iso-2022-jp", "ISO-2022-JP-2", KIND_ICONV},
    {"iso-2022-jp-2", "ISO-2022-JP-2", KIND_ICONV},
    {"euc-jp", "EUC-JP-MS", KIND_ICONV},
    {"x-euc-jp", "EUC-JP-MS", KIND_ICONV},
    {"euc-kr", "CP949", KIND_ICONV},
    {"ks_c_5601-1987", "CP949", KIND_ICONV},
    {"ks_c_5601", "CP949", KIND_ICONV},
    {"cp949", "CP949", KIND_ICONV},
    {"uhc", "CP949", KIND_ICONV},
    {"iso-2022-kr", "ISO-2022-KR", KIND_ICONV},
    {"viscii", "VISCII", KIND_ICONV},
    {"utf-7", "UTF-7", KIND_ICONV},
    {"unicode-1-1-utf-7", "UTF-7", KIND_ICONV},
    {"utf-16", "UTF-16", KIND_ICONV},
    {"utf-16le", "UTF-16LE", KIND_ICONV},
    {"utf-16be", "UTF-16BE", KIND_ICONV},
};

#define CHARSETS (sizeof(charsets) / sizeof(charsets[0]))

static const struct charset *find(struct span name)
{
    for (size_t i = 0; i < CHARSETS; i++) {
        if (span_eq_nocase(name, span_from_str(charsets[i].name))) {
            return &charsets[i];
        }
    }
    return NULL;
}

bool mime_charset_is_known(struct span name)
{
    return find(span_trim(name)) != NULL;
}

void mime_charset_preload(void)
{
    // Kept open for the life of the process: libc keeps a conversion loaded as long as it is in
    // use.
    static iconv_t kept[CHARSETS];

    for (size_t i = 0; i < CHARSETS; i++) {
        bool is_new = charsets[i].iconv && !kept[i];

        for (size_t k = 0; is_new && k < i; k++) {
            is_new = !charsets[k].iconv || strcmp(charsets[k].iconv, charsets[i].iconv) != 0;
        }
        if (is_new) {
            iconv_t cd = iconv_open("UTF-8", charsets[i].iconv);

            kept[i] = cd == (iconv_t)-1 ? NULL : cd; // NOLINT: the value libc names
        }
    }
}

bool mime_charset_begin(struct mime_charset *c, struct span name)
{
    name = span_trim(name);
    const struct charset *known = find(name);

    *c = (struct mime_charset){.kind = known ? (int)known->kind : KIND_GUESS};
    if (c->kind == KIND_ICONV) {
        iconv_t cd = iconv_open("UTF-8", known->iconv);

        if (cd == (iconv_t)-1) { // NOLINT: the value libc names
            c->kind = KIND_GUESS;
            return false;
        }
        c->iconv = cd;
    }
    return known || name.n == 0;
}

static uint32_t windows_1252(unsigned char c)
{
    static const uint16_t high[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

    return c >= 0x80 && c < 0xa0 ? high[c - 0x80] : c;
}

static size_t ascii_run(struct span s)
{
    size_t n = 0;

    while (n < s.n && (unsigned char)s.p[n] < 0x80) {
        n++;
    }
    return n;
}

static void put_windows_1252(struct buf *out, struct span in)
{
    while (in.n) {
        size_t n = ascii_run(in);

        buf_put(out, span_first(in, n));
        if (n < in.n) {
            utf8_put(out, windows_1252((unsigned char)in.p[n++]));
        }
        in = span_skip(in, n);
    }
}

// How many bytes at the end may be the start of a character.
static size_t utf8_unfinished(struct span s)
{
    for (size_t k = 1; k <= 3 && k <= s.n; k++) {
        unsigned char c = (unsigned char)s.p[s.n - k];

        if ((c & 0xc0) != 0x80) {
            size_t need = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;

            return need > k ? k : 0;
        }
    }
    return 0;
}

static void put_utf8(struct buf *out, struct span in, bool is_guess)
{
    while (in.n) {
        size_t n = ascii_run(in);
        uint32_t code;

        buf_put(out, span_first(in, n));
        in = span_skip(in, n);
        if (in.n) {
            unsigned char byte = (unsigned char)in.p[0];
            bool is_good = utf8_next(&in, &code);

            utf8_put(out, is_good ? code : is_guess ? windows_1252(byte) : UTF8_REPLACEMENT);
        }
    }
}

// Converts what it can and returns how many bytes that took; what is left is an unfinished
// sequence.
static size_t put_iconv(struct mime_charset *c, struct buf *out, struct span in)
{
    char chunk[4096];
    char *from = (char *)(uintptr_t)in.p; // iconv does not write to its input
    size_t left = in.n;

    while (left) {
        char *to = chunk;
        size_t room = sizeof(chunk);
        size_t got = iconv((iconv_t)c->iconv, &from, &left, &to, &room);
        int error = got == (size_t)-1 ? errno : 0;

        buf_put(out, span_of(chunk, sizeof(chunk) - room));
        if (error == EINVAL && left < sizeof(c->tail)) {
            break;
        }
        if (error && error != E2BIG) {
            utf8_put(out, UTF8_REPLACEMENT);
            from++;
            left--;
        }
    }
    return in.n - left;
}

static size_t convert(struct mime_charset *c, struct buf *out, struct span in)
{
    switch ((enum kind)c->kind) {
    case KIND_WINDOWS_1252:
        put_windows_1252(out, in);
        return in.n;
    case KIND_ICONV:
        return put_iconv(c, out, in);
    case KIND_GUESS:
    case KIND_UTF8:
        break;
    }
    in.n -= utf8_unfinished(in);
    put_utf8(out, in, c->kind == KIND_GUESS);
    return in.n;
}

void mime_charset_feed(struct mime_charset *c, struct buf *out, struct span in)
{
    if (c->tail_n) {
        char joined[2 * sizeof(c->tail)];
        size_t more = in.n < sizeof(c->tail) ? in.n : sizeof(c->tail);

        memcpy(joined, c->tail, c->tail_n);
        if (more) {
            memcpy(joined + c->tail_n, in.p, more);
        }
        size_t n = c->tail_n + more;
        size_t used = convert(c, out, span_of(joined, n));

        if (used < c->tail_n || more == in.n) { // all of it seen, some still unfinished
            c->tail_n = n - used < sizeof(c->tail) ? n - used : 0;
            memmove(c->tail, joined + used, c->tail_n);
            return;
        }
        in = span_skip(in, used - c->tail_n);
        c->tail_n = 0;
    }
    size_t used = in.n ? convert(c, out, in) : 0;

    c->tail_n = in.n - used;
    if (c->tail_n) {
        memcpy(c->tail, in.p + used, c->tail_n);
    }
}

void mime_charset_finish(struct mime_charset *c, struct buf *out)
{
    if (c->iconv) {
        char last[16]; // some conversions hold a character back, waiting for a combining one
        char *to = last;
        size_t room = sizeof(last);

        iconv((iconv_t)c->iconv, NULL, NULL, &to, &room);
        buf_put(out, span_of(last, sizeof(last) - room));
        iconv_close((iconv_t)c->iconv);
    }
    if (c->kind == KIND_GUESS) {
        put_windows_1252(out, span_of(c->tail, c->tail_n));
    } else {
        for (size_t i = 0; i < c->tail_n; i++) {
            utf8_put(out, UTF8_REPLACEMENT);
        }
    }
    *c = (struct mime_charset){0};
}

void mime_charset_convert(struct buf *out, struct span name, struct span in)
{
    struct mime_charset c;

    mime_charset_begin(&c, name);
    mime_charset_feed(&c, out, in);
    mime_charset_finish(&c, out);
}

void mime_charset_guess(struct buf *out, struct span in)
{
    if (utf8_is_valid(in)) {
        buf_put(out, in);
    } else {
        put_windows_1252(out, in);
    }
}
