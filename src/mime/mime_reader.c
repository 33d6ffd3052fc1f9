// SPDX-License-Identifier: Apache-2.0
//
// The bytes are cut into lines; each line moves a small state machine over a stack of open parts
// (mime_tree). Only a line's first LINE_KEEP bytes decide anything, so the result does not depend
// on how the input was cut. In a body only lines that start with "--" are looked at; when no
// multipart is open, line breaks are counted and nothing else.
//
// A header line that is no field (junk) is not judged until the next line is known: before another
// field it belongs to the header, otherwise the body starts with it. While it is pending its bytes
// are in `head` behind those of the header, from where a body's excerpt or an inner message's
// header gets them.
#include "mime/mime_reader.h"

#include <stdlib.h>

#include "mime/mime_header.h"
#include "mime/mime_tree_internal.h"

#include "base/banned.h"

#define LINE_KEEP    2048 // more than MIME_NAME_BYTES_MAX, and than BOUNDARY_MAX with its dashes
#define BOUNDARY_MAX 1900
#define HEAD_KEEP    (64u << 10) // memory a reader keeps between two messages

const struct mime_limits mime_limits_default = {
    .depth_max = 100,
    .parts_max = 10000,
    .boundary_bytes_max = 1024,
    .header_bytes_max = 1u << 20,
    .kept_bytes_max = 8u << 20,
    .excerpt_bytes_max = 16u << 10,
};

struct line {
    struct span text; // its first bytes, the break included when it fits
    struct tree_place from, to;
    unsigned break_size; // 0 (end of input), 1 (LF), 2 (CRLF)
};

struct mime_reader {
    struct tree tree;
    enum err failed;
    struct tree_place at; // of the line being gathered
    unsigned break_size;  // of the line before it

    struct buf partial; // the first bytes of a line that is not complete
    uint64_t partial_n; // its bytes so far
    char last_byte;

    bool is_crlf, is_after_cr, is_after_lf; // so far; the byte before

    struct buf head;  // the header block being read
    bool is_head_cut; // bytes over the limit are missing
    size_t line_head; // where the line being gathered starts in it
    bool has_junk;    // a junk line is pending
    size_t junk_head;
    struct tree_place junk;
};

static void begin_message(struct mime_reader *r)
{
    r->at = (struct tree_place){0, 0};
    r->break_size = 0;
    buf_clear(&r->partial);
    r->partial_n = 0;
    buf_clear(&r->head);
    r->is_head_cut = r->has_junk = false;
    r->line_head = 0;
    r->is_crlf = r->is_after_lf = true;
    r->is_after_cr = false;
    r->failed = tree_begin(&r->tree, r->at);
}

enum err mime_reader_create(const struct mime_limits *limits, struct mime_reader **out_reader)
{
    struct mime_limits l = limits ? *limits : mime_limits_default;
    struct mime_reader *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    if (l.boundary_bytes_max > BOUNDARY_MAX) {
        l.boundary_bytes_max = BOUNDARY_MAX;
    }
    buf_init(&r->partial, LINE_KEEP);
    buf_init(&r->head, l.header_bytes_max);
    if (tree_init(&r->tree, &l) == ERR_OK) {
        begin_message(r);
    }
    if (!r->tree.open || r->failed != ERR_OK) {
        mime_reader_destroy(r);
        return ERR_NOMEM;
    }
    *out_reader = r;
    return ERR_OK;
}

void mime_reader_destroy(struct mime_reader *r)
{
    if (r) {
        tree_finish(&r->tree);
        buf_finish(&r->partial);
        buf_finish(&r->head);
        free(r);
    }
}

void mime_reader_reset(struct mime_reader *r)
{
    if (r->head.cap > HEAD_KEEP) {
        buf_release(&r->head);
    }
    tree_reset(&r->tree);
    begin_message(r);
}

static void end_header(struct mime_reader *r, size_t head_n, struct tree_place at)
{
    r->failed = tree_end_header(&r->tree, span_of(r->head.p, head_n), r->is_head_cut, at);
}

// Appends as much as fits; false when something was left out.
static bool put_some(struct buf *b, struct span s)
{
    size_t room = b->max - b->n;

    buf_put(b, span_first(s, room));
    return s.n <= room;
}

static void put_sink(struct mime_reader *r, struct span s)
{
    if (r->tree.sink && !put_some(r->tree.sink, s)) {
        r->tree.sink = NULL;
    }
}

// The header of the newest open part ended before `at`, which is `head_n` bytes into head; what is
// in head behind it belongs to the body, or to the header of the message inside.
static void split_header(struct mime_reader *r, size_t head_n, struct tree_place at)
{
    bool was_junk = r->has_junk;

    end_header(r, head_n, at);
    if (r->failed != ERR_OK) {
        return;
    }
    if (r->tree.in_header) {
        buf_consume(&r->head, head_n);
        r->line_head = r->line_head > head_n ? r->line_head - head_n : 0;
        r->has_junk = was_junk;
        r->junk_head = 0;
        return;
    }
    if (!r->is_head_cut) {
        put_sink(r, span_skip(buf_span(&r->head), head_n));
    } else {
        r->tree.sink = NULL; // its first bytes are gone
    }
    r->has_junk = false;
}

// The junk line was the start of the body.
static void resolve_junk(struct mime_reader *r)
{
    split_header(r, r->junk_head, r->junk);
}

// A part is begun in its header: nothing of it was seen yet.
static void clear_head(struct mime_reader *r)
{
    buf_clear(&r->head);
    r->is_head_cut = r->has_junk = false;
    r->line_head = 0;
}

// Ends the newest open part before the line at `line` (whose break before it is not part of it).
static void close_top(struct mime_reader *r, struct tree_place line, unsigned break_size)
{
    if (r->tree.in_header) {
        end_header(r, r->line_head, line);
        clear_head(r);
        if (r->tree.in_header) {
            return; // the message inside is to be closed first
        }
    }
    struct tree_place end = {line.offset - break_size, line.lines - (break_size != 0)};

    tree_close(&r->tree, end);
}

static void delimiter(struct mime_reader *r, const struct line *line, uint32_t index, bool is_end)
{
    while (r->tree.open_n > index + 1 && r->failed == ERR_OK) {
        close_top(r, line->from, r->break_size);
    }
    if (r->failed != ERR_OK) {
        return;
    }
    if (is_end) {
        tree_top(&r->tree)->is_closed = true;
        r->tree.active--;
    } else {
        r->failed = tree_begin(&r->tree, line->to);
    }
    clear_head(r);
}

static bool is_dashes(const struct line *line)
{
    return line->text.n >= 2 && line->text.p[0] == '-' && line->text.p[1] == '-';
}

static uint32_t match(struct mime_reader *r, const struct line *line, bool *out_is_end)
{
    bool is_whole = line->to.offset - line->from.offset == line->text.n;

    return is_whole && r->tree.active && is_dashes(line)
               ? tree_match(&r->tree, line->text, out_is_end)
               : TREE_NONE;
}

static bool is_empty(const struct line *line)
{
    return line->break_size && line->to.offset - line->from.offset == line->break_size;
}

// The line is of the header: a field, a continuation, or the separator of an mbox file that was
// left at the top of a message.
static bool is_header_line(struct mime_reader *r, const struct line *line)
{
    const struct mime_part *p = &tree_top(&r->tree)->part;
    bool is_first = line->from.offset == p->header_offset;
    size_t body;
    char c = line->text.n ? line->text.p[0] : '\0';

    if (c == ' ' || c == '\t') {
        return !is_first;
    }
    if (is_first && p->is_message_root && span_starts(line->text, SPAN("From "))) {
        return true;
    }
    if (mime_header_name(line->text, &body) == 0) {
        return false;
    }
    r->has_junk = false;
    return true;
}

// False when the line is to be looked at again, in the state that it led to.
static bool header_line(struct mime_reader *r, const struct line *line)
{
    bool is_end, is_blank = is_empty(line);
    uint32_t index = match(r, line, &is_end);

    if (!is_blank && index == TREE_NONE && is_header_line(r, line)) {
        return true;
    }
    if (r->has_junk) {
        resolve_junk(r);
        return false;
    }
    if (is_blank) {
        end_header(r, r->head.n, line->to);
        clear_head(r);
        return true;
    }
    if (index != TREE_NONE) {
        delimiter(r, line, index, is_end);
        return true;
    }
    if (is_dashes(line)) { // most likely the first delimiter of this part, with no line before it
        split_header(r, r->line_head, line->from);
        return false;
    }
    r->has_junk = true;
    r->junk_head = r->line_head;
    r->junk = line->from;
    return true;
}

static void take_line(struct mime_reader *r, const struct line *line)
{
    bool is_end, is_done = false;

    while (!is_done && r->failed == ERR_OK) {
        if (r->tree.in_header) {
            is_done = header_line(r, line);
            continue;
        }
        uint32_t index = match(r, line, &is_end);

        if (index != TREE_NONE) {
            delimiter(r, line, index, is_end);
        }
        is_done = true;
    }
    r->at = line->to;
    r->break_size = line->break_size;
    r->line_head = r->head.n;
}

// Keeps the bytes of a line where they may be needed.
static void store(struct mime_reader *r, struct span piece)
{
    if (!r->tree.in_header) {
        put_sink(r, piece);
    } else if (!put_some(&r->head, piece)) {
        r->is_head_cut = true;
    }
}

// `piece` ends a line: with its LF, or with the input.
static void end_line(struct mime_reader *r, struct span piece, bool has_lf)
{
    uint64_t n = r->partial_n + piece.n;
    char before = piece.n > 1 ? piece.p[piece.n - 2] : r->partial_n ? r->last_byte : '\0';
    struct line line = {
        .text = span_first(piece, LINE_KEEP),
        .from = r->at,
        .to = {r->at.offset + n, r->at.lines + has_lf},
        .break_size = has_lf ? 1u + (before == '\r') : 0u,
    };

    store(r, piece);
    if (r->partial_n) {
        put_some(&r->partial, piece);
        line.text = buf_span(&r->partial);
    }
    take_line(r, &line);
    buf_clear(&r->partial);
    r->partial_n = 0;
}

// The input ends within a line.
static void hold(struct mime_reader *r, struct span piece)
{
    if (piece.n) {
        store(r, piece);
        put_some(&r->partial, piece);
        r->partial_n += piece.n;
        r->last_byte = piece.p[piece.n - 1];
    }
}

// No delimiter can come any more: only line breaks count.
static void skim(struct mime_reader *r, struct span bytes)
{
    uint64_t lines = 0;

    put_sink(r, bytes);
    for (size_t i = 0; i < bytes.n; i++) {
        lines += bytes.p[i] == '\n';
    }
    r->at.offset += bytes.n;
    r->at.lines += lines;
}

// Takes the complete lines of a body that are no delimiters; what is left starts with one that may
// be, or has no break.
static struct span skip_body(struct mime_reader *r, struct span bytes)
{
    const char *p = bytes.p, *end = bytes.p + bytes.n;
    uint64_t lines = 0;

    while (p < end && *p != '-') {
        const char *lf = memchr(p, '\n', (size_t)(end - p));

        if (!lf) {
            break;
        }
        r->break_size = 1u + (lf > p && lf[-1] == '\r');
        lines++;
        p = lf + 1;
    }
    size_t n = (size_t)(p - bytes.p);

    put_sink(r, span_first(bytes, n));
    r->at.offset += n;
    r->at.lines += lines;
    return span_skip(bytes, n);
}

// Whether line ends are CR LF and nothing else. Pieces may be cut anywhere.
static void look_at_ends(struct mime_reader *r, struct span bytes)
{
    if (bytes.n == 0) {
        return; // there may be no pointer
    }
    const char *p = bytes.p, *end = bytes.p + bytes.n;

    while (p < end && r->is_crlf) {
        if (r->is_after_cr) {
            r->is_crlf = *p++ == '\n';
            r->is_after_cr = false;
            r->is_after_lf = true;
            continue;
        }
        const char *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf ? lf : end;
        const char *cr = memchr(p, '\r', (size_t)(stop - p));

        r->is_after_lf = false;
        r->is_after_cr = cr && cr + 1 == stop;
        r->is_crlf = cr ? r->is_after_cr : !lf;
        p = stop;
    }
}

enum err mime_reader_feed(struct mime_reader *r, struct span bytes)
{
    look_at_ends(r, bytes);
    while (bytes.n && r->failed == ERR_OK) {
        if (!r->tree.in_header && (r->tree.active == 0 || r->tree.is_stopped)) {
            skim(r, bytes);
            break;
        }
        if (!r->tree.in_header && r->partial_n == 0) {
            bytes = skip_body(r, bytes);
        }
        size_t lf = span_find_byte(bytes, '\n');

        if (lf == bytes.n) {
            hold(r, bytes);
            break;
        }
        end_line(r, span_first(bytes, lf + 1), true);
        bytes = span_skip(bytes, lf + 1);
    }
    if (r->partial.failed || r->head.failed) {
        r->failed = ERR_NOMEM;
    }
    return r->failed;
}

enum err mime_reader_finish(struct mime_reader *r, struct arena *arena,
                            struct mime_message *out_message)
{
    if (r->failed == ERR_OK && r->partial_n) {
        end_line(r, (struct span){"", 0}, false);
    }
    while (r->failed == ERR_OK && r->tree.in_header && r->has_junk) {
        resolve_junk(r);
    }
    while (r->failed == ERR_OK && r->tree.open_n) {
        close_top(r, r->at, 0);
    }
    bool has_memory = !r->partial.failed && !r->head.failed && !r->tree.excerpt[0].failed &&
                      !r->tree.excerpt[1].failed;
    enum err e = r->failed == ERR_OK && !has_memory ? ERR_NOMEM : r->failed;

    if (e == ERR_OK) {
        e = tree_result(&r->tree, arena, out_message);
    }
    if (e == ERR_OK) {
        out_message->size = r->at.offset;
        out_message->is_crlf = r->is_crlf && r->is_after_lf;
    }
    return e;
}

enum err mime_read(struct span message, const struct mime_limits *limits, struct arena *arena,
                   struct mime_message *out_message)
{
    struct mime_reader *r;
    enum err e = mime_reader_create(limits, &r);

    if (e == ERR_OK) {
        e = mime_reader_feed(r, message);
        if (e == ERR_OK) {
            e = mime_reader_finish(r, arena, out_message);
        }
        mime_reader_destroy(r);
    }
    return e;
}
