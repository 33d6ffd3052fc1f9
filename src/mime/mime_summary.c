// SPDX-License-Identifier: Apache-2.0
//
// Layout (docs/format/summary.md; integers little-endian): a frame of FRAME_BYTES that ends with
// the sizes of the sections, then the sections one after the other. A section left out has no bytes
// and size LEFT_OUT.
#include "mime/mime_summary.h"

#include "base/bytes.h"
#include "mime/mime_date.h"
#include "mime/mime_header.h"
#include "mime/mime_imap.h"
#include "mime/mime_param.h"
#include "mime/mime_text.h"

#include "base/banned.h"

#define MAGIC       'M'
#define VERSION     1
#define LEFT_OUT    UINT32_MAX
#define ENTRY_BYTES 32
#define INDEX_BYTES 4
#define INDEX_SHIFT 26 // a line's bit number above, its length below

enum { // offsets in the frame
    AT_MAGIC = 0,
    AT_VERSION = 1,
    AT_FLAGS = 2,
    AT_BLANK = 3, // bytes of the empty line after the header: 0, 1, 2
    AT_TOTAL = 4,
    AT_SIZE = 8,
    AT_HEADER_SIZE = 16,
    AT_SENT = 24,
    AT_ZONE = 32,
    AT_PARTS = 36,
    AT_SECTIONS = 40,
};

enum { FLAG_SENT = 1, FLAG_ATTACHMENT = 2, FLAG_CRLF = 4 };

// In the order in which they are stored, which is that of their importance.
enum section { ENVELOPE, PREVIEW, TABLE, STRUCTURE, BODY, INDEX, LINES, SECTIONS };

#define FRAME_BYTES (AT_SECTIONS + 4 * SECTIONS)

struct builder {
    const struct mime_message *m;
    struct buf section; // the one being made
    struct buf *out;
    size_t start; // of the summary in `out`
};

static bool is_attachment(const struct mime_part *p)
{
    bool is_named = mime_param_get(p->disposition_params, SPAN("filename")).p ||
                    mime_param_get(p->params, SPAN("name")).p;
    bool is_inline = span_eq_nocase(p->disposition, SPAN("inline"));

    return p->is_attachment ||
           (p->kind != MIME_MULTIPART && p->kind != MIME_TEXT && is_named && !is_inline);
}

static bool has_attachment(const struct mime_message *m)
{
    for (uint32_t i = 0; i < m->part_count; i++) {
        if (is_attachment(&m->parts[i])) {
            return true;
        }
    }
    return false;
}

static void put_frame(struct builder *b)
{
    const struct mime_part *root = &b->m->parts[0];
    char frame[FRAME_BYTES] = {0};
    struct mime_date date;

    frame[AT_MAGIC] = MAGIC;
    frame[AT_VERSION] = VERSION;
    frame[AT_FLAGS] = has_attachment(b->m) ? FLAG_ATTACHMENT : 0;
    frame[AT_FLAGS] |= b->m->is_crlf ? FLAG_CRLF : 0;
    put_le64(frame + AT_SIZE, b->m->size);
    put_le64(frame + AT_HEADER_SIZE, root->header_size);
    put_le32(frame + AT_PARTS, b->m->part_count);
    if (mime_date_parse(mime_header_get(root->header, SPAN("Date")), &date)) {
        frame[AT_FLAGS] |= FLAG_SENT;
        put_le64(frame + AT_SENT, (uint64_t)date.unix_seconds);
        put_le16(frame + AT_ZONE, (uint16_t)date.zone_minutes);
    }
    for (size_t i = 0; i < SECTIONS; i++) {
        put_le32(frame + AT_SECTIONS + 4 * i, LEFT_OUT);
    }
    buf_put(b->out, span_of(frame, sizeof(frame)));
}

static size_t used(const struct builder *b)
{
    return b->out->n - b->start;
}

// Adds the section just made, if it is whole and fits.
static bool put_section(struct builder *b, enum section which)
{
    struct buf *s = &b->section;
    bool fits = !s->failed && s->n <= MIME_SUMMARY_BYTES_MAX - used(b);

    if (fits && !b->out->failed) {
        put_le32(b->out->p + b->start + AT_SECTIONS + 4 * (size_t)which, (uint32_t)s->n);
        buf_put(b->out, buf_span(s));
    }
    buf_clear(s);
    return fits;
}

static void make_table(struct builder *b)
{
    if (b->m->size > UINT32_MAX) {
        b->section.failed = true;
        return;
    }
    for (uint32_t i = 0; i < b->m->part_count; i++) {
        const struct mime_part *p = &b->m->parts[i];
        char e[ENTRY_BYTES] = {0};

        put_le32(e, (uint32_t)p->header_offset);
        put_le32(e + 4, (uint32_t)p->header_size);
        put_le32(e + 8, (uint32_t)p->body_offset);
        put_le32(e + 12, (uint32_t)p->body_size);
        put_le32(e + 16, p->body_lines);
        put_le32(e + 20, p->child_count ? (uint32_t)(p->children - b->m->parts) : 0);
        put_le32(e + 24, p->child_count);
        e[28] = (char)p->kind;
        e[29] = (char)p->encoding;
        buf_put(&b->section, span_of(e, sizeof(e)));
    }
}

static unsigned bit_number(mime_fields bit)
{
    return (unsigned)__builtin_ctzll(bit);
}

// The index of kept lines; the lines themselves go to `lines`.
static void make_index(struct builder *b, struct buf *lines)
{
    struct span rest = b->m->parts[0].header;
    struct mime_field f;

    while (mime_header_next(&rest, &f)) {
        mime_fields bit = mime_fields_bit(f.name);
        char e[INDEX_BYTES];

        if (bit && f.line.n < 1u << INDEX_SHIFT) {
            put_le32(e, (uint32_t)(bit_number(bit) << INDEX_SHIFT) | (uint32_t)f.line.n);
            buf_put(&b->section, span_of(e, sizeof(e)));
            buf_put(lines, f.line);
        }
    }
    size_t blank = rest.n == 0 ? 0 : rest.p[0] == '\n' ? 1 : 2;

    buf_put(lines, span_first(rest, blank));
    if (!b->out->failed) {
        b->out->p[b->start + AT_BLANK] = (char)blank;
    }
}

static void put_lines(struct builder *b)
{
    struct buf lines;

    if (b->m->is_header_truncated) {
        return;
    }
    buf_init(&lines, MIME_SUMMARY_BYTES_MAX);
    make_index(b, &lines);
    bool fits = !lines.failed && !b->section.failed &&
                lines.n + b->section.n <= MIME_SUMMARY_BYTES_MAX - used(b);

    if (fits) {
        put_section(b, INDEX);
        buf_put(&b->section, buf_span(&lines));
        put_section(b, LINES);
    }
    buf_clear(&b->section);
    buf_finish(&lines);
}

enum err mime_summary_build(struct buf *out, const struct mime_message *m)
{
    struct builder b = {.m = m, .out = out, .start = out->n};

    buf_init(&b.section, MIME_SUMMARY_BYTES_MAX);
    put_frame(&b);
    mime_imap_envelope(&b.section, m->parts[0].header);
    put_section(&b, ENVELOPE);
    mime_text_preview(&b.section, m, MIME_PREVIEW_CHARS_MAX);
    put_section(&b, PREVIEW);
    make_table(&b);
    put_section(&b, TABLE);
    mime_imap_structure(&b.section, &m->parts[0], true);
    put_section(&b, STRUCTURE);
    mime_imap_structure(&b.section, &m->parts[0], false);
    put_section(&b, BODY);
    put_lines(&b);
    buf_finish(&b.section);
    if (!out->failed) {
        put_le32(out->p + b.start + AT_TOTAL, (uint32_t)(out->n - b.start));
    }
    return buf_result(out);
}

static uint32_t section_size(const struct mime_summary *s, enum section which)
{
    return get_le32(s->bytes.p + AT_SECTIONS + 4 * (size_t)which);
}

enum err mime_summary_open(struct span bytes, struct mime_summary *out)
{
    struct mime_summary s = {bytes};
    uint64_t total = FRAME_BYTES;

    if (bytes.n < FRAME_BYTES || bytes.p[AT_MAGIC] != MAGIC) {
        return ERR_CORRUPT;
    }
    if (bytes.p[AT_VERSION] != VERSION) {
        return ERR_UNSUPPORTED;
    }
    for (int i = 0; i < SECTIONS; i++) {
        uint32_t n = section_size(&s, (enum section)i);

        total += n == LEFT_OUT ? 0 : n;
    }
    if (total != bytes.n || get_le32(bytes.p + AT_TOTAL) != total ||
        (unsigned char)bytes.p[AT_BLANK] > 2) {
        return ERR_CORRUPT;
    }
    *out = s;
    return ERR_OK;
}

static enum err section(const struct mime_summary *s, enum section which, struct span *out)
{
    size_t at = FRAME_BYTES;

    for (int i = 0; i < (int)which; i++) {
        uint32_t n = section_size(s, (enum section)i);

        at += n == LEFT_OUT ? 0 : n;
    }
    uint32_t size = section_size(s, which);

    if (size == LEFT_OUT) {
        return ERR_LIMIT;
    }
    *out = span_of(s->bytes.p + at, size);
    return ERR_OK;
}

enum err mime_summary_envelope(const struct mime_summary *s, struct span *out)
{
    return section(s, ENVELOPE, out);
}

enum err mime_summary_body(const struct mime_summary *s, struct span *out)
{
    return section(s, BODY, out);
}

enum err mime_summary_bodystructure(const struct mime_summary *s, struct span *out)
{
    return section(s, STRUCTURE, out);
}

enum err mime_summary_preview(const struct mime_summary *s, struct span *out)
{
    return section(s, PREVIEW, out);
}

enum err mime_summary_facts(const struct mime_summary *s, struct mime_summary_facts *out)
{
    const char *p = s->bytes.p;

    *out = (struct mime_summary_facts){
        .message_size = get_le64(p + AT_SIZE),
        .header_size = get_le64(p + AT_HEADER_SIZE),
        .sent_seconds = (int64_t)get_le64(p + AT_SENT),
        .zone_minutes = (int16_t)get_le16(p + AT_ZONE),
        .has_sent = (p[AT_FLAGS] & FLAG_SENT) != 0,
        .has_attachment = (p[AT_FLAGS] & FLAG_ATTACHMENT) != 0,
        .is_crlf = (p[AT_FLAGS] & FLAG_CRLF) != 0,
        .part_count = get_le32(p + AT_PARTS),
    };
    return out->header_size <= out->message_size ? ERR_OK : ERR_CORRUPT;
}

static bool is_inside(const struct mime_entry *e, uint64_t size)
{
    return e->header_offset + e->header_size <= size && e->body_offset + e->body_size <= size;
}

static enum err table_entry(const void *context, uint32_t index, struct mime_entry *out)
{
    const struct mime_summary *s = context;
    struct span table;
    enum err r = section(s, TABLE, &table);
    size_t n = r == ERR_OK ? table.n / ENTRY_BYTES : 0;

    if (r != ERR_OK) {
        return r;
    }
    if (index >= n) {
        return ERR_CORRUPT; // mime_section checks numbers against child_count
    }
    const char *e = table.p + (size_t)index * ENTRY_BYTES;
    unsigned kind = (unsigned char)e[28], encoding = (unsigned char)e[29];
    struct mime_entry entry = {
        .header_offset = get_le32(e),
        .header_size = get_le32(e + 4),
        .body_offset = get_le32(e + 8),
        .body_size = get_le32(e + 12),
        .body_lines = get_le32(e + 16),
        .child_first = get_le32(e + 20),
        .child_count = get_le32(e + 24),
        .kind = (enum mime_kind)kind,
        .encoding = (enum mime_encoding)encoding,
    };
    bool has_good_children =
        entry.child_count == 0 || (entry.child_first > index && entry.child_first < n &&
                                   entry.child_count <= n - entry.child_first);

    if (!is_inside(&entry, get_le64(s->bytes.p + AT_SIZE)) || !has_good_children ||
        kind > MIME_MESSAGE || encoding > MIME_ENCODING_OTHER) {
        return ERR_CORRUPT;
    }
    *out = entry;
    return ERR_OK;
}

enum err mime_summary_table(const struct mime_summary *s, struct mime_table *out)
{
    struct span table;
    enum err r = section(s, TABLE, &table);

    if (r != ERR_OK) {
        return r;
    }
    if (table.n % ENTRY_BYTES || table.n / ENTRY_BYTES != get_le32(s->bytes.p + AT_PARTS)) {
        return ERR_CORRUPT;
    }
    *out = (struct mime_table){table_entry, s};
    return ERR_OK;
}

// The line at the cursor; moves on. ERR_EOF behind the last.
static enum err next_line(struct span index, struct span lines, struct mime_summary_cursor *c,
                          unsigned *out_bit, struct span *out)
{
    if (c->index >= index.n / INDEX_BYTES) {
        return ERR_EOF;
    }
    uint32_t e = get_le32(index.p + (size_t)c->index * INDEX_BYTES);
    uint32_t n = e & ((1u << INDEX_SHIFT) - 1);

    if (c->offset > lines.n || n > lines.n - c->offset) {
        return ERR_CORRUPT;
    }
    *out = span_of(lines.p + c->offset, n);
    *out_bit = e >> INDEX_SHIFT;
    c->index++;
    c->offset += n;
    return ERR_OK;
}

enum err mime_summary_fields_next(const struct mime_summary *s, mime_fields fields,
                                  struct mime_summary_cursor *cursor, struct span *out)
{
    struct span index, lines, line, run = {NULL, 0};
    size_t blank = (unsigned char)s->bytes.p[AT_BLANK];
    unsigned bit;
    enum err e = section(s, INDEX, &index);

    e = e == ERR_OK ? section(s, LINES, &lines) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (index.n % INDEX_BYTES || lines.n < blank) {
        return ERR_CORRUPT;
    }
    struct span body = span_first(lines, lines.n - blank);

    // Selected lines that are neighbours go out as one span.
    while ((e = next_line(index, body, cursor, &bit, &line)) == ERR_OK) {
        if (fields >> bit & 1) {
            run = run.n ? span_of(run.p, run.n + line.n) : line;
        } else if (run.n) {
            break;
        }
    }
    if (e == ERR_EOF && !run.n && blank && !cursor->is_done) {
        cursor->is_done = true;
        run = span_skip(lines, lines.n - blank);
    }
    if (e == ERR_CORRUPT || !run.n) {
        return e;
    }
    *out = run;
    return ERR_OK;
}

enum err mime_summary_fields(const struct mime_summary *s, mime_fields fields, struct buf *out)
{
    struct mime_summary_cursor cursor = {0};
    struct span piece;
    enum err e;

    while ((e = mime_summary_fields_next(s, fields, &cursor, &piece)) == ERR_OK) {
        buf_put(out, piece);
    }
    return e == ERR_EOF ? buf_result(out) : e;
}
