// SPDX-License-Identifier: Apache-2.0
#include "mailfile/mbox_reader.h"

#include <stdlib.h>

#include "mailfile/mbox_fields.h"
#include "mailfile/mbox_from.h"

#include "base/banned.h"

#define WINDOW_BYTES    (64u << 10)
#define FIELD_BYTES_MAX (8u << 10) // of one field we read; the rest of it is left out
#define ARENA_BYTES     (64u << 10)

struct mbox_reader {
    mbox_read_fn *read;
    void *arg;
    enum mbox_dialect dialect;
    bool any_from;       // the file's "From " lines have no dates
    bool is_thunderbird; // "From - date": written without an empty line before it at times
    char *window;
    size_t at, end;  // what is unread in the window
    uint64_t offset; // of window[at] in the file
    bool at_eof, middle_of_line;
    bool has_from; // `from` is the line of the message to come
    struct mbox_from from;
    uint64_t from_offset;
    struct arena arena;
    struct buf field; // the field of mbox_fields.h being read
};

// A line, or a piece of one that is longer than the window.
struct line {
    struct span text; // without its line end
    bool starts, ends;
    bool has_lf; // false for the last line of a file that does not end in one
    uint64_t offset;
};

// Fills the window; keeps what is unread.
static enum err window_fill(struct mbox_reader *r)
{
    if (r->at > 0) {
        memmove(r->window, r->window + r->at, r->end - r->at);
        r->end -= r->at;
        r->at = 0;
    }
    while (!r->at_eof && r->end < WINDOW_BYTES) {
        size_t n = 0;
        enum err e =
            r->read(r->arg, r->offset + r->end, r->window + r->end, WINDOW_BYTES - r->end, &n);

        if (e != ERR_OK) {
            return e;
        }
        r->at_eof = n == 0;
        r->end += n;
    }
    return ERR_OK;
}

// The next line or piece; ERR_NOT_FOUND at the end. Its text lives until the next call.
static enum err line_next(struct mbox_reader *r, struct line *out)
{
    char *lf = r->at < r->end ? memchr(r->window + r->at, '\n', r->end - r->at) : NULL;

    if (!lf) {
        enum err e = window_fill(r);

        if (e != ERR_OK) {
            return e;
        }
        if (r->end == 0) {
            return ERR_NOT_FOUND;
        }
        lf = memchr(r->window, '\n', r->end);
    }
    size_t n = lf ? (size_t)(lf - (r->window + r->at)) : r->end - r->at;

    // A piece leaves its last byte behind: it may be the CR of a line end.
    bool is_piece = !lf && !r->at_eof;
    if (is_piece) {
        n--;
    }
    *out = (struct line){.text = {r->window + r->at, n},
                         .starts = !r->middle_of_line,
                         .ends = !is_piece,
                         .has_lf = lf,
                         .offset = r->offset};
    if (lf && n > 0 && lf[-1] == '\r') {
        out->text.n--;
    }
    r->middle_of_line = is_piece;
    r->at += n + (lf ? 1 : 0);
    r->offset += n + (lf ? 1 : 0);
    return ERR_OK;
}

static bool is_separator(struct mbox_reader *r, const struct line *l, bool after_blank,
                         uint64_t not_before, struct mbox_from *out)
{
    if (!l->starts || !l->ends || l->offset < not_before || l->text.n < 5 || l->text.p[0] != 'F' ||
        !mbox_from_parse(l->text, out)) {
        return false;
    }
    if (r->is_thunderbird && out->has_date && span_eq(out->sender, SPAN("-"))) {
        return true;
    }
    return after_blank && (out->has_date || r->any_from);
}

static bool put(struct mail_sink to, struct span s)
{
    return s.n == 0 || to.write(to.arg, s);
}

static bool line_put(struct mail_sink to, const struct line *l, struct span text)
{
    return put(to, text) && (!l->ends || put(to, SPAN("\r\n")));
}

// The line without the '>' that its writer put before "From ".
static struct span unquoted(const struct mbox_reader *r, const struct line *l)
{
    size_t quotes = 0;

    if (!l->starts || r->dialect == MBOX_CL2 || l->text.n == 0 || l->text.p[0] != '>') {
        return l->text;
    }
    while (quotes < l->text.n && l->text.p[quotes] == '>') {
        quotes++;
    }
    if (!span_starts(span_skip(l->text, quotes), SPAN("From ")) ||
        (r->dialect == MBOX_O && quotes > 1)) {
        return l->text;
    }
    return span_skip(l->text, 1);
}

// ---- Content-Length -----------------------------------------------------------------------------

// Whether a message may begin at the start of `s`: nothing, or empty lines and a "From " line.
static bool looks_like_end(struct mbox_reader *r, struct span s, bool is_eof)
{
    struct mbox_from from;

    for (int blank = 0; blank < 3 && s.n > 0; blank++) {
        struct span line = span_split(&s, '\n');

        if (line.n > 0 && line.p[line.n - 1] == '\r') {
            line.n--;
        }
        if (line.n > 0) {
            return mbox_from_parse(line, &from) && (from.has_date || r->any_from);
        }
    }
    return is_eof && s.n == 0;
}

// The first offset at which a "From " line may be a separator again: the end of the body when the
// length the message claims for itself is borne out by the file, otherwise at once.
static uint64_t body_end(struct mbox_reader *r, const struct mbox_fields *f)
{
    char ahead[MBOX_FROM_BYTES_MAX + 8];
    size_t n = 0;

    if (!f->has_length || f->length == 0) {
        return 0;
    }
    uint64_t end = r->offset + f->length;

    while (n < sizeof(ahead)) {
        size_t got = 0;

        if (r->read(r->arg, end + n, ahead + n, sizeof(ahead) - n, &got) != ERR_OK) {
            return 0;
        }
        if (got == 0) {
            break;
        }
        n += got;
    }
    if (n == 0) {
        // At the end of the file, or far behind it? The last byte of the body tells.
        char last;

        return r->read(r->arg, end - 1, &last, 1, &n) == ERR_OK && n == 1 ? end : 0;
    }
    return looks_like_end(r, span_of(ahead, n), n < sizeof(ahead)) ? end : 0;
}

// ---- header and body ----------------------------------------------------------------------------

struct header_state {
    struct mbox_fields fields;
    enum mbox_field field; // the one being read
    bool is_notes_subject;
};

static void field_end(struct mbox_reader *r, struct header_state *h)
{
    if (h->field != MBOX_FIELD_NONE) {
        mbox_field_read(&h->fields, h->field, buf_span(&r->field), &r->arena);
    }
    h->field = MBOX_FIELD_NONE;
    buf_clear(&r->field);
}

// One line of the header: to the sink, or taken in.
static bool header_line(struct mbox_reader *r, struct header_state *h, const struct line *l,
                        struct mail_sink to)
{
    struct span text = unquoted(r, l);
    bool is_folded = l->starts && text.n > 0 && (text.p[0] == ' ' || text.p[0] == '\t');
    // Status is a few letters: what stands behind it is the first line of an odd message.
    bool goes_on = !l->starts || (is_folded && h->field != MBOX_FIELD_STATUS);

    if (!goes_on) {
        field_end(r, h);
        h->field = mbox_field_find(text);
        if (mbox_field_is_kept(text)) {
            text = span_skip(text, sizeof(MBOX_KEPT) - 1);
        }
        h->is_notes_subject =
            h->is_notes_subject || span_starts(text, SPAN("Subject: DON'T DELETE THIS MESSAGE"));
    }
    if (h->field == MBOX_FIELD_NONE) {
        return line_put(to, l, text);
    }
    if (r->field.n + text.n < FIELD_BYTES_MAX) {
        buf_put(&r->field, text);
    }
    return true;
}

// Up to and with the empty line. ERR_NOT_FOUND: the file ended in the header.
static enum err read_header(struct mbox_reader *r, struct mail_sink to, struct header_state *h)
{
    struct line l;
    enum err e;

    while ((e = line_next(r, &l)) == ERR_OK) {
        if (l.starts && l.ends && l.text.n == 0) {
            field_end(r, h);
            return put(to, SPAN("\r\n")) ? ERR_OK : ERR_IO;
        }
        if (!header_line(r, h, &l, to)) {
            return ERR_IO;
        }
    }
    field_end(r, h);
    return e;
}

// Up to the next separator (which becomes r->from) or the end: ERR_NOT_FOUND. The last empty line
// belongs to the file, not to the message.
static enum err read_body(struct mbox_reader *r, struct mail_sink to, uint64_t not_before)
{
    bool after_blank = true, blank_waits = false;
    struct line l;
    enum err e;

    while ((e = line_next(r, &l)) == ERR_OK) {
        struct mbox_from from;

        if (is_separator(r, &l, after_blank, not_before, &from)) {
            r->from = from;
            r->from_offset = l.offset;
            return ERR_OK;
        }
        if (blank_waits && !put(to, SPAN("\r\n"))) {
            return ERR_IO;
        }
        after_blank = blank_waits = l.starts && l.ends && l.text.n == 0;
        if (!blank_waits && !line_put(to, &l, unquoted(r, &l))) {
            return ERR_IO;
        }
    }
    return e;
}

enum err mbox_reader_next(struct mbox_reader *r, struct mail_sink to, struct mbox_message *out)
{
    struct header_state h = {.field = MBOX_FIELD_NONE};

    if (!r->has_from) {
        return ERR_NOT_FOUND;
    }
    bool has_date = r->from.has_date;
    int64_t date = r->from.date;
    int16_t zone = r->from.zone_minutes;
    uint64_t offset = r->from_offset;

    arena_reset(&r->arena);
    enum err e = read_header(r, to, &h);

    if (e == ERR_OK) {
        e = read_body(r, to, body_end(r, &h.fields));
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    r->has_from = e == ERR_OK;
    *out = (struct mbox_message){.offset = offset,
                                 .meta = h.fields.meta,
                                 .is_internal = h.fields.has_imap && h.is_notes_subject,
                                 .is_gone = h.fields.is_gone};
    out->meta.has_date = has_date;
    out->meta.date = date;
    out->meta.zone_minutes = zone;
    return ERR_OK;
}

// The first line that is not empty decides what kind of file this is.
static enum err read_first(struct mbox_reader *r)
{
    struct line l;
    enum err e;

    do {
        e = line_next(r, &l);
        if (e != ERR_OK) {
            return e == ERR_NOT_FOUND ? ERR_EOF : e;
        }
    } while (l.ends && l.text.n == 0);
    if (!l.starts || !l.ends || !mbox_from_parse(l.text, &r->from)) {
        return ERR_INVALID;
    }
    r->has_from = true;
    r->from_offset = l.offset;
    r->any_from = !r->from.has_date;
    r->is_thunderbird = r->from.has_date && span_eq(r->from.sender, SPAN("-"));
    return ERR_OK;
}

enum err mbox_reader_create(mbox_read_fn *read, void *arg, enum mbox_dialect dialect,
                            struct mbox_reader **out)
{
    struct mbox_reader *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    *r = (struct mbox_reader){.read = read, .arg = arg, .dialect = dialect};
    r->window = malloc(WINDOW_BYTES);
    arena_init(&r->arena, ARENA_BYTES);
    buf_init(&r->field, FIELD_BYTES_MAX);
    enum err e = r->window ? read_first(r) : ERR_NOMEM;

    if (e != ERR_OK) {
        mbox_reader_destroy(r);
        return e;
    }
    *out = r;
    return ERR_OK;
}

void mbox_reader_destroy(struct mbox_reader *r)
{
    if (r) {
        arena_finish(&r->arena);
        buf_finish(&r->field);
        free(r->window);
        free(r);
    }
}

uint64_t mbox_reader_offset(const struct mbox_reader *r)
{
    return r->offset;
}
