// SPDX-License-Identifier: Apache-2.0
#include "courier/filter/filter.h"

#include <stdio.h>

#include "mime/mime_word.h"

#include "base/banned.h"

#define SUBJECT_BYTES_MAX 4096
#define NAME_BYTES_MAX    76

// ---- addresses ----------------------------------------------------------------------------------

static enum err parse_url(struct span url, struct filter *out)
{
    struct span rest = url;
    struct address ignored;

    if (span_starts(url, SPAN("http://"))) {
        rest = span_skip(url, 7);
    } else {
        return ERR_INVALID;
    }
    if (rest.n && rest.p[rest.n - 1] == '/') {
        rest.n--;
        url.n--;
    }
    if (url.n > FILTER_URL_BYTES_MAX || address_parse(rest, &ignored) != ERR_OK) {
        return ERR_INVALID;
    }
    snprintf(out->url, sizeof(out->url), "%.*s", SPAN_ARG(url));
    return ERR_OK;
}

// Whole, and nothing that a log line or the supervisor would read otherwise.
static bool is_path(struct span path)
{
    for (size_t i = 0; i < path.n; i++) {
        if (byte_is_ctl(path.p[i])) {
            return false;
        }
    }
    return path.n > 1 && path.n <= FILTER_URL_BYTES_MAX && path.p[0] == '/';
}

enum err filter_parse(struct span text, struct filter *out)
{
    struct filter f = {.kind = FILTER_MILTER};
    struct span rest = span_trim(text);
    struct span kind = span_split(&rest, ' ');
    enum err e = ERR_INVALID;

    rest = span_trim(rest);
    if (text.n >= sizeof(f.name)) {
        return ERR_INVALID;
    }
    if (span_eq(kind, SPAN("milter")) && span_starts(rest, SPAN("unix:"))) {
        f.is_unix = true;
        e = is_path(span_skip(rest, 5)) ? ERR_OK : ERR_INVALID;
    } else if (span_eq(kind, SPAN("milter"))) {
        e = address_parse(rest, &f.address);
    } else if (span_eq(kind, SPAN("rspamd"))) {
        f.kind = FILTER_RSPAMD;
        e = parse_url(rest, &f);
    }
    if (e == ERR_OK) {
        snprintf(f.name, sizeof(f.name), "%.*s", SPAN_ARG(text));
        *out = f;
    }
    return e;
}

// ---- results ------------------------------------------------------------------------------------

void filter_result_init(struct filter_result *r)
{
    *r = (struct filter_result){.action = IPC_FILTER_ACCEPT};
    buf_init(&r->lines, FILTER_LINES_BYTES_MAX);
    buf_init(&r->subject, SUBJECT_BYTES_MAX);
    buf_init(&r->words, FILTER_WORDS_BYTES_MAX);
}

void filter_result_finish(struct filter_result *r)
{
    buf_finish(&r->lines);
    buf_finish(&r->subject);
    buf_finish(&r->words);
}

static struct span first_line(struct span s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] != '\r' && s.p[n] != '\n') {
        n++;
    }
    return span_first(s, n);
}

// "5.7.1": class, subject and detail, each short.
static bool is_enhanced(struct span s, char class)
{
    size_t dots = 0, digits = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' && digits) {
            dots++;
            digits = 0;
        } else if (!byte_is_digit(s.p[i]) || ++digits > 3) {
            return false;
        }
    }
    return dots == 2 && digits && s.p[0] == class && s.p[1] == '.' && s.n < 16;
}

static bool is_code(struct span s, char class)
{
    return s.n == 3 && s.p[0] == class && byte_is_digit(s.p[1]) && byte_is_digit(s.p[2]);
}

static void clean(char *to, size_t size, struct span from)
{
    size_t n = 0;

    for (; n < from.n && n < size - 1; n++) {
        char c = from.p[n];

        to[n] = byte_is_ctl(c) || (unsigned char)c > 126 ? '?' : c;
    }
    to[n] = '\0';
}

void filter_result_set(struct filter_result *r, enum ipc_filter_action action, struct span reply)
{
    bool is_reject = action == IPC_FILTER_REJECT;
    char class = is_reject ? '5' : '4';
    struct span rest = first_line(reply), ahead = rest;

    if (action <= r->action) {
        return;
    }
    r->action = action;
    if (!is_reject && action != IPC_FILTER_TEMPORARY) {
        return;
    }
    r->code = is_reject ? 550 : 451;
    snprintf(r->enhanced, sizeof(r->enhanced), "%c.7.1", class);
    struct span word = span_split(&ahead, ' ');

    if (is_code(word, class)) {
        r->code = (unsigned)(word.p[0] - '0') * 100 + (unsigned)(word.p[1] - '0') * 10 +
                  (unsigned)(word.p[2] - '0');
        rest = ahead;
        word = span_split(&ahead, ' ');
    }
    if (is_enhanced(word, class)) {
        snprintf(r->enhanced, sizeof(r->enhanced), "%.*s", SPAN_ARG(word));
        rest = ahead;
    }
    rest = span_trim(rest);
    clean(r->text, sizeof(r->text),
          rest.n      ? rest
          : is_reject ? SPAN("The message is refused by a content filter")
                      : SPAN("The message is not taken now. Try again later"));
}

static bool is_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (byte_is_ctl(name.p[i]) || name.p[i] == ' ' || name.p[i] == ':' ||
            (unsigned char)name.p[i] > 126) {
            return false;
        }
    }
    return name.n > 0 && name.n <= NAME_BYTES_MAX;
}

// A line break not followed by a blank gets one; an empty line would end the header.
static void put_value(struct buf *out, struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (c == '\n') {
            while (i + 1 < value.n && byte_is_space(value.p[i + 1])) {
                i++;
            }
            buf_put_str(out, "\r\n\t");
        } else if (c != '\r' && c != '\0') {
            buf_put_byte(out, byte_is_ctl(c) && c != '\t' ? ' ' : c);
        }
    }
}

void filter_result_add(struct filter_result *r, struct span name, struct span value)
{
    size_t before = r->lines.n;

    if (!is_name(name)) {
        return;
    }
    buf_put(&r->lines, name);
    buf_put_str(&r->lines, ": ");
    put_value(&r->lines, span_trim(value));
    buf_put_str(&r->lines, "\r\n");
    if (r->lines.failed) { // half a field is none
        r->lines.n = before;
        r->lines.failed = false;
    }
}

void filter_result_subject(struct filter_result *r, struct span text)
{
    struct buf line;

    buf_init(&line, SUBJECT_BYTES_MAX);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '\r' && text.p[i] != '\n') {
            buf_put_byte(&line, byte_is_ctl(text.p[i]) ? ' ' : text.p[i]);
        }
    }
    bool is_ascii = true;

    for (size_t i = 0; i < line.n; i++) {
        is_ascii &= (unsigned char)line.p[i] < 127;
    }
    buf_clear(&r->subject);
    if (is_ascii) { // encoded words of the filter's stay as they are
        buf_put(&r->subject, span_trim(buf_span(&line)));
    } else {
        mime_word_encode(&r->subject, span_trim(buf_span(&line)));
    }
    r->has_subject = !line.failed && !r->subject.failed;
    buf_finish(&line);
}

void filter_result_say(struct filter_result *r, const struct filter *f, struct span words)
{
    size_t from = r->words.n;

    buf_put_str(&r->words, from ? "; " : "");
    buf_put_str(&r->words, f->name);
    buf_put_str(&r->words, ": ");
    buf_put(&r->words, words);
    for (size_t i = from; i < r->words.n; i++) {
        char c = r->words.p[i];

        r->words.p[i] = byte_is_ctl(c) || (unsigned char)c > 126 ? '?' : c;
    }
}
