// SPDX-License-Identifier: Apache-2.0
#include "gate/http/http_credentials.h"

#include "base/encode.h"
#include "base/utf8.h"

#include "base/banned.h"

static bool has_control(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_ctl(s.p[i])) {
            return true;
        }
    }
    return false;
}

static enum err read_basic(struct span text, struct buf *room, struct http_credentials *out)
{
    enum err e = base64_decode(room, text);
    struct span both = buf_span(room);
    size_t at = span_find_byte(both, ':');

    if (e != ERR_OK || at == both.n || at == 0 || has_control(both) || !utf8_is_valid(both)) {
        return ERR_INVALID;
    }
    out->user = span_first(both, at);
    out->password = span_skip(both, at + 1);
    return ERR_OK;
}

enum err http_credentials_read(struct span value, struct buf *room, struct http_credentials *out)
{
    struct span scheme = span_split(&value, ' ');
    enum err e = ERR_INVALID;

    *out = (struct http_credentials){.user = SPAN("")};
    value = span_trim(value);
    if (value.n == 0 || value.n > HTTP_CREDENTIALS_MAX) {
        return ERR_INVALID;
    }
    if (span_eq_nocase(scheme, SPAN("Basic"))) {
        e = read_basic(value, room, out);
    } else if (span_eq_nocase(scheme, SPAN("Bearer")) && !has_control(value)) {
        buf_put(room, value);
        out->is_key = true;
        out->password = buf_span(room);
        e = buf_result(room);
    }
    return e;
}
