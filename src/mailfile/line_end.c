// SPDX-License-Identifier: Apache-2.0
#include "mailfile/line_end.h"

#include "base/banned.h"

static bool put(struct mail_sink to, struct span s)
{
    return s.n == 0 || to.write(to.arg, s);
}

bool crlf_make(struct crlf_maker *m, struct span bytes)
{
    while (bytes.n > 0) {
        size_t lf = span_find_byte(bytes, '\n');

        if (lf == bytes.n) {
            m->after_cr = bytes.p[bytes.n - 1] == '\r';
            return put(m->to, bytes);
        }
        bool has_cr = lf > 0 ? bytes.p[lf - 1] == '\r' : m->after_cr;

        if (!put(m->to, span_first(bytes, lf)) || !put(m->to, has_cr ? SPAN("\n") : SPAN("\r\n"))) {
            return false;
        }
        m->after_cr = false;
        bytes = span_skip(bytes, lf + 1);
    }
    return true;
}

void line_end_watch(struct line_end_watch *w, struct span bytes)
{
    for (size_t i = 0; i < bytes.n && !w->is_irregular; i++) {
        char c = bytes.p[i];

        if (c == '\n') {
            w->is_irregular = !w->after_cr || w->after_cr_cr;
        }
        w->after_cr_cr = c == '\r' && w->after_cr;
        w->after_cr = c == '\r';
    }
}

bool lf_make(struct lf_maker *m, struct span bytes)
{
    while (bytes.n > 0) {
        if (m->after_cr) {
            m->after_cr = false;
            if (bytes.p[0] != '\n' && !put(m->to, SPAN("\r"))) {
                return false;
            }
        }
        size_t cr = span_find_byte(bytes, '\r');

        if (!put(m->to, span_first(bytes, cr))) {
            return false;
        }
        m->after_cr = cr < bytes.n;
        bytes = span_skip(bytes, cr + 1);
    }
    return true;
}

bool lf_make_end(struct lf_maker *m)
{
    bool waits = m->after_cr;

    m->after_cr = false;
    return !waits || put(m->to, SPAN("\r"));
}
