// SPDX-License-Identifier: Apache-2.0
#include "gate/http/http_lines.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/encode.h"
#include "gate/http/http_keep.h"

#include "base/banned.h"

#define RECORD_HEADER 5

void http_lines_init(struct http_lines *l)
{
    http_lines_finish(l);
    buf_init_secret(&l->line, HTTP_LINE_MAX);
}

void http_lines_finish(struct http_lines *l)
{
    if (l->line.p) {
        OPENSSL_cleanse(l->line.p, l->line.cap); // may hold a password
    }
    buf_finish(&l->line);
    l->items = 0;
}

static enum err put_record(struct buf *out, char type, struct span payload)
{
    struct buf record;
    char header[RECORD_HEADER];

    header[0] = type;
    put_le32(header + 1, (uint32_t)payload.n);
    buf_init_secret(&record, payload.n + sizeof(header));
    buf_put(&record, span_of(header, sizeof(header)));
    buf_put(&record, payload);
    enum err e = buf_result(&record);

    if (e == ERR_OK) {
        http_keep_put(out, CONTROL_CHUNK, buf_span(&record));
        e = buf_result(out);
    }
    if (record.p) {
        OPENSSL_cleanse(record.p, record.cap);
    }
    buf_finish(&record);
    return e;
}

enum err http_lines_put_data(struct buf *out, struct span bytes)
{
    return put_record(out, 'D', bytes);
}

static enum err put_data(const json_t *text, struct buf *out, char why[HTTP_JSON_WHY_MAX])
{
    struct span s = span_of(json_string_value(text), json_string_length(text));
    struct buf bytes;

    buf_init_secret(&bytes, HTTP_LINE_MAX);
    enum err e = base64_decode(&bytes, s);

    if (e != ERR_OK) {
        snprintf(why, HTTP_JSON_WHY_MAX, "\"data\" is no base64.");
        e = ERR_INVALID;
    }
    e = e == ERR_OK && bytes.n > 0 ? put_record(out, 'D', buf_span(&bytes)) : e;
    buf_finish(&bytes);
    return e;
}

static enum err put_item(struct http_lines *l, const json_t *item, struct buf *out)
{
    char *text = json_dumps(item, JSON_COMPACT);
    enum err e = text ? put_record(out, 'I', span_from_str(text)) : ERR_NOMEM;

    if (text) {
        OPENSSL_cleanse(text, strlen(text));
    }
    free(text);
    l->items += e == ERR_OK;
    return e;
}

static enum err take_line(struct http_lines *l, struct span line, bool wants_data, struct buf *out,
                          char why[HTTP_JSON_WHY_MAX])
{
    json_t *j;

    if (span_trim(line).n == 0) {
        return ERR_OK;
    }
    enum err e = http_json_object(line, &j, why);

    if (e != ERR_OK) {
        return e;
    }
    const json_t *data = json_object_get(j, "data");

    if (!json_is_string(data) || json_object_size(j) > 1) {
        e = put_item(l, j, out);
    } else if (wants_data) {
        e = put_data(data, out, why);
    }
    json_decref(j);
    return e;
}

enum err http_lines_take(struct http_lines *l, struct span input, bool wants_data,
                         size_t *out_bytes, struct buf *out, char why[HTTP_JSON_WHY_MAX])
{
    size_t at = span_find_byte(input, '\n');
    bool is_whole = at < input.n;

    *out_bytes = at + is_whole;
    buf_put(&l->line, span_first(input, at));
    if (l->line.failed) {
        snprintf(why, HTTP_JSON_WHY_MAX, "A line is too long: %u bytes are allowed.",
                 HTTP_LINE_MAX);
        return ERR_LIMIT;
    }
    if (!is_whole) {
        return ERR_AGAIN;
    }
    enum err e = take_line(l, buf_span(&l->line), wants_data, out, why);

    buf_clear(&l->line);
    return e;
}

enum err http_lines_end(struct http_lines *l, bool wants_data, struct buf *out,
                        char why[HTTP_JSON_WHY_MAX])
{
    enum err e = take_line(l, buf_span(&l->line), wants_data, out, why);

    buf_clear(&l->line);
    return e;
}
