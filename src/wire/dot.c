// SPDX-License-Identifier: Apache-2.0
#include "wire/dot.h"

#include "base/banned.h"

void dot_writer_init(struct dot_writer *w, enum dot_mode mode)
{
    *w = (struct dot_writer){.mode = mode};
}

static void put_line_end(struct dot_writer *w, struct buf *out)
{
    buf_put(out, SPAN("\r\n"));
    w->content_bytes += 2;
    w->in_line = w->cr = false;
}

static void put_run(struct dot_writer *w, struct span run, struct buf *out)
{
    if (run.n == 0) {
        return;
    }
    if (!w->in_line && run.p[0] == '.') {
        buf_put_byte(out, '.');
    }
    buf_put(out, run);
    w->content_bytes += run.n;
    w->in_line = true;
}

static bool is_plain(char c)
{
    return c != '\r' && c != '\n' && c != '\0';
}

// CR, LF or NUL, or whatever follows a CR that is held back. False when it is refused.
static bool put_special(struct dot_writer *w, char c, struct buf *out)
{
    bool whole = w->cr && c == '\n';

    if (w->mode == DOT_STRICT && !whole && (w->cr || c != '\r')) {
        return false;
    }
    if (w->cr || c == '\n') {
        put_line_end(w, out);
    }
    if (c == '\r') {
        w->cr = true;
    } else if (c != '\n') {
        char byte = c == '\0' ? (char)0x80 : c;

        put_run(w, span_of(&byte, 1), out);
    }
    return true;
}

enum err dot_write(struct dot_writer *w, struct span text, struct buf *out)
{
    size_t before = out->n, at = 0;

    while (at < text.n) {
        size_t from = at;

        if (w->cr || !is_plain(text.p[at])) {
            if (!put_special(w, text.p[at++], out)) {
                out->n = before;
                return ERR_INVALID;
            }
            continue;
        }
        while (at < text.n && is_plain(text.p[at])) {
            at++;
        }
        put_run(w, span_of(text.p + from, at - from), out);
    }
    return buf_result(out);
}

enum err dot_write_end(struct dot_writer *w, struct buf *out)
{
    if (w->cr && w->mode == DOT_STRICT) {
        return ERR_INVALID;
    }
    if (w->cr || w->in_line) {
        put_line_end(w, out);
    }
    buf_put(out, SPAN(".\r\n"));
    return buf_result(out);
}
