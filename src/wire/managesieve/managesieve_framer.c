// SPDX-License-Identifier: Apache-2.0
//
// Where a command ends. A "{n+}" at the end of a line announces n bytes wherever it stands.
#include "wire/managesieve/managesieve.h"

#include "base/banned.h"

const struct managesieve_limits managesieve_limits_before_login = {
    .line_bytes = 8 * 1024,
    .literal_bytes = 12 * 1024, // a SASL response, as elsewhere
    .skip_bytes = 8 * 1024,
};

const struct managesieve_limits managesieve_limits_after_login = {
    .line_bytes = 8 * 1024,
    .literal_bytes = 1024 * 1024,
    .skip_bytes = 64 * 1024 * 1024,
};

void managesieve_framer_init(struct managesieve_framer *f, const struct managesieve_limits *limits)
{
    *f = (struct managesieve_framer){.limits = limits};
}

// "{n+}" (or "{n}", which waits for an answer) at the end of a line.
static bool find_literal(struct span line, bool *out_waits, uint64_t *out_bytes)
{
    size_t end = line.n, at;

    if (end < 3 || line.p[end - 1] != '}') {
        return false;
    }
    end--;
    *out_waits = line.p[end - 1] != '+';
    end -= !*out_waits;
    for (at = end; at > 0 && byte_is_digit(line.p[at - 1]); at--) {
    }
    if (at == end || at == 0 || line.p[at - 1] != '{') {
        return false;
    }
    if (!span_to_u64(span_of(line.p + at, end - at), UINT64_MAX, out_bytes)) {
        *out_bytes = UINT64_MAX;
    }
    return true;
}

static bool is_bad(struct span line)
{
    return span_find_byte(line, '\0') < line.n || span_find_byte(line, '\r') < line.n;
}

static enum managesieve_frame_kind finish(struct managesieve_framer *f, struct span input,
                                          size_t bytes, struct span *out_text, size_t *out_bytes)
{
    bool skipped = f->skipping;

    managesieve_framer_init(f, f->limits);
    *out_text = span_first(input, bytes - 2);
    *out_bytes = bytes;
    return skipped ? MANAGESIEVE_TOO_BIG : MANAGESIEVE_COMMAND;
}

// A literal is announced by the line that ends before `next`.
static enum managesieve_frame_kind begin_literal(struct managesieve_framer *f, uint64_t bytes,
                                                 size_t next, size_t *out_bytes)
{
    if (bytes > f->limits->skip_bytes && bytes > f->limits->literal_bytes) {
        return MANAGESIEVE_BROKEN;
    }
    f->skipping = f->skipping || bytes > f->limits->literal_bytes - f->literal_bytes;
    if (!f->skipping) {
        f->literal_bytes += (size_t)bytes;
        f->literal_left = bytes;
        f->at = f->line_start = next;
        return MANAGESIEVE_MORE;
    }
    // What is here of the command is of no use any more.
    f->skip_left = bytes;
    f->at = f->line_start = 0;
    *out_bytes = next;
    return MANAGESIEVE_SKIP;
}

static enum managesieve_frame_kind take_line(struct managesieve_framer *f, struct span input,
                                             size_t lf, struct span *out_text, size_t *out_bytes)
{
    bool waits;
    uint64_t bytes;
    struct span line = span_of(input.p + f->line_start, lf - f->line_start);

    if (line.n == 0 || line.p[line.n - 1] != '\r' || is_bad(span_first(line, line.n - 1))) {
        return MANAGESIEVE_BROKEN;
    }
    f->line_bytes += line.n + 1;
    if (!find_literal(span_first(line, line.n - 1), &waits, &bytes)) {
        return finish(f, input, lf + 1, out_text, out_bytes);
    }
    return waits ? MANAGESIEVE_BROKEN : begin_literal(f, bytes, lf + 1, out_bytes);
}

// The bytes of a literal that have come; false: more must.
static bool take_literal(struct managesieve_framer *f, size_t have)
{
    size_t n = have < f->literal_left ? have : (size_t)f->literal_left;

    if (f->literal_left == 0) {
        return true;
    }
    f->literal_left -= n;
    f->at += n;
    f->line_start = f->at;
    return f->literal_left == 0;
}

enum managesieve_frame_kind managesieve_frame(struct managesieve_framer *f, struct span input,
                                              struct span *out_text, size_t *out_bytes)
{
    enum managesieve_frame_kind kind = MANAGESIEVE_MORE;

    if (f->skip_left) {
        *out_bytes = input.n < f->skip_left ? input.n : (size_t)f->skip_left;
        f->skip_left -= *out_bytes;
        return input.n ? MANAGESIEVE_SKIP : MANAGESIEVE_MORE;
    }
    while (kind == MANAGESIEVE_MORE) {
        if (!take_literal(f, input.n - f->at)) {
            return MANAGESIEVE_MORE;
        }
        size_t lf = f->at + span_find_byte(span_skip(input, f->at), '\n');

        f->at = lf;
        if (lf - f->line_start > f->limits->line_bytes - f->line_bytes) {
            return MANAGESIEVE_BROKEN;
        }
        if (lf == input.n) {
            return MANAGESIEVE_MORE;
        }
        kind = take_line(f, input, lf, out_text, out_bytes);
    }
    return kind;
}
