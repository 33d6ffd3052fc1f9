// SPDX-License-Identifier: Apache-2.0
#include "cli/account/csv.h"

#include "base/banned.h"

#define ROOM_BYTES_MAX (16u << 20)

static char separator_of(struct span text)
{
    static const char kinds[] = {',', ';', '\t'};
    size_t counts[sizeof(kinds)] = {0}, best = 0;
    bool is_quoted = false;

    for (size_t i = 0; i < text.n && (is_quoted || text.p[i] != '\n'); i++) {
        is_quoted ^= text.p[i] == '"';
        for (size_t k = 0; k < sizeof(kinds); k++) {
            counts[k] += !is_quoted && text.p[i] == kinds[k];
        }
    }
    for (size_t k = 1; k < sizeof(kinds); k++) {
        best = counts[k] > counts[best] ? k : best;
    }
    return kinds[best];
}

void csv_init(struct csv *r, struct span text)
{
    bool has_mark = text.n >= 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0;

    memset(r, 0, sizeof(*r));
    r->rest = span_skip(text, has_mark ? 3 : 0);
    r->separator = separator_of(r->rest);
    r->next = 1;
    buf_init(&r->room, ROOM_BYTES_MAX);
}

void csv_finish(struct csv *r)
{
    if (r->room.p) {
        explicit_bzero(r->room.p, r->room.cap); // passwords are among what it held
    }
    buf_finish(&r->room);
}

static enum err bad(struct csv *r, const char *problem)
{
    size_t n = span_find_byte(r->rest, '\n');

    r->next += n < r->rest.n;
    r->rest = span_skip(r->rest, n + 1);
    r->problem = problem;
    r->count = 0;
    return ERR_INVALID;
}

// At the separator or line end after a field. True: the record goes on.
static bool field_end(struct csv *r, bool *out_is_clean)
{
    struct span s = r->rest;
    size_t end = s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n' ? 2 : s.n && s.p[0] == '\n';

    *out_is_clean = true;
    if (s.n && s.p[0] == r->separator) {
        r->rest = span_skip(s, 1);
        return true;
    }
    *out_is_clean = end || s.n == 0;
    r->next += end > 0;
    r->rest = span_skip(s, end);
    return false;
}

static enum err field_plain(struct csv *r, struct span *out)
{
    struct span s = r->rest;
    size_t n = 0;

    while (n < s.n && s.p[n] != r->separator && s.p[n] != '\n' &&
           !(s.p[n] == '\r' && n + 1 < s.n && s.p[n + 1] == '\n')) {
        if (s.p[n] == '"') {
            return bad(r, "a quote stands in the middle of a field; put the whole field in quotes, "
                          "and write the quote twice");
        }
        n++;
    }
    *out = span_first(s, n);
    r->rest = span_skip(s, n);
    return ERR_OK;
}

// Where the quoted text, without its first quote, ends; `out_doubled`: quotes have to be undone.
static bool quoted_end(struct span s, size_t *out_n, bool *out_doubled)
{
    size_t n = 0;

    *out_doubled = false;
    for (; n < s.n; n++) {
        if (s.p[n] == '"') {
            if (n + 1 == s.n || s.p[n + 1] != '"') {
                *out_n = n;
                return true;
            }
            *out_doubled = true;
            n++;
        }
    }
    return false;
}

static enum err field_quoted(struct csv *r, struct span *out)
{
    struct span s = span_skip(r->rest, 1);
    bool is_doubled;
    size_t n;

    if (!quoted_end(s, &n, &is_doubled)) {
        return bad(r, "a quote is never closed");
    }
    *out = span_first(s, n);
    if (is_doubled) {
        size_t from = r->room.n;

        for (size_t i = 0; i < n; i++) {
            buf_put_byte(&r->room, s.p[i]);
            i += s.p[i] == '"';
        }
        if (buf_result(&r->room) != ERR_OK) {
            return ERR_NOMEM;
        }
        *out = span_skip(buf_span(&r->room), from);
    }
    for (size_t i = 0; i < n; i++) {
        r->next += s.p[i] == '\n';
    }
    r->rest = span_skip(s, n + 1);
    return ERR_OK;
}

static void skip_blank_lines(struct csv *r)
{
    size_t n;

    do {
        n = span_find_byte(r->rest, '\n');
        for (size_t i = 0; i < n; i++) {
            if (r->rest.p[i] != ' ' && r->rest.p[i] != '\t' && r->rest.p[i] != '\r') {
                return;
            }
        }
        r->next += n < r->rest.n;
        r->rest = span_skip(r->rest, n + 1);
    } while (r->rest.n);
}

enum err csv_next(struct csv *r)
{
    bool goes_on = true, is_clean;

    r->count = 0;
    r->problem = NULL;
    skip_blank_lines(r);
    r->line = r->next;
    // What fields of a record have put there must not move: room for all of it first.
    r->room.n = 0;
    if (r->rest.n == 0) {
        return ERR_EOF;
    }
    if (!buf_reserve(&r->room, r->rest.n < ROOM_BYTES_MAX ? r->rest.n : ROOM_BYTES_MAX)) {
        return ERR_NOMEM;
    }
    while (goes_on) {
        if (r->count == CSV_FIELDS_MAX) {
            return bad(r, "it has more than 64 fields");
        }
        bool is_quoted = r->rest.n && r->rest.p[0] == '"';
        struct span *out = &r->fields[r->count];
        enum err e = is_quoted ? field_quoted(r, out) : field_plain(r, out);

        if (e != ERR_OK) {
            return e;
        }
        r->count++;
        goes_on = field_end(r, &is_clean);
        if (!is_clean) {
            return bad(r, "something stands between a closing quote and the next separator");
        }
    }
    return ERR_OK;
}
