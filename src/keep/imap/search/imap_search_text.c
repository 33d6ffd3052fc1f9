// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "keep/imap/search/imap_search_internal.h"
#include "mime/mime_header.h"
#include "mime/mime_param.h"
#include "mime/mime_text.h"

#include "base/banned.h"

#define PIECE_BYTES       (64u << 10)
#define PART_HEADER_BYTES (64u << 10)
#define HEADER_BYTES      (1u << 20)
#define WINDOW_BYTES      (8u << 20)

// ---- the window ---------------------------------------------------------------------------------

void search_window_init(struct search_window *w, enum collation collation,
                        struct search_needle *needles, size_t n)
{
    *w = (struct search_window){.collation = collation, .needles = needles, .n = n};
    buf_init(&w->text, WINDOW_BYTES);
    for (size_t i = 0; i < n; i++) {
        needles[i].found = needles[i].folded.n == 0;
        w->longest = needles[i].folded.n > w->longest ? needles[i].folded.n : w->longest;
    }
}

void search_window_finish(struct search_window *w)
{
    buf_finish(&w->text);
}

void search_window_reset(struct search_window *w)
{
    buf_clear(&w->text);
}

bool search_window_is_done(const struct search_window *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (!w->needles[i].found) {
            return false;
        }
    }
    return true;
}

void search_window_feed(struct search_window *w, struct span utf8)
{
    collate(&w->text, w->collation, utf8);
    for (size_t i = 0; i < w->n; i++) {
        struct search_needle *needle = &w->needles[i];

        if (!needle->found && w->text.n >= needle->folded.n) {
            needle->found =
                memmem(w->text.p, w->text.n, needle->folded.p, needle->folded.n) != NULL;
        }
    }
    size_t keep = w->longest ? w->longest - 1 : 0;

    if (w->text.n > keep) {
        buf_consume(&w->text, w->text.n - keep);
    }
}

// ---- a message's text ---------------------------------------------------------------------------

static enum err read_bytes(struct view *v, body_id body, uint64_t offset, uint64_t size, size_t max,
                           struct buf *out)
{
    buf_clear(out);
    return size ? body_read(view_snapshot(v), body, offset, size < max ? (size_t)size : max, out)
                : ERR_OK;
}

// A header block, field by field: each on one line, decoded.
static enum err feed_header(struct view *v, body_id body, uint64_t offset, uint64_t size,
                            struct search_window *w)
{
    struct mime_field field;
    struct buf raw, text;

    buf_init(&raw, HEADER_BYTES);
    buf_init(&text, 4 * HEADER_BYTES);
    enum err e = read_bytes(v, body, offset, size, HEADER_BYTES, &raw);
    struct span rest = buf_span(&raw);

    while (!e && !search_window_is_done(w) && mime_header_next(&rest, &field)) {
        buf_clear(&text);
        buf_put(&text, field.name);
        buf_put(&text, SPAN(": "));
        mime_header_text(&text, field.body);
        search_window_reset(w);
        search_window_feed(w, buf_span(&text));
    }
    search_window_reset(w);
    buf_finish(&raw);
    buf_finish(&text);
    return e;
}

static enum err feed_decoded(struct view *v, body_id body, const struct mime_entry *entry,
                             struct mime_text *decoder, struct search_window *w)
{
    struct buf raw, text;
    uint64_t at = 0;
    enum err e = ERR_OK;

    buf_init(&raw, PIECE_BYTES);
    buf_init(&text, 16 * PIECE_BYTES);
    while (!e && at < entry->body_size && !search_window_is_done(w)) {
        e = read_bytes(v, body, entry->body_offset + at, entry->body_size - at, PIECE_BYTES, &raw);
        if (!e && !raw.n) {
            e = ERR_CORRUPT;
        }
        buf_clear(&text);
        mime_text_feed(decoder, &text, buf_span(&raw));
        at += raw.n;
        if (at >= entry->body_size) {
            mime_text_finish(decoder, &text);
        }
        search_window_feed(w, buf_span(&text));
    }
    search_window_reset(w);
    buf_finish(&raw);
    buf_finish(&text);
    return e;
}

// What mime_text needs to know of a part stands in the part's own header.
static enum err feed_part(struct view *v, body_id body, const struct mime_entry *entry,
                          struct search_window *w)
{
    struct mime_part part = {.kind = MIME_TEXT, .encoding = entry->encoding};
    struct mime_text *decoder;
    struct arena arena;
    struct span type = {0};
    struct buf header;

    arena_init(&arena, 4 * PART_HEADER_BYTES);
    buf_init(&header, PART_HEADER_BYTES);
    enum err e =
        read_bytes(v, body, entry->header_offset, entry->header_size, PART_HEADER_BYTES, &header);
    struct span field = mime_header_get(buf_span(&header), SPAN("Content-Type"));

    if (!e && field.p) {
        mime_param_parse(&arena, field, &type, &part.params);
    }
    part.subtype = span_skip(type, span_find_byte(type, '/') + 1);
    e = e ? e : mime_text_create(&part, &decoder);
    if (!e) {
        e = feed_decoded(v, body, entry, decoder, w);
        mime_text_destroy(decoder);
    }
    buf_finish(&header);
    arena_finish(&arena);
    return e;
}

static enum err feed_entry(struct view *v, body_id body, struct mime_table table,
                           const struct mime_entry *entry, struct search_window *w)
{
    struct mime_entry inner;

    if (entry->kind == MIME_TEXT) {
        return feed_part(v, body, entry, w);
    }
    // A message inside: its header is text of the one around it.
    if (entry->kind == MIME_MESSAGE && entry->child_count &&
        !table.entry(table.context, entry->child_first, &inner)) {
        return feed_header(v, body, inner.header_offset, inner.header_size, w);
    }
    return ERR_OK;
}

static enum err feed_table(struct view *v, body_id body, struct mime_table table, bool with_header,
                           struct search_window *w)
{
    struct mime_entry entry;
    enum err e = ERR_OK;

    for (uint32_t i = 0; !e && !search_window_is_done(w); i++) {
        e = table.entry(table.context, i, &entry);
        if (!e && i == 0 && with_header) {
            e = feed_header(v, body, entry.header_offset, entry.header_size, w);
        }
        e = e ? e : feed_entry(v, body, table, &entry, w);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err search_message_text(struct view *v, body_id body, uint64_t bytes, bool with_header,
                             struct search_window *w)
{
    struct mime_summary summary;
    struct mime_message message;
    struct mime_table table;
    struct arena arena;
    struct span summary_bytes;
    enum err e = body_summary(view_snapshot(v), body, &summary_bytes);

    e = e ? e : mime_summary_open(summary_bytes, &summary);
    e = e ? e : mime_summary_table(&summary, &table);
    if (!e) {
        return feed_table(v, body, table, with_header, w);
    }
    if (e != ERR_LIMIT && e != ERR_UNSUPPORTED && e != ERR_CORRUPT) {
        return e;
    }
    arena_init(&arena, 32u << 20);
    e = imap_fetch_reparse(v, body, bytes, &arena, &message);
    e = e ? e : feed_table(v, body, mime_section_table(&message), with_header, w);
    arena_finish(&arena);
    return e;
}
