// SPDX-License-Identifier: Apache-2.0
#include "gate/http/http_keep.h"

#include "base/bytes.h"

#include "base/banned.h"

void http_keep_put(struct buf *out, enum control_kind kind, struct span payload)
{
    char header[5];

    put_le32(header, (uint32_t)payload.n + 1);
    header[4] = (char)kind;
    buf_put(out, span_of(header, sizeof(header)));
    buf_put(out, payload);
}

static bool is_keeps(enum control_kind kind)
{
    return kind == CONTROL_CHUNK || kind == CONTROL_PROGRESS || kind == CONTROL_RESULT ||
           kind == CONTROL_ERROR;
}

// The header is whole.
static enum err frame_begin(struct http_keep *k)
{
    uint32_t n = get_le32((const char *)k->header);

    k->kind = (enum control_kind)k->header[4];
    if (n < 1 || n > CONTROL_FRAME_BYTES_MAX || !is_keeps(k->kind)) {
        return ERR_INVALID;
    }
    k->left = n - 1;
    return ERR_OK;
}

static void frame_end(struct http_keep *k)
{
    k->header_n = 0;
    k->is_over = k->kind == CONTROL_RESULT || k->kind == CONTROL_ERROR;
    k->has_failed = k->kind == CONTROL_ERROR;
}

enum err http_keep_next(struct http_keep *k, struct span input, struct span *out_piece,
                        size_t *out_bytes)
{
    size_t at = 0;
    bool is_new = k->header_n < sizeof(k->header);

    if (!input.n || k->is_over) {
        return ERR_AGAIN;
    }
    while (k->header_n < sizeof(k->header) && at < input.n) {
        k->header[k->header_n++] = (unsigned char)input.p[at++];
    }
    *out_piece = SPAN("");
    *out_bytes = at;
    if (k->header_n < sizeof(k->header)) {
        k->kind = CONTROL_PROGRESS; // of no frame yet: nobody takes the piece
        return ERR_OK;
    }
    if (is_new && frame_begin(k) != ERR_OK) {
        return ERR_INVALID;
    }
    *out_piece = span_first(span_skip(input, at), k->left);
    *out_bytes = at + out_piece->n;
    k->left -= (uint32_t)out_piece->n;
    if (k->left == 0) {
        frame_end(k);
    }
    return ERR_OK;
}
