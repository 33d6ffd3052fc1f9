// SPDX-License-Identifier: Apache-2.0
//
// The sections of a FETCH response: BODY[...], RFC822, BINARY[...] and their sizes. A literal's
// size is known before its first byte, its bytes are read as ranges of the stored body, and it may
// take many steps.
#include "base/log.h"
#include "keep/imap/message/imap_fetch.h"
#include "mime/mime_header.h"
#include "mime/mime_reader.h"

#include "base/banned.h"

#define PIECE_BYTES         (64u << 10)
#define HEADER_FILTER_MAX   (1u << 20) // as far as the MIME reader interprets a header
#define REPARSE_ARENA_BYTES MIME_MESSAGE_BYTES_MAX

// ---- literals -----------------------------------------------------------------------------------

void imap_fetch_replace_nul(char *p, size_t n)
{
    for (char *end = p + n; (p = memchr(p, '\0', (size_t)(end - p))); p++) {
        *p = (char)0x80;
    }
}

static enum err read_piece(struct view *v, struct imap_fetcher *f, struct buf *out)
{
    struct imap_literal *l = &f->literal;
    size_t n = l->left < PIECE_BYTES ? (size_t)l->left : PIECE_BYTES, before = out->n;
    enum err e = body_read(view_snapshot(v), f->body, l->offset, n, out);

    if (!e && (out->failed || out->n == before)) {
        e = out->failed ? ERR_LIMIT : ERR_CORRUPT;
    }
    if (!e) {
        l->offset += out->n - before;
        l->left -= out->n - before;
    }
    return e;
}

// Of the session's own account: what others share is theirs to give.
static void count_read(struct imap_session *s, uint64_t bytes)
{
    if (s->selected->account == s->account) {
        session_meter_add(&s->meter, bytes);
    }
}

static enum err send_plain(struct imap_session *s, struct imap_fetcher *f, struct view *v)
{
    while (f->literal.left) {
        size_t before = s->out->n;

        if (imap_batch_is_full(s)) {
            return ERR_AGAIN;
        }
        enum err e = read_piece(v, f, s->out);

        if (e) {
            s->out->n = before;
            return e;
        }
        imap_fetch_replace_nul(s->out->p + before, s->out->n - before);
        count_read(s, s->out->n - before);
    }
    return ERR_OK;
}

// The next decoded bytes into `decoded`; left and offset move on.
static enum err decode_piece(struct view *v, struct imap_fetcher *f, struct imap_literal *l,
                             struct buf *decoded)
{
    buf_clear(&f->scratch);
    enum err e = read_piece(v, f, &f->scratch);

    if (e) {
        return e;
    }
    mime_decode_feed(&l->decoder, decoded, buf_span(&f->scratch));
    if (!l->left) {
        mime_decode_finish(&l->decoder, decoded);
    }
    return buf_result(decoded);
}

static enum err send_decoded(struct imap_session *s, struct imap_fetcher *f, struct view *v)
{
    struct imap_literal *l = &f->literal;

    while (l->send) {
        size_t before = s->out->n;

        if (imap_batch_is_full(s)) {
            return ERR_AGAIN;
        }
        enum err e = l->left ? decode_piece(v, f, l, s->out) : ERR_CORRUPT;

        if (e) {
            s->out->n = before;
            return e;
        }
        uint64_t got = s->out->n - before, skip = got < l->skip ? got : l->skip;
        uint64_t use = got - skip < l->send ? got - skip : l->send;

        memmove(s->out->p + before, s->out->p + before + skip, (size_t)use);
        s->out->n = before + (size_t)use;
        l->skip -= skip;
        l->send -= use;
        count_read(s, use);
    }
    return ERR_OK;
}

static enum err send_literal(struct imap_session *s, struct imap_fetcher *f, struct view *v)
{
    enum err e = f->literal.is_decoded ? send_decoded(s, f, v) : send_plain(s, f, v);

    f->in_literal = e != ERR_OK;
    return e;
}

// ---- where a section lies -----------------------------------------------------------------------

static enum err find_in_table(struct mime_table table, const struct imap_section *section,
                              struct mime_range *out)
{
    static const enum mime_section_text texts[] = {
        [IMAP_SECTION_ALL] = MIME_SECTION_ALL,
        [IMAP_SECTION_HEADER] = MIME_SECTION_HEADER,
        [IMAP_SECTION_HEADER_FIELDS] = MIME_SECTION_HEADER,
        [IMAP_SECTION_HEADER_FIELDS_NOT] = MIME_SECTION_HEADER,
        [IMAP_SECTION_TEXT] = MIME_SECTION_TEXT,
        [IMAP_SECTION_MIME] = MIME_SECTION_MIME,
    };
    struct mime_section want = {section->part, section->part_n, texts[section->text]};

    return mime_section_find(table, &want, out);
}

static enum err open_summary(struct imap_fetcher *f, struct view *v, struct mime_summary *out)
{
    struct span bytes;
    enum err e = body_summary(view_snapshot(v), f->body, &bytes);

    return e ? e : mime_summary_open(bytes, out);
}

static enum err find_by_reparse(struct imap_fetcher *f, struct view *v,
                                const struct imap_section *section, struct mime_range *out)
{
    struct arena arena;
    struct mime_message m;

    arena_init(&arena, REPARSE_ARENA_BYTES);
    enum err e = imap_fetch_reparse(v, f->body, f->bytes, &arena, &m);

    e = e ? e : find_in_table(mime_section_table(&m), section, out);
    arena_finish(&arena);
    return e;
}

enum err imap_fetch_find(struct imap_fetcher *f, struct view *v, const struct imap_section *section,
                         struct mime_range *out)
{
    struct mime_summary summary;
    struct mime_table table;

    if (!section->part_n && section->text == IMAP_SECTION_ALL) {
        *out = (struct mime_range){0, f->bytes, MIME_7BIT, MIME_LEAF};
        return ERR_OK;
    }
    enum err e = open_summary(f, v, &summary);

    e = e ? e : mime_summary_table(&summary, &table);
    e = e ? e : find_in_table(table, section, out);
    if (e == ERR_LIMIT || e == ERR_UNSUPPORTED || e == ERR_CORRUPT) {
        e = find_by_reparse(f, v, section, out);
    }
    return e;
}

// ---- kinds of section ---------------------------------------------------------------------------

// A literal of bytes as stored.
static enum err begin_plain(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                            const struct imap_fetch_item *item, struct mime_range range)
{
    if (item->partial) {
        range = mime_section_partial(range, item->offset, item->length);
    }
    imap_write_literal_head(s->out, range.size, false);
    f->literal = (struct imap_literal){.offset = range.offset, .left = range.size};
    f->in_literal = true;
    return send_literal(s, f, v);
}

// A literal of what is in the scratch buffer.
static void put_scratch(struct imap_session *s, struct imap_fetcher *f,
                        const struct imap_fetch_item *item)
{
    struct span text = buf_span(&f->scratch);

    if (item->partial) {
        text = span_skip(text, item->offset > text.n ? text.n : (size_t)item->offset);
        text = span_first(text, item->length > text.n ? text.n : (size_t)item->length);
    }
    imap_write_literal_head(s->out, text.n, false);
    size_t before = s->out->n;

    buf_put(s->out, text);
    if (!s->out->failed) {
        imap_fetch_replace_nul(s->out->p + before, text.n);
    }
}

// The fields are all popular ones of the message itself: the summary has their lines.
static bool fields_from_summary(struct imap_fetcher *f, struct view *v,
                                const struct imap_section *section)
{
    struct mime_summary summary;
    mime_fields fields = 0;

    if (section->part_n || section->text != IMAP_SECTION_HEADER_FIELDS) {
        return false;
    }
    for (size_t i = 0; i < section->field_n; i++) {
        mime_fields bit = mime_fields_bit(section->fields[i]);

        if (!bit) {
            return false;
        }
        fields |= bit;
    }
    buf_clear(&f->scratch);
    return !open_summary(f, v, &summary) && !mime_summary_fields(&summary, fields, &f->scratch);
}

enum err imap_fetch_fields(struct imap_fetcher *f, struct view *v,
                           const struct imap_section *section)
{
    struct mime_range range;
    struct buf header;

    if (fields_from_summary(f, v, section)) {
        return ERR_OK;
    }
    enum err e = imap_fetch_find(f, v, section, &range);

    if (e) {
        return e;
    }
    buf_init(&header, HEADER_FILTER_MAX);
    size_t n = range.size < HEADER_FILTER_MAX ? (size_t)range.size : HEADER_FILTER_MAX;

    e = n ? body_read(view_snapshot(v), f->body, range.offset, n, &header) : ERR_OK;
    if (!e) {
        buf_clear(&f->scratch);
        mime_header_filter(&f->scratch, buf_span(&header), section->fields, section->field_n,
                           section->text == IMAP_SECTION_HEADER_FIELDS_NOT);
        e = buf_result(&f->scratch);
    }
    buf_finish(&header);
    return e;
}

static enum err begin_fields(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                             const struct imap_fetch_item *item)
{
    enum err e = imap_fetch_fields(f, v, &item->section);

    if (!e) {
        put_scratch(s, f, item);
    }
    return e;
}

// How many bytes the range decodes to, and whether there is a NUL among them.
static enum err measure(struct imap_fetcher *f, struct view *v, struct mime_range range,
                        uint64_t *out_bytes, bool *out_nul)
{
    struct imap_literal saved = f->literal, *l = &f->literal;
    struct buf decoded;
    enum err e = ERR_OK;

    *l = (struct imap_literal){.offset = range.offset, .left = range.size};
    mime_decode_begin(&l->decoder, range.encoding);
    buf_init(&decoded, 2 * PIECE_BYTES);
    *out_bytes = 0;
    while (!e && l->left) {
        buf_clear(&decoded);
        e = decode_piece(v, f, l, &decoded);
        *out_bytes += decoded.n;
    }
    *out_nul = l->decoder.has_nul;
    buf_finish(&decoded);
    *l = saved;
    return e;
}

static enum err begin_binary(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                             const struct imap_fetch_item *item)
{
    struct mime_range range;
    uint64_t bytes;
    bool has_nul;
    enum err e = imap_fetch_find(f, v, &item->section, &range);

    if (e) {
        return e;
    }
    if (!item->section.part_n) {
        range.encoding = MIME_BINARY; // the message itself has no encoding to take off
    }
    if (range.encoding == MIME_ENCODING_OTHER) {
        return ERR_UNSUPPORTED;
    }
    e = measure(f, v, range, &bytes, &has_nul);
    if (e) {
        return e;
    }
    if (item->type == IMAP_FETCH_BINARY_SIZE) {
        buf_put_u64(s->out, bytes);
        return ERR_OK;
    }
    uint64_t skip = item->partial ? (item->offset < bytes ? item->offset : bytes) : 0;
    uint64_t send = bytes - skip;

    send = item->partial && item->length < send ? item->length : send;
    imap_write_literal_head(s->out, send, has_nul);
    f->literal = (struct imap_literal){
        .offset = range.offset, .left = range.size, .is_decoded = true, .skip = skip, .send = send};
    mime_decode_begin(&f->literal.decoder, range.encoding);
    f->in_literal = true;
    return send_literal(s, f, v);
}

static enum err begin_section(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                              const struct imap_fetch_item *item)
{
    struct imap_section section = item->section;
    struct mime_range range;

    switch (item->type) {
    case IMAP_FETCH_BINARY:
    case IMAP_FETCH_BINARY_SIZE:
        return begin_binary(s, f, v, item);
    case IMAP_FETCH_RFC822:
        section = (struct imap_section){.text = IMAP_SECTION_ALL};
        break;
    case IMAP_FETCH_RFC822_HEADER:
        section = (struct imap_section){.text = IMAP_SECTION_HEADER};
        break;
    case IMAP_FETCH_RFC822_TEXT:
        section = (struct imap_section){.text = IMAP_SECTION_TEXT};
        break;
    default:
        if (section.text == IMAP_SECTION_HEADER_FIELDS ||
            section.text == IMAP_SECTION_HEADER_FIELDS_NOT) {
            return begin_fields(s, f, v, item);
        }
        break;
    }
    enum err e = imap_fetch_find(f, v, &section, &range);

    return e ? e : begin_plain(s, f, v, item, range);
}

// ---- the message --------------------------------------------------------------------------------

// A section that could not be begun is NIL; what failed is said in the tagged answer.
static void put_nil(struct imap_session *s, struct imap_fetcher *f, size_t start, enum err e,
                    const struct imap_fetch_item *item)
{
    s->out->n = start;
    if (item->type == IMAP_FETCH_BINARY_SIZE) {
        OUT(s, "0");
    } else {
        OUT(s, "NIL");
    }
    if (e == ERR_UNSUPPORTED) {
        imap_fetch_problem(f, "UNKNOWN-CTE", "The part's encoding is not known");
    } else if (e != ERR_NOT_FOUND && e != ERR_INVALID) {
        log_error("imap: %s: a message could not be read: %s", s->user, err_name(e));
        imap_fetch_problem(f, "CORRUPTION", "A message could not be read");
    }
}

static enum err write_section(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                              const struct imap_plan_item *plan)
{
    buf_put(s->out, plan->name);
    size_t start = s->out->n;
    enum err e = begin_section(s, f, v, plan->item);

    if (e && e != ERR_AGAIN) {
        // Nothing of the literal has been sent: its head is still in the buffer.
        put_nil(s, f, start, e, plan->item);
        f->in_literal = false;
        return ERR_OK;
    }
    return e;
}

enum err imap_fetch_sections(struct imap_session *s, struct imap_fetcher *f, struct view *v)
{
    while (f->section < f->section_n) {
        enum err e;

        if (f->in_literal) {
            e = send_literal(s, f, v);
        } else {
            e = write_section(s, f, v, &f->sections[f->section]);
        }
        if (e) {
            return e;
        }
        if (++f->section < f->section_n) {
            buf_put_byte(s->out, ' ');
        }
    }
    f->is_inside = false;
    if (session_meter_is_full(&s->meter)) {
        imap_meter_tell(s);
    }
    imap_line_end(s->out);
    return ERR_OK;
}
