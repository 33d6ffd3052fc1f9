// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#include "base/banned.h"

#define HEAD_BYTES 5

void admin_reader_init(struct admin_reader *r)
{
    *r = (struct admin_reader){.at = 0};
    buf_init_secret(&r->in, 4u << 20);
}

void admin_reader_finish(struct admin_reader *r)
{
    buf_finish(&r->in);
    r->at = 0;
}

enum err admin_reader_next(struct admin_reader *r, enum admin_record_type *out_type,
                           struct span *out_payload)
{
    struct span rest = span_skip(buf_span(&r->in), r->at);

    if (rest.n >= HEAD_BYTES) {
        size_t n = get_le32(rest.p + 1);

        if (n > ADMIN_RECORD_BYTES_MAX || (rest.p[0] != ADMIN_ITEM && rest.p[0] != ADMIN_DATA)) {
            return ERR_INVALID;
        }
        if (rest.n >= HEAD_BYTES + n) {
            *out_type = rest.p[0] == ADMIN_ITEM ? ADMIN_ITEM : ADMIN_DATA;
            *out_payload = span_of(rest.p + HEAD_BYTES, n);
            r->at += HEAD_BYTES + n;
            return ERR_OK;
        }
    }
    // Only now, when no payload is in use, is what was taken thrown away.
    buf_consume(&r->in, r->at);
    r->at = 0;
    return ERR_AGAIN;
}

void admin_record_put(struct buf *out, enum admin_record_type type, struct span payload)
{
    char head[HEAD_BYTES];

    head[0] = (char)type;
    put_le32(head + 1, (uint32_t)payload.n);
    buf_put(out, span_of(head, sizeof(head)));
    buf_put(out, payload);
}

enum err admin_record_put_item(struct buf *out, json_t *item)
{
    char *text = json_dumps(item, JSON_COMPACT);
    enum err e = ERR_LIMIT;

    if (!text) {
        return ERR_NOMEM;
    }
    struct span s = span_from_str(text);

    if (s.n <= ADMIN_RECORD_BYTES_MAX) {
        admin_record_put(out, ADMIN_ITEM, s);
        e = buf_result(out);
    }
    explicit_bzero(text, s.n); // may hold a password
    free(text);
    return e;
}
