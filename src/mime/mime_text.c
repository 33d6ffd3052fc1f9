// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_text.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "mime/mime_charset.h"
#include "mime/mime_decode.h"
#include "mime/mime_html_internal.h"
#include "mime/mime_param.h"

#include "base/banned.h"

#define CHUNK 8192 // body bytes that go through at once

struct mime_text {
    struct mime_decoder decoder;
    struct mime_charset charset;
    struct html html;
    bool is_html;
    struct buf decoded, text; // of one chunk
};

enum err mime_text_create(const struct mime_part *part, struct mime_text **out_text)
{
    struct mime_text *t = calloc(1, sizeof(*t));

    if (!t) {
        return ERR_NOMEM;
    }
    mime_decode_begin(&t->decoder, part->encoding);
    mime_charset_begin(&t->charset, mime_param_get(part->params, SPAN("charset")));
    html_begin(&t->html);
    t->is_html = span_eq_nocase(part->subtype, SPAN("html"));
    buf_init(&t->decoded, CHUNK + 128);
    buf_init(&t->text, 4 * CHUNK + 1024);
    *out_text = t;
    return ERR_OK;
}

void mime_text_destroy(struct mime_text *t)
{
    struct buf none;

    if (!t) {
        return;
    }
    buf_init(&none, 0);
    mime_charset_finish(&t->charset, &none);
    buf_finish(&t->decoded);
    buf_finish(&t->text);
    free(t);
}

// What is in t->decoded goes through the charset, and for HTML through the scanner.
static void pass_on(struct mime_text *t, struct buf *out)
{
    if (t->is_html) {
        mime_charset_feed(&t->charset, &t->text, buf_span(&t->decoded));
        html_feed(&t->html, out, buf_span(&t->text));
    } else {
        mime_charset_feed(&t->charset, out, buf_span(&t->decoded));
    }
    out->failed |= t->decoded.failed | t->text.failed;
    buf_clear(&t->decoded);
    buf_clear(&t->text);
}

void mime_text_feed(struct mime_text *t, struct buf *out, struct span body)
{
    while (body.n) {
        struct span chunk = span_first(body, CHUNK);

        mime_decode_feed(&t->decoder, &t->decoded, chunk);
        pass_on(t, out);
        body = span_skip(body, chunk.n);
    }
}

void mime_text_finish(struct mime_text *t, struct buf *out)
{
    mime_decode_finish(&t->decoder, &t->decoded);
    pass_on(t, out);
    if (t->is_html) {
        mime_charset_finish(&t->charset, &t->text);
        html_feed(&t->html, out, buf_span(&t->text));
        html_finish(&t->html, out);
    } else {
        mime_charset_finish(&t->charset, out);
    }
}

void mime_text_from_html(struct buf *out, struct span html)
{
    struct html h;

    html_begin(&h);
    html_feed(&h, out, html);
    html_finish(&h, out);
}

// A character that shows nothing; newsletters pad their first line with them.
static bool is_invisible(uint32_t c)
{
    return c == 0xad || c == 0x34f || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

static bool is_blank_code(uint32_t c)
{
    return c <= 32 || (c >= 0x7f && c <= 0xa0) || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x3000;
}

// Letters or digits make a line worth showing; rules of dashes and stars are not.
static bool has_words(struct span line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (byte_is_alnum(line.p[i]) || (unsigned char)line.p[i] > 127) {
            return true;
        }
    }
    return false;
}

// "Someone wrote:", above a quotation.
static bool is_attribution(struct span line, struct span next)
{
    return next.n && next.p[0] == '>' && line.n && line.p[line.n - 1] == ':';
}

struct preview {
    struct buf *out;
    size_t left; // characters
    bool is_blank_owed, has_text;
};

static void put_line(struct preview *p, struct span line)
{
    uint32_t c;

    p->is_blank_owed = true;
    while (line.n && p->left) {
        if (!utf8_next(&line, &c)) {
            c = UTF8_REPLACEMENT;
        }
        if (is_blank_code(c)) {
            p->is_blank_owed = true;
        } else if (!is_invisible(c)) {
            if (p->is_blank_owed && p->has_text) {
                if (p->left < 2) {
                    p->left = 0;
                    return;
                }
                buf_put_byte(p->out, ' ');
                p->left--;
            }
            p->is_blank_owed = false;
            p->has_text = true;
            utf8_put(p->out, c);
            p->left--;
        }
    }
}

static void put_preview(struct preview *p, struct span text, bool with_quotes)
{
    while (text.n && p->left) {
        struct span line = span_split(&text, '\n');
        struct span words = span_trim(line);

        if (span_eq(line, SPAN("-- ")) || span_eq(line, SPAN("-- \r"))) {
            return; // a signature follows
        }
        if (has_words(words) &&
            (with_quotes || (words.p[0] != '>' && !is_attribution(words, text)))) {
            put_line(p, words);
        }
    }
}

static void preview_of(struct buf *out, const struct mime_excerpt *e, size_t chars)
{
    struct mime_text *t;
    struct buf text;
    struct preview p = {.out = out, .left = chars};

    buf_init(&text, 4 * e->bytes.n + 1024);
    if (mime_text_create(e->part, &t) != ERR_OK) {
        out->failed = true;
        return;
    }
    mime_text_feed(t, &text, e->bytes);
    mime_text_finish(t, &text);
    mime_text_destroy(t);
    put_preview(&p, buf_span(&text), false);
    if (!p.has_text) {
        put_preview(&p, buf_span(&text), true);
    }
    out->failed |= text.failed;
    buf_finish(&text);
}

void mime_text_preview(struct buf *out, const struct mime_message *m, size_t chars)
{
    size_t before = out->n;

    if (m->plain.part) {
        preview_of(out, &m->plain, chars);
    }
    if (m->html.part && out->n == before) {
        preview_of(out, &m->html, chars);
    }
}
