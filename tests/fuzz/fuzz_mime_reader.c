// SPDX-License-Identifier: Apache-2.0
//
// A message, whole and in pieces: both must give the same tree. Then all that is made of it: the
// parts must lie inside each other, the wire forms be well-formed IMAP, the summary say the same as
// the message.
// Input: a byte of options, a byte that seeds the cuts, the message.
#include "base/utf8.h"
#include "fuzz.h"
#include "mime/mime_header.h"
#include "mime/mime_imap.h"
#include "mime/mime_reader.h"
#include "mime/mime_section.h"
#include "mime/mime_summary.h"
#include "mime/mime_text.h"

static bool same(struct span a, struct span b)
{
    return (a.p == NULL) == (b.p == NULL) && span_eq(a, b);
}

static void must_be_same_params(struct mime_params a, struct mime_params b)
{
    CHECK(a.n == b.n);
    for (size_t i = 0; i < a.n; i++) {
        CHECK(same(a.list[i].name, b.list[i].name) && same(a.list[i].value, b.list[i].value));
    }
}

static void must_be_same(const struct mime_message *a, const struct mime_message *b)
{
    CHECK(a->part_count == b->part_count && a->size == b->size && a->is_limited == b->is_limited &&
          a->is_header_truncated == b->is_header_truncated);
    CHECK(same(a->plain.bytes, b->plain.bytes) && same(a->html.bytes, b->html.bytes));
    for (uint32_t i = 0; i < a->part_count; i++) {
        const struct mime_part *p = &a->parts[i], *q = &b->parts[i];

        CHECK(p->header_offset == q->header_offset && p->header_size == q->header_size);
        CHECK(p->body_offset == q->body_offset && p->body_size == q->body_size);
        CHECK(p->header_lines == q->header_lines && p->body_lines == q->body_lines);
        CHECK(p->kind == q->kind && p->encoding == q->encoding && p->depth == q->depth);
        CHECK(p->child_count == q->child_count && p->is_opaque == q->is_opaque);
        CHECK(same(p->type, q->type) && same(p->subtype, q->subtype) && same(p->id, q->id));
        CHECK(same(p->description, q->description) && same(p->header, q->header));
        must_be_same_params(p->params, q->params);
        must_be_same_params(p->disposition_params, q->disposition_params);
    }
}

static uint32_t count_lf(struct span s)
{
    uint32_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += s.p[i] == '\n';
    }
    return n;
}

static void must_be_inside(const struct mime_part *p, struct span message)
{
    CHECK(p->body_offset == p->header_offset + p->header_size);
    CHECK(p->body_offset + p->body_size <= message.n);
    struct span header = span_first(span_skip(message, p->header_offset), p->header_size);
    struct span body = span_first(span_skip(message, p->body_offset), p->body_size);

    CHECK(p->header_lines == count_lf(header) && p->body_lines == count_lf(body));
    CHECK(p->type.n && p->subtype.n);
    CHECK((p->kind == MIME_MULTIPART) <= (p->child_count > 0));
    CHECK((p->kind == MIME_MESSAGE) == (p->child_count == 1 && p->children[0].is_message_root));
    for (uint32_t i = 0; i < p->child_count; i++) {
        const struct mime_part *c = &p->children[i];

        CHECK(c->parent == p && c->depth == p->depth + 1);
        CHECK(c->header_offset >= p->body_offset);
        CHECK(c->body_offset + c->body_size <= p->body_offset + p->body_size || c->body_size == 0);
        CHECK(i == 0 || c->header_offset >= c[-1].body_offset + c[-1].body_size);
    }
}

// Skips one string, NIL or number; traps on what IMAP does not allow.
static void skip_atom(struct span *s)
{
    if (s->p[0] == '"') {
        for (*s = span_skip(*s, 1); s->n && s->p[0] != '"'; *s = span_skip(*s, 1)) {
            CHECK(s->p[0] > 0 && s->p[0] != '\r' && s->p[0] != '\n');
            if (s->p[0] == '\\') {
                *s = span_skip(*s, 1);
                CHECK(s->n && (s->p[0] == '"' || s->p[0] == '\\'));
            }
        }
        CHECK(s->n);
        *s = span_skip(*s, 1);
    } else if (s->p[0] == '{') {
        size_t close = span_find_byte(*s, '}');
        uint64_t n;

        CHECK(span_to_u64(span_first(span_skip(*s, 1), close - 1), s->n, &n));
        *s = span_skip(*s, close + 1);
        CHECK(span_starts(*s, SPAN("\r\n")) && s->n >= n + 2);
        CHECK(n == 0 || !memchr(s->p + 2, 0, n));
        *s = span_skip(*s, n + 2);
    } else {
        size_t n = 0;

        while (n < s->n && byte_is_alnum(s->p[n])) {
            n++;
        }
        CHECK(n);
        *s = span_skip(*s, n);
    }
}

static void must_be_imap(struct span s)
{
    size_t depth = 0;

    CHECK(s.n && s.p[0] == '(');
    while (s.n) {
        if (s.p[0] == '(') {
            depth++;
            s = span_skip(s, 1);
            CHECK(s.n && s.p[0] != ')' && s.p[0] != ' ');
        } else if (s.p[0] == ')') {
            CHECK(depth-- > 0);
            s = span_skip(s, 1);
        } else if (s.p[0] == ' ') {
            s = span_skip(s, 1);
            CHECK(s.n && s.p[0] != ' ' && s.p[0] != ')');
        } else {
            skip_atom(&s);
        }
    }
    CHECK(depth == 0);
}

static void use_sections(const struct mime_summary *s, const struct mime_message *m)
{
    struct mime_table table;

    if (mime_summary_table(s, &table) != ERR_OK) {
        return;
    }
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t path[3] = {i % 4, i / 4 % 4, 1};
        struct mime_section section = {path, i % 5 % 4, (enum mime_section_text)(i / 16)};
        struct mime_range a = {0}, b = {0};
        enum err ea = mime_section_find(table, &section, &a);
        enum err eb = mime_section_find(mime_section_table(m), &section, &b);

        CHECK(ea == eb && a.offset == b.offset && a.size == b.size && a.encoding == b.encoding);
        CHECK(a.offset + a.size <= m->size);
    }
}

static void use_fields(const struct mime_summary *s, const struct mime_message *m,
                       struct span message)
{
    const struct span names[] = {SPAN("From"), SPAN("To"), SPAN("Subject"), SPAN("Content-Type")};
    struct buf a, b;
    mime_fields fields = 0;

    for (size_t i = 0; i < 4; i++) {
        fields |= mime_fields_bit(names[i]);
    }
    buf_init(&a, 4 << 20);
    buf_init(&b, 4 << 20);
    enum err e = mime_summary_fields(s, fields, &a);

    mime_header_filter(&b, span_first(message, m->parts[0].header_size), names, 4, false);
    CHECK(e == ERR_LIMIT || (e == ERR_OK && span_eq(buf_span(&a), buf_span(&b))));
    buf_finish(&a);
    buf_finish(&b);
}

static void use_summary(const struct mime_message *m, struct span message)
{
    struct buf b;
    struct mime_summary s;
    struct span piece;

    buf_init(&b, 2 * MIME_SUMMARY_BYTES_MAX);
    CHECK(mime_summary_build(&b, m) == ERR_OK);
    CHECK(b.n <= MIME_SUMMARY_BYTES_MAX);
    CHECK(mime_summary_open(buf_span(&b), &s) == ERR_OK);
    if (mime_summary_envelope(&s, &piece) == ERR_OK) {
        must_be_imap(piece);
    }
    if (mime_summary_bodystructure(&s, &piece) == ERR_OK) {
        must_be_imap(piece);
    }
    if (mime_summary_body(&s, &piece) == ERR_OK) {
        must_be_imap(piece);
    }
    CHECK(mime_summary_preview(&s, &piece) == ERR_OK && utf8_is_valid(piece));
    use_sections(&s, m);
    use_fields(&s, m, message);
    buf_finish(&b);
}

static void use_text(const struct mime_part *p, struct span message)
{
    struct mime_text *t;
    struct buf out;

    if (p->kind != MIME_TEXT) {
        return;
    }
    buf_init(&out, 64 << 20);
    CHECK(mime_text_create(p, &t) == ERR_OK);
    mime_text_feed(t, &out, span_first(span_skip(message, p->body_offset), p->body_size));
    mime_text_finish(t, &out);
    mime_text_destroy(t);
    CHECK(!out.failed && utf8_is_valid(buf_span(&out)));
    buf_finish(&out);
}

static void read_in_pieces(struct span message, const struct mime_limits *limits, unsigned seed,
                           struct arena *arena, struct mime_message *out)
{
    struct mime_reader *r;

    CHECK(mime_reader_create(limits, &r) == ERR_OK);
    while (message.n) {
        seed = seed * 1103515245u + 12345u;
        size_t n = 1 + (seed >> 16) % 19;
        // A copy of its own size: reading past a piece is caught.
        struct span piece = span_first(message, n);
        char *copy = malloc(piece.n);

        memcpy(copy, piece.p, piece.n);
        CHECK(mime_reader_feed(r, span_of(copy, piece.n)) == ERR_OK);
        free(copy);
        message = span_skip(message, piece.n);
    }
    CHECK(mime_reader_finish(r, arena, out) == ERR_OK);
    mime_reader_destroy(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mime_limits limits = mime_limits_default;
    struct arena a, b;
    struct mime_message whole, cut;

    if (size < 2) {
        return 0;
    }
    if (data[0] & 1) { // small, so that limits are met
        limits = (struct mime_limits){3, 5, 8, 64 + data[0], 200, 16};
    }
    struct span message = span_of((const char *)data + 2, size - 2);

    arena_init(&a, MIME_MESSAGE_BYTES_MAX);
    arena_init(&b, MIME_MESSAGE_BYTES_MAX);
    CHECK(mime_read(message, &limits, &a, &whole) == ERR_OK);
    read_in_pieces(message, &limits, data[1], &b, &cut);
    must_be_same(&whole, &cut);
    CHECK(whole.size == message.n);
    for (uint32_t i = 0; i < whole.part_count; i++) {
        must_be_inside(&whole.parts[i], message);
        use_text(&whole.parts[i], message);
    }
    use_summary(&whole, message);
    arena_finish(&a);
    arena_finish(&b);
    return 0;
}
