// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_word.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "mime/mime_charset.h"
#include "mime/mime_decode.h"

#include "base/banned.h"

#define CHARSET_NAME_MAX 64
#define WORD_CHARS_MAX   75
#define WORD_FRAME_CHARS 12 // what stands around the text of a word in UTF-8

struct word {
    struct span charset; // language taken off
    struct span text;    // still encoded
    char encoding;       // 'q' or 'b'
    size_t end;          // index behind the word
};

struct decoder {
    struct buf *out;
    struct span in;
    size_t close_at; // index of the first "?=" at or after the last search, or in.n
    struct buf run;  // decoded bytes of adjacent words in one charset
    struct span run_charset;
};

static bool is_blank(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_space(s.p[i])) {
            return false;
        }
    }
    return true;
}

// Index of the two bytes at or after `from` and before `to`, or `to`.
static size_t find_pair(struct span s, size_t from, size_t to, const char *pair)
{
    while (from + 1 < to) {
        const char *hit = memchr(s.p + from, pair[0], to - from - 1);

        if (!hit) {
            break;
        }
        if (hit[1] == pair[1]) {
            return (size_t)(hit - s.p);
        }
        from = (size_t)(hit - s.p) + 1;
    }
    return to;
}

// The text ends at the first "?=" (searched for once, however many words are never closed), unless
// another word starts before it.
static bool find_close(struct decoder *d, size_t from, size_t *out_close)
{
    if (d->close_at < from) {
        d->close_at = find_pair(d->in, from, d->in.n, "?=");
    }
    *out_close = d->close_at;
    return d->close_at < d->in.n && find_pair(d->in, from, d->close_at, "=?") == d->close_at;
}

// Reads the word whose "=?" is at `at`: =?charset*language?encoding?text?=
static bool word_at(struct decoder *d, size_t at, struct word *out)
{
    struct span rest = span_skip(d->in, at + 2);
    size_t n = span_find_byte(span_first(rest, CHARSET_NAME_MAX + 1), '?');
    struct span charset = span_first(rest, n);

    if (n == 0 || n > CHARSET_NAME_MAX || rest.n < n + 3 || rest.p[n + 2] != '?') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (byte_is_space(charset.p[i]) || byte_is_ctl(charset.p[i])) {
            return false;
        }
    }
    size_t from = at + 2 + n + 3, close;

    out->encoding = byte_lower(rest.p[n + 1]);
    if ((out->encoding != 'q' && out->encoding != 'b') || !find_close(d, from, &close)) {
        return false;
    }
    out->charset = span_split(&charset, '*');
    out->text = span_first(span_skip(d->in, from), close - from);
    out->end = close + 2;
    return true;
}

static void clean_controls(struct buf *out, size_t from)
{
    for (size_t i = from; i < out->n; i++) {
        if (byte_is_ctl(out->p[i])) {
            out->p[i] = ' ';
        }
    }
}

static void flush_run(struct decoder *d)
{
    size_t from = d->out->n;

    if (d->run.n) {
        mime_charset_convert(d->out, d->run_charset, buf_span(&d->run));
        clean_controls(d->out, from);
        buf_clear(&d->run);
    }
}

// Text outside words: unfolded, control characters made blanks.
static void put_plain(struct decoder *d, struct span s)
{
    size_t from = d->out->n;

    while (s.n) {
        size_t at = span_find_byte(s, '\n');
        struct span line = span_first(s, at);

        if (at < s.n && at && line.p[at - 1] == '\r') {
            line.n--;
        }
        mime_charset_guess(d->out, line);
        s = span_skip(s, at + 1);
    }
    clean_controls(d->out, from);
}

static void put_word(struct decoder *d, const struct word *w)
{
    if (!span_eq_nocase(w->charset, d->run_charset)) {
        flush_run(d);
        d->run_charset = w->charset;
    }
    if (w->encoding == 'b') {
        mime_decode(&d->run, MIME_BASE64, w->text);
        return;
    }
    for (size_t i = 0; i < w->text.n; i++) {
        char c = w->text.p[i];
        int high = c == '=' && i + 2 < w->text.n ? byte_hex(w->text.p[i + 1]) : -1;
        int low = high >= 0 ? byte_hex(w->text.p[i + 2]) : -1;

        if (low >= 0) {
            buf_put_byte(&d->run, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_put_byte(&d->run, c == '_' ? ' ' : c);
        }
    }
}

void mime_word_decode(struct buf *out, struct span text)
{
    struct decoder d = {.out = out, .in = text};
    size_t plain = 0; // start of the text not yet put out
    size_t at = 0;
    bool after_word = false;

    buf_init(&d.run, text.n + 1);
    while ((at = find_pair(text, at, text.n, "=?")) < text.n) {
        struct word w;
        struct span between = span_of(text.p + plain, at - plain);

        if (!word_at(&d, at, &w)) {
            at += 2;
            continue;
        }
        if (!after_word || !is_blank(between)) {
            flush_run(&d);
            put_plain(&d, between);
        }
        put_word(&d, &w);
        plain = at = w.end;
        after_word = true;
    }
    flush_run(&d);
    put_plain(&d, span_skip(text, plain));
    out->failed |= d.run.failed;
    buf_finish(&d.run);
}

static bool needs_words(struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] >= 127 || byte_is_ctl(text.p[i])) {
            return true;
        }
    }
    return span_find(text, SPAN("=?")) < text.n;
}

static bool q_is_plain(char c)
{
    return byte_is_alnum(c) || c == '-' || c == '!' || c == '*' || c == '+' || c == '/';
}

static size_t q_size(struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += q_is_plain(s.p[i]) || s.p[i] == ' ' ? 1 : 3;
    }
    return n;
}

static void q_put(struct buf *out, struct span s)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        if (q_is_plain(s.p[i])) {
            buf_put_byte(out, s.p[i]);
        } else if (s.p[i] == ' ') {
            buf_put_byte(out, '_');
        } else {
            char hex[3] = {'=', digits[(unsigned char)s.p[i] >> 4], digits[s.p[i] & 15]};

            buf_put(out, span_of(hex, 3));
        }
    }
}

// How much of `s` fits into one word: whole characters only.
static size_t word_fill(struct span s, bool is_q)
{
    size_t room = WORD_CHARS_MAX - WORD_FRAME_CHARS, n = 0;
    struct span rest = s;
    uint32_t code;

    while (rest.n && utf8_next(&rest, &code)) {
        struct span taken = span_first(s, s.n - rest.n);

        if ((is_q ? q_size(taken) : (taken.n + 2) / 3 * 4) > room) {
            break;
        }
        n = taken.n;
    }
    return n;
}

void mime_word_encode(struct buf *out, struct span text)
{
    if (!needs_words(text)) {
        buf_put(out, text);
        return;
    }
    struct buf clean;

    buf_init(&clean, text.n * 3 + 1);
    utf8_sanitize(&clean, text);
    struct span s = buf_span(&clean);
    bool is_q = q_size(s) <= s.n / 3 * 4;

    while (s.n) {
        size_t n = word_fill(s, is_q);

        buf_put(out, is_q ? SPAN("=?UTF-8?q?") : SPAN("=?UTF-8?b?"));
        if (is_q) {
            q_put(out, span_first(s, n));
        } else {
            base64_encode(out, span_first(s, n));
        }
        buf_put(out, SPAN("?="));
        s = span_skip(s, n);
        if (s.n) {
            buf_put_byte(out, ' ');
        }
    }
    out->failed |= clean.failed;
    buf_finish(&clean);
}
