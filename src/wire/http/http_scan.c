// SPDX-License-Identifier: Apache-2.0
#include "wire/http/http_request.h"

#include "base/banned.h"

static enum err refuse(unsigned status, unsigned *out_status)
{
    *out_status = status;
    return ERR_INVALID;
}

// The status for a head that has grown to `bytes` and goes on; 0: it may.
static unsigned too_large(const struct http_scan *s, size_t bytes)
{
    if (s->lines == 0 && bytes - s->line > HTTP_LINE_BYTES_MAX) {
        return 414;
    }
    if (s->lines > HTTP_FIELDS_MAX + 1 || bytes > HTTP_HEAD_BYTES_MAX) {
        return 431;
    }
    return 0;
}

// A line has ended before s->at. ERR_OK: it was the empty one that ends the head.
static enum err line_ended(struct http_scan *s, size_t *out_begin)
{
    bool is_empty = s->at - s->line == 2;

    s->line = s->at;
    if (!is_empty) {
        s->lines++;
        return ERR_AGAIN;
    }
    if (s->lines == 0) { // RFC 9112 section 2.2: one may come before a request
        if (s->skipped) {
            return ERR_INVALID;
        }
        s->skipped = true;
        return ERR_AGAIN;
    }
    *out_begin = s->skipped ? 2 : 0;
    return ERR_OK;
}

// The byte at s->at is what may stand there: a CR comes with a LF only, and the other way round.
static bool byte_fits(const struct http_scan *s, struct span input)
{
    char c = input.p[s->at];
    bool after_cr = s->at > s->line && input.p[s->at - 1] == '\r';

    return (c == '\n') == after_cr && c != '\0';
}

enum err http_scan_head(struct http_scan *s, struct span input, struct span *out_head,
                        size_t *out_bytes, unsigned *out_status)
{
    size_t begin;

    while (s->at < input.n) {
        unsigned status = too_large(s, s->at + 1);

        if (status || !byte_fits(s, input)) {
            return refuse(status ? status : 400, out_status);
        }
        if (input.p[s->at++] != '\n') {
            continue;
        }
        enum err e = line_ended(s, &begin);

        if (e == ERR_OK) {
            *out_head = span_of(input.p + begin, s->at - begin);
            *out_bytes = s->at;
        }
        if (e != ERR_AGAIN) {
            *out_status = 400;
            return e;
        }
    }
    return ERR_AGAIN;
}
