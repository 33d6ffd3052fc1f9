// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"
#include "mime/mime_html_internal.h"

#include "base/banned.h"

struct entity {
    const char *name;
    uint32_t code;
};

// Those of ISO 8859-1 from 160 on, in order, then the others that mail uses.
static const char *const latin_entities[96] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
    "sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
    "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
    "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
    "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"};

static const struct entity entities[] = {
    {"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},
    {"apos", '\''},     {"OElig", 0x152},   {"oelig", 0x153},   {"Scaron", 0x160},
    {"scaron", 0x161},  {"Yuml", 0x178},    {"ensp", 0x2002},   {"emsp", 0x2003},
    {"thinsp", 0x2009}, {"zwnj", 0x200c},   {"zwj", 0x200d},    {"lrm", 0x200e},
    {"rlm", 0x200f},    {"ndash", 0x2013},  {"mdash", 0x2014},  {"lsquo", 0x2018},
    {"rsquo", 0x2019},  {"sbquo", 0x201a},  {"ldquo", 0x201c},  {"rdquo", 0x201d},
    {"bdquo", 0x201e},  {"dagger", 0x2020}, {"bull", 0x2022},   {"hellip", 0x2026},
    {"permil", 0x2030}, {"lsaquo", 0x2039}, {"rsaquo", 0x203a}, {"euro", 0x20ac},
    {"trade", 0x2122},  {"larr", 0x2190},   {"uarr", 0x2191},   {"rarr", 0x2192},
    {"darr", 0x2193},   {"minus", 0x2212},  {"infin", 0x221e},  {"ne", 0x2260},
    {"le", 0x2264},     {"ge", 0x2265},     {"check", 0x2713},
};

void html_begin(struct html *h)
{
    *h = (struct html){0};
}

static bool is_one_of(struct span name, const char *const *list)
{
    for (; *list; list++) {
        if (span_eq(name, span_from_str(*list))) {
            return true;
        }
    }
    return false;
}

static void owe(struct html *h, char c)
{
    if (h->pending != '\n') {
        h->pending = c;
    }
}

static void put(struct html *h, struct buf *out, struct span s)
{
    if (h->pending && h->has_text) {
        buf_put_byte(out, h->pending);
    }
    h->pending = '\0';
    h->has_text = true;
    buf_put(out, s);
}

static void put_code(struct html *h, struct buf *out, uint32_t code)
{
    if (code <= 32 || code == 160) {
        owe(h, ' ');
    } else {
        put(h, out, (struct span){"", 0});
        utf8_put(out, code);
    }
}

// The code point of "#123", "#x1f" or a name; 0 when it is none.
static uint32_t entity_code(struct span e)
{
    if (e.n > 1 && e.p[0] == '#') {
        bool is_hex = byte_lower(e.p[1]) == 'x';
        uint32_t code = 0;

        for (size_t i = 1 + is_hex; i < e.n; i++) {
            int d = byte_hex(e.p[i]);

            if (d < 0 || (!is_hex && d > 9) || code > 0x10ffff) {
                return 0;
            }
            code = code * (is_hex ? 16 : 10) + (uint32_t)d;
        }
        return code;
    }
    for (uint32_t i = 0; i < 96; i++) {
        if (span_eq(e, span_from_str(latin_entities[i]))) {
            return 160 + i;
        }
    }
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        if (span_eq(e, span_from_str(entities[i].name))) {
            return entities[i].code;
        }
    }
    return 0;
}

static void end_entity(struct html *h, struct buf *out, bool has_semicolon)
{
    uint32_t code = entity_code(span_of(h->entity, h->entity_n));

    h->state = HTML_TEXT;
    if (code) {
        put_code(h, out, code);
        return;
    }
    put(h, out, SPAN("&"));
    put(h, out, span_of(h->entity, h->entity_n));
    if (has_semicolon) {
        put(h, out, SPAN(";"));
    }
}

static void end_tag(struct html *h)
{
    static const char *const blocks[] = {
        "p",     "div",     "br",     "tr",      "li",         "h1",     "h2",   "h3",
        "h4",    "h5",      "h6",     "table",   "ul",         "ol",     "dl",   "dt",
        "dd",    "pre",     "hr",     "section", "blockquote", "center", "body", "form",
        "title", "article", "header", "footer",  "aside",      "option", NULL};
    static const char *const cells[] = {"td", "th", "img", "input", "button", NULL};
    static const char *const skipped[] = {"script", "style", "title", "template", NULL};
    struct span name = span_of(h->name, h->name_n);

    h->state = HTML_TEXT;
    if (is_one_of(name, blocks)) {
        owe(h, '\n');
    } else if (is_one_of(name, cells)) {
        owe(h, ' ');
    }
    if (!h->is_end_tag && is_one_of(name, skipped)) {
        h->state = HTML_RAW;
        memcpy(h->raw, h->name, h->name_n);
        h->raw_n = h->name_n;
        h->raw_at = 0;
    }
}

static void text_byte(struct html *h, struct buf *out, char c)
{
    if (c == '<') {
        h->state = HTML_OPEN;
    } else if (c == '&') {
        h->state = HTML_ENTITY;
        h->entity_n = 0;
    } else if (byte_is_ctl(c) || c == ' ') {
        owe(h, ' ');
    } else {
        put(h, out, span_of(&c, 1));
    }
}

static void entity_byte(struct html *h, struct buf *out, char c)
{
    if (c == ';') {
        end_entity(h, out, true);
    } else if ((byte_is_alnum(c) || c == '#') && h->entity_n < HTML_ENTITY_MAX) {
        h->entity[h->entity_n++] = c;
    } else {
        end_entity(h, out, false);
        text_byte(h, out, c);
    }
}

static void open_byte(struct html *h, struct buf *out, char c)
{
    h->is_end_tag = c == '/';
    h->name_n = 0;
    if (c == '!' || c == '?') {
        h->state = HTML_DECLARATION;
        h->declaration_n = h->dashes = 0;
    } else if (c == '/') {
        h->state = HTML_NAME;
    } else if (byte_is_alpha(c)) {
        h->state = HTML_NAME;
        h->name[h->name_n++] = byte_lower(c);
    } else {
        h->state = HTML_TEXT;
        put(h, out, SPAN("<"));
        text_byte(h, out, c);
    }
}

static void tag_byte(struct html *h, char c)
{
    if (c == '>') {
        end_tag(h);
    } else if (h->state == HTML_NAME && (byte_is_alnum(c) || c == ':' || c == '-')) {
        if (h->name_n < HTML_NAME_MAX) {
            h->name[h->name_n++] = byte_lower(c);
        }
    } else if (c == '=') {
        h->state = HTML_VALUE;
    } else if (h->state == HTML_VALUE && (c == '"' || c == '\'')) {
        h->state = HTML_QUOTED;
        h->quote = c;
    } else if (h->state != HTML_VALUE || !byte_is_space(c)) {
        h->state = HTML_TAG;
    }
}

static void declaration_byte(struct html *h, char c)
{
    if (c == '-' && h->dashes == h->declaration_n) {
        h->dashes++;
        if (h->dashes == 2) {
            h->state = HTML_COMMENT;
            h->dashes = 2; // "<!-->" is a comment, and over
        }
    } else if (c == '>') {
        h->state = HTML_TEXT;
    }
    h->declaration_n++;
}

static void comment_byte(struct html *h, char c)
{
    if (c == '>' && h->dashes >= 2) {
        h->state = HTML_TEXT;
    }
    h->dashes = c == '-' ? h->dashes + (h->dashes < 2) : 0;
}

// Looks for "</" and the element's name.
static void raw_byte(struct html *h, char c)
{
    bool is_match = h->raw_at == 0             ? c == '<'
                    : h->raw_at == 1           ? c == '/'
                    : h->raw_at < h->raw_n + 2 ? byte_lower(c) == h->raw[h->raw_at - 2]
                                               : false;

    if (h->raw_at == h->raw_n + 2 && (c == '>' || c == '/' || byte_is_space(c))) {
        h->is_end_tag = true;
        memcpy(h->name, h->raw, h->raw_n);
        h->name_n = h->raw_n;
        h->state = HTML_TAG;
        tag_byte(h, c);
    } else if (is_match) {
        h->raw_at++;
    } else {
        h->raw_at = c == '<';
    }
}

// The longest run of plain text at the front.
static size_t plain_run(struct span in)
{
    size_t n = 0;

    while (n < in.n && (unsigned char)in.p[n] > ' ' && in.p[n] != '<' && in.p[n] != '&' &&
           in.p[n] != 127) {
        n++;
    }
    return n;
}

static void any_byte(struct html *h, struct buf *out, char c)
{
    switch (h->state) {
    case HTML_TEXT:
        text_byte(h, out, c);
        break;
    case HTML_ENTITY:
        entity_byte(h, out, c);
        break;
    case HTML_OPEN:
        open_byte(h, out, c);
        break;
    case HTML_NAME:
    case HTML_TAG:
    case HTML_VALUE:
        tag_byte(h, c);
        break;
    case HTML_QUOTED:
        h->state = c == h->quote ? HTML_TAG : HTML_QUOTED;
        break;
    case HTML_DECLARATION:
        declaration_byte(h, c);
        break;
    case HTML_COMMENT:
        comment_byte(h, c);
        break;
    case HTML_RAW:
        raw_byte(h, c);
        break;
    }
}

void html_feed(struct html *h, struct buf *out, struct span in)
{
    while (in.n) {
        size_t n = h->state == HTML_TEXT ? plain_run(in) : 0;

        if (n) {
            put(h, out, span_first(in, n));
        } else {
            any_byte(h, out, in.p[0]);
            n = 1;
        }
        in = span_skip(in, n);
    }
}

void html_finish(struct html *h, struct buf *out)
{
    if (h->state == HTML_ENTITY) {
        end_entity(h, out, false);
    } else if (h->state == HTML_OPEN) {
        put(h, out, SPAN("<"));
    }
    if (h->has_text) {
        buf_put_byte(out, '\n');
    }
}
