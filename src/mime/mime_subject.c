// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_subject.h"

#include "base/banned.h"

static struct span trim_end(struct span s)
{
    while (s.n && s.p[s.n - 1] == ' ') {
        s.n--;
    }
    return s;
}

static struct span trim_start(struct span s)
{
    while (s.n && s.p[0] == ' ') {
        s = span_skip(s, 1);
    }
    return s;
}

static bool ends_nocase(struct span s, struct span end)
{
    return s.n >= end.n && span_eq_nocase(span_skip(s, s.n - end.n), end);
}

// (2) of the RFC: "(fwd)" and blanks at the end.
static struct span drop_trailer(struct span s, bool *is_reply)
{
    s = trim_end(s);
    while (ends_nocase(s, SPAN("(fwd)"))) {
        s.n -= 5;
        s = trim_end(s);
        *is_reply = true;
    }
    return s;
}

// "[text] " at the front: its length, or 0. Brackets inside make it none.
static size_t blob_length(struct span s)
{
    size_t n = 1;

    if (s.n == 0 || s.p[0] != '[') {
        return 0;
    }
    while (n < s.n && s.p[n] != '[' && s.p[n] != ']') {
        n++;
    }
    if (n == s.n || s.p[n] != ']') {
        return 0;
    }
    n++;
    while (n < s.n && s.p[n] == ' ') {
        n++;
    }
    return n;
}

// ("re" / "fw" / "fwd") [blob] ":" at the front: its length, or 0.
static size_t refwd_length(struct span s)
{
    size_t n = span_starts_nocase(s, SPAN("fwd"))  ? 3
               : span_starts_nocase(s, SPAN("re")) ? 2
               : span_starts_nocase(s, SPAN("fw")) ? 2
                                                   : 0;

    if (n == 0) {
        return 0;
    }
    while (n < s.n && s.p[n] == ' ') {
        n++;
    }
    n += blob_length(span_skip(s, n));
    return n < s.n && s.p[n] == ':' ? n + 1 : 0;
}

// (3) to (5): leaders and blobs at the front, as long as there are any.
static struct span drop_leaders(struct span s, bool *is_reply)
{
    for (;;) {
        s = trim_start(s);
        size_t n = refwd_length(s);

        if (n) {
            *is_reply = true;
            s = span_skip(s, n);
            continue;
        }
        n = blob_length(s);
        if (n == 0) {
            return s;
        }
        // A blob may stand before a leader; otherwise it goes only if something is left.
        if (refwd_length(span_skip(s, n)) == 0 && n == s.n) {
            return s;
        }
        s = span_skip(s, n);
    }
}

void mime_subject_base(struct buf *out, struct span text, bool *out_is_reply)
{
    struct buf flat;
    bool is_reply = false;

    buf_init(&flat, text.n + 1);
    for (size_t i = 0; i < text.n; i++) { // (1): runs of blanks are one
        bool is_blank = byte_is_space(text.p[i]);

        if (!is_blank || (flat.n && flat.p[flat.n - 1] != ' ')) {
            buf_put_byte(&flat, is_blank ? ' ' : text.p[i]);
        }
    }
    struct span s = buf_span(&flat);

    for (;;) {
        s = drop_leaders(drop_trailer(s, &is_reply), &is_reply);
        if (!span_starts_nocase(s, SPAN("[fwd:")) || s.p[s.n - 1] != ']') {
            break;
        }
        s = span_first(span_skip(s, 5), s.n - 6); // (6)
        is_reply = true;
    }
    buf_put(out, s);
    out->failed |= flat.failed;
    buf_finish(&flat);
    if (out_is_reply) {
        *out_is_reply = is_reply;
    }
}
