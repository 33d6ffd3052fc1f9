// SPDX-License-Identifier: Apache-2.0
#include "gate/smtp/smtp_received.h"

#include "mime/mime_date.h"

#include "base/banned.h"

// Bytes that could close a comment or a path, or start a line, have no place here.
static void put_safe(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        buf_put_byte(out, byte_is_ctl(c) || c == '(' || c == ')' || c == '\\' ? '?' : c);
    }
}

static void put_from(struct buf *out, const struct smtp_received *r)
{
    if (r->hides_client) {
        buf_put_str(out, "Received: by ");
        return;
    }
    buf_put_str(out, "Received: from ");
    put_safe(out, r->helo);
    if (r->address.n) {
        bool six = span_find_byte(r->address, ':') < r->address.n;

        buf_put_str(out, six ? " ([IPv6:" : " ([");
        put_safe(out, r->address);
        buf_put_str(out, "])");
    }
    buf_put_str(out, "\r\n\tby ");
}

static void put_with(struct buf *out, const struct smtp_received *r)
{
    buf_put_str(out, r->is_utf8 ? "UTF8" : r->is_extended && !r->is_lmtp ? "E" : "");
    buf_put_str(out, r->is_lmtp ? "LMTP" : "SMTP");
    if (r->is_extended) {
        buf_put_str(out, r->tls.n ? "S" : "");
        buf_put_str(out, r->is_logged_in ? "A" : "");
    }
}

void smtp_received_put(struct buf *out, const struct smtp_received *r)
{
    put_from(out, r);
    put_safe(out, r->host);
    buf_put_str(out, " with ");
    put_with(out, r);
    if (r->tls.n) {
        buf_put_str(out, "\r\n\t(");
        put_safe(out, r->tls);
        buf_put_byte(out, ')');
    }
    buf_put_str(out, "\r\n\tid ");
    put_safe(out, r->id);
    if (r->for_path.n) {
        buf_put_str(out, "\r\n\tfor <");
        put_safe(out, r->for_path);
        buf_put_byte(out, '>');
    }
    buf_put_str(out, ";\r\n\t");
    mime_date_put(out, r->unix_seconds, 0);
    buf_put_str(out, "\r\n");
}
