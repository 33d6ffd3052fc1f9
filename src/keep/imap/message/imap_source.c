// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/message/imap_source.h"

#include "wire/imap/imap_mailbox.h"

#include "base/banned.h"

#define PIECE_BYTES   (64u << 10)
#define SCRATCH_BYTES (8u << 20)

enum err imap_source_place(struct imap_session *s, const struct imap_who *who,
                           const struct imap_url *url, struct imap_place *out)
{
    struct span name;
    const char *why;
    enum err e =
        imap_mailbox_from_wire(url->mailbox, true, s->options.separator, &s->arena, &name, &why);

    e = e ? e : imap_place_open_for(s, who, name, ACL_READ, false, out, &why);
    if (!e && url->uidvalidity && url->uidvalidity != out->mailbox->uid_validity) {
        imap_place_close(out);
        e = ERR_NOT_FOUND;
    }
    return e == ERR_INVALID || e == ERR_LIMIT || e == ERR_DENIED ? ERR_NOT_FOUND : e;
}

static enum err find_message(const struct imap_place *p, uint32_t uid, struct imap_url_source *src)
{
    struct placement_scan *scan;
    struct placement placement;
    enum err e = placement_scan_open(p->view, p->mailbox->id, uid, uid, 0, &scan);

    if (!e) {
        e = placement_next(scan, &placement);
    }
    if (!e) {
        src->part.body = placement.body;
        src->part.bytes = placement.bytes;
    }
    placement_scan_close(scan);
    return e;
}

static enum err find_part(struct view *v, const struct imap_section *section,
                          struct imap_url_source *src)
{
    struct mime_range range;
    enum err e;

    src->is_scratch = section->text == IMAP_SECTION_HEADER_FIELDS ||
                      section->text == IMAP_SECTION_HEADER_FIELDS_NOT;
    if (src->is_scratch) {
        e = imap_fetch_fields(&src->part, v, section);
        src->left = src->part.scratch.n;
    } else {
        e = imap_fetch_find(&src->part, v, section, &range);
        src->offset = e ? 0 : range.offset;
        src->left = e ? 0 : range.size;
    }
    return e == ERR_INVALID ? ERR_NOT_FOUND : e;
}

static void cut(struct imap_url_source *src, const struct imap_url *url)
{
    uint64_t skip = url->offset < src->left ? url->offset : src->left;

    if (url->has_partial) {
        src->offset += skip;
        src->left -= skip;
        src->left = url->length && url->length < src->left ? url->length : src->left;
    }
}

enum err imap_source_open(const struct imap_place *p, const struct imap_url *url,
                          struct imap_url_source *out)
{
    *out = (struct imap_url_source){.account = p->account};
    buf_init(&out->part.scratch, SCRATCH_BYTES);
    enum err e = url->uid ? find_message(p, url->uid, out) : ERR_NOT_FOUND;

    e = e ? e : find_part(p->view, &url->section, out);
    if (!e) {
        cut(out, url);
    }
    return e;
}

void imap_source_close(struct imap_url_source *src)
{
    buf_finish(&src->part.scratch);
}

enum err imap_source_read(struct imap_url_source *src, struct view *v, uint64_t max,
                          struct buf *out)
{
    size_t n = PIECE_BYTES, before = out->n;
    enum err e = ERR_OK;

    n = src->left < n ? (size_t)src->left : n;
    n = max < n ? (size_t)max : n;
    if (src->is_scratch) {
        buf_put(out, span_first(span_skip(buf_span(&src->part.scratch), (size_t)src->offset), n));
    } else {
        e = body_read(view_snapshot(v), src->part.body, src->offset, n, out);
    }
    if (!e && (out->failed || out->n == before)) {
        e = out->failed ? ERR_LIMIT : ERR_CORRUPT;
    }
    if (!e) {
        src->offset += out->n - before;
        src->left -= out->n - before;
    }
    return e;
}
