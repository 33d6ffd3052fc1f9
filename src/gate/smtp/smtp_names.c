// SPDX-License-Identifier: Apache-2.0
#include "gate/smtp/smtp_names.h"

#include "base/bytes.h"
#include "base/log.h"

#include "base/banned.h"

void smtp_names_init(struct smtp_names *l, size_t bytes_max)
{
    *l = (struct smtp_names){.at = 0};
    buf_init(&l->text, bytes_max);
}

void smtp_names_finish(struct smtp_names *l)
{
    buf_finish(&l->text);
}

void smtp_names_clear(struct smtp_names *l)
{
    buf_release(&l->text);
    l->at = l->n = 0;
}

void smtp_names_put(struct smtp_names *l, struct span name)
{
    ASSERT(name.n <= UINT16_MAX);
    char *at = l->text.failed ? NULL : buf_reserve(&l->text, 2 + name.n);

    if (at) {
        put_le16(at, (uint16_t)name.n);
        memcpy(at + 2, name.p, name.n);
        l->text.n += 2 + name.n;
        l->n++;
    }
}

bool smtp_names_take(struct smtp_names *l, struct span *out)
{
    struct span rest = span_skip(buf_span(&l->text), l->at);

    if (rest.n < 2) {
        return false;
    }
    *out = span_first(span_skip(rest, 2), get_le16(rest.p));
    l->at += 2 + out->n;
    return true;
}
