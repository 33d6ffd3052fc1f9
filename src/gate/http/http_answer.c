// SPDX-License-Identifier: Apache-2.0
#include "gate/http/http_answer.h"

#include <jansson.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/encode.h"
#include "gate/http/http_json.h"
#include "wire/http/http_response.h"

#include "base/banned.h"

#define RECORD_HEADER 5
#define RECORD_MAX    (256u << 10) // admin/admin_record.h
#define TEXT_MAX      (192u << 10) // the rest of a read and what it makes of it

void http_answer_begin(struct http_answer *a, enum operation_kind kind, bool is_lines)
{
    http_answer_finish(a);
    a->kind = kind;
    a->is_lines = is_lines;
    buf_init_secret(&a->text, TEXT_MAX);
    buf_init_secret(&a->frame, HTTP_ANSWER_RESULT_MAX);
}

void http_answer_finish(struct http_answer *a)
{
    buf_finish(&a->text);
    buf_finish(&a->frame);
    *a = (struct http_answer){.kind = OPERATION_PLAIN};
}

// ---- records ------------------------------------------------------------------------------------

static bool is_item(const struct http_answer *a)
{
    return a->header[0] == 'I';
}

static void record_begin(struct http_answer *a)
{
    if (a->is_lines) {
        buf_put_str(&a->text, is_item(a) ? "" : "{\"data\":\"");
    } else if (a->kind == OPERATION_TEXT_OUT) {
        buf_put_str(&a->text, a->is_begun || is_item(a) ? "" : "{\"text\":\"");
    } else {
        buf_put_str(&a->text, a->is_begun ? "," : "{\"items\":[");
    }
    a->is_begun = true;
}

// Whole groups of three bytes; the others wait.
static void put_base64(struct http_answer *a, struct span piece)
{
    unsigned char group[3];

    while (a->rest_n > 0 && a->rest_n < 3 && piece.n > 0) {
        memcpy(group, a->rest, a->rest_n);
        group[a->rest_n] = (unsigned char)piece.p[0];
        piece = span_skip(piece, 1);
        if (a->rest_n == 2) {
            base64_encode(&a->text, span_of(group, 3));
            a->rest_n = 0;
        } else {
            a->rest[a->rest_n++] = group[1];
        }
    }
    size_t whole = piece.n - piece.n % 3;

    if (a->rest_n == 0 && piece.n > 0) {
        base64_encode(&a->text, span_first(piece, whole));
        a->rest_n = (unsigned)(piece.n - whole);
        memcpy(a->rest, piece.p + whole, a->rest_n);
    }
}

static void record_put(struct http_answer *a, struct span piece)
{
    if (is_item(a)) {
        buf_put(&a->text, piece);
        for (size_t i = 0; i < piece.n && a->first_n < sizeof(a->first); i++) {
            a->first[a->first_n++] = piece.p[i];
        }
    } else if (a->is_lines) {
        put_base64(a, piece);
    } else {
        http_json_put_escaped(&a->text, piece);
    }
}

static void record_end(struct http_answer *a)
{
    if (!is_item(a) && a->is_lines) {
        base64_encode(&a->text, span_of(a->rest, a->rest_n));
        a->rest_n = 0;
        buf_put_str(&a->text, "\"}");
    }
    buf_put_str(&a->text, a->is_lines ? "\n" : "");
    if (is_item(a)) {
        a->items++;
        a->is_unwanted = span_starts(span_of(a->first, a->first_n), SPAN("{\"want\":false"));
        a->first_n = 0;
    }
    a->header_n = 0;
}

// Only operations whose answers say so give data; only JSON goes where JSON is.
static bool record_fits(const struct http_answer *a)
{
    return is_item(a) ? a->kind != OPERATION_TEXT_OUT && a->kind != OPERATION_PLAIN
                      : a->header[0] == 'D' && (a->is_lines || a->kind == OPERATION_TEXT_OUT);
}

static enum err put_chunk(struct http_answer *a, struct span piece)
{
    while (piece.n > 0) {
        if (a->header_n < RECORD_HEADER) {
            a->header[a->header_n++] = (unsigned char)piece.p[0];
            piece = span_skip(piece, 1);
            if (a->header_n < RECORD_HEADER) {
                continue;
            }
            a->left = get_le32((const char *)a->header + 1);
            if (a->left > RECORD_MAX || (is_item(a) && a->left < 2) || !record_fits(a)) {
                return ERR_INVALID;
            }
            record_begin(a);
        } else {
            struct span part = span_first(piece, a->left);

            record_put(a, part);
            a->left -= (uint32_t)part.n;
            piece = span_skip(piece, part.n);
        }
        if (a->left == 0) {
            record_end(a);
        }
    }
    return buf_result(&a->text);
}

// ---- frames -------------------------------------------------------------------------------------

enum err http_answer_put(struct http_answer *a, enum control_kind kind, struct span piece)
{
    if (a->is_over) {
        return ERR_INVALID;
    }
    if (kind == CONTROL_CHUNK) {
        return put_chunk(a, piece);
    }
    buf_put(&a->frame, piece);
    return buf_result(&a->frame);
}

static enum err code_of(const char *name)
{
    for (int i = 0; i < ERR__COUNT && name; i++) {
        if (strcmp(err_name((enum err)i), name) == 0) {
            return (enum err)i;
        }
    }
    return ERR_IO;
}

static enum err take_error(struct http_answer *a)
{
    json_t *j = json_loadb(a->frame.n ? a->frame.p : "", a->frame.n, 0, NULL);
    const char *text = json_string_value(json_object_get(j, "text"));
    enum err code = code_of(json_string_value(json_object_get(j, "code")));

    http_answer_fail(a, code == ERR_OK ? ERR_IO : code, text ? text : "");
    json_decref(j);
    return ERR_OK;
}

static void put_end(struct http_answer *a)
{
    if (a->is_lines) {
        buf_put_str(&a->text, "{\"result\":");
    } else if (a->kind == OPERATION_TEXT_OUT) {
        buf_put_str(&a->text, a->is_begun ? "\",\"result\":" : "{\"text\":\"\",\"result\":");
    } else if (a->kind != OPERATION_PLAIN) {
        buf_put_str(&a->text, a->is_begun ? "],\"result\":" : "{\"items\":[],\"result\":");
    }
    buf_put(&a->text, buf_span(&a->frame));
    buf_put_str(&a->text, a->is_lines || a->kind != OPERATION_PLAIN ? "}" : "");
    buf_put_str(&a->text, "\n");
}

enum err http_answer_frame_end(struct http_answer *a, enum control_kind kind)
{
    enum err e = ERR_OK;

    if (kind == CONTROL_CHUNK) {
        return ERR_OK; // a record may go on in the next
    }
    if (!span_starts(buf_span(&a->frame), SPAN("{"))) {
        return ERR_INVALID;
    }
    if (kind == CONTROL_ERROR) {
        e = take_error(a);
    } else if (a->header_n > 0) {
        return ERR_INVALID; // within a record
    } else if (kind == CONTROL_PROGRESS && a->is_lines) {
        buf_put_str(&a->text, "{\"progress\":");
        buf_put(&a->text, buf_span(&a->frame));
        buf_put_str(&a->text, "}\n");
        a->is_begun = true;
    } else if (kind == CONTROL_RESULT) {
        put_end(a);
        a->is_over = true;
    }
    buf_clear(&a->frame);
    return e == ERR_OK ? buf_result(&a->text) : e;
}

// ---- what went wrong ----------------------------------------------------------------------------

unsigned http_answer_status(enum err code)
{
    static const unsigned statuses[ERR__COUNT] = {
        [ERR_NOT_FOUND] = 404,   [ERR_EXISTS] = 409,  [ERR_CONFLICT] = 409,    [ERR_INVALID] = 422,
        [ERR_LIMIT] = 422,       [ERR_QUOTA] = 422,   [ERR_DENIED] = 403,      [ERR_NOSPACE] = 507,
        [ERR_UNAVAILABLE] = 503, [ERR_TIMEOUT] = 503, [ERR_UNSUPPORTED] = 501, [ERR_AGAIN] = 503,
        [ERR_NOMEM] = 503,
    };

    return code < ERR__COUNT && statuses[code] ? statuses[code] : 500;
}

void http_problem_put(struct buf *out, unsigned status, const char *code, struct span detail)
{
    buf_put_str(out, "{\"type\":\"about:blank\",\"title\":");
    http_json_put_text(out, span_from_str(http_status_text(status)));
    buf_printf(out, ",\"status\":%u", status);
    if (code) {
        buf_put_str(out, ",\"code\":");
        http_json_put_text(out, span_from_str(code));
    }
    if (detail.n) {
        buf_put_str(out, ",\"detail\":");
        http_json_put_text(out, detail);
    }
    buf_put_str(out, "}");
}

void http_answer_fail(struct http_answer *a, enum err code, const char *why)
{
    if (a->is_over) {
        return;
    }
    a->is_over = a->has_failed = true;
    a->code = code;
    snprintf(a->why, sizeof(a->why), "%s", why);
    if (a->is_lines && a->is_begun && a->header_n == 0) {
        buf_put_str(&a->text, "{\"error\":");
        http_problem_put(&a->text, http_answer_status(code), err_name(code), span_from_str(a->why));
        buf_put_str(&a->text, "}\n");
    }
}
