// SPDX-License-Identifier: Apache-2.0
#include "dialogue_driver.h"

#include "base/log.h"
#include "conf/conf.h"

void driver_open(struct driver *r, const struct dialogue_protocol *p, const char *conf)
{
    struct conf_report report;

    ASSERT(!conf_parse(span_from_str(conf), &report, &r->settings));
    ASSERT(!dialogue_init(&r->d, p, r->settings));
    buf_init(&r->said, 1u << 24);
}

void driver_close(struct driver *r)
{
    dialogue_finish(&r->d);
    settings_unref(r->settings);
    buf_finish(&r->said);
}

size_t driver_send(struct driver *r, struct span bytes, size_t piece)
{
    size_t sent = 0;

    while (sent < bytes.n && r->d.step == DIALOGUE_READ) {
        size_t n = piece && piece < bytes.n - sent ? piece : bytes.n - sent;
        size_t room = r->d.in.max - r->d.in.n;

        n = n < room ? n : room;
        if (n == 0) { // the gate's own last limit
            dialogue_end(&r->d, DIALOGUE_LINE_TOO_LONG);
            break;
        }
        buf_put(&r->d.in, span_first(span_skip(bytes, sent), n));
        sent += n;
        dialogue_go_on(&r->d);
    }
    return sent;
}

struct span driver_hear(struct driver *r)
{
    buf_clear(&r->said);
    buf_put(&r->said, buf_span(&r->d.out));
    buf_clear(&r->d.out);
    return buf_span(&r->said);
}
