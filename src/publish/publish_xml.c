// SPDX-License-Identifier: Apache-2.0
#include "publish/publish.h"

#include "base/banned.h"

static const char *escape_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    default:
        return byte_is_ctl(c) ? "?" : NULL;
    }
}

void publish_put_xml(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        const char *escape = escape_of(text.p[i]);

        if (escape) {
            buf_put_str(out, escape);
        } else {
            buf_put_byte(out, text.p[i]);
        }
    }
}
