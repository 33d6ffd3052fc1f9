// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>

#include "wire/scim/scim.h"

#include "base/banned.h"

enum err scim_fail(struct scim_error *e, unsigned status, const char *type, const char *fmt, ...)
{
    va_list ap;

    e->status = status;
    e->type = type;
    va_start(ap, fmt);
    vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

struct scim_shown scim_shown(struct span text)
{
    struct scim_shown out;
    size_t n = text.n < 60 ? text.n : 60;

    for (size_t i = 0; i < n; i++) {
        char c = text.p[i];

        out.s[i] = c < ' ' || c >= 0x7f || c == '"' || c == '\\' ? '?' : c;
    }
    out.s[n] = '\0';
    return out;
}

static void put_json_text(struct buf *out, struct span text)
{
    buf_put_byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < ' ' || c == 0x7f) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_put_str(out, c == '"' || c == '\\' ? "\\" : "");
            buf_put_byte(out, (char)c);
        }
    }
    buf_put_byte(out, '"');
}

// The status is a text there.
void scim_error_put(struct buf *out, unsigned status, const char *type, struct span detail)
{
    buf_printf(out, "{\"schemas\":[\"" SCIM_URN_ERROR "\"],\"status\":\"%u\"", status);
    if (type) {
        buf_printf(out, ",\"scimType\":\"%s\"", type);
    }
    if (detail.n > 0) {
        buf_put_str(out, ",\"detail\":");
        put_json_text(out, detail);
    }
    buf_put_str(out, "}\n");
}
