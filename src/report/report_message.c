// SPDX-License-Identifier: Apache-2.0
#include "report/report_message.h"

#include "mime/mime_decode.h"
#include "mime/mime_reader.h"
#include "report/report_unpack.h"

#include "base/banned.h"

#define PIECE_BYTES    65536
#define CANDIDATES_MAX 8 // attachments that are looked into

// One attachment, while it is unpacked and read.
struct reading {
    const struct report_sink *sink;
    struct dmarc_reader *xml;
    struct buf json;
    bool is_json;
    size_t mark_n; // bytes of a UTF-8 mark in front, so far
};

// ---- what it is ---------------------------------------------------------------------------------

// Takes off blanks and a UTF-8 mark in front, in whatever pieces they come; what follows says it.
static enum err choose(struct reading *g, struct span *bytes)
{
    static const char mark[] = "\xef\xbb\xbf";

    while (bytes->n && (byte_is_space(bytes->p[0]) || bytes->p[0] == mark[g->mark_n])) {
        g->mark_n += !byte_is_space(bytes->p[0]);
        g->mark_n = g->mark_n == sizeof(mark) - 1 ? 0 : g->mark_n;
        *bytes = span_skip(*bytes, 1);
    }
    if (!bytes->n) {
        return ERR_OK;
    }
    char first = bytes->p[0];

    if (first == '<' || first == '\xfe' || first == '\xff') { // also UTF-16
        return dmarc_reader_create(g->sink, &g->xml);
    }
    g->is_json = first == '{';
    return g->is_json ? ERR_OK : ERR_NOT_FOUND;
}

static enum err on_bytes(void *arg, struct span bytes)
{
    struct reading *g = arg;
    enum err e = g->xml || g->is_json ? ERR_OK : choose(g, &bytes);

    if (e != ERR_OK || !bytes.n) {
        return e;
    }
    if (g->xml) {
        return dmarc_reader_feed(g->xml, bytes);
    }
    buf_put(&g->json, bytes);
    return buf_result(&g->json);
}

static enum err end_reading(struct reading *g, struct arena *a, struct report *out)
{
    if (g->xml) {
        return dmarc_reader_end(g->xml, a, out);
    }
    return g->is_json ? tls_report_read(buf_span(&g->json), g->sink, a, out) : ERR_NOT_FOUND;
}

// ---- one attachment -----------------------------------------------------------------------------

static enum err feed_part(const struct report_bytes *m, const struct mime_part *part,
                          struct report_unpack *u)
{
    struct mime_decoder decoder;
    struct buf raw, decoded;
    uint64_t at = part->body_offset, end = at + part->body_size;
    enum err e = ERR_OK;

    mime_decode_begin(&decoder, part->encoding);
    buf_init(&raw, PIECE_BYTES);
    buf_init(&decoded, 2 * PIECE_BYTES);
    while (at < end && e == ERR_OK) {
        size_t n = end - at < PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;

        buf_clear(&raw);
        buf_clear(&decoded);
        e = m->read(m->arg, at, n, &raw);
        if (e == ERR_OK && raw.n == 0) {
            e = ERR_CORRUPT;
        }
        at += raw.n;
        mime_decode_feed(&decoder, &decoded, buf_span(&raw));
        if (at >= end) {
            mime_decode_finish(&decoder, &decoded);
        }
        e = e == ERR_OK ? report_unpack_feed(u, buf_span(&decoded)) : e;
    }
    buf_finish(&raw);
    buf_finish(&decoded);
    return e;
}

static enum err read_part(const struct report_bytes *m, const struct mime_part *part,
                          const struct report_sink *sink, struct arena *a, struct report *out)
{
    struct reading g = {.sink = sink};
    struct report_unpack *u = NULL;
    enum err e;

    buf_init(&g.json, REPORT_JSON_BYTES_MAX);
    e = report_unpack_create(on_bytes, &g, &u);
    e = e == ERR_OK ? feed_part(m, part, u) : e;
    e = e == ERR_OK ? report_unpack_end(u) : e;
    e = e == ERR_OK ? end_reading(&g, a, out) : e;
    // A broken archive of something else is none of ours, either.
    if (e == ERR_INVALID && !g.xml && !g.is_json) {
        e = ERR_NOT_FOUND;
    }
    report_unpack_destroy(u);
    dmarc_reader_destroy(g.xml);
    buf_finish(&g.json);
    return e;
}

// ---- the message --------------------------------------------------------------------------------

static enum err read_tree(const struct report_bytes *m, struct mime_reader *r, struct arena *a,
                          struct mime_message *out)
{
    struct buf piece;
    uint64_t at = 0;
    enum err e = ERR_OK;

    buf_init(&piece, PIECE_BYTES);
    do {
        buf_clear(&piece);
        e = m->read(m->arg, at, PIECE_BYTES, &piece);
        at += piece.n;
        e = e == ERR_OK ? mime_reader_feed(r, buf_span(&piece)) : e;
    } while (e == ERR_OK && piece.n);
    buf_finish(&piece);
    return e == ERR_OK ? mime_reader_finish(r, a, out) : e;
}

static bool may_be_report(const struct mime_part *p)
{
    static const char *const others[] = {"image", "audio", "video"};
    bool text = span_eq_nocase(p->type, SPAN("text")) && !span_eq_nocase(p->subtype, SPAN("xml")) &&
                !p->is_attachment;

    if (p->kind == MIME_MULTIPART || p->kind == MIME_MESSAGE || p->body_size == 0 || text) {
        return false;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (span_eq_nocase(p->type, span_from_str(others[i]))) {
            return false;
        }
    }
    return true;
}

enum err report_message_read(const struct report_bytes *m, const struct report_sink *sink,
                             struct arena *a, struct report *out)
{
    struct mime_message message;
    struct mime_reader *r;
    unsigned tried = 0;
    enum err e = mime_reader_create(NULL, &r);

    if (e != ERR_OK) {
        return e;
    }
    e = read_tree(m, r, a, &message);
    mime_reader_destroy(r);
    if (e != ERR_OK) {
        return e;
    }
    e = ERR_NOT_FOUND;
    for (uint32_t i = 0; i < message.part_count && tried < CANDIDATES_MAX && e == ERR_NOT_FOUND;
         i++) {
        if (may_be_report(&message.parts[i])) {
            tried++;
            e = read_part(m, &message.parts[i], sink, a, out);
        }
    }
    return e;
}
