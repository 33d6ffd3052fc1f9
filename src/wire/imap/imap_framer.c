// SPDX-License-Identifier: Apache-2.0
#include "wire/imap/imap_framer.h"

#include "base/log.h"

#include "base/banned.h"

enum imap_framer_mode {
    MODE_TEXT,        // within a line of a command
    MODE_LITERAL,     // within a buffered literal
    MODE_MESSAGE,     // the owner is taking a message off the connection
    MODE_APPEND_TEXT, // within the line after a message
};

const struct imap_framer_limits imap_framer_limits_before_login = {
    .line_bytes = 8 * 1024,
    .literal_bytes = 4 * 1024,
    .nonsync_bytes = 4 * 1024,
};

const struct imap_framer_limits imap_framer_limits_after_login = {
    .line_bytes = 64 * 1024,
    .literal_bytes = 128 * 1024,
    .nonsync_bytes = UINT64_MAX,
    .message_bytes = 50 * 1000 * 1000,
    .stream_append = true,
};

// What the end of a line says about a literal.
struct announcement {
    size_t start; // of "{" or "~{" in the line
    uint64_t bytes;
    bool sync, literal8;
};

void imap_framer_init(struct imap_framer *f, const struct imap_framer_limits *limits)
{
    *f = (struct imap_framer){.limits = limits};
}

void imap_framer_set_limits(struct imap_framer *f, const struct imap_framer_limits *limits)
{
    f->limits = limits;
}

void imap_framer_refuse(struct imap_framer *f)
{
    imap_framer_init(f, f->limits);
}

void imap_framer_literal_done(struct imap_framer *f)
{
    ASSERT(f->mode == MODE_MESSAGE);
    imap_framer_init(f, f->limits);
    f->mode = MODE_APPEND_TEXT;
}

bool imap_framer_is_idle(const struct imap_framer *f)
{
    return f->mode == MODE_TEXT && f->at == 0;
}

// `line` without its end. False when it does not end in "{digits}" or "{digits+}".
static bool find_announcement(struct span line, struct announcement *out)
{
    size_t at = line.n;

    if (at < 3 || line.p[at - 1] != '}') {
        return false;
    }
    at--;
    bool sync = line.p[at - 1] != '+';

    at -= !sync;
    size_t digits_end = at;

    while (at > 0 && byte_is_digit(line.p[at - 1])) {
        at--;
    }
    if (at == digits_end || at == 0 || line.p[at - 1] != '{') {
        return false;
    }
    struct span digits = span_of(line.p + at, digits_end - at);

    *out = (struct announcement){.start = at - 1, .sync = sync};
    if (!span_to_u64(digits, UINT64_MAX - 1, &out->bytes)) {
        out->bytes = UINT64_MAX;
    }
    if (out->start > 0 && line.p[out->start - 1] == '~') {
        out->start--;
        out->literal8 = true;
    }
    return true;
}

// Takes a word, with its blanks, off the text at `*at`.
static bool take_word(struct span text, size_t *at, struct span word)
{
    bool is_there = span_starts_nocase(span_skip(text, *at), word);

    *at += is_there ? word.n : 0;
    return is_there;
}

// The length of "tag APPEND " at the front of a command, or of "tag UID REPLACE 12 "; or 0.
static size_t append_prefix(struct span text)
{
    size_t at = span_find_byte(text, ' ');

    if (at == 0) {
        return 0;
    }
    if (take_word(text, &at, SPAN(" APPEND "))) {
        return at;
    }
    if (take_word(text, &at, SPAN(" UID "))) {
        at--; // the blank before the command itself
    }
    if (!take_word(text, &at, SPAN(" REPLACE "))) {
        return 0;
    }
    at += span_find_byte(span_skip(text, at), ' ') + 1;
    return at <= text.n ? at : 0;
}

// A line is bad when a NUL or CR is left in it.
static bool line_is_bad(struct span line)
{
    return line.n && (memchr(line.p, '\0', line.n) || memchr(line.p, '\r', line.n));
}

// Ends this command's framing: `bytes` go, the next byte starts a new one.
static void finish(struct imap_framer *f, struct imap_frame *out, enum imap_frame_kind kind,
                   struct span text, size_t bytes)
{
    imap_framer_init(f, f->limits);
    out->kind = kind;
    out->text = text;
    out->bytes = bytes;
}

// A message of APPEND is announced: hand its head over and wait for imap_framer_literal_done.
static void begin_message(struct imap_framer *f, struct imap_frame *out, struct span text,
                          size_t bytes)
{
    bool next = f->mode == MODE_APPEND_TEXT;

    finish(f, out, next ? IMAP_FRAME_APPEND_NEXT : IMAP_FRAME_APPEND_HEAD, text, bytes);
    f->mode = MODE_MESSAGE;
}

// Is the literal announced in this line one of an APPEND's messages, not its mailbox name?
static bool is_message(const struct imap_framer *f, struct span text, const struct announcement *a)
{
    size_t prefix;

    if (!f->limits->stream_append) {
        return false;
    }
    if (f->mode == MODE_APPEND_TEXT) {
        return true;
    }
    prefix = append_prefix(text);
    return prefix && f->line_start + a->start != prefix;
}

// The line that ends before `next` announces a literal. True when `*out` is to be handed over.
static bool take_literal(struct imap_framer *f, struct span text, size_t next,
                         const struct announcement *a, struct imap_frame *out)
{
    bool message = is_message(f, text, a);
    uint64_t room =
        message ? f->limits->message_bytes : f->limits->literal_bytes - f->literal_bytes;

    out->literal_bytes = a->bytes;
    out->sync = a->sync;
    out->literal8 = a->literal8;
    if (a->bytes > room || (!a->sync && a->bytes > f->limits->nonsync_bytes)) {
        finish(f, out, IMAP_FRAME_LITERAL_TOO_BIG, text, next);
        return true;
    }
    if (message) {
        begin_message(f, out, text, next);
        return true;
    }
    if (f->bad && a->sync) {
        finish(f, out, IMAP_FRAME_BAD_LINE, text, next);
        return true;
    }
    f->mode = MODE_LITERAL;
    f->literal_left = (size_t)a->bytes;
    f->literal_bytes += (uint32_t)a->bytes;
    f->at = next;
    out->kind = IMAP_FRAME_CONTINUE;
    out->bytes = next;
    return a->sync;
}

// A whole line has come; its LF is at `lf`. True when `*out` is to be handed over.
static bool take_line(struct imap_framer *f, struct span input, size_t lf, struct imap_frame *out)
{
    size_t end = lf > f->line_start && input.p[lf - 1] == '\r' ? lf - 1 : lf;
    struct span line = span_of(input.p + f->line_start, end - f->line_start);
    struct span text = span_first(input, end);
    struct announcement a;

    f->text_bytes += (uint32_t)(lf - f->line_start);
    f->bad |= line_is_bad(line);
    if (find_announcement(line, &a)) {
        return take_literal(f, text, lf + 1, &a, out);
    }
    finish(f, out,
           f->mode == MODE_APPEND_TEXT ? IMAP_FRAME_APPEND_END
           : f->bad                    ? IMAP_FRAME_BAD_LINE
                                       : IMAP_FRAME_COMMAND,
           text, lf + 1);
    return true;
}

// Takes what has come of a buffered literal; true when it is complete.
static bool take_literal_bytes(struct imap_framer *f, size_t input_bytes)
{
    size_t have = input_bytes - f->at;

    if (have < f->literal_left) {
        f->literal_left -= have;
        f->at = input_bytes;
        return false;
    }
    f->at += f->literal_left;
    f->literal_left = 0;
    f->line_start = f->at;
    f->mode = MODE_TEXT;
    return true;
}

void imap_framer_next(struct imap_framer *f, struct span input, struct imap_frame *out)
{
    ASSERT(f->mode != MODE_MESSAGE && f->at <= input.n);
    for (;;) {
        *out = (struct imap_frame){.kind = IMAP_FRAME_MORE};
        if (f->mode == MODE_LITERAL && !take_literal_bytes(f, input.n)) {
            return;
        }
        size_t lf = f->at + span_find_byte(span_skip(input, f->at), '\n');

        f->at = lf;
        // A line is too long whether or not its end is in sight: cuts must not change the answer.
        if (lf - f->line_start > f->limits->line_bytes - f->text_bytes) {
            out->kind = IMAP_FRAME_TOO_LONG;
            return;
        }
        if (lf == input.n || take_line(f, input, lf, out)) {
            return;
        }
    }
}

void imap_framer_line(struct imap_framer *f, struct span input, size_t max_bytes,
                      struct imap_frame *out)
{
    ASSERT(f->mode == MODE_TEXT && f->at <= input.n);
    *out = (struct imap_frame){.kind = IMAP_FRAME_MORE};
    size_t lf = f->at + span_find_byte(span_skip(input, f->at), '\n');

    f->at = lf;
    if (lf > max_bytes + 1) { // one byte for the CR
        out->kind = IMAP_FRAME_TOO_LONG;
        return;
    }
    if (lf == input.n) {
        return;
    }
    struct span line = span_first(input, lf > 0 && input.p[lf - 1] == '\r' ? lf - 1 : lf);

    if (line.n > max_bytes) {
        out->kind = IMAP_FRAME_TOO_LONG;
        return;
    }
    finish(f, out, line_is_bad(line) ? IMAP_FRAME_BAD_LINE : IMAP_FRAME_LINE, line, lf + 1);
}
