// SPDX-License-Identifier: Apache-2.0
//
// The front of a FETCH response: what comes from the placement, and what the summary holds ready in
// wire form (ENVELOPE, BODY, BODYSTRUCTURE, PREVIEW). Always well-formed, whatever fails.
#include "keep/imap/imap_objectid.h"
#include "keep/imap/imap_place.h"
#include "keep/imap/message/imap_fetch.h"
#include "mime/mime_imap.h"
#include "mime/mime_reader.h"
#include "mime/mime_text.h"

#include "base/banned.h"

#define READ_BYTES (256u << 10)

// ---- placement ----------------------------------------------------------------------------------

static void put_date(struct buf *out, const char *name, int64_t seconds, int16_t zone)
{
    buf_put_str(out, name);
    buf_put_str(out, " \"");
    imap_date_time_write(out, (struct imap_date_time){seconds, zone});
    buf_put_byte(out, '"');
}

static void put_thread(struct buf *out, account_id owner, struct view *v, message_id message)
{
    struct message_info info;

    if (view_message(v, message, &info) || !info.thread) {
        buf_put(out, SPAN("THREADID NIL "));
        return;
    }
    buf_put(out, SPAN("THREADID ("));
    imap_objectid_write(out, owner, OBJECT_THREAD, info.thread);
    buf_put(out, SPAN(") "));
}

static void put_rare(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                     const struct placement *p)
{
    account_id owner = imap_owner(s, s->selected->account);
    struct buf *out = s->out;

    if (f->emailid) {
        buf_put(out, SPAN("EMAILID ("));
        imap_objectid_write(out, owner, OBJECT_EMAIL, p->message);
        buf_put(out, SPAN(") "));
    }
    if (f->threadid) {
        put_thread(out, owner, v, p->message);
    }
    if (f->savedate) {
        put_date(out, "SAVEDATE", p->saved, 0);
        buf_put_byte(out, ' ');
    }
}

// Each item with a blank after it; the last one is taken off in the end.
static void put_placement(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                          const struct placement *p, const struct imap_keywords *keywords)
{
    const struct imap_selected *sel = s->selected;
    struct buf *out = s->out;
    bool is_fresh = f->fresh_seen.count && uid_set_has(f->fresh_seen, p->uid);

    // With CONDSTORE the UID stands beside what was not asked for (RFC 7162 section 3.2.4).
    if (f->uid || (is_fresh && sel->condstore)) {
        imap_line_uid(out, p->uid);
        buf_put_byte(out, ' ');
    }
    if (f->flags || is_fresh) {
        imap_line_flags(out, p, sel->recent.exists && uid_map_seq(&sel->recent, p->uid), keywords);
        buf_put_byte(out, ' ');
    }
    if (f->modseq_ || (is_fresh && sel->condstore)) {
        imap_line_modseq(out, p->changed);
        buf_put_byte(out, ' ');
    }
    if (f->date) {
        put_date(out, "INTERNALDATE", p->internal_date, p->zone_minutes);
        buf_put_byte(out, ' ');
    }
    if (f->size) {
        buf_put(out, SPAN("RFC822.SIZE "));
        buf_put_u64(out, p->bytes);
        buf_put_byte(out, ' ');
    }
    put_rare(s, f, v, p);
}

// ---- summary ------------------------------------------------------------------------------------

enum err imap_fetch_reparse(struct view *v, body_id body, uint64_t bytes, struct arena *arena,
                            struct mime_message *out)
{
    struct mime_reader *reader;
    struct buf piece;
    enum err e = mime_reader_create(NULL, &reader);

    if (e) {
        return e;
    }
    buf_init(&piece, READ_BYTES);
    for (uint64_t at = 0; !e && at < bytes; at += piece.n) {
        buf_clear(&piece);
        e = body_read(view_snapshot(v), body, at, READ_BYTES, &piece);
        e = e ? e : piece.n ? mime_reader_feed(reader, buf_span(&piece)) : ERR_CORRUPT;
    }
    e = e ? e : mime_reader_finish(reader, arena, out);
    buf_finish(&piece);
    mime_reader_destroy(reader);
    return e;
}

static void put_reparsed(struct buf *out, enum imap_fetch_type type, const struct mime_message *m)
{
    struct buf text;

    switch (type) {
    case IMAP_FETCH_ENVELOPE:
        mime_imap_envelope(out, m->parts[0].header);
        break;
    case IMAP_FETCH_PREVIEW:
        buf_init(&text, 64u << 10);
        mime_text_preview(&text, m, MIME_PREVIEW_CHARS_MAX);
        imap_write_string(out, buf_span(&text), false);
        buf_finish(&text);
        break;
    default:
        mime_imap_structure(out, &m->parts[0], type == IMAP_FETCH_BODYSTRUCTURE);
        break;
    }
}

// The summary left it out, or is of another version: the message itself is read.
static enum err put_by_reparse(struct imap_session *s, enum imap_fetch_type type, struct view *v,
                               const struct placement *p)
{
    struct arena arena;
    struct mime_message m;
    size_t before = s->out->n;

    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    enum err e = imap_fetch_reparse(v, p->body, p->bytes, &arena, &m);

    if (!e) {
        put_reparsed(s->out, type, &m);
        e = buf_result(s->out);
    }
    if (e) {
        s->out->n = before;
    }
    arena_finish(&arena);
    return e;
}

static enum err get_summary(const struct mime_summary *summary, enum imap_fetch_type type,
                            struct span *out)
{
    switch (type) {
    case IMAP_FETCH_ENVELOPE:
        return mime_summary_envelope(summary, out);
    case IMAP_FETCH_BODY:
        return mime_summary_body(summary, out);
    case IMAP_FETCH_PREVIEW:
        return mime_summary_preview(summary, out);
    default:
        return mime_summary_bodystructure(summary, out);
    }
}

static enum err put_summary_item(struct imap_session *s, enum imap_fetch_type type, struct view *v,
                                 const struct placement *p, enum err opened,
                                 const struct mime_summary *summary)
{
    struct span text;
    enum err e = opened ? opened : get_summary(summary, type, &text);

    if (e == ERR_LIMIT || e == ERR_UNSUPPORTED || e == ERR_CORRUPT) {
        e = put_by_reparse(s, type, v, p);
    } else if (!e && type == IMAP_FETCH_PREVIEW) {
        imap_write_string(s->out, text, imap_is_utf8(s));
    } else if (!e) {
        buf_put(s->out, text);
    }
    if (e) {
        OUT(s, "NIL");
    }
    return e;
}

static enum err put_summary(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                            const struct placement *p)
{
    struct mime_summary summary;
    struct span bytes;
    enum err opened = body_summary(view_snapshot(v), p->body, &bytes), first = ERR_OK;

    opened = opened ? opened : mime_summary_open(bytes, &summary);
    for (size_t i = 0; i < f->summary_n; i++) {
        buf_put(s->out, f->summary_items[i].name);
        enum err e = put_summary_item(s, f->summary_items[i].item->type, v, p, opened, &summary);

        first = first ? first : e;
        buf_put_byte(s->out, ' ');
    }
    return first;
}

// ---- both ---------------------------------------------------------------------------------------

enum err imap_fetch_head(struct imap_session *s, struct imap_fetcher *f, struct view *v,
                         const struct placement *p, uint32_t seq,
                         const struct imap_keywords *keywords)
{
    if (imap_is_uid_only(s)) {
        imap_line_begin_uid(s->out, p->uid);
    } else {
        imap_line_begin(s->out, seq);
    }
    put_placement(s, f, v, p, keywords);
    if (f->summary_n && put_summary(s, f, v, p)) {
        imap_fetch_problem(f, "CORRUPTION", "A message could not be read");
    }
    // A blank separates items: the last is taken off unless sections follow.
    if (!f->section_n && s->out->n && s->out->p[s->out->n - 1] == ' ') {
        s->out->n--;
    }
    return ERR_OK;
}
