// SPDX-License-Identifier: Apache-2.0
#include "wire/http/http_body.h"

#include "base/banned.h"

#define SIZE_DIGITS_MAX 15 // hexadecimal; no sum of two overflows

void http_body_init(struct http_body *b, const struct http_request *r)
{
    *b = (struct http_body){.is_chunked = r->framing == HTTP_CHUNKED, .left = r->length};
    b->step = b->is_chunked               ? HTTP_BODY_SIZE
              : r->framing == HTTP_LENGTH ? HTTP_BODY_DATA
                                          : HTTP_BODY_DONE;
}

// A whole line without its CR LF. ERR_AGAIN, ERR_INVALID (too long, or a CR or LF alone).
static enum err take_line(struct http_body *b, struct span input, size_t max, struct span *out)
{
    for (; b->scanned < input.n; b->scanned++) {
        char c = input.p[b->scanned];
        bool after_cr = b->scanned && input.p[b->scanned - 1] == '\r';

        if (b->scanned >= max || (c == '\n') != after_cr || c == '\0') {
            return ERR_INVALID;
        }
        if (c == '\n') {
            *out = span_first(input, b->scanned - 1);
            b->scanned = 0;
            return ERR_OK;
        }
    }
    return ERR_AGAIN;
}

static enum err take_size(struct http_body *b, struct span input, size_t *out_bytes)
{
    struct span line;
    enum err e = take_line(b, input, HTTP_CHUNK_LINE_BYTES_MAX, &line);
    uint64_t size = 0;
    size_t digits = 0;

    if (e != ERR_OK) {
        return e;
    }
    while (digits < line.n && byte_hex(line.p[digits]) >= 0) {
        size = size << 4 | (uint64_t)byte_hex(line.p[digits++]);
        if (digits > SIZE_DIGITS_MAX) {
            return ERR_INVALID;
        }
    }
    struct span extension = span_skip(line, digits);

    b->extra += extension.n;
    if (!digits || (extension.n && extension.p[0] != ';') || !http_is_field_value(extension) ||
        b->extra > HTTP_CHUNK_EXTRA_MAX) {
        return ERR_INVALID;
    }
    b->left = size;
    b->step = size ? HTTP_BODY_DATA : HTTP_BODY_TRAILER;
    *out_bytes = line.n + 2;
    return ERR_OK;
}

static enum err take_data(struct http_body *b, struct span input, struct span *out_data,
                          size_t *out_bytes)
{
    if (!input.n) {
        return ERR_AGAIN;
    }
    *out_data = b->left < input.n ? span_first(input, (size_t)b->left) : input;
    *out_bytes = out_data->n;
    b->left -= out_data->n;
    if (!b->left) {
        b->step = b->is_chunked ? HTTP_BODY_BREAK : HTTP_BODY_DONE;
    }
    return ERR_OK;
}

static enum err take_break(struct http_body *b, struct span input, size_t *out_bytes)
{
    if (!span_starts(SPAN("\r\n"), span_first(input, 2))) {
        return ERR_INVALID;
    }
    if (input.n < 2) {
        return ERR_AGAIN;
    }
    b->step = HTTP_BODY_SIZE;
    *out_bytes = 2;
    return ERR_OK;
}

static enum err take_trailer(struct http_body *b, struct span input, size_t *out_bytes)
{
    struct http_field field;
    struct span line;
    enum err e = take_line(b, input, HTTP_TRAILER_BYTES_MAX, &line);

    if (e != ERR_OK) {
        return e;
    }
    b->trailer += line.n + 2;
    if (b->trailer > HTTP_TRAILER_BYTES_MAX ||
        (line.n && http_parse_field(line, &field) != ERR_OK)) {
        return ERR_INVALID;
    }
    if (!line.n) {
        b->step = HTTP_BODY_DONE;
    }
    *out_bytes = line.n + 2;
    return ERR_OK;
}

enum err http_body_next(struct http_body *b, struct span input, struct span *out_data,
                        size_t *out_bytes)
{
    *out_data = SPAN("");
    *out_bytes = 0;
    switch (b->step) {
    case HTTP_BODY_SIZE:
        return take_size(b, input, out_bytes);
    case HTTP_BODY_DATA:
        return take_data(b, input, out_data, out_bytes);
    case HTTP_BODY_BREAK:
        return take_break(b, input, out_bytes);
    case HTTP_BODY_TRAILER:
        return take_trailer(b, input, out_bytes);
    case HTTP_BODY_DONE:
        break;
    }
    return ERR_EOF;
}
